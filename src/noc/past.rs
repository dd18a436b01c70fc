//! What has been, and what did not end: `service history`, `service rollback`, `transaction undo`, `transaction resolve`.

use super::arguments::{Consent, HistoryArguments, Mode, ResolveArguments, Revisions};
use super::client::Reply;
use super::failure::{Exit, Failure};
use super::paint::{Paint, clean, table, when};
use super::plan::{self, all, said};
use super::reports;
use super::verbs::{Noc, put};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use std::fmt::Write;

impl Noc {
    pub(super) async fn history(&self, given: &HistoryArguments) -> Result<Exit, Failure> {
        let mut input = named(&given.id);
        let list = match given.diff {
            Some(Revisions { from, to: None }) => {
                let all_of_it = self.call("service-history", input.clone().into()).await?;
                let newest =
                    all(&all_of_it.body["andante:output"], "revision").first().map(|one| said(one, "revision"));
                input.insert("compare-with".into(), from.to_string().into());
                input.insert("revision".into(), newest.unwrap_or_default().into());
                false
            }
            Some(Revisions { from, to: Some(to) }) => {
                input.insert("compare-with".into(), from.to_string().into());
                input.insert("revision".into(), to.to_string().into());
                false
            }
            None => match given.show {
                Some(revision) => {
                    input.insert("revision".into(), revision.to_string().into());
                    false
                }
                None => true,
            },
        };
        let reply = self.call("service-history", input.into()).await?;
        self.show(&reply, |body, noc| {
            let output = &body["andante:output"];
            let revisions = all(output, "revision");
            if list {
                return revisions_table(revisions, noc.now(), noc.paint);
            }
            if given.diff.is_some() {
                return match output["diff"].as_str() {
                    Some(diff) if !diff.is_empty() => noc.paint.diff(diff),
                    _ => "nothing differs\n".into(),
                };
            }
            match revisions.first().and_then(|one| one["document"].as_str()) {
                Some(document) => format!("{}\n", clean(document).trim_end()),
                None => "a deletion: there is no document\n".into(),
            }
        })
    }

    pub(super) async fn rollback(
        &self,
        id: &str,
        revision: u64,
        commit: bool,
        consent: &Consent,
    ) -> Result<Exit, Failure> {
        let mut input = named(id);
        input.insert("revision".into(), revision.to_string().into());
        consent.allows(&mut input);
        let reply = self.call("rollback", input.into()).await?;
        self.way_back(&reply, commit, consent).await
    }

    pub(super) async fn undo(
        &self,
        id: &str,
        over_later: bool,
        commit: bool,
        consent: &Consent,
    ) -> Result<Exit, Failure> {
        let mut input = Map::new();
        input.insert("transaction".into(), id.into());
        input.insert("over-later".into(), over_later.into());
        consent.allows(&mut input);
        let reply = self.call("undo", input.into()).await?;
        self.way_back(&reply, commit, consent).await
    }

    /// Shows a plan that leads back, and commits it if asked.
    async fn way_back(&self, reply: &Reply, commit: bool, consent: &Consent) -> Result<Exit, Failure> {
        let plan = &reply.body["andante:output"]["plan"];
        if !commit {
            self.show(reply, |_, noc| {
                let report = plan::report(plan, false, noc.now(), noc.paint);
                format!("{report}{}", plan::next(plan, noc.paint))
            })?;
            return Ok(if all(plan, "element").is_empty() { Exit::Done } else { Exit::Differences });
        }
        if !self.json {
            put(&format!("{}\n", plan::report(plan, false, self.now(), self.paint)))?;
        }
        self.commit(&said(plan, "id"), consent.require_class.as_deref(), &Mode::default()).await
    }

    pub(super) async fn resolve(&self, id: &str, given: &ResolveArguments) -> Result<Exit, Failure> {
        let mut input = json!({ "transaction": id });
        match given.all {
            true => input["all"] = true.into(),
            false => input["element"] = given.elements.clone().into(),
        }
        if let Some(reason) = &given.reason {
            input["reason"] = reason.clone().into();
        }
        let offer = if given.retry {
            "retry"
        } else if given.accept_actual {
            "accept-actual"
        } else {
            "force-intent"
        };
        input["offer"] = offer.into();
        if given.force_intent {
            let digest = match given.commit.as_deref() {
                Some(digest) if !digest.is_empty() => digest.to_lowercase(),
                commit => {
                    let mut look = input.clone();
                    look["dry-run"] = true.into();
                    let reply = self.call("resolve", look).await?;
                    let output = &reply.body["andante:output"];
                    let digest = said(output, "digest");
                    if commit.is_none() {
                        self.show(&reply, |_, noc| {
                            let which = if given.all { "--all".into() } else { given.elements.join(" ") };
                            let next =
                                format!("andante transaction resolve {id} {which} --force-intent --commit={digest}");
                            format!("{}\n{}\n", stand(output, true, noc.paint), noc.paint.strong(&next))
                        })?;
                        return Ok(Exit::Differences);
                    }
                    if !self.json {
                        put(&format!("{}\n", stand(output, true, self.paint)))?;
                    }
                    digest
                }
            };
            input["digest"] = digest.into();
        }
        let reply = self.call("resolve", input).await?;
        let one = &reply.body["andante:output"];
        self.show(&reply, |_, noc| reports::transaction(one, noc.now(), noc.paint))?;
        Ok(if said(one, "outcome") == "unresolved" { Exit::Unresolved } else { Exit::Done })
    }

