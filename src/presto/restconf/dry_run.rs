//! The body of a dry-run (grouping `dry-run-result` of module `andante`). Pure.
//!
//! `native` and `diff` have the shape that tools know from other controllers:
//! `{"dry-run-result":{"native":{"device":[{"name":"pe1","data":"…"}]}}}`; an empty list means no change.

use super::media::{self, Media, escape};
use super::query::DryRun;
use crate::plan::Plan;
use crate::presto::view::{Sheet, plan_content};
use crate::tree::patch::yang_patch;
use crate::tree::{Path, QName, SchemaIndex, Step};
use serde_json::{Value, json};
use std::fmt::Write;

/// The body; `None` = nothing changes.
pub fn body(plan: Option<&Plan>, kind: DryRun, media: Media, index: &SchemaIndex) -> String {
    match kind {
        DryRun::Native => devices("native", plan, media, |element| element.payload.native()),
        DryRun::Diff => devices("diff", plan, media, |element| element.text.clone()),
        DryRun::Patch => {
            devices("patch", plan, media, |element| format!("{:#}\n", yang_patch(&element.diff, &element.element)))
        }
        DryRun::Model => model(plan, media, index),
    }
}

fn devices(
    name: &str,
    plan: Option<&Plan>,
    media: Media,
    data: impl Fn(&crate::plan::ElementPlan) -> String,
) -> String {
    let elements = plan.map(|plan| plan.elements.as_slice()).unwrap_or_default();
    match media {
        Media::Json => {
            let list: Vec<Value> =
                elements.iter().map(|element| json!({ "name": element.element, "data": data(element) })).collect();
            let body = json!({ "dry-run-result": { name: { "device": list } } });
            format!("{body:#}\n")
        }
        Media::Xml => {
            let mut out = format!("<dry-run-result xmlns=\"{NAMESPACE}\">\n  <{name}>\n");
            for element in elements {
                let (element_name, data) = (escape(&element.element), escape(&data(element)));
                let _ = writeln!(
                    out,
                    "    <device>\n      <name>{element_name}</name>\n      <data>{data}</data>\n    </device>"
                );
            }
            let _ = writeln!(out, "  </{name}>\n</dry-run-result>");
            out
        }
    }
}

/// The whole plan, and beside it what each service asks of each element.
fn model(plan: Option<&Plan>, media: Media, index: &SchemaIndex) -> String {
    let nodes = plan.and_then(|plan| {
        let mut sheet = Sheet::at(index, &["plan", "output", "plan"])?;
        plan_content(&mut sheet, plan, None, None);
        Some(sheet.into_children())
    });
    let steps = ["plan", "output", "plan"].map(|name| Step::single(QName::new("andante", name)));
    let parent = Path::new(steps.to_vec());
    match media {
        Media::Json => {
            let text = media::print(Media::Json, &nodes.unwrap_or_default(), &parent, index);
            let mut content = serde_json::from_str::<Value>(&text).unwrap_or_else(|_| json!({}));
            unprefix(&mut content);
            if let (Value::Object(map), Some(plan)) = (&mut content, plan) {
                map.insert("element-service".into(), wanted(plan));
            }
            let body = json!({ "dry-run-result": { "model": content } });
            format!("{body:#}\n")
        }
        Media::Xml => {
            let inner = media::print(Media::Xml, &nodes.unwrap_or_default(), &parent, index);
            format!("<dry-run-result xmlns=\"{NAMESPACE}\">\n<model>\n{inner}</model>\n</dry-run-result>\n")
        }
    }
}

/// Each `ElementService` of the plan, vendor-neutral, as templates receive it.
fn wanted(plan: &Plan) -> Value {
    let mut all = Vec::new();
    for change in &plan.services {
        for (element, wanted) in &change.wanted {
            let content = serde_json::to_value(wanted).unwrap_or(Value::Null);
            all.push(json!({ "element": element, "face": change.key.face, "id": change.key.id, "content": content }));
        }
    }
    all.into()
}

/// Member names without module: the whole body belongs to one module that is not named (as `dry-run-result` itself).
fn unprefix(content: &mut Value) {
    if let Value::Object(map) = content {
        let members = std::mem::take(map);
        for (name, value) in members {
            let name = name.strip_prefix("andante:").map(str::to_owned).unwrap_or(name);
            map.insert(name, value);
        }
    }
}

const NAMESPACE: &str = "urn:andante:yang:andante";
