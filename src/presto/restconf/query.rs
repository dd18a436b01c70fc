//! The query of a request (RFC 8040 §4.8). Pure.
//!
//! Unknown parameters, parameters given twice and parameters that do not fit the method are refused: a parameter that is
//! silently ignored is a dry-run that commits.

use crate::domain::QueuePolicy;
use percent_encoding::percent_decode_str;

/// All parameters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// Configuration, state, or both.
    pub content: Content,
    /// How many levels; `None` = all.
    pub depth: Option<u16>,
    /// Which descendants; `None` = all.
    pub fields: Option<Fields>,
    /// How many transactions at most; `None` = [`LIMIT`].
    pub limit: Option<usize>,
    /// Only transactions that are older than this id.
    pub after: Option<String>,
    /// Compute only.
    pub dry_run: Option<DryRun>,
    /// What concerns elements that are away is queued; what happens if that fails.
    pub queue: Option<QueuePolicy>,
}

/// `content`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Content {
    /// Both.
    #[default]
    All,
    /// Configuration.
    Config,
    /// State.
    Nonconfig,
}

/// `dry-run`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DryRun {
    /// The exact bytes for each element.
    Native,
    /// A unified diff for each element.
    Diff,
    /// The whole plan.
    Model,
    /// A YANG Patch with the old content for each element.
    Patch,
}

/// `fields`: a set of node names with what is wanted below each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields(pub Vec<Field>);

/// One name of a `fields` expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Module, where it was given.
    pub module: Option<String>,
    /// Name.
    pub name: String,
    /// What is wanted below; empty = everything.
    pub below: Fields,
}

/// The query is not understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("query: {0}")]
pub struct QueryError(String);

/// Reads the query; `write` says whether the method writes.
pub fn parse(raw: Option<&str>, write: bool) -> Result<Query, QueryError> {
    let mut query = Query::default();
    let mut seen = Vec::new();
    for pair in raw.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (decode(name)?, decode(value)?);
        if seen.contains(&name) {
            return Err(QueryError(format!("'{name}' is given twice")));
        }
        match (name.as_str(), write) {
            ("content", false) => query.content = content(&value)?,
            ("depth", false) => query.depth = depth(&value)?,
            ("fields", false) => query.fields = Some(fields(&value)?),
            ("limit", false) => query.limit = Some(limit(&value)?),
            ("after", false) => query.after = Some(value),
            ("dry-run", true) => query.dry_run = Some(dry_run(&value)?),
            ("queue-unreachable", true) => query.queue = Some(queue(&value)?),
            ("content" | "depth" | "fields" | "limit" | "after", true) => {
                return Err(QueryError(format!("'{name}' is for GET and HEAD only")));
            }
            ("dry-run" | "queue-unreachable", false) => {
                return Err(QueryError(format!("'{name}' is for PUT, POST, PATCH and DELETE of data only")));
            }
            _ => {
                let shown: String = name.chars().filter(|c| !c.is_control()).take(60).collect();
                return Err(QueryError(format!(
                    "the parameter '{shown}' is not offered; there are content, depth, fields (reading), limit and after (reading transactions), dry-run and queue-unreachable (writing)"
                )));
            }
        }
        seen.push(name);
    }
    if query.dry_run.is_some() && query.queue.is_some() {
        return Err(QueryError(
            "'dry-run' shows all elements; it cannot leave those out that are away; nothing was done".into(),
        ));
    }
    Ok(query)
}

fn content(value: &str) -> Result<Content, QueryError> {
    match value {
        "all" => Ok(Content::All),
        "config" => Ok(Content::Config),
        "nonconfig" => Ok(Content::Nonconfig),
        _ => Err(QueryError("'content' is all, config or nonconfig".into())),
    }
}

fn depth(value: &str) -> Result<Option<u16>, QueryError> {
    match value {
        "unbounded" => Ok(None),
        number => match number.parse() {
            Ok(depth) if depth > 0 => Ok(Some(depth)),
            _ => Err(QueryError("'depth' is a number from 1 to 65535, or unbounded".into())),
        },
    }
}

fn limit(value: &str) -> Result<usize, QueryError> {
    match value.parse() {
        Ok(limit) if (1..=LIMIT_MAX).contains(&limit) => Ok(limit),
        _ => Err(QueryError(format!("'limit' is a number from 1 to {LIMIT_MAX}"))),
    }
}

fn dry_run(value: &str) -> Result<DryRun, QueryError> {
    match value {
        "native" => Ok(DryRun::Native),
        "diff" => Ok(DryRun::Diff),
        "model" => Ok(DryRun::Model),
        "patch" => Ok(DryRun::Patch),
        _ => Err(QueryError("'dry-run' is native, diff, model or patch; nothing was done".into())),
    }
}

