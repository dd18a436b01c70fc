//! State of the domain as nodes: elements, adapters, services, transactions, deviations.

use super::sheet::Sheet;
use crate::controller::{AdapterSummary, Timing};
use crate::domain::outcome::CauseKind;
use crate::domain::{
    Cause, CheckVerdict, Class, Deviation, DeviationKind, Element, ElementProgress, ElementState, Outcome, QueueState,
    QueuedChange, Reachability, Rewrite, ServiceKey, StoredDocument, SyncState, TransactionRecord, Turn,
};
use crate::tree::{Node, SchemaIndex};

/// The container `elements`.
pub fn elements(
    index: &SchemaIndex,
    elements: &[(Element, ElementState)],
    adapters: &[AdapterSummary],
    deviations: &[Deviation],
) -> Option<Node> {
    let mut sheet = Sheet::at(index, &["elements"])?;
    sheet.list("element", elements, |sheet, (element, state)| {
        inventory(sheet, element);
        sheet.maybe("class", state.class);
        sheet.leaf(
            "reachability",
            match state.reachability {
                Reachability::Unknown => "unknown",
                Reachability::Reachable => "reachable",
                Reachability::Unreachable => "unreachable",
            },
        );
        sheet.leaf("sync-state", sync_state(element.managed, state));
        sheet.maybe("detail", state.detail.as_ref());
        let adapter = adapters.iter().find(|adapter| adapter.name == element.adapter);
        sheet.maybe("simulated-only", adapter.map(|adapter| adapter.simulated_only));
        sheet.maybe("last-read", state.last_read);
        sheet.maybe("nodes", state.last_read.map(|_| state.nodes));
        sheet.maybe("unknown-nodes", state.last_read.map(|_| state.unknown));
        sheet.each("left-out-module", &state.left_out);
        sheet.leaf("deviations", deviations.iter().filter(|found| found.element == element.name).count());
        sheet.list("fact", &element.facts, |sheet, (name, value)| {
            sheet.leaf("name", name);
            sheet.leaf("value", value);
        });
    });
    Some(sheet.into_node())
}

fn inventory(sheet: &mut Sheet<'_>, element: &Element) {
    sheet.leaf("name", &element.name);
    sheet.maybe("ne-id", element.ne_id.as_ref());
    sheet.leaf("adapter", &element.adapter);
    sheet.leaf("address", &element.address);
    sheet.leaf("username", &element.username);
    sheet.maybe("private-key", element.private_key.as_ref().map(|path| path.display()));
    sheet.maybe("password-file", element.password_file.as_ref().map(|path| path.display()));
    sheet.maybe("host-key", element.host_key.as_ref());
    sheet.maybe("router-id", element.router_id);
    sheet.maybe("asn", element.asn);
    sheet.maybe("site", element.site.as_ref());
    sheet.each("protected", &element.protected);
    if element.one_session {
        sheet.leaf("one-session", true);
    }
    sheet.list("port", &element.ports, |sheet, port| {
        sheet.leaf("name", &port.name);
        sheet.leaf("role", &port.role);
        sheet.leaf("exclude", port.exclude);
    });
}

/// How an element compares, as one word of `sync-state`.
pub fn sync_state(managed: bool, state: &ElementState) -> &'static str {
    match (managed, state.reachability, state.sync) {
        (false, ..) => "unmanaged",
        (_, _, SyncState::Unresolved) => "unresolved",
        (_, Reachability::Unreachable, _) => "unreachable",
        (_, _, SyncState::Unknown) => "unknown",
        (_, _, SyncState::InSync) => "in-sync",
        (_, _, SyncState::OutOfSync) => "out-of-sync",
        (_, _, SyncState::Partial) => "partial",
    }
}

/// The container `adapters`.
pub fn adapters(index: &SchemaIndex, adapters: &[AdapterSummary]) -> Option<Node> {
    let mut sheet = Sheet::at(index, &["adapters"])?;
    sheet.list("adapter", adapters, |sheet, adapter| {
        sheet.leaf("name", &adapter.name);
        sheet.leaf("version", &adapter.version);
        sheet.leaf("digest", &adapter.digest);
        sheet.leaf("transport", &adapter.transport);
        sheet.each("function", &adapter.functions);
        sheet.leaf("simulated-only", adapter.simulated_only);
    });
    Some(sheet.into_node())
}

