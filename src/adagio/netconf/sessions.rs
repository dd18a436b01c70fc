//! Who else is on a server: the session named by a refused lock (RFC 6241 §7.5), and what ietf-netconf-monitoring
//! (RFC 6022) tells of it.
//!
//! What the element says of its sessions is for people and for one judgement: whether a session is of our own user.

use super::message::{MONITORING, RpcError};
use super::operation::Filter;
use super::session::NetconfSession;
use crate::adagio::driver::Holder;
use crate::adapter::state::content_of_xml;
use serde_json::Value;

/// The session in the `error-info` of a refused lock.
pub(super) fn named(error: &RpcError) -> Option<u32> {
    let info = content_of_xml(&error.info.as_ref()?.to_document("info")).ok()?;
    info.get("session-id")?.as_str()?.trim().parse().ok()
}

/// What the element tells of a session; its id alone where it tells nothing.
pub(super) async fn holder(netconf: &NetconfSession, session: u32) -> Option<Holder> {
    let unknown = Holder { session, ..Holder::default() };
    if !netconf.capabilities().monitoring {
        return Some(unknown);
    }
    let filter = format!("<netconf-state xmlns=\"{MONITORING}\"><sessions/></netconf-state>");
    let Ok(data) = netconf.get(Some(Filter::Subtree(&filter))).await else { return Some(unknown) };
    let Ok(content) = content_of_xml(&data.to_document("data")) else { return Some(unknown) };
    let found = content.pointer("/netconf-state/sessions/session");
    let all: &[Value] = match found {
        Some(Value::Array(all)) => all,
        Some(one) => std::slice::from_ref(one),
        None => &[],
    };
    let word = |entry: &Value, name: &str| -> Option<String> {
        let text = entry.get(name)?.as_str()?.trim();
        // Somebody else's words: short, and nothing that a terminal obeys.
        let text: String = text.chars().filter(|c| !c.is_control()).take(80).collect();
        (!text.is_empty()).then_some(text)
    };
    let of = |id: u32| all.iter().find(|entry| word(entry, "session-id") == Some(id.to_string()));
    let Some(entry) = of(session) else { return Some(unknown) };
    let user = word(entry, "username");
    let ours = of(netconf.session_id()).and_then(|own| word(own, "username"));
    let same_user = user.as_ref().zip(ours.as_ref()).map(|(theirs, ours)| theirs == ours);
    Some(Holder { session, user, source: word(entry, "source-host"), since: word(entry, "login-time"), same_user })
}
