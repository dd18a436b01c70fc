//! Lists and single things of module `andante` as tables and sheets.

use super::paint::{Paint, clean, table, when};
use super::plan::{all, said};
use jiff::Timestamp;
use serde_json::Value;
use std::fmt::Write;

/// `element list`.
pub(super) fn elements(list: &[Value], now: Timestamp, paint: Paint) -> String {
    let rows = list.iter().map(|element| {
        vec![
            said(element, "name"),
            said(element, "adapter"),
            said(element, "address"),
            paint.state(&said(element, "class")),
            paint.state(&said(element, "sync-state")),
            said(element, "deviations"),
            when(element["last-read"].as_str(), now),
            unknown(element),
            said(element, "detail"),
        ]
    });
    listed(
        &["name", "adapter", "address", "class", "state", "deviations", "last read", "unknown", "detail"],
        rows.collect(),
        "no elements",
    )
}

/// The share of an element's nodes that its adapter does not know.
fn unknown(element: &Value) -> String {
    match (element["unknown-nodes"].as_u64(), element["nodes"].as_u64()) {
        (Some(unknown), Some(nodes)) if unknown > 0 => format!("{unknown} of {nodes}"),
        (Some(_), _) => "0".into(),
        _ => String::new(),
    }
}

/// `service list`.
pub(super) fn services(list: &[Value], now: Timestamp, paint: Paint) -> String {
    let rows = list.iter().map(|service| {
        vec![
            said(service, "id"),
            said(service, "kind"),
            said(service, "customer"),
            paint.state(&said(service, "state")),
            joined(service, "element"),
            said(service, "revision"),
            when(service["changed"].as_str(), now),
            said(service, "author"),
        ]
    });
    listed(&["id", "kind", "customer", "state", "elements", "revision", "changed", "by"], rows.collect(), "no services")
}

/// `deviation list`.
pub(super) fn deviations(list: &[Value], now: Timestamp, paint: Paint) -> String {
    if list.is_empty() {
        return format!("{}\n", paint.good("no deviations"));
    }
    let mut out = String::new();
    for found in list {
        out.push_str(&deviation(found, now, paint));
    }
    let _ = writeln!(
        out,
        "{} deviation(s); 'andante deviation heal ID' brings one back, '--element NAME' all of an element",
        list.len()
    );
    out
}

/// `deviation show`.
pub(super) fn deviation(found: &Value, now: Timestamp, paint: Paint) -> String {
    let mut out = String::new();
    let title = format!("{}  {}", said(found, "element"), said(found, "path"));
    let _ = writeln!(out, "{}  {}", paint.care(&said(found, "kind")), paint.strong(&title));
    let value = |name: &str| found[name].as_str().map_or_else(|| "nothing".into(), clean);
    let services: Vec<_> = all(found, "service").iter().map(|one| said(one, "id")).collect();
    for (name, text) in [
        ("id", said(found, "id")),
        ("recorded", value("recorded")),
        ("wanted", value("wanted")),
        ("actual", value("actual")),
        ("services", services.join(", ")),
        ("since", when(found["since"].as_str(), now)),
        ("by", said(found, "actor")),
        ("policy", said(found, "policy")),
        ("gate", said(found, "gate")),
        ("left by", said(found, "left-by")),
    ] {
        if !text.is_empty() {
            let _ = writeln!(out, "  {name:<10}{}", text.replace('\n', "\n            "));
        }
    }
    if found["kind"] == "changed" && found["wanted"].is_string() && found["actual"].is_string() {
        let (element, path) = (said(found, "element"), said(found, "path"));
        let advice = format!("if {element} only writes it so: andante element rewrite confirm {element} \"{path}\"");
        let _ = writeln!(out, "  {}", paint.faint(&advice));
    }
    out.push('\n');
    out
}

/// `transaction list`.
pub(super) fn transactions(list: &[Value], now: Timestamp, paint: Paint) -> String {
    let rows = list.iter().map(|one| {
        let outcome = one["outcome"].as_str().unwrap_or("running");
        let names: Vec<_> = all(one, "element").iter().map(|element| said(element, "name")).collect();
        vec![
            said(one, "id"),
            paint.state(outcome),
            said(one, "phase"),
            names.join(", "),
            when(one["started"].as_str(), now),
            said(one, "principal"),
            said(one, "ticket"),
        ]
    });
    listed(&["id", "outcome", "phase", "elements", "started", "by", "ticket"], rows.collect(), "no transactions")
}