fn queue(value: &str) -> Result<QueuePolicy, QueryError> {
    let named = QueuePolicy::named(value);
    named.ok_or_else(|| QueryError("'queue-unreachable' is block, skip or revert-service; nothing was done".into()))
}

/// `a;b/c(d;e)` (RFC 8040 §4.8.3).
fn fields(text: &str) -> Result<Fields, QueryError> {
    let mut rest = text;
    let fields = set(&mut rest, 0)?;
    if rest.is_empty() { Ok(fields) } else { Err(bad_fields()) }
}

fn set(rest: &mut &str, depth: usize) -> Result<Fields, QueryError> {
    if depth > 32 {
        return Err(QueryError("'fields' is nested too deeply".into()));
    }
    let mut all = Vec::new();
    loop {
        all.push(field(rest, depth)?);
        match rest.strip_prefix(';') {
            Some(more) => *rest = more,
            None => return Ok(Fields(all)),
        }
    }
}

fn field(rest: &mut &str, depth: usize) -> Result<Field, QueryError> {
    let end = rest.find(['/', ';', '(', ')']).unwrap_or(rest.len());
    let (name, behind) = rest.split_at(end);
    *rest = behind;
    let (module, name) = match name.split_once(':') {
        Some((module, name)) => (Some(module.to_owned()), name),
        None => (None, name),
    };
    if name.is_empty() || name.contains(':') || depth > 32 {
        return Err(bad_fields());
    }
    let mut below = Fields::default();
    if let Some(more) = rest.strip_prefix('/') {
        *rest = more;
        below = Fields(vec![field(rest, depth + 1)?]);
    } else if let Some(more) = rest.strip_prefix('(') {
        *rest = more;
        below = set(rest, depth + 1)?;
        *rest = rest.strip_prefix(')').ok_or_else(bad_fields)?;
    }
    Ok(Field { module, name: name.into(), below })
}

fn bad_fields() -> QueryError {
    QueryError(
        "'fields' is not understood; write for instance fields=vpn-id;vpn-nodes/vpn-node(vpn-node-id;ne-id)".into(),
    )
}

/// How many transactions are answered where nothing is said.
pub const LIMIT: usize = 100;
const LIMIT_MAX: usize = 1000;

fn decode(text: &str) -> Result<String, QueryError> {
    let text = percent_decode_str(text).decode_utf8().map_err(|_| QueryError("it is not UTF-8".into()))?;
    Ok(text.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_understood_is_refused_and_never_ignored() {
        for (raw, write) in [
            ("dryrun=native", true),
            ("dry-run=yes", true),
            ("dry-run", true),
            ("dry-run=native&dry-run=diff", true),
            ("dry-run=native", false),
            ("queue-unreachable=always", true),
            ("queue-unreachable=block", false),
            ("queue-unreachable=block&dry-run=diff", true),
            ("content=config", true),
            ("depth=0", false),
            ("limit=0", false),
            ("limit=1001", false),
            ("limit=5", true),
            ("with-defaults=trim", false),
            ("fields=a(b", false),
            ("fields=", false),
        ] {
            assert!(parse(Some(raw), write).is_err(), "{raw}");
        }
    }

    #[test]
    fn fields_are_a_tree_of_names() {
        let query = parse(Some("fields=m:a;b%2Fc(d;e/f)&depth=3&content=nonconfig"), false).unwrap();
        let field = |name: &str, below| Field { module: None, name: name.into(), below: Fields(below) };
        let first = Field { module: Some("m".into()), ..field("a", vec![]) };
        let second = field("b", vec![field("c", vec![field("d", vec![]), field("e", vec![field("f", vec![])])])]);
        assert_eq!(query.fields, Some(Fields(vec![first, second])));
        assert_eq!((query.depth, query.content), (Some(3), Content::Nonconfig));
        let deep = format!("fields={}", "a(".repeat(100));
        assert!(parse(Some(&deep), false).is_err());
        assert!(parse(Some(&format!("fields={}a", "a/".repeat(5000))), false).is_err());
    }

    #[test]
    fn a_dry_run_is_recognised() {
        assert_eq!(parse(Some("dry-run=diff"), true).unwrap().dry_run, Some(DryRun::Diff));
        assert_eq!(parse(Some("dry-run=patch"), true).unwrap().dry_run, Some(DryRun::Patch));
        assert_eq!(parse(None, true).unwrap(), Query::default());
    }
}
