//! The operations of RFC 6241, RFC 6022, RFC 6243 and RFC 5277 as XML text. Pure: the same arguments give the same
//! bytes, so a plan can be compared with the wire.

use super::capabilities::WithDefaults;
use super::message::{BASE, MONITORING, NOTIFICATION};
use quick_xml::escape::escape;
use std::time::Duration;

/// A configuration datastore (RFC 6241 §5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Datastore {
    /// What the element runs on.
    Running,
    /// A draft, committed as a whole.
    Candidate,
    /// What it starts with.
    Startup,
}

impl Datastore {
    /// The element name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Datastore::Running => "running",
            Datastore::Candidate => "candidate",
            Datastore::Startup => "startup",
        }
    }
}

/// `default-operation` of an edit-config.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum DefaultOperation {
    Merge,
    Replace,
    None,
}

/// `test-option` of an edit-config.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum TestOption {
    TestThenSet,
    Set,
    TestOnly,
}

/// `error-option` of an edit-config.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum ErrorOption {
    StopOnError,
    ContinueOnError,
    RollbackOnError,
}

/// The arguments of an edit-config (RFC 6241 §7.2); `None` leaves a parameter out.
#[derive(Clone, Copy, Debug)]
pub struct EditConfig<'a> {
    /// What to edit.
    pub target: Datastore,
    /// What nodes without an operation mean.
    pub default_operation: Option<DefaultOperation>,
    /// Whether the element checks first; needs `:validate`.
    pub test_option: Option<TestOption>,
    /// What happens after an error; roll-back needs `:rollback-on-error`.
    pub error_option: Option<ErrorOption>,
    /// The content of `<config>`, sent unchanged. The prefix `nc` is bound to the base namespace around it.
    pub config: &'a str,
}

/// The arguments of a confirmed commit (RFC 6241 §8.4).
#[derive(Clone, Copy, Debug, Default)]
pub struct ConfirmedCommit<'a> {
    /// Time until the element reverts by itself, sent in whole seconds, rounded up, at least one; `None` is 600.
    pub timeout: Option<Duration>,
    /// A name under which other sessions may confirm or cancel; needs `:confirmed-commit:1.1`.
    pub persist: Option<&'a str>,
    /// The name of the pending commit that this one extends.
    pub persist_id: Option<&'a str>,
}

/// What part of a datastore to read (RFC 6241 §6).
#[derive(Clone, Copy, Debug)]
pub enum Filter<'a> {
    /// A subtree filter: the content of `<filter>`, sent unchanged.
    Subtree(&'a str),
}

pub(super) fn lock(target: Datastore) -> String {
    format!("<lock><target><{}/></target></lock>", target.as_str())
}

pub(super) fn unlock(target: Datastore) -> String {
    format!("<unlock><target><{}/></target></unlock>", target.as_str())
}

pub(super) fn edit_config(edit: &EditConfig<'_>) -> String {
    let mut out = format!("<edit-config><target><{}/></target>", edit.target.as_str());
    let mut leaf = |name: &str, value: Option<&str>| {
        if let Some(value) = value {
            out.push_str(&format!("<{name}>{value}</{name}>"));
        }
    };
    leaf(
        "default-operation",
        edit.default_operation.map(|o| match o {
            DefaultOperation::Merge => "merge",
            DefaultOperation::Replace => "replace",
            DefaultOperation::None => "none",
        }),
    );
    leaf(
        "test-option",
        edit.test_option.map(|o| match o {
            TestOption::TestThenSet => "test-then-set",
            TestOption::Set => "set",
            TestOption::TestOnly => "test-only",
        }),
    );
    leaf(
        "error-option",
        edit.error_option.map(|o| match o {
            ErrorOption::StopOnError => "stop-on-error",
            ErrorOption::ContinueOnError => "continue-on-error",
            ErrorOption::RollbackOnError => "rollback-on-error",
        }),
    );
    out.push_str(&format!("<config xmlns:nc=\"{BASE}\">"));
    out.push_str(edit.config);
    out.push_str("</config></edit-config>");
    out
}

pub(super) fn validate(source: Datastore) -> String {
    format!("<validate><source><{}/></source></validate>", source.as_str())
}

pub(super) fn commit() -> String {
    "<commit/>".into()
}

pub(super) fn commit_confirmed(commit: &ConfirmedCommit<'_>) -> String {
    let mut out = String::from("<commit><confirmed/>");
    if let Some(timeout) = commit.timeout {
        let seconds = timeout.as_secs() + u64::from(timeout.subsec_nanos() > 0);
        let seconds = seconds.clamp(1, u64::from(u32::MAX));
        out.push_str(&format!("<confirm-timeout>{seconds}</confirm-timeout>"));
    }
    if let Some(persist) = commit.persist {
        out.push_str(&format!("<persist>{}</persist>", escape(persist)));
    }
    if let Some(id) = commit.persist_id {
        out.push_str(&format!("<persist-id>{}</persist-id>", escape(id)));
    }
    out.push_str("</commit>");
    out
}