/// A stored document with what its body says of customer and kind.
#[derive(Clone, Debug)]
pub struct ServiceFact {
    /// The document.
    pub document: StoredDocument,
    /// `vpn-type` without its module.
    pub kind: Option<String>,
    /// `customer-name`.
    pub customer: Option<String>,
}

/// The container `services`.
pub fn services(
    index: &SchemaIndex,
    services: &[ServiceFact],
    elements: &[(Element, ElementState)],
    deviations: &[Deviation],
    queued: &[QueuedChange],
) -> Option<Node> {
    let mut sheet = Sheet::at(index, &["services"])?;
    sheet.list("service", services, |sheet, fact| {
        let document = &fact.document;
        key(sheet, &document.key);
        sheet.maybe("kind", fact.kind.as_ref());
        sheet.maybe("customer", fact.customer.as_ref());
        sheet.leaf("state", state_of(document, elements, deviations, queued));
        sheet.leaf("revision", document.revision);
        sheet.leaf("author", &document.author);
        sheet.maybe("ticket", document.ticket.as_ref());
        sheet.leaf("changed", document.modified);
        sheet.maybe("transaction", document.transaction.as_ref());
        sheet.each("element", &document.elements);
    });
    Some(sheet.into_node())
}

fn state_of(
    document: &StoredDocument,
    elements: &[(Element, ElementState)],
    deviations: &[Deviation],
    queued: &[QueuedChange],
) -> &'static str {
    let unresolved = |(element, state): &(Element, ElementState)| {
        document.elements.contains(&element.name) && state.sync == SyncState::Unresolved
    };
    let mut states = queued.iter().filter(|change| change.key == document.key).map(|change| change.state);
    let waits = states.clone().next().is_some();
    if states.any(|state| state != QueueState::Waiting) {
        "partially-applied"
    } else if waits {
        "queued"
    } else if document.elements.is_empty() {
        "stored"
    } else if elements.iter().any(unresolved) {
        "unresolved"
    } else if deviations.iter().any(|found| found.services.contains(&document.key)) {
        "deviating"
    } else {
        "deployed"
    }
}

/// The container `transactions`.
pub fn transactions(index: &SchemaIndex, records: &[TransactionRecord], timings: &Timings<'_>) -> Option<Node> {
    let mut sheet = Sheet::at(index, &["transactions"])?;
    sheet.list("transaction", records, |sheet, one| record(sheet, one, &timings(&one.id)));
    Some(sheet.into_node())
}

/// Until when what is awaited in a transaction that runs, by its id.
pub type Timings<'a> = dyn Fn(&str) -> Timing + 'a;

/// One transaction, as an entry of its list.
pub fn transaction(index: &SchemaIndex, one: &TransactionRecord, timings: &Timings<'_>) -> Option<Node> {
    let all = transactions(index, std::slice::from_ref(one), timings)?;
    all.children().first().cloned()
}

fn record(sheet: &mut Sheet<'_>, record: &TransactionRecord, timing: &Timing) {
    sheet.leaf("id", &record.id);
    if !record.plan.is_empty() {
        sheet.leaf("plan-id", &record.plan);
    }
    ending(sheet, record, timing);
    sheet.maybe("class", record.elements.values().map(|progress| progress.class).max());
    sheet.leaf("principal", &record.principal.user);
    sheet.maybe("ticket", record.principal.ticket.as_ref());
    sheet.leaf("summary", &record.summary);
    sheet.leaf("started", record.started);
    sheet.maybe("finished", record.finished);
    sheet.list("service", &record.services, |sheet, touched| {
        key(sheet, &touched.key);
        sheet.leaf("effect", touched.effect.as_str());
    });
    sheet.list("resolution", record.resolutions.iter().enumerate(), |sheet, (at, said)| {
        sheet.leaf("index", at);
        sheet.leaf("element", &said.element);
        sheet.leaf("offer", said.offer.as_str());
        sheet.leaf("principal", &said.principal.user);
        sheet.maybe("ticket", said.principal.ticket.as_ref());
        sheet.maybe("reason", said.reason.as_ref());
        sheet.leaf("at", said.at);
    });
}

