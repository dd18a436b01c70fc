//! The judge: looks at the elements and at the record, never at what the daemon believes.

use crate::Domain;
use crate::element::{Call, Fault};
use crate::plans::{found, vlan_path, wanted};
use andante::domain::Outcome;
use andante::plan::{ElementPlan, matches_at};
use andante::tree::{ConfigTree, Path, Step};
use std::collections::BTreeSet;
use std::fmt;

/// What happened in a run, as far as the judge has to know it.
#[derive(Clone, Debug, Default)]
pub struct Story {
    pub faults: Vec<(String, Call, Fault)>,
    pub told: Option<Outcome>,
    pub power_lost: bool,
}

impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "faults {:?}, told {:?}, power lost {}", self.faults, self.told, self.power_lost)
    }
}

impl Story {
    pub fn add(&mut self, element: &str, call: Call, fault: Fault) {
        self.faults.push((element.into(), call, fault));
    }

    /// Somebody else may have put a value of his own at the VLAN of ge1.
    fn meddled(&self, element: &str) -> bool {
        let at = |(name, _, fault): &(String, Call, Fault)| {
            name == element && matches!(fault, Fault::HumanOnPath | Fault::Rewrite)
        };
        self.faults.iter().any(at)
    }

    /// The laws. `Err` = the first that is broken.
    pub fn judge(&self, domain: &Domain) -> Result<(), String> {
        let record = domain.record();
        let Some(outcome) = record.as_ref().map(|record| record.outcome.clone()) else {
            // Nothing of it was ever durable: then nothing was ever sent.
            return self.all(domain, Side::Before);
        };
        let Some(outcome) = outcome else { return Err("the record has no outcome".into()) };
        if self.told == Some(Outcome::Applied) && outcome != Outcome::Applied {
            return Err(format!("a decision is lost: told applied, now {outcome:?}"));
        }
        if matches!(self.told, Some(Outcome::NotApplied { .. })) && outcome == Outcome::Applied {
            return Err("told not applied, now applied".into());
        }
        for (name, element) in &domain.elements {
            let of = plan_of(domain, name);
            let detail = record.as_ref().and_then(|record| record.elements.get(name)?.detail.clone());
            let excused = detail.is_some_and(|text| text.contains("candidate not emptied"));
            let left: Vec<_> =
                element.leftovers().into_iter().filter(|what| !(excused && *what == "a dirty candidate")).collect();
            let open = matches!(&outcome, Outcome::Unresolved { elements, .. } if elements.contains(name));
            if !left.is_empty() && !open {
                return Err(format!("{name} keeps {left:?}"));
            }
            outside(of, &element.running()).map_err(|what| format!("{name}: {what}"))?;
        }
        match &outcome {
            Outcome::Applied => self.all(domain, Side::After),
            Outcome::NotApplied { .. } => self.all(domain, Side::Before),
            Outcome::Unresolved { elements, .. } => {
                let known: BTreeSet<&String> = elements.iter().collect();
                if let Some(name) = elements.iter().find(|name| !self.meddled(name)) {
                    return Err(format!("{name} is unresolved for ever, although every fault passed"));
                }
                // The others stand together on one side.
                let others = |side| {
                    domain
                        .elements
                        .keys()
                        .filter(|name| !known.contains(name))
                        .try_for_each(|name| self.one(domain, name, side))
                };
                others(Side::Before).or_else(|_| others(Side::After))
            }
        }
    }

    fn all(&self, domain: &Domain, side: Side) -> Result<(), String> {
        domain.elements.keys().try_for_each(|name| self.one(domain, name, side))
    }

    fn one(&self, domain: &Domain, name: &str, side: Side) -> Result<(), String> {
        let of = plan_of(domain, name);
        let running = domain.elements[name].running();
        let expected = if side == Side::Before { &of.before } else { &of.after };
        let vlan = vlan_path("ge1");
        let wrong =
            of.touched().find(|path| !(matches_at(&running, expected, path) || **path == vlan && self.meddled(name)));
        match wrong {
            None => Ok(()),
            Some(path) => {
                Err(format!("{name} is not {side:?}: {path} reads {:?}", running.at(path).map(|n| n.value())))
            }
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Before,
    After,
}

fn plan_of<'a>(domain: &'a Domain, name: &str) -> &'a ElementPlan {
    domain.plan.elements.iter().find(|of| of.element == name).unwrap()
}

/// Nothing outside the plan differs from what was found, a person's note aside.
fn outside(of: &ElementPlan, running: &ConfigTree) -> Result<(), String> {
    let note = vlan_path("ge2").parent().unwrap().child(Step::single(crate::plans::q("note")));
    let cut =
        |tree: &ConfigTree| of.touched().fold(tree.clone(), |tree, path: &Path| tree.without(path)).without(&note);
    let (is, was) = (cut(running), cut(&found()));
    if is == was {
        return Ok(());
    }
    Err(format!("changed outside the plan: {:?}", andante::tree::diff(&was, &is).edits))
}

/// The trees of the story differ, or nothing would be proved.
#[test]
fn before_and_after_differ() {
    assert_ne!(found(), wanted(&found(), "200"));
}