/// `transaction show`, and what a commit or a heal did.
pub(super) fn transaction(one: &Value, now: Timestamp, paint: Paint) -> String {
    let mut out = String::new();
    let outcome = one["outcome"].as_str().unwrap_or("running");
    let id = [said(one, "id"), said(one, "transaction")].concat();
    let _ = writeln!(out, "{}  {}", paint.state(outcome), paint.strong(&id));
    let cause = &one["cause"];
    for (name, text) in [
        ("phase", said(one, "phase")),
        ("plan", said(one, "plan-id")),
        ("started", when(one["started"].as_str(), now)),
        ("decided", when(one["decided"].as_str(), now)),
        ("finished", when(one["finished"].as_str(), now)),
        ("due", when(one["deadline"].as_str(), now)),
        ("window", when(one["window"].as_str(), now)),
        ("request", said(one, "request-id")),
        ("queued", joined(one, "queued")),
        ("goes on", said(one, "continued-by")),
        ("by", said(one, "principal")),
        ("ticket", said(one, "ticket")),
        ("for", said(one, "summary")),
        (
            "cause",
            [said(cause, "kind"), said(cause, "element"), said(cause, "path"), said(cause, "message")]
                .join(" ")
                .trim()
                .to_owned(),
        ),
    ] {
        if !text.is_empty() {
            let _ = writeln!(out, "  {name:<10}{text}");
        }
    }
    let rows: Vec<Vec<String>> = all(one, "element")
        .iter()
        .map(|element| {
            vec![
                said(element, "name"),
                paint.state(&said(element, "class")),
                paint.state(&said(element, "state")),
                said(element, "detail"),
                joined(element, "residue"),
            ]
        })
        .collect();
    if !rows.is_empty() {
        out.push_str(&table(&["element", "class", "state", "detail", "residue"], rows));
    }
    for said_of in all(one, "resolution") {
        let reason = said_of["reason"].as_str().map(|text| format!(": {}", clean(text))).unwrap_or_default();
        let ticket = said_of["ticket"].as_str().map(|text| format!(" ({})", clean(text))).unwrap_or_default();
        let (offer, element, by) = (said(said_of, "offer"), said(said_of, "element"), said(said_of, "principal"));
        let _ = writeln!(out, "  {offer} {element} by {by}{ticket}, {}{reason}", when(said_of["at"].as_str(), now));
    }
    let accepted = all(one, "element").iter().any(|element| said(element, "state") == "accepted");
    out.push_str(match outcome {
        "applied" | "not-applied" if accepted => {
            "the accepted elements have what they have; what differs stands in 'andante deviation list'\n"
        }
        "applied" => "",
        "not-applied" => "the network is as before; the documents are as before\n",
        "unresolved" => {
            "the daemon keeps working on it; elements above that are not restored or confirmed may be neither before nor after\n"
        }
        _ => "it still runs; look again with 'andante transaction show'\n",
    });
    out
}

/// `queue list`.
pub(super) fn queue(list: &[Value], now: Timestamp, paint: Paint) -> String {
    let rows = list.iter().map(|change| {
        let what = match said(change, "revision") {
            revision if revision.is_empty() => "delete".into(),
            revision => format!("revision {revision}"),
        };
        vec![
            said(change, "element"),
            said(change, "id"),
            what,
            paint.state(&said(change, "state")),
            said(change, "policy"),
            when(change["since"].as_str(), now),
            when(change["tried"].as_str(), now),
            said(change, "principal"),
            said(change, "reason"),
        ]
    });
    listed(
        &["element", "service", "change", "state", "policy", "since", "tried", "by", "reason"],
        rows.collect(),
        "nothing waits for an element",
    )
}

/// `element rewrite list`, and what was confirmed or forgotten.
pub(super) fn rewrites<'a>(facts: impl IntoIterator<Item = &'a Value>, now: Timestamp) -> String {
    let rows = facts.into_iter().map(|fact| {
        let entries = if fact["all-entries"] == true { " (all entries)" } else { "" };
        vec![
            said(fact, "element"),
            format!("{}{entries}", said(fact, "path")),
            said(fact, "sent"),
            said(fact, "says"),
            said(fact, "by"),
            said(fact, "ticket"),
            when(fact["since"].as_str(), now),
        ]
    });
    listed(
        &["element", "path", "sent", "it says", "confirmed by", "ticket", "since"],
        rows.collect(),
        "no rewrites are confirmed: every value is compared as it stands",
    )
}

/// `why`: who claims the line, and what is wrong with it.
pub(super) fn why(claimed: &[Value], deviating: &[Value], paint: Paint) -> String {
    let mut out = if claimed.is_empty() && !deviating.is_empty() { String::new() } else { claims(claimed, paint) };
    for found in deviating {
        let id = said(found, "id");
        let title = format!("{}  deviates ({})", said(found, "path"), said(found, "kind"));
        let _ = writeln!(out, "{}", paint.care(&title));
        let value =
            |name: &str| found[name].as_str().map_or_else(|| "nothing".into(), |text| format!("'{}'", clean(text)));
        let services: Vec<_> = all(found, "service").iter().map(|one| said(one, "id")).collect();
        let whose = match services.is_empty() {
            true => String::new(),
            false => format!(" by service {}", services.join(", ")),
        };
        let _ = writeln!(out, "  wanted    {}{whose}", value("wanted"));
        let _ = writeln!(out, "  actual    {}", value("actual"));
        let _ = writeln!(out, "  see       andante deviation show {id}");
    }
    out
}

