//! What an element writes in its own way: the facts that operators confirm, and where a reading is read by them.
//!
//! Flow: every reading passes [`as_meant`] before it is compared: a look of the loop, heal, the planner. A plan takes the
//! facts along that it stands on ([`heard`]), so the transaction and its recovery read the element as the planner did.
//!
//! Guarantees: only a person adds a fact, with audit; a confirmed or forgotten fact is looked at once, so a deviation goes or
//! comes back right away; plans made before are planned again.

use super::Controller;
use super::desk::not_found;
use super::failure::Failure;
use super::model::Model;
use crate::domain::outcome::Outcome;
use crate::domain::{
    DeviationKind, Echo, Event, Fault, FaultTag, Principal, Rewrite, Verb, authorize, echoes, read_as,
};
use crate::plan::{ElementPlan, content_digest};
use crate::store::{Batch, Table};
use crate::tree::{ConfigTree, Key, Node, Path, SchemaKind, Step};
use std::collections::{BTreeSet, HashSet};

/// What is confirmed.
#[derive(Clone, Debug, Default)]
pub struct RewriteAsked {
    /// Which element.
    pub element: String,
    /// A printed path of a leaf or leaf-list.
    pub path: String,
    /// What is sent; `None` = as the open deviation or the last failed read-back at the path says.
    pub sent: Option<String>,
    /// What the element says then; `None` likewise.
    pub says: Option<String>,
    /// The keys of the path do not count.
    pub all_entries: bool,
}

impl Controller {
    /// All facts, or those of one element.
    pub async fn rewrites(&self, principal: &Principal, element: Option<&str>) -> Result<Vec<Rewrite>, Failure> {
        authorize(principal, Verb::Read, element.unwrap_or("rewrites"))?;
        let model = self.model();
        if let Some(element) = element
            && model.inventory.get(element).is_none()
        {
            return Err(not_found(element));
        }
        let of = model.rewrites.iter().filter(|(name, _)| element.is_none_or(|element| element == name.as_str()));
        Ok(of.flat_map(|(_, facts)| facts.values().cloned()).collect())
    }

    /// Takes a fact, and looks at the element again. Answers the fact.
    pub async fn confirm_rewrite(&self, principal: &Principal, asked: &RewriteAsked) -> Result<Rewrite, Failure> {
        authorize(principal, Verb::Confirm, &asked.element)?;
        let pass = self.gate.enter(BTreeSet::from([format!("element {}", asked.element)])).await;
        let model = self.model();
        let path = self.rewritten_path(&model, &asked.element, &asked.path)?;
        let (sent, says) = self.pair(&model, principal, asked, &path).await?;
        if sent == says {
            return Err(wrong(&asked.path, format!("'{sent}' and '{says}' are equal already")));
        }
        let id = content_digest(&(&asked.element, &path, asked.all_entries, &sent, &says))[..16].to_string();
        let fact = Rewrite {
            id,
            element: asked.element.clone(),
            path,
            all_entries: asked.all_entries,
            sent,
            says,
            by: principal.user.clone(),
            ticket: principal.ticket.clone(),
            since: self.parts.ambient.now(),
        };
        let mut batch = Batch::default();
        batch.put(Table::Rewrites, &fact_key(&fact), &fact)?;
        self.noted(&mut batch, principal, "confirm-rewrite", &fact);
        self.commit_batch(batch).await?;
        drop(pass);
        // A transaction that took the value for somebody else's is waiting to be tried again.
        self.recovery.hurry();
        self.look_again(principal, &asked.element).await;
        Ok(fact)
    }

    /// What speaks against a fact: nothing that was read back after a write of ours had this value, so it may be a hand's.
    /// Ask before it is confirmed: the deviation it explains goes with it.
    pub async fn doubt_of(&self, principal: &Principal, asked: &RewriteAsked) -> Result<Option<String>, Failure> {
        authorize(principal, Verb::Read, &asked.element)?;
        let model = self.model();
        let path = self.rewritten_path(&model, &asked.element, &asked.path)?;
        let (sent, says) = self.pair(&model, principal, asked, &path).await?;
        // At whichever place: it writes so.
        let echoed = self.echoes_of(principal, &asked.element).await?;
        if echoed.iter().any(|(_, known, echo)| *known == sent && *echo == says) {
            return Ok(None);
        }
        let element = &asked.element;
        let mut doubt = format!(
            "{element} has not been heard to answer '{says}' to a write of '{sent}': if somebody wrote '{says}' there by hand, \
             it is no longer seen as a change. To take it back: andante element rewrite forget {element} \"{path}\""
        );
        let recorded = model.recorded_on(element);
        if recorded.at(&path).and_then(Node::value).is_some_and(|value| value.as_str() == sent) {
            doubt.push_str(&format!("; the last verified transaction did read '{sent}' there"));
        }
        Ok(Some(doubt))
    }

