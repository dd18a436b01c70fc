//! An answer before it becomes HTTP.

use super::conditions::{Present, http_date};
use super::errors::Problem;
use super::media::Media;
use crate::domain::TransactionRecord;
use crate::tree::SchemaIndex;
use axum::body::Body;
use axum::response::Response;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, LAST_MODIFIED, LOCATION};
use http::{HeaderName, HeaderValue, StatusCode};

/// Status, headers, body.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub status: StatusCode,
    headers: Vec<(HeaderName, String)>,
    body: Option<(&'static str, String)>,
}

impl Answer {
    pub fn new(status: StatusCode) -> Self {
        Self { status, headers: Vec::new(), body: None }
    }

    pub fn with(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub fn body(mut self, media_type: &'static str, text: String) -> Self {
        self.body = Some((media_type, text));
        self
    }

    pub fn location(self, path: &str) -> Self {
        self.with(LOCATION, path)
    }

    /// Entity tag and time of the last change.
    pub fn validators(self, present: Option<&Present>) -> Self {
        let Some(present) = present else { return self };
        let answer = self.with(ETAG, format!("\"{}\"", present.etag));
        match present.modified.and_then(http_date) {
            Some(date) => answer.with(LAST_MODIFIED, date),
            None => answer,
        }
    }

    /// The name of the transaction.
    pub fn transaction(self, record: &TransactionRecord) -> Self {
        if record.id.is_empty() { self } else { self.with(TRANSACTION, record.id.clone()) }
    }

    /// A refusal.
    pub fn problem(problem: &Problem, media: Media, index: &SchemaIndex) -> Self {
        let answer = Self::new(problem.status).body(media.as_str(), problem.print(media, index));
        match &problem.transaction {
            Some(id) => answer.with(TRANSACTION, id.clone()),
            None => answer,
        }
    }

    pub fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        for (name, value) in self.headers {
            // What cannot stand in a header (a name with control characters) is left out rather than broken.
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.append(name, value);
            }
        }
        if let Some((media_type, text)) = self.body {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
            *response.body_mut() = Body::from(text);
        }
        response
    }
}

/// Header that names the transaction of an answer.
pub(super) const TRANSACTION: HeaderName = HeaderName::from_static("andante-transaction");
/// Header with the ticket of a write.
pub(super) const TICKET: HeaderName = HeaderName::from_static("andante-ticket");