    /// What stands on the elements of an unresolved transaction, and what can be done.
    pub(super) async fn stand(&self, id: &str) -> Result<Exit, Failure> {
        match self.call("resolve", json!({ "transaction": id })).await {
            Ok(reply) => {
                let text = stand(&reply.body["andante:output"], false, self.paint);
                put(&format!("{text}{}", offers(id)))
            }
            // It may have come to its end just now.
            Err(Failure::Refused(_)) => put("it has moved meanwhile: look again\n"),
            Err(other) => Err(other),
        }
    }
}

/// Input that names a service, from `ID` or `FACE/ID`.
fn named(id: &str) -> Map<String, Value> {
    let mut input = Map::new();
    match id.split_once('/').filter(|(face, _)| face.starts_with("ietf-")) {
        Some((face, id)) => {
            input.insert("face".into(), face.into());
            input.insert("id".into(), id.into());
        }
        None => drop(input.insert("id".into(), id.into())),
    }
    input
}

fn revisions_table(list: &[Value], now: Timestamp, paint: Paint) -> String {
    let rows = list.iter().map(|one| {
        let mark = if one["present"] == true { "present" } else { "" };
        vec![
            said(one, "revision"),
            paint.state(&said(one, "effect")),
            when(one["at"].as_str(), now),
            said(one, "author"),
            said(one, "ticket"),
            said(one, "transaction"),
            mark.into(),
        ]
    });
    table(&["revision", "effect", "when", "by", "ticket", "transaction", ""], rows.collect())
}

/// Before, after and actual of everything that is astray; with `payload` what a force would send.
fn stand(output: &Value, payload: bool, paint: Paint) -> String {
    let mut out = String::new();
    let side = said(output, "goes-to");
    let _ = writeln!(
        out,
        "it goes to {}",
        if side == "after" { "after: it is decided" } else { "before: it was not decided" }
    );
    for found in all(output, "standing") {
        let _ = writeln!(out, "\n{}  {}", paint.strong(&said(found, "element")), paint.state(&said(found, "state")));
        for (name, leaf) in [("", "detail"), ("not read: ", "unread")] {
            let text = said(found, leaf);
            if !text.is_empty() {
                let _ = writeln!(out, "  {name}{text}");
            }
        }
        let unread = found["unread"].is_string();
        for path in all(found, "path") {
            let whose = if path["foreign"] == true { paint.care("  (somebody else's)") } else { String::new() };
            let _ = writeln!(out, "  {}{whose}", said(path, "path"));
            for name in ["before", "after", "actual"] {
                let value = match path[name].as_str() {
                    Some(text) => format!("'{}'", clean(text)),
                    None if name == "actual" && unread => "not known".into(),
                    None => "nothing".into(),
                };
                let _ = writeln!(out, "    {name:<7}{value}");
            }
        }
        if payload {
            let _ = writeln!(out, "  would be sent:");
            let native = found["native"].as_str().map_or_else(|| "nothing".into(), clean);
            for line in native.lines() {
                let _ = writeln!(out, "    {line}");
            }
        }
    }
    out
}

fn offers(id: &str) -> String {
    format!(
        "\nandante transaction resolve {id} ELEMENT|--all\n  --retry           try again now (it is tried in the background anyway)\n  \
         --accept-actual   what the element has stands; nothing is sent, what differs becomes a deviation\n  \
         --force-intent    shows what would be sent over it; --commit sends it\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noc::arguments::Color;

    #[test]
    fn a_standing_says_before_after_and_actual_and_what_can_be_done() {
        let output = json!({
            "goes-to": "before", "digest": "ab",
            "standing": [
                {"element": "pe2", "state": "conflict", "detail": "left alone", "native": "vrf x\n no y\n",
                 "path": [{"path": "/frr:x", "after": "ours", "actual": "theirs\u{1b}[2J", "foreign": true}]},
                {"element": "pe3", "state": "unknown", "unread": "connection refused", "path": [{"path": "/a:b", "before": "1"}]}
            ]
        });
        let paint = Paint::new(Color::Never, false);
        let text = stand(&output, true, paint);
        for part in [
            "it goes to before",
            "pe2  conflict",
            "/frr:x  (somebody else's)",
            "before nothing",
            "after  'ours'",
            "actual 'theirs\u{fffd}[2J'",
            "    vrf x\n",
            "not read: connection refused",
            "actual not known",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        assert!(!stand(&output, false, paint).contains("would be sent"));
        for offer in ["--retry", "--accept-actual", "--force-intent"] {
            assert!(offers("0123").contains(offer));
        }
        assert_eq!(Value::from(named("ietf-l3vpn-ntw/a/b")), json!({"face": "ietf-l3vpn-ntw", "id": "a/b"}));
        assert_eq!(Value::from(named("a/b")), json!({"id": "a/b"}));
        let rows = revisions_table(
            &[json!({"revision": "2", "effect": "delete", "author": "noc"})],
            Timestamp::UNIX_EPOCH,
            paint,
        );
        assert!(rows.contains("REVISION") && rows.contains("delete"), "{rows}");
    }
}