    /// What was sent to an element and read back otherwise lately, the newest first: where, what, how it answered.
    async fn echoes_of(&self, principal: &Principal, element: &str) -> Result<Vec<(String, String, String)>, Failure> {
        let mut known = Vec::new();
        for record in self.transactions_page(principal, None, LATELY).await? {
            let (Some(Outcome::NotApplied { cause }) | Some(Outcome::Unresolved { cause, .. })) = record.outcome else {
                continue;
            };
            let here = cause.element.as_deref() == Some(element);
            if let (true, Some(path), Some(sent), Some(says)) = (here, cause.path, cause.sent, cause.says) {
                known.push((path, sent, says));
            }
        }
        Ok(known)
    }

    /// Takes facts back, and looks at the element again. Answers what is forgotten: all facts at the path, or those with
    /// the given values.
    pub async fn forget_rewrite(&self, principal: &Principal, asked: &RewriteAsked) -> Result<Vec<Rewrite>, Failure> {
        authorize(principal, Verb::Confirm, &asked.element)?;
        let pass = self.gate.enter(BTreeSet::from([format!("element {}", asked.element)])).await;
        let model = self.model();
        if model.inventory.get(&asked.element).is_none() {
            return Err(not_found(&asked.element));
        }
        // A fact can be forgotten when its path is unknown to the schema by now.
        let path = self.rewritten_path(&model, &asked.element, &asked.path).ok();
        let meant = |fact: &&Rewrite| {
            let at = fact.id == asked.path
                || fact.path.to_string() == asked.path.trim()
                || path.as_ref().is_some_and(|path| fact.is_about(path));
            let fits = |given: &Option<String>, own: &String| given.as_ref().is_none_or(|given| given == own);
            at && fits(&asked.sent, &fact.sent) && fits(&asked.says, &fact.says)
        };
        let facts = model.rewrites.get(&asked.element).into_iter().flat_map(|facts| facts.values());
        let gone: Vec<Rewrite> = facts.filter(meant).cloned().collect();
        if gone.is_empty() {
            return Err(Failure::NotFound {
                what: format!("a confirmed rewrite on {} at {}", asked.element, asked.path),
            });
        }
        let mut batch = Batch::default();
        for fact in &gone {
            batch.delete(Table::Rewrites, &fact_key(fact));
            self.noted(&mut batch, principal, "forget-rewrite", fact);
        }
        self.commit_batch(batch).await?;
        drop(pass);
        self.look_again(principal, &asked.element).await;
        Ok(gone)
    }

    /// The two values of a fact: as given, or as an open deviation or the last failed read-back at this path has them.
    async fn pair(
        &self,
        model: &Model,
        principal: &Principal,
        asked: &RewriteAsked,
        path: &Path,
    ) -> Result<(String, String), Failure> {
        if let (Some(sent), Some(says)) = (&asked.sent, &asked.says) {
            let read = |text: &str| self.value_at(model, &asked.element, path, text);
            return Ok((read(sent)?, read(says)?));
        }
        let printed = path.to_string();
        let mut known: Vec<(String, String)> = Vec::new();
        let here = |element: &str, at: &str| element == asked.element && at == printed;
        for found in model.deviations_of(&asked.element).filter(|found| found.kind == DeviationKind::Changed) {
            if here(&found.element, &found.path)
                && let (Some(wanted), Some(actual)) = (&found.wanted, &found.actual)
            {
                known.push((wanted.clone(), actual.clone()));
            }
        }
        let echoes = self.echoes_of(principal, &asked.element).await?.into_iter();
        known.extend(echoes.filter(|(path, ..)| *path == printed).map(|(_, sent, says)| (sent, says)));
        let fits = |given: &Option<String>, own: &String| given.as_ref().is_none_or(|given| given == own);
        known.into_iter().find(|(sent, says)| fits(&asked.sent, sent) && fits(&asked.says, says)).ok_or_else(|| {
            let message = "no open deviation and no failed read-back is known here; give both values, sent and says";
            wrong(&asked.path, message.into())
        })
    }

