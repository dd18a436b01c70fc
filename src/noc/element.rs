//! `element …`: the inventory, what is known of each, and what they write in their own way.

use super::Tools;
use super::arguments::{ElementVerb, RewriteArguments, RewriteVerb};
use super::failure::{Exit, Failure};
use super::paint::clean;
use super::plan::{all, said};
use super::reports;
use super::verbs::{Noc, encoded};
use crate::domain::Element;
use serde_json::{Map, Value, json};
use std::path::PathBuf;

impl Noc {
    pub(super) async fn element(&self, verb: &ElementVerb, tools: &Tools) -> Result<Exit, Failure> {
        match verb {
            ElementVerb::List => {
                let reply = self.client.get("/andante:elements").await?;
                self.show(&reply, |body, noc| {
                    reports::elements(all(&body["andante:elements"], "element"), noc.now(), noc.paint)
                })
            }
            ElementVerb::Show { name } => {
                let reply = self.client.get(&format!("/andante:elements/element={}", encoded(name))).await?;
                self.show(&reply, |body, noc| {
                    all(body, "andante:element").iter().map(|one| reports::sheet(one, noc.paint)).collect()
                })
            }
            ElementVerb::Probe { name, trust } => {
                let reply = self.call("probe", json!({ "element": name, "trust": trust })).await?;
                self.show(&reply, |body, noc| {
                    let output = &body["andante:output"];
                    let state = said(output, "host-key-state");
                    let advice = match state.as_str() {
                        "unknown" => {
                            format!("compare the key with what {name} itself says, then run it again with --trust\n")
                        }
                        "changed" => {
                            format!("ANOTHER KEY IS PINNED: nothing is sent to {name} until you know why it changed\n")
                        }
                        _ => String::new(),
                    };
                    format!("{}{}", reports::sheet(output, noc.paint), noc.paint.care(&advice))
                })?;
                let output = &reply.body["andante:output"];
                Ok(if output["reachable"] == true { Exit::Done } else { Exit::Refused })
            }
            ElementVerb::Apply { file, partial } => {
                let elements =
                    (tools.read_elements)(file).map_err(|why| Failure::Usage(format!("{}: {why}", file.display())))?;
                let elements: Vec<Value> = elements.iter().map(inventory).collect();
                let reply = self.call("apply-elements", json!({ "element": elements, "partial": partial })).await?;
                self.show(&reply, |body, noc| match body {
                    Value::Null => "the inventory is so already\n".into(),
                    _ => reports::sheet(&body["andante:output"], noc.paint),
                })
            }
            ElementVerb::Config { name } => {
                let reply = self.call("element-config", json!({ "element": name })).await?;
                self.show(&reply, |body, _| {
                    let text = clean(body["andante:output"]["config"].as_str().unwrap_or_default());
                    format!("{}\n", text.trim_end())
                })
            }
            ElementVerb::Rewrite(verb) => self.rewrite(verb).await,
            ElementVerb::Check { names } => {
                let input = if names.is_empty() { json!({}) } else { json!({ "element": names }) };
                let reply = self.call("check-sync", input).await?;
                let found = all(&reply.body["andante:output"], "element");
                self.show(&reply, |_, noc| reports::checks(found, noc.now(), noc.paint))?;
                // An element that was not seen as it should be is a difference too.
                let fine = |one: &&Value| all(one, "deviation").is_empty() && said(one, "sync-state") == "in-sync";
                Ok(if found.iter().all(|one| fine(&one)) { Exit::Done } else { Exit::Differences })
            }
        }
    }

    async fn rewrite(&self, verb: &RewriteVerb) -> Result<Exit, Failure> {
        let asked = |action: &str, given: &RewriteArguments| {
            let mut input = json!({ "element": given.element, "path": given.path, "action": action });
            for (name, value) in [("sent", &given.sent), ("says", &given.says)] {
                if let Some(value) = value {
                    input[name] = value.clone().into();
                }
            }
            if given.all_entries {
                input["all-entries"] = true.into();
            }
            input
        };
        match verb {
            RewriteVerb::List { element } => {
                let reply = self.client.get("/andante:rewrites").await?;
                self.show(&reply, |body, noc| {
                    let facts = all(&body["andante:rewrites"], "rewrite");
                    let of = |fact: &&Value| element.as_ref().is_none_or(|name| said(fact, "element") == *name);
                    reports::rewrites(facts.iter().filter(of), noc.now())
                })
            }
            RewriteVerb::Confirm(given) => {
                let reply = self.call("rewrite", asked("confirm", given)).await?;
                self.show(&reply, |body, noc| {
                    let output = &body["andante:output"];
                    let mut out = reports::rewrites(all(output, "rewrite"), noc.now());
                    for doubt in all(output, "warning").iter().filter_map(Value::as_str) {
                        out.push_str(&format!("{}\n", noc.paint.care(&format!("warning: {doubt}"))));
                    }
                    out
                })
            }
            RewriteVerb::Forget(given) => {
                let reply = self.call("rewrite", asked("forget", given)).await?;
                self.show(&reply, |body, noc| {
                    let facts = reports::rewrites(all(&body["andante:output"], "rewrite"), noc.now());
                    format!("{facts}forgotten: these values differ again\n")
                })
            }
        }
    }
}

/// An element of an inventory file as input of `apply-elements`.
fn inventory(element: &Element) -> Value {
    let mut entry = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            entry.insert(name.into(), value);
        }
    };
    let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string().into());
    put("name", Some(element.name.clone().into()));
    put("ne-id", element.ne_id.clone().map(Into::into));
    put("adapter", Some(element.adapter.clone().into()));
    put("address", Some(element.address.clone().into()));
    put("username", Some(element.username.clone().into()));
    put("private-key", path(&element.private_key));
    put("password-file", path(&element.password_file));
    put("host-key", element.host_key.clone().map(Into::into));
    put("router-id", element.router_id.map(|id| id.to_string().into()));
    put("asn", element.asn.map(Into::into));
    put("site", element.site.clone().map(Into::into));
    put("protected", (!element.protected.is_empty()).then(|| element.protected.clone().into()));
    put("one-session", element.one_session.then(|| true.into()));
    let ports =
        element.ports.iter().map(|port| json!({ "name": port.name, "role": port.role, "exclude": port.exclude }));
    put("port", (!element.ports.is_empty()).then(|| ports.collect()));
    let facts = element.facts.iter().map(|(name, value)| json!({ "name": name, "value": value }));
    put("fact", (!element.facts.is_empty()).then(|| facts.collect()));
    entry.into()
}