/// Fills in the grouping `result`: what became of a plan.
pub fn result(sheet: &mut Sheet<'_>, record: &TransactionRecord, timing: &Timing) {
    if !record.id.is_empty() {
        sheet.leaf("transaction", &record.id);
    }
    if !record.plan.is_empty() {
        sheet.leaf("plan-id", &record.plan);
    }
    ending(sheet, record, timing);
}

/// Phase, outcome, cause and elements: alike in a transaction and in a result.
fn ending(sheet: &mut Sheet<'_>, record: &TransactionRecord, timing: &Timing) {
    sheet.maybe("request-id", record.origin.request.as_ref());
    sheet.maybe("decided", record.decided);
    sheet.maybe("continued-by", record.continued_by.as_ref());
    sheet.maybe("deadline", timing.deadline());
    sheet.maybe("window", timing.window());
    sheet.each("queued", &record.origin.queued);
    sheet.leaf("phase", record.phase.word());
    match &record.outcome {
        None => {}
        Some(Outcome::Applied) => sheet.leaf("outcome", "applied"),
        Some(Outcome::NotApplied { cause }) => {
            sheet.leaf("outcome", "not-applied");
            sheet.container("cause", |sheet| fill_cause(sheet, cause));
        }
        Some(Outcome::Unresolved { cause, .. }) => {
            sheet.leaf("outcome", "unresolved");
            sheet.container("cause", |sheet| fill_cause(sheet, cause));
        }
    }
    sheet.list("element", &record.elements, |sheet, (name, progress)| {
        sheet.leaf("name", name);
        sheet.maybe("deadline", timing.deadlines.get(name));
        sheet.maybe("window", timing.reverts.get(name));
        fill_progress(sheet, progress);
    });
}

fn fill_progress(sheet: &mut Sheet<'_>, progress: &ElementProgress) {
    let class: Class = progress.class;
    sheet.leaf("class", class);
    sheet.leaf("state", turn(progress.turn));
    sheet.maybe("detail", progress.detail.as_ref());
    sheet.each("residue", &progress.residue);
    sheet.maybe("session", progress.session);
    sheet.list("foreign-change", &progress.foreign, |sheet, found| {
        sheet.leaf("path", &found.path);
        sheet.leaf("reverted", found.reverted);
    });
    sheet.list("check", &progress.checks, |sheet, value| {
        sheet.leaf("name", &value.check);
        sheet.leaf("subject", &value.subject);
        sheet.maybe("before", value.before.as_ref());
        sheet.maybe("after", value.after.as_ref());
        sheet.leaf("verdict", verdict(value.verdict));
    });
}

fn verdict(verdict: CheckVerdict) -> &'static str {
    match verdict {
        CheckVerdict::Open => "open",
        CheckVerdict::Good => "good",
        CheckVerdict::Failed => "failed",
        CheckVerdict::Gone => "gone",
    }
}

fn fill_cause(sheet: &mut Sheet<'_>, cause: &Cause) {
    sheet.leaf(
        "kind",
        match cause.kind {
            CauseKind::Unreachable => "unreachable",
            CauseKind::Locked => "locked",
            CauseKind::Held => "held",
            CauseKind::Dirty => "dirty",
            CauseKind::Stale => "stale",
            CauseKind::Refused => "refused",
            CauseKind::Verify => "verify",
            CauseKind::Check => "check",
            CauseKind::Interrupted => "interrupted",
            CauseKind::Cancelled => "cancelled",
            CauseKind::Internal => "internal",
        },
    );
    sheet.maybe("element", cause.element.as_ref());
    sheet.maybe("path", cause.path.as_ref());
    sheet.maybe("sent", cause.sent.as_ref());
    sheet.maybe("says", cause.says.as_ref());
    sheet.leaf("message", &cause.message);
}

pub(super) fn turn(turn: Turn) -> &'static str {
    crate::presto::restconf::errors::turn(turn)
}