    /// The path of a leaf, or of a leaf-list without member.
    fn rewritten_path(&self, model: &Model, element: &str, text: &str) -> Result<Path, Failure> {
        let adapter = self.adapter_of(model, element)?;
        let schema =
            adapter.schema().ok_or_else(|| Failure::Internal(format!("{element}: its schema is not known")))?;
        let mut steps = schema.locate(text).map_err(|what| wrong(text, what))?.steps().to_vec();
        if let Some(last) = steps.last_mut()
            && matches!(last.key, Key::Member(_))
        {
            *last = Step::single(last.name.clone());
        }
        let path = Path::new(steps);
        match schema.resolve(&path).map(|id| schema.node(id).kind) {
            Some(SchemaKind::Leaf | SchemaKind::LeafList { .. }) => Ok(path),
            _ => Err(wrong(text, "is neither a leaf nor a leaf-list; only values are rewritten".into())),
        }
    }

    /// A value as it stands in trees.
    fn value_at(&self, model: &Model, element: &str, path: &Path, text: &str) -> Result<String, Failure> {
        let adapter = self.adapter_of(model, element)?;
        let node = adapter.schema().and_then(|schema| schema.resolve(path).map(|id| schema.node(id)));
        let ty = node.and_then(|node| node.ty.as_ref().map(|ty| (ty, node.name.module.as_str())));
        match ty.map(|(ty, module)| ty.value(module, text)) {
            Some(Ok(value)) => Ok(value.as_str().to_owned()),
            // An element may say what its own schema does not allow.
            Some(Err(_)) | None => Ok(text.to_owned()),
        }
    }

    async fn look_again(&self, principal: &Principal, element: &str) {
        if let Err(failure) = self.check(principal, element).await {
            tracing::info!(element, %failure, "a rewrite was taken or taken back, but the element cannot be looked at");
        }
    }

    fn noted(&self, batch: &mut Batch, principal: &Principal, action: &str, fact: &Rewrite) {
        let entries = if fact.all_entries { " (all entries)" } else { "" };
        let target = format!("{} {}{entries}", fact.element, fact.path);
        self.audited(batch, principal, action, &target, &format!("'{}' is written as '{}'", fact.sent, fact.says));
        let content = serde_json::json!({ "id": fact.id, "element": fact.element, "path": fact.path.to_string() });
        batch.events.push(Event { at: self.parts.ambient.now(), kind: action.into(), content });
    }
}

/// A reading as it is meant, where `views` is expected, the candidate first, what was recorded last.
pub(super) fn as_meant(model: &Model, element: &str, reading: &ConfigTree, views: &[&ConfigTree]) -> ConfigTree {
    match model.rewrites.get(element) {
        None => reading.clone(),
        Some(facts) => read_as(reading, &echoes(facts.values(), views, Some(reading))),
    }
}

/// The facts that a plan stands on: those heard in the reading where the plan depends on it, and those that its own values
/// will meet.
pub(super) fn heard(model: &Model, plan: &ElementPlan, reading: &ConfigTree, views: &[&ConfigTree]) -> Vec<Echo> {
    let Some(facts) = model.rewrites.get(&plan.element) else { return Vec::new() };
    let depends: HashSet<&Path> = plan.read_set.iter().map(|entry| &entry.path).collect();
    let within = |path: &Path| {
        let mut at = Some(path.clone());
        std::iter::from_fn(|| {
            let here = at.take()?;
            at = here.parent();
            Some(here)
        })
        .any(|at| depends.contains(&at))
    };
    let mut found: BTreeSet<Echo> = echoes(facts.values(), &[&plan.after, &plan.before], None).into_iter().collect();
    found.extend(echoes(facts.values(), views, Some(reading)).into_iter().filter(|echo| within(&echo.path)));
    found.into_iter().collect()
}

/// How the element writes what stands at a path, as confirmed.
pub(super) fn written_as(model: &Model, element: &str, path: &Path) -> Vec<String> {
    let facts = model.rewrites.get(element).into_iter().flat_map(|facts| facts.values());
    facts.filter(|fact| fact.is_about(path)).map(|fact| fact.says.clone()).collect()
}

pub(super) fn fact_key(fact: &Rewrite) -> String {
    format!("{}/{}", fact.element, fact.id)
}

/// How many transactions are looked through for values that were read back otherwise.
const LATELY: usize = 1000;

fn wrong(path: &str, message: String) -> Failure {
    Failure::Document(vec![Fault { path: path.into(), tag: FaultTag::InvalidValue, app_tag: None, message }])
}
