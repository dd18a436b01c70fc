//! What went wrong, for people: what, where, why, the state of the network now, what to do.

use super::arguments::Arguments;
use super::client::Reply;
use super::paint::{Paint, clean};
use serde_json::Value;
use std::process::ExitCode;

/// How the command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    /// Done, or nothing differs.
    Done,
    /// The tool itself failed.
    Tool,
    /// Differences found.
    Differences,
    /// Refused or not applied.
    Refused,
    /// Unresolved, or still running.
    Unresolved,
    /// Wrong usage.
    Usage,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(match exit {
            Exit::Done => 0,
            Exit::Tool => 1,
            Exit::Differences => 2,
            Exit::Refused => 3,
            Exit::Unresolved => 4,
            Exit::Usage => 64,
        })
    }
}

/// Why a verb was not carried out.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The daemon cannot be reached, or its answer cannot be read.
    #[error("{0}")]
    Tool(String),
    /// Something given on the command line does not exist or cannot be read.
    #[error("{0}")]
    Usage(String),
    /// There is no such thing.
    #[error("{0}")]
    Absent(String),
    /// The daemon refuses.
    #[error("the daemon refuses ({})", .0.status)]
    Refused(Box<Reply>),
}

impl Failure {
    /// How the command ends because of it.
    pub fn exit(&self) -> Exit {
        match self {
            Failure::Tool(_) => Exit::Tool,
            Failure::Usage(_) => Exit::Usage,
            Failure::Absent(_) => Exit::Refused,
            Failure::Refused(reply) if reply.status.as_u16() == 500 => Exit::Tool,
            Failure::Refused(_) => Exit::Refused,
        }
    }

    /// Tells it on standard error; with `--json` the daemon's own words on standard output.
    pub fn print(&self, arguments: &Arguments, paint: Paint) {
        match self {
            Failure::Refused(reply) if arguments.json => println!("{}", reply.text.trim_end()),
            Failure::Refused(reply) => eprint!("{}", told(reply, paint)),
            other => eprintln!("{} {}", paint.bad("andante:"), clean(&other.to_string())),
        }
    }
}

/// An error body as a report.
pub(super) fn told(reply: &Reply, paint: Paint) -> String {
    let errors = reply.body["ietf-restconf:errors"]["error"].as_array().cloned().unwrap_or_default();
    if errors.is_empty() {
        return format!("{} the daemon answers {} without a reason\n", paint.bad("refused:"), reply.status);
    }
    let mut out = String::new();
    for error in &errors {
        let text = |name: &str| error[name].as_str().map(clean);
        let reason = text("error-app-tag").or_else(|| text("error-tag")).unwrap_or_default();
        out.push_str(&format!("{} {}\n", paint.bad(&format!("{reason}:")), text("error-message").unwrap_or_default()));
        let info = &error["error-info"];
        if let Some(name) = info["andante:document"].as_str() {
            out.push_str(&format!("  file       {}\n", clean(name)));
        }
        if let Some(path) = text("error-path") {
            out.push_str(&format!("  where      {path}\n"));
        }
        for element in info["andante:element"].as_array().into_iter().flatten() {
            out.push_str(&format!("  element    {}\n", paint.strong(&said(element, "name"))));
            for (name, title) in [
                ("detail", "says"),
                ("recorded", "recorded"),
                ("wanted", "wanted"),
                ("actual", "actual"),
                ("actor", "by"),
            ] {
                if let Some(value) = element[name].as_str() {
                    out.push_str(&format!("    {title:<9}{}\n", clean(value).replace('\n', "\n             ")));
                }
            }
        }
        if let Some(id) = info["andante:transaction"].as_str() {
            out.push_str(&format!("  see        andante transaction show {}\n", clean(id)));
        }
        if let Some(remedy) = info["andante:remedy"].as_str() {
            out.push_str(&format!("  to do      {}\n", clean(remedy)));
        }
    }
    out
}

fn said(value: &Value, name: &str) -> String {
    value[name].as_str().map(clean).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noc::arguments::Color;
    use serde_json::json;

    #[test]
    fn a_refusal_says_what_where_why_and_what_to_do() {
        let body = json!({"ietf-restconf:errors": {"error": [{
            "error-type": "application", "error-tag": "operation-failed", "error-app-tag": "hand-made-change",
            "error-path": "/frr:interface[name='eth1']/description",
            "error-message": "pe2: changed by hand; nothing was sent, the network is as before",
            "error-info": {
                "andante:document": "folder/acme.json",
                "andante:element": [{"name": "pe2", "recorded": "a", "actual": "\u{1b}[2Jb"}],
                "andante:remedy": "look at the element"
            }
        }]}});
        let reply = Reply { status: http::StatusCode::CONFLICT, transaction: None, text: body.to_string(), body };
        let text = told(&reply, Paint::new(Color::Never, false));
        for part in [
            "hand-made-change:",
            "file       folder/acme.json",
            "where      /frr:interface",
            "element    pe2",
            "recorded a",
            "to do      look",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        assert!(!text.contains('\u{1b}'), "{text}");
        assert_eq!(Failure::Refused(Box::new(reply)).exit(), Exit::Refused);
    }
}
