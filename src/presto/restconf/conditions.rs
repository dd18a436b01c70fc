//! Conditional requests (RFC 9110 §13). Pure.
//!
//! A service has one strong entity tag; every resource below it answers with that tag, so `If-Match` guards the whole document.

use http::HeaderMap;
use http::header::{IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_UNMODIFIED_SINCE};
use jiff::Timestamp;
use jiff::fmt::rfc2822;

/// What is known of the present state of a resource; `None` = it does not exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Present {
    /// Entity tag without quotes.
    pub etag: String,
    /// Last change.
    pub modified: Option<Timestamp>,
}

/// What follows from the conditions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Go on.
    Holds,
    /// 304, reading only.
    NotModified,
    /// 412, with the reason.
    Failed(String),
    /// 400: a header is not understood.
    Malformed(String),
}

/// Judges the conditional headers of a request; `read` for GET and HEAD.
pub fn judge(headers: &HeaderMap, present: Option<&Present>, read: bool) -> Verdict {
    match decide(headers, present, read) {
        Ok(verdict) => verdict,
        Err(message) => Verdict::Malformed(message),
    }
}

/// Whether the client itself pins the state that it writes to.
pub fn pins(headers: &HeaderMap) -> bool {
    headers.contains_key(IF_MATCH) || headers.contains_key(IF_UNMODIFIED_SINCE)
}

/// Whether a request has any condition at all.
pub fn asks(headers: &HeaderMap) -> bool {
    [IF_MATCH, IF_NONE_MATCH, IF_MODIFIED_SINCE, IF_UNMODIFIED_SINCE].iter().any(|name| headers.contains_key(name))
}

/// A time as HTTP writes it; `None` outside the years that it can.
pub fn http_date(at: Timestamp) -> Option<String> {
    rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&at).ok()
}

fn decide(headers: &HeaderMap, present: Option<&Present>, read: bool) -> Result<Verdict, String> {
    if let Some(wanted) = tags(headers, &IF_MATCH)? {
        let holds = match (&wanted, present) {
            (Tags::Any, present) => present.is_some(),
            (Tags::Listed(tags), Some(present)) => tags.iter().any(|tag| !tag.weak && tag.text == present.etag),
            (Tags::Listed(_), None) => false,
        };
        if !holds {
            return Ok(Verdict::Failed(match present {
                Some(present) => format!("If-Match does not hold: the entity tag is now \"{}\"", present.etag),
                None => "If-Match does not hold: the resource does not exist".into(),
            }));
        }
    } else if let (Some(limit), Some(present)) = (date(headers, &IF_UNMODIFIED_SINCE), present)
        && present.modified.is_none_or(|modified| modified.as_second() > limit.as_second())
    {
        return Ok(Verdict::Failed("If-Unmodified-Since does not hold: the resource was changed later".into()));
    }
    if let Some(unwanted) = tags(headers, &IF_NONE_MATCH)? {
        let hit = match (&unwanted, present) {
            (_, None) => false,
            (Tags::Any, Some(_)) => true,
            (Tags::Listed(tags), Some(present)) => tags.iter().any(|tag| tag.text == present.etag),
        };
        return Ok(match (hit, read) {
            (false, _) => Verdict::Holds,
            (true, true) => Verdict::NotModified,
            (true, false) => Verdict::Failed("If-None-Match does not hold: the resource exists".into()),
        });
    }
    if let (true, Some(since), Some(present)) = (read, date(headers, &IF_MODIFIED_SINCE), present)
        && present.modified.is_some_and(|modified| modified.as_second() <= since.as_second())
    {
        return Ok(Verdict::NotModified);
    }
    Ok(Verdict::Holds)
}

enum Tags {
    Any,
    Listed(Vec<Tag>),
}

struct Tag {
    weak: bool,
    text: String,
}

fn tags(headers: &HeaderMap, name: &http::HeaderName) -> Result<Option<Tags>, String> {
    let mut listed = Vec::new();
    let mut seen = false;
    for value in headers.get_all(name) {
        seen = true;
        let text = value.to_str().map_err(|_| format!("{name} is not text"))?.trim();
        if text == "*" {
            return Ok(Some(Tags::Any));
        }
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (weak, quoted) = part.strip_prefix("W/").map_or((false, part), |rest| (true, rest));
            let inner = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
            let inner = inner.ok_or_else(|| format!("{name}: an entity tag stands in double quotes"))?;
            listed.push(Tag { weak, text: inner.to_owned() });
        }
    }
    Ok(seen.then_some(Tags::Listed(listed)))
}

/// A date that is not understood is as if it were not there (RFC 9110 §13.1.3).
fn date(headers: &HeaderMap, name: &http::HeaderName) -> Option<Timestamp> {
    let text = headers.get(name)?.to_str().ok()?;
    Some(rfc2822::parse(text).ok()?.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn with(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (http::HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    fn present() -> Present {
        Present { etag: "e1".into(), modified: Some(Timestamp::from_second(1_700_000_000).unwrap()) }
    }

    #[test]
    fn if_match_guards_a_write() {
        let judged = |value, present: Option<&Present>| judge(&with(&[("if-match", value)]), present, false);
        assert_eq!(judged("\"e0\", \"e1\"", Some(&present())), Verdict::Holds);
        assert_eq!(judged("*", Some(&present())), Verdict::Holds);
        assert!(matches!(judged("\"e0\"", Some(&present())), Verdict::Failed(why) if why.contains("e1")));
        assert!(matches!(judged("W/\"e1\"", Some(&present())), Verdict::Failed(_)));
        assert!(matches!(judged("*", None), Verdict::Failed(_)));
        assert!(matches!(judged("e1", Some(&present())), Verdict::Malformed(_)));
    }

    #[test]
    fn if_none_match_protects_a_creation_and_saves_a_transfer() {
        let headers = with(&[("if-none-match", "*")]);
        assert_eq!(judge(&headers, None, false), Verdict::Holds);
        assert!(matches!(judge(&headers, Some(&present()), false), Verdict::Failed(_)));
        let headers = with(&[("if-none-match", "W/\"e1\"")]);
        assert_eq!(judge(&headers, Some(&present()), true), Verdict::NotModified);
    }

    #[test]
    fn dates_count_whole_seconds_and_yield_to_tags() {
        let date = http_date(present().modified.unwrap()).unwrap();
        assert_eq!(date, "Tue, 14 Nov 2023 22:13:20 GMT");
        let later = with(&[("if-modified-since", "Tue, 14 Nov 2023 22:13:20 GMT")]);
        assert_eq!(judge(&later, Some(&present()), true), Verdict::NotModified);
        let earlier = with(&[("if-unmodified-since", "Tue, 14 Nov 2023 22:13:19 GMT")]);
        assert!(matches!(judge(&earlier, Some(&present()), false), Verdict::Failed(_)));
        let both = with(&[("if-none-match", "\"e2\""), ("if-modified-since", "Tue, 14 Nov 2023 22:13:20 GMT")]);
        assert_eq!(judge(&both, Some(&present()), true), Verdict::Holds);
    }
}