pub(super) fn confirm(persist_id: Option<&str>) -> String {
    with_persist_id("commit", persist_id)
}

pub(super) fn cancel_commit(persist_id: Option<&str>) -> String {
    with_persist_id("cancel-commit", persist_id)
}

fn with_persist_id(name: &str, persist_id: Option<&str>) -> String {
    match persist_id {
        Some(id) => format!("<{name}><persist-id>{}</persist-id></{name}>", escape(id)),
        None => format!("<{name}/>"),
    }
}

pub(super) fn discard_changes() -> String {
    "<discard-changes/>".into()
}

pub(super) fn get_config(source: Datastore, of: Option<Filter<'_>>, defaults: Option<WithDefaults>) -> String {
    let source = source.as_str();
    format!("<get-config><source><{source}/></source>{}{}</get-config>", filter(of), with_defaults(defaults))
}

pub(super) fn get(of: Option<Filter<'_>>, defaults: Option<WithDefaults>) -> String {
    format!("<get>{}{}</get>", filter(of), with_defaults(defaults))
}

fn filter(filter: Option<Filter<'_>>) -> String {
    match filter {
        Some(Filter::Subtree(inner)) => format!("<filter type=\"subtree\">{inner}</filter>"),
        None => String::new(),
    }
}

fn with_defaults(mode: Option<WithDefaults>) -> String {
    let ns = "urn:ietf:params:xml:ns:yang:ietf-netconf-with-defaults";
    mode.map(|m| format!("<with-defaults xmlns=\"{ns}\">{}</with-defaults>", m.as_str())).unwrap_or_default()
}

pub(super) fn get_schema(name: &str, revision: Option<&str>) -> String {
    let version = revision.map(|r| format!("<version>{}</version>", escape(r))).unwrap_or_default();
    let name = escape(name);
    format!(
        "<get-schema xmlns=\"{MONITORING}\"><identifier>{name}</identifier>{version}<format>yang</format></get-schema>"
    )
}

pub(super) fn copy_config(target: Datastore, source: Datastore) -> String {
    let (target, source) = (target.as_str(), source.as_str());
    format!("<copy-config><target><{target}/></target><source><{source}/></source></copy-config>")
}

pub(super) fn kill_session(session_id: u32) -> String {
    format!("<kill-session><session-id>{session_id}</session-id></kill-session>")
}

pub(super) fn create_subscription(stream: Option<&str>) -> String {
    let stream = stream.map(|s| format!("<stream>{}</stream>", escape(s))).unwrap_or_default();
    format!("<create-subscription xmlns=\"{NOTIFICATION}\">{stream}</create-subscription>")
}

pub(super) fn close_session() -> String {
    "<close-session/>".into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edit_config_keeps_the_fragment() {
        let edit = EditConfig {
            target: Datastore::Candidate,
            default_operation: Some(DefaultOperation::None),
            test_option: Some(TestOption::TestThenSet),
            error_option: Some(ErrorOption::RollbackOnError),
            config: "<a xmlns=\"urn:a\" nc:operation=\"merge\"> <b>1 &lt; 2</b>\n</a>",
        };
        assert_eq!(
            edit_config(&edit),
            "<edit-config><target><candidate/></target><default-operation>none</default-operation>\
             <test-option>test-then-set</test-option><error-option>rollback-on-error</error-option>\
             <config xmlns:nc=\"urn:ietf:params:xml:ns:netconf:base:1.0\">\
             <a xmlns=\"urn:a\" nc:operation=\"merge\"> <b>1 &lt; 2</b>\n</a></config></edit-config>"
        );
        let bare = EditConfig { default_operation: None, test_option: None, error_option: None, ..edit };
        assert!(!edit_config(&bare).contains("option"));
    }

    #[test]
    fn texts_are_escaped() {
        assert_eq!(confirm(Some("a<b&c")), "<commit><persist-id>a&lt;b&amp;c</persist-id></commit>");
        assert_eq!(confirm(None), "<commit/>");
        let all = ConfirmedCommit {
            timeout: Some(Duration::from_millis(29_001)),
            persist: Some("p\"'"),
            persist_id: Some("old"),
        };
        assert_eq!(
            commit_confirmed(&all),
            "<commit><confirmed/><confirm-timeout>30</confirm-timeout><persist>p&quot;&apos;</persist>\
             <persist-id>old</persist-id></commit>"
        );
        assert!(get_schema("x", None).ends_with("<format>yang</format></get-schema>"));
    }
}