fn claims(list: &[Value], paint: Paint) -> String {
    let rows = list.iter().map(|claim| {
        vec![said(claim, "path"), said(claim, "layer"), paint.strong(&said(claim, "owner")), said(claim, "kind"), {
            let mut value = said(claim, "value");
            match joined(claim, "written-as") {
                written if written.is_empty() => {}
                written => value.push_str(&format!(" (the element writes {written}: confirmed)")),
            }
            match said(claim, "comes-back") {
                back if back.is_empty() => {}
                back => value.push_str(&format!(" (when released, {back} comes back)")),
            }
            value
        }]
    });
    listed(
        &["path", "layer", "owner", "claims", "value"],
        rows.collect(),
        "nobody claims such a line, and no deviation shows it whole: if it is there, it is the element's own, and Andante leaves it alone",
    )
}

/// `adapter list`.
pub(super) fn adapters(list: &[Value], paint: Paint) -> String {
    let rows = list.iter().map(|adapter| {
        let tried = if adapter["simulated-only"] == true { paint.care("simulated only") } else { "live".into() };
        vec![
            said(adapter, "name"),
            said(adapter, "version"),
            said(adapter, "transport"),
            joined(adapter, "function"),
            tried,
            said(adapter, "digest").chars().take(12).collect(),
        ]
    });
    listed(&["name", "version", "transport", "functions", "tried on", "digest"], rows.collect(), "no adapters")
}

/// One thing, leaf by leaf.
pub(super) fn sheet(one: &Value, paint: Paint) -> String {
    let mut out = String::new();
    for (name, value) in one.as_object().into_iter().flatten() {
        let text = match value {
            Value::Array(list) => {
                let words: Vec<_> = list.iter().map(short).collect();
                words.join(", ")
            }
            _ => said(one, name),
        };
        let _ = writeln!(out, "{:<16}{}", name, paint.state(&text));
    }
    out
}

/// `element check`.
pub(super) fn checks(list: &[Value], now: Timestamp, paint: Paint) -> String {
    let rows = list.iter().map(|one| {
        vec![
            said(one, "name"),
            paint.state(&said(one, "sync-state")),
            all(one, "deviation").len().to_string(),
            when(one["last-read"].as_str(), now),
            said(one, "detail"),
        ]
    });
    listed(&["name", "state", "deviations", "last read", "detail"], rows.collect(), "no elements")
}

fn listed(header: &[&str], rows: Vec<Vec<String>>, nothing: &str) -> String {
    if rows.is_empty() { format!("{nothing}\n") } else { table(header, rows) }
}

fn joined(value: &Value, name: &str) -> String {
    let words: Vec<_> = all(value, name).iter().map(short).collect();
    words.join(", ")
}

/// An entry in a few words: its own value, or its leafs.
fn short(value: &Value) -> String {
    match value {
        Value::String(text) => clean(text),
        Value::Object(map) => {
            let words = map.iter().map(|(name, value)| match value {
                Value::String(text) => clean(text),
                Value::Bool(true) => name.clone(),
                Value::Bool(false) => String::new(),
                other => other.to_string(),
            });
            let words: Vec<_> = words.into_iter().filter(|word| !word.is_empty()).collect();
            words.join(" ")
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noc::arguments::Color;
    use serde_json::json;

    #[test]
    fn a_line_that_deviates_is_not_said_to_be_nobodys() {
        let paint = Paint::new(Color::Never, false);
        let found = json!({"id": "5d0c", "path": "/frr:x", "kind": "changed", "wanted": "a", "actual": "b",
            "service": [{"face": "ietf-l3vpn-ntw", "id": "acme"}]});
        let text = why(&[], &[found], paint);
        for part in ["/frr:x  deviates (changed)", "'a' by service acme", "actual    'b'", "deviation show 5d0c"] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        assert!(!text.contains("nobody"), "{text}");
        assert!(why(&[], &[], paint).contains("nobody claims"));
    }

    #[test]
    fn lists_are_tables_and_empty_lists_say_so() {
        let paint = Paint::new(Color::Never, false);
        let now = "2026-11-23T00:10:00Z".parse().unwrap();
        let list = [
            json!({"name": "pe1", "adapter": "iosxr", "sync-state": "in-sync", "deviations": 0, "last-read": "2026-11-23T00:00:00Z",
                "nodes": 40, "unknown-nodes": 3}),
        ];
        let text = elements(&list, now, paint);
        assert!(
            text.contains("NAME")
                && text.contains("3 of 40")
                && text.contains("in-sync")
                && text.contains("10 min ago (2026-11-23 00:00:00Z)"),
            "{text}"
        );
        assert_eq!(services(&[], now, paint), "no services\n");
        let one = json!({"id": "t", "outcome": "not-applied", "cause": {"kind": "refused", "element": "pe2", "message": "no"},
            "element": [{"name": "pe2", "class": "D", "state": "restored", "residue": ["no vrf x"]}]});
        let text = transaction(&one, now, paint);
        for part in ["not-applied  t", "refused pe2", "restored", "no vrf x", "the network is as before"] {
            assert!(text.contains(part), "{part}\n{text}");
        }
    }
}
