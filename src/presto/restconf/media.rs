//! Media types, and bodies through the codecs. Pure.
//!
//! Strict, as peers are: `application/yang-data+json` and `application/yang-data+xml` and nothing else in a request; a missing or
//! open `Accept` means JSON.

use crate::tree::{Children, CodecError, ConfigTree, Limits, Path, Policy, SchemaIndex, json, xml};
use http::HeaderMap;
use http::header::{ACCEPT, CONTENT_TYPE};

/// The two encodings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Media {
    /// RFC 7951.
    Json,
    /// RFC 7950.
    Xml,
}

impl Media {
    /// The media type.
    pub fn as_str(self) -> &'static str {
        match self {
            Media::Json => "application/yang-data+json",
            Media::Xml => "application/yang-data+xml",
        }
    }
}

/// The encoding of the answer; `None` = no acceptable one (406).
pub fn accepted(headers: &HeaderMap) -> Option<Media> {
    let mut best: Option<(Media, f32)> = None;
    let mut any = false;
    for value in headers.get_all(ACCEPT) {
        for range in value.to_str().unwrap_or_default().split(',') {
            let mut parts = range.split(';').map(str::trim);
            let name = parts.next().unwrap_or_default().to_ascii_lowercase();
            if name.is_empty() {
                continue;
            }
            any = true;
            let quality = parts.find_map(|part| part.strip_prefix("q=")).and_then(|q| q.parse().ok()).unwrap_or(1.0);
            let media = match name.as_str() {
                "application/yang-data+json" | "application/*" | "*/*" => Media::Json,
                "application/yang-data+xml" => Media::Xml,
                _ => continue,
            };
            if quality > 0.0 && best.is_none_or(|(_, known)| quality > known) {
                best = Some((media, quality));
            }
        }
    }
    if any { best.map(|(media, _)| media) } else { Some(Media::Json) }
}

/// The encoding of the request's body; the error says what is wrong with its `Content-Type` (415).
pub fn sent(headers: &HeaderMap) -> Result<Media, String> {
    let Some(value) = headers.get(CONTENT_TYPE) else {
        return Err(format!(
            "the request has no Content-Type; use {} or {}",
            Media::Json.as_str(),
            Media::Xml.as_str()
        ));
    };
    let name = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match name.as_str() {
        "application/yang-data+json" => Ok(Media::Json),
        "application/yang-data+xml" => Ok(Media::Xml),
        _ => {
            let shown: String = name.chars().filter(|c| !c.is_control()).take(80).collect();
            Err(format!("Content-Type '{shown}' is not taken; use {} or {}", Media::Json.as_str(), Media::Xml.as_str()))
        }
    }
}

/// Reads a body as children of `at`.
pub fn parse(
    media: Media,
    bytes: &[u8],
    index: &SchemaIndex,
    at: &Path,
    policy: Policy,
    limits: &Limits,
) -> Result<ConfigTree, CodecError> {
    let at = (!at.steps().is_empty()).then_some(at);
    match media {
        Media::Json => json::parse(bytes, index, at, policy, limits),
        Media::Xml => xml::parse(bytes, index, at, policy, limits),
    }
}

/// Prints nodes that are children of `parent`.
pub fn print<'a>(media: Media, nodes: impl Into<Children<'a>>, parent: &Path, index: &SchemaIndex) -> String {
    match media {
        Media::Json => json::print_nodes(nodes, parent, index, true),
        Media::Xml => xml::print_nodes(nodes, parent, index, true),
    }
}

/// Text with the characters escaped that XML needs escaped; characters that XML cannot carry become U+FFFD.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\t' | '\n' => out.push(c),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn headers(name: http::HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    #[test]
    fn accept_is_honoured_and_missing_means_json() {
        assert_eq!(accepted(&HeaderMap::new()), Some(Media::Json));
        assert_eq!(accepted(&headers(ACCEPT, "*/*")), Some(Media::Json));
        assert_eq!(accepted(&headers(ACCEPT, "application/yang-data+xml")), Some(Media::Xml));
        let both = "application/yang-data+xml;q=0.4, application/yang-data+json;q=0.9";
        assert_eq!(accepted(&headers(ACCEPT, both)), Some(Media::Json));
        assert_eq!(accepted(&headers(ACCEPT, "text/html")), None);
        assert_eq!(accepted(&headers(ACCEPT, "application/yang-data+json;q=0")), None);
    }

    #[test]
    fn plain_json_is_not_yang_data() {
        assert_eq!(sent(&headers(CONTENT_TYPE, "application/yang-data+json; charset=utf-8")), Ok(Media::Json));
        assert!(sent(&headers(CONTENT_TYPE, "application/json")).unwrap_err().contains("application/yang-data+json"));
        assert!(sent(&HeaderMap::new()).is_err());
    }
}
