//! A plan in words, for `plan.txt`.

use andante::adapter::{Impact, Payload};
use andante::plan::{ElementPlan, HandMade, Plan, ServiceEffect, content_digest};
use std::fmt::Write;

/// The whole answer to a dry-run.
pub fn said(planned: &Result<Plan, Vec<String>>) -> String {
    match planned {
        Err(reasons) => reasons.iter().fold("refused\n".to_string(), |text, reason| text + "  " + reason + "\n"),
        Ok(plan) => whole(plan).unwrap(),
    }
}

fn whole(plan: &Plan) -> Result<String, std::fmt::Error> {
    let mut out = String::new();
    for change in &plan.services {
        let effect = match change.effect {
            ServiceEffect::Create => "create",
            ServiceEffect::Modify => "modify",
            ServiceEffect::Delete => "delete",
            ServiceEffect::Heal => "heal",
        };
        writeln!(out, "{effect} {}", change.key)?;
    }
    writeln!(out, "class {}, {} elements change", plan.class(), plan.elements.len())?;
    for take in &plan.numbers {
        writeln!(out, "takes number {} for {} (tentative)", take.number, take.key())?;
    }
    for warning in &plan.warnings {
        writeln!(out, "warning: {warning}")?;
    }
    for element in &plan.elements {
        writeln!(out, "\n== {}: class {}, {}", element.element, element.class, effect_on_traffic(&element.impact))?;
        of(element, &mut out)?;
    }
    Ok(out)
}

fn of(element: &ElementPlan, out: &mut String) -> std::fmt::Result {
    let sends = |payload: &Payload| match payload {
        Payload::Netconf { config } => format!("{} bytes of edit-config", config.len()),
        Payload::Cli { lines } => format!("{} lines", lines.len()),
    };
    let digest = &content_digest(&element.payload)[..12];
    writeln!(out, "sends {} ({digest}), the undo {}", sends(&element.payload), sends(&element.undo))?;
    if let Some(adopted) = &element.adopted {
        let mut paths = Vec::new();
        adopted.tree.walk(&mut |path, node| {
            if node.children().is_empty() {
                paths.push(match node.value() {
                    Some(value) if !value.as_str().is_empty() => format!("{path} = {value}"),
                    _ => path.to_string(),
                });
            }
            true
        });
        paths.iter().try_for_each(|path| writeln!(out, "found and kept: {path}"))?;
    }
    element.collateral.iter().try_for_each(|path| writeln!(out, "goes along: {path}"))?;
    let three = |found: &HandMade| {
        let word = |value: &Option<String>| value.as_ref().map_or("nothing".to_string(), |value| format!("'{value}'"));
        let (recorded, actual, wanted) = (word(&found.recorded), word(&found.actual), word(&found.wanted));
        format!("{}: recorded {recorded}, actual {actual}, wanted {wanted}", found.path)
    };
    element.overwritten.iter().try_for_each(|found| writeln!(out, "overwrites {}", three(found)))?;
    element.deviations.iter().try_for_each(|found| writeln!(out, "leaves alone {}", three(found)))?;
    if element.simulated_only {
        writeln!(out, "simulated only")?;
    }
    out.push_str(&element.text);
    Ok(())
}

fn effect_on_traffic(impact: &Impact) -> String {
    match impact {
        Impact::Hitless => "hitless".into(),
        Impact::ResetsSession(which) => format!("resets a session: {which}"),
        Impact::DropsTraffic => "drops traffic".into(),
    }
}
