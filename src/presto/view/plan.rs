//! Plans as nodes (grouping `plan-content`).

use super::sheet::{Sheet, leafs};
use crate::controller::KeptPlan;
use crate::plan::{ElementPlan, HandMade, Plan, ServiceEffect};
use crate::tree::{Edit, Node, SchemaIndex};
use jiff::Timestamp;

/// All kept plans: the container `plans`.
pub fn plans(index: &SchemaIndex, kept: &[KeptPlan]) -> Option<Node> {
    let mut sheet = Sheet::at(index, &["plans"])?;
    sheet.list("plan", kept, |sheet, kept| {
        plan_content(sheet, &kept.plan, Some(kept.created), Some(kept.expires));
        sheet.leaf("author", &kept.author);
        sheet.maybe("ticket", kept.ticket.as_ref());
        sheet.maybe("purpose", kept.purpose.as_ref());
    });
    Some(sheet.into_node())
}

/// Fills in a plan; `expires` only if it is kept.
pub fn plan_content(sheet: &mut Sheet<'_>, plan: &Plan, created: Option<Timestamp>, expires: Option<Timestamp>) {
    sheet.leaf("id", &plan.id);
    sheet.maybe("created", created);
    sheet.maybe("expires", expires);
    if !plan.elements.is_empty() {
        sheet.leaf("class", plan.class());
        sheet.leaf("simulated-only", plan.elements.iter().any(|element| element.simulated_only));
    }
    sheet.list("service", &plan.services, |sheet, change| {
        sheet.leaf("face", &change.key.face);
        sheet.leaf("id", &change.key.id);
        sheet.leaf("effect", effect(change.effect));
        sheet.maybe("customer", change.wanted.values().next().map(|wanted| &wanted.service.customer));
    });
    sheet.list("element", &plan.elements, element);
    let hand_made = every(plan, |element| &element.overwritten);
    sheet.list("hand-made-change", hand_made, |sheet, (name, found)| {
        sheet.leaf("element", name);
        sheet.leaf("path", &found.path);
        sheet.maybe("recorded", found.recorded.as_ref());
        sheet.maybe("wanted", found.wanted.as_ref());
        sheet.maybe("actual", found.actual.as_ref());
    });
    let collateral =
        plan.elements.iter().flat_map(|element| element.collateral.iter().map(move |path| (element, path)));
    sheet.list("collateral", collateral, |sheet, (element, path)| {
        sheet.leaf("element", &element.element);
        sheet.leaf("path", path);
        sheet.maybe("value", element.before.at(path).and_then(|node| node.value()));
    });
    sheet.list("other-deviation", every(plan, |element| &element.deviations), |sheet, (name, found)| {
        sheet.leaf("element", name);
        sheet.leaf("path", &found.path);
    });
    sheet.list("tentative-number", &plan.numbers, |sheet, take| {
        let place = if take.place.is_empty() { String::new() } else { format!("/{}", take.place) };
        sheet.leaf("name", format!("{}/{}{place}", take.pool, take.service));
        sheet.leaf("value", take.number);
    });
    let returning = plan.elements.iter().filter_map(|element| element.adopted.as_ref().map(|claims| (element, claims)));
    let returning =
        returning.flat_map(|(element, claims)| leafs(&claims.tree).into_iter().map(move |leaf| (element, leaf)));
    sheet.list("returning-value", returning, |sheet, (element, (path, value))| {
        sheet.leaf("element", &element.element);
        sheet.leaf("path", path);
        sheet.leaf("value", value);
    });
    let resets = plan.elements.iter().filter_map(|element| {
        let (_, touches) = impact(element);
        touches.map(|session| format!("{}: resets session {session}", element.element))
    });
    let found = plan.elements.iter().flat_map(|element| element.warnings.iter().cloned());
    sheet.each("warning", plan.warnings.iter().cloned().chain(found).chain(resets));
}

fn element(sheet: &mut Sheet<'_>, plan: &ElementPlan) {
    sheet.leaf("name", &plan.element);
    sheet.leaf("class", plan.class);
    sheet.leaf("adapter", plan.adapter.split_whitespace().next().unwrap_or(&plan.adapter));
    sheet.leaf("simulated-only", plan.simulated_only);
    sheet.leaf("impact", impact(plan).0);
    sheet.leaf("native", plan.payload.native());
    sheet.leaf("diff", &plan.text);
    sheet.leaf("undo", plan.undo.native());
    sheet.each("protected", &plan.protected);
    sheet.each("check", &plan.checks);
    sheet.leaf("one-session", plan.one_session);
    sheet.list("rewrite", &plan.echoes, |sheet, echo| {
        sheet.leaf("path", &echo.path);
        sheet.leaf("sent", &echo.sent);
        sheet.leaf("says", &echo.says);
    });
    sheet.list("operation", plan.diff.edits.iter().enumerate(), |sheet, (at, edit)| {
        let (operation, before, after) = words(edit);
        sheet.leaf("index", at);
        sheet.leaf("operation", operation);
        sheet.leaf("path", edit.path());
        sheet.maybe("before", before);
        sheet.maybe("after", after);
    });
}

fn words(edit: &Edit) -> (&'static str, Option<String>, Option<String>) {
    let text = |node: &Node| node.value().map(ToString::to_string);
    match edit {
        Edit::Create { node, .. } => ("create", None, text(node)),
        Edit::Remove { node, .. } => ("delete", text(node), None),
        Edit::Set { old, new, .. } => ("modify", Some(old.to_string()), Some(new.to_string())),
        Edit::Move { .. } => ("modify", None, None),
        Edit::Replace { old, new, .. } => ("modify", text(old), text(new)),
    }
}

/// The name of the impact, and the session that is reset. Read from its stored form, which is kebab-case as the module is.
fn impact(plan: &ElementPlan) -> (String, Option<String>) {
    match serde_json::to_value(&plan.impact) {
        Ok(serde_json::Value::String(name)) => (name, None),
        Ok(serde_json::Value::Object(map)) => match map.into_iter().next() {
            Some((name, touches)) => (name, touches.as_str().map(str::to_owned)),
            None => (String::new(), None),
        },
        _ => (String::new(), None),
    }
}

fn every<'a>(plan: &'a Plan, what: impl Fn(&'a ElementPlan) -> &'a Vec<HandMade>) -> Vec<(&'a str, &'a HandMade)> {
    plan.elements
        .iter()
        .flat_map(|element| what(element).iter().map(|found| (element.element.as_str(), found)))
        .collect()
}

fn effect(effect: ServiceEffect) -> &'static str {
    match effect {
        ServiceEffect::Create => "create",
        ServiceEffect::Modify => "modify",
        ServiceEffect::Delete => "delete",
        ServiceEffect::Heal => "heal",
    }
}
