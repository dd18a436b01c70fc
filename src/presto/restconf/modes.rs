//! How a write is carried out: until its end or not, and under which name. And the operations on what is under way.
//!
//! | Asked by | Means |
//! |---|---|
//! | `Prefer: respond-async` (RFC 7240 §4.1), leaf `async` | 202 as soon as the request was planned once |
//! | `Prefer: wait=N` (§4.3) | 202 after N seconds, if that is less than `presto.sync_timeout` |
//! | `queue-unreachable=POLICY` | what concerns elements that are away is carried out when they are back |
//! | `Idempotency-Key`, leaf `request-id` | the same request sent again under this name is not carried out again |
//!
//! What else stands in `Prefer` is ignored, as the RFC wants it.

use super::answer::Answer;
use super::errors::Problem;
use super::input::{Asked, bad_input, class, own, wrong};
use super::server::{Ask, Restconf};
use super::target;
use crate::controller::{RequestName, Terms};
use crate::domain::{Outcome, Principal, QueuePolicy, ServiceKey};
use crate::presto::view::{self, Reader};
use crate::tree::secret::token;
use crate::tree::{After, ConfigTree, Node, Path, json};
use http::{HeaderMap, HeaderName, StatusCode};
use std::time::Duration;

impl Restconf {
    /// Terms of a write of data.
    pub(super) fn terms(&self, ask: &Ask) -> Terms {
        let prefer = preferred(&ask.headers);
        let wait = prefer.wait.map_or(self.options.sync_timeout, |wait| wait.min(self.options.sync_timeout));
        Terms { wait: Some(wait), at_once: prefer.at_once, ..Terms::default() }
    }

    /// Terms of an operation.
    pub(super) fn terms_of(&self, ask: &Ask, input: Reader<'_>) -> Terms {
        let terms = self.terms(ask);
        Terms { at_once: terms.at_once || input.flag("async", false), ..terms }
    }

    /// The name of a write of data, with what makes another one the same.
    pub(super) fn name_of_write(
        &self,
        ask: &Ask,
        path: &Path,
        body: Option<&ConfigTree>,
    ) -> Result<Option<RequestName>, Problem> {
        let Some(id) = key_in(&ask.headers)? else { return Ok(None) };
        let body = body.map(|body| json::print(body, self.index(), false)).unwrap_or_default();
        let query = ask.query.as_deref().unwrap_or_default();
        Ok(Some(named(id, &[ask.method.as_str(), &target::print(path), query, &body])))
    }

    /// The name of an operation's call.
    pub(super) fn name_of_call(
        &self,
        ask: &Ask,
        operation: &str,
        tree: &ConfigTree,
        at: &Path,
        input: Reader<'_>,
    ) -> Result<Option<RequestName>, Problem> {
        let given = match input.leaf("request-id") {
            Some(id) => Some(checked(id).ok_or_else(|| wrong("request-id", false, NAMES))?),
            None => key_in(&ask.headers)?,
        };
        let Some(id) = given else { return Ok(None) };
        // What does not change what is done.
        let inner = at.child(own("input"));
        let beside = ["request-id", "ticket", "async"].map(|name| inner.child(own(name)));
        let tree = beside.iter().fold(tree.clone(), |tree, leaf| tree.without(leaf));
        let tree = unnamed(&tree, &inner);
        Ok(Some(named(id, &["operation", operation, &json::print(&tree, self.index(), false)])))
    }

    /// The answer to a write whose name is known already.
    pub(super) async fn answered_before(
        &self,
        ask: &Ask,
        name: Option<&RequestName>,
    ) -> Result<Option<Result<Answer, Problem>>, Problem> {
        let Some(name) = name else { return Ok(None) };
        let given = self.controller.given(&ask.principal, name, self.terms(ask).patience()).await;
        let Some(repeated) = given.map_err(|failure| self.failed(&failure))? else { return Ok(None) };
        let created = repeated.creates.as_deref();
        let at = created.and_then(|created| target::parse(created, self.index()).ok()).map(|target| target.path);
        let answer = self.concluded(ask, &repeated.record, &at.unwrap_or_default(), created).await;
        answer.map(Some).map_err(|failure| self.failed(&failure))
    }

    /// Operation `apply`.
    pub(super) async fn apply(
        &self,
        ask: &Ask,
        principal: &Principal,
        input: Reader<'_>,
        request: Option<RequestName>,
    ) -> Result<Answer, Problem> {
        let Asked { edits, allowed, names } = self.asked(principal, input).await?;
        let queue = input.leaf("queue-unreachable").and_then(QueuePolicy::named);
        let terms = Terms { require_class: class(input), queue, request, ..self.terms_of(ask, input) };
        let record = self.controller.write(principal, edits, &allowed, &terms).await;
        let record = record.map_err(|failure| self.failed(&failure).in_documents(&names))?;
        self.outcome(ask, "apply", &record)
    }

    /// Operation `queued-change`.
    pub(super) async fn queued_change(&self, principal: &Principal, input: Reader<'_>) -> Result<Answer, Problem> {
        let element = input.required("element").map_err(bad_input)?;
        let (face, id) = (input.required("face").map_err(bad_input)?, input.required("id").map_err(bad_input)?);
        let again = input.required("action").map_err(bad_input)? == "retry";
        let key = ServiceKey { face: face.into(), id: id.into() };
        let done = self.controller.decide_queued(principal, element, &key, again).await;
        done.map_err(|failure| self.failed(&failure))?;
        Ok(Answer::new(StatusCode::NO_CONTENT))
    }