/// The container `deviations`.
pub fn deviations(index: &SchemaIndex, found: &[Deviation]) -> Option<Node> {
    let mut sheet = Sheet::at(index, &["deviations"])?;
    sheet.list("deviation", found, |sheet, found| {
        sheet.leaf("id", &found.id);
        sheet.leaf("element", &found.element);
        sheet.leaf("path", &found.path);
        sheet.leaf("kind", kind(found.kind));
        sheet.leaf("standing", standing(found));
        sheet.maybe("recorded", found.recorded.as_ref());
        sheet.maybe("wanted", found.wanted.as_ref());
        sheet.maybe("actual", found.actual.as_ref());
        sheet.list("service", &found.services, key);
        sheet.leaf("since", found.since);
        sheet.leaf("last-seen", found.last_seen);
        sheet.leaf("seen", found.seen);
        sheet.leaf("policy", &found.policy);
        sheet.leaf("gate", &found.gate);
        sheet.maybe("left-by", found.left.as_ref().map(|left| &left.transaction));
    });
    Some(sheet.into_node())
}

/// Deviations beside the claims of a line.
pub fn deviating(sheet: &mut Sheet<'_>, found: &[Deviation]) {
    sheet.list("deviation", found, |sheet, found| {
        sheet.leaf("id", &found.id);
        sheet.leaf("path", &found.path);
        sheet.leaf("kind", kind(found.kind));
        sheet.maybe("recorded", found.recorded.as_ref());
        sheet.maybe("wanted", found.wanted.as_ref());
        sheet.maybe("actual", found.actual.as_ref());
        sheet.list("service", &found.services, key);
    });
}

fn kind(kind: DeviationKind) -> &'static str {
    match kind {
        DeviationKind::Missing => "missing",
        DeviationKind::Changed => "changed",
        DeviationKind::Extra => "extra",
        DeviationKind::Orphan => "orphan",
    }
}

/// The container `queue`.
pub fn queue(index: &SchemaIndex, changes: &[QueuedChange]) -> Option<Node> {
    let mut sheet = Sheet::at(index, &["queue"])?;
    sheet.list("change", changes, |sheet, change| {
        sheet.leaf("element", &change.element);
        key(sheet, &change.key);
        sheet.leaf("index", change.index);
        sheet.maybe("revision", change.revision);
        sheet.leaf("policy", change.policy.as_str());
        sheet.leaf("state", change.state.as_str());
        sheet.leaf("since", change.since);
        sheet.maybe("tried", change.tried);
        sheet.maybe("reason", change.reason.as_ref());
        sheet.leaf("principal", &change.principal.user);
        sheet.leaf("transaction", &change.transaction);
        sheet.maybe("attempt", change.attempt.as_ref());
    });
    Some(sheet.into_node())
}

/// The container `rewrites`.
pub fn rewrites(index: &SchemaIndex, facts: &[Rewrite]) -> Option<Node> {
    let mut sheet = Sheet::at(index, &["rewrites"])?;
    sheet.list("rewrite", facts, rewrite);
    Some(sheet.into_node())
}

/// Fills in one confirmed fact.
pub fn rewrite(sheet: &mut Sheet<'_>, fact: &Rewrite) {
    sheet.leaf("id", &fact.id);
    sheet.leaf("element", &fact.element);
    sheet.leaf("path", &fact.path);
    sheet.leaf("all-entries", fact.all_entries);
    sheet.leaf("sent", &fact.sent);
    sheet.leaf("says", &fact.says);
    sheet.leaf("by", &fact.by);
    sheet.maybe("ticket", fact.ticket.as_ref());
    sheet.leaf("since", fact.since);
}

/// The three readings compared (design: I=R≠A deviation, I≠R=A pending, all differ conflict).
fn standing(found: &Deviation) -> &'static str {
    if found.recorded.is_none() && found.wanted.is_some() && found.kind != DeviationKind::Extra {
        "never-verified"
    } else if found.recorded == found.wanted {
        "deviation"
    } else if found.recorded == found.actual {
        "pending"
    } else {
        "conflict"
    }
}

fn key(sheet: &mut Sheet<'_>, key: &ServiceKey) {
    sheet.leaf("face", &key.face);
    sheet.leaf("id", &key.id);
}