    /// Operation `cancel-transaction`.
    pub(super) async fn cancel_transaction(
        &self,
        ask: &Ask,
        principal: &Principal,
        input: Reader<'_>,
    ) -> Result<Answer, Problem> {
        let id = input.required("transaction").map_err(bad_input)?;
        let wait = self.terms(ask).wait.unwrap_or_default();
        let record = self.controller.cancel(principal, id, wait).await.map_err(|failure| self.failed(&failure))?;
        match &record.outcome {
            // That it is not applied is what was asked for.
            Some(Outcome::NotApplied { .. }) => {
                let timing = self.controller.timing(&record.id);
                let answer = self.output(ask, "cancel-transaction", |sheet| view::result(sheet, &record, &timing))?;
                Ok(answer.transaction(&record))
            }
            _ => self.outcome(ask, "cancel-transaction", &record),
        }
    }

    /// Operation `watch-transaction`.
    pub(super) async fn watch_transaction(
        &self,
        ask: &Ask,
        principal: &Principal,
        input: Reader<'_>,
    ) -> Result<Answer, Problem> {
        let id = input.required("transaction").map_err(bad_input)?;
        let number = |name: &str, default: u64| input.leaf(name).and_then(|text| text.parse().ok()).unwrap_or(default);
        let wait = Duration::from_secs(number("wait", 30).min(LONGEST_WAIT));
        let seen = self.controller.watch(principal, id, number("after", 0), wait).await;
        let progress = seen.map_err(|failure| self.failed(&failure))?;
        self.output(ask, "watch-transaction", |sheet| {
            sheet.leaf("change", progress.change);
            if let Some(record) = &progress.record {
                view::result(sheet, record, &progress.timing);
            }
        })
    }
}

/// The input without the names of its documents: the same file from another folder is the same request.
fn unnamed(tree: &ConfigTree, input: &Path) -> ConfigTree {
    let (Some(node), Some(parent)) = (tree.at(input), input.parent()) else { return tree.clone() };
    let is = |node: &Node, name: &str| node.name().name.as_str() == name;
    let children = node.children().iter().map(|child| match is(child, "document") {
        true => {
            child.with_children(child.children().iter().filter(|leaf| !is(leaf, "name")).cloned().collect::<Vec<_>>())
        }
        false => child.clone(),
    });
    tree.with(&parent, node.with_children(children.collect::<Vec<_>>()), After::Keep)
}

/// What a client prefers (RFC 7240), as far as it is followed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Preferred {
    at_once: bool,
    wait: Option<Duration>,
}

fn preferred(headers: &HeaderMap) -> Preferred {
    let mut found = Preferred::default();
    for value in headers.get_all(PREFER) {
        for one in value.to_str().unwrap_or_default().split(',') {
            let one = one.split(';').next().unwrap_or_default().trim();
            let (name, value) = one.split_once('=').map_or((one, ""), |(name, value)| (name.trim(), value.trim()));
            match name.to_ascii_lowercase().as_str() {
                "respond-async" => found.at_once = true,
                // The first one counts.
                "wait" if found.wait.is_none() => {
                    found.wait = value.trim_matches('"').parse().ok().map(Duration::from_secs);
                }
                _ => {}
            }
        }
    }
    found
}

/// The name in `Idempotency-Key`, with or without the quotes of a structured field.
fn key_in(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let text = value.to_str().unwrap_or_default().trim();
    let bare = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text);
    match (checked(bare), values.next()) {
        (Some(id), None) => Ok(Some(id)),
        _ => {
            let message = format!("Idempotency-Key: {NAMES}; nothing was done");
            Err(Problem::new(StatusCode::BAD_REQUEST, "invalid-value", message))
        }
    }
}

fn checked(id: &str) -> Option<String> {
    let fits = (1..=NAME_MAX).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic());
    fits.then(|| id.to_owned())
}

/// A keyed digest: a body may hold secrets, and the name is stored.
fn named(id: String, parts: &[&str]) -> RequestName {
    let mut all = String::new();
    for part in parts {
        all.push_str(&format!("{}:{part}", part.len()));
    }
    RequestName { id, digest: token(&all), creates: None }
}

const PREFER: HeaderName = HeaderName::from_static("prefer");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const NAME_MAX: usize = 255;
const NAMES: &str = "a request has one name of 1 to 255 printable ASCII characters without blanks";
/// Seconds.
const LONGEST_WAIT: u64 = 300;

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn with(name: HeaderName, values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name.clone(), HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    #[test]
    fn preferences_are_followed_and_others_ignored() {
        let read = |values: &[&str]| preferred(&with(PREFER, values));
        assert_eq!(read(&[]), Preferred::default());
        assert_eq!(
            read(&["respond-async, wait=10; x=y", "wait=3"]),
            Preferred { at_once: true, wait: Some(Duration::from_secs(10)) }
        );
        assert_eq!(read(&["return=minimal, wait=soon"]), Preferred::default());
    }

    #[test]
    fn a_request_has_one_name() {
        let read = |values: &[&str]| key_in(&with(IDEMPOTENCY_KEY, values));
        assert_eq!(read(&["\"8e03-x\""]).unwrap().as_deref(), Some("8e03-x"));
        assert_eq!(read(&["8e03-x"]).unwrap().as_deref(), Some("8e03-x"));
        assert_eq!(read(&[]).unwrap(), None);
        for wrong in [&["a", "b"][..], &[""], &["\"\""], &["a b"], &[&"x".repeat(256)]] {
            assert!(read(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn parts_do_not_run_into_each_other() {
        assert_ne!(named("r".into(), &["a", "bc"]).digest, named("r".into(), &["ab", "c"]).digest);
    }
}
