//! Listeners, who asks, and which part of the API is meant.
//!
//! ```text
//! TcpListener (loopback) ─┐
//!                         ├─▶ one task per connection ─▶ Restconf::answer ─▶ data | operations | root
//! UnixListener (socket)  ─┘
//! ```
//!
//! Guarantees: plain HTTP stays on loopback and on the local socket (the daemon's settings see to it). On the socket the kernel
//! names the peer, who is an administrator; on loopback everybody is an operator. Writes that a browser sends for a
//! web page (header `Origin`) are refused.

use super::answer::{Answer, TICKET};
use super::errors::Problem;
use super::media::{self, Media};
use crate::controller::Controller;
use crate::domain::{Principal, Role};
use crate::tree::SchemaIndex;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::connect_info::{ConnectInfo, Connected};
use axum::extract::{Request, State};
use axum::response::Response;
use axum::serve::IncomingStream;
use http::header::{ALLOW, CONTENT_LENGTH, ORIGIN};
use http::{HeaderMap, HeaderName, Method, StatusCode};
use http_body_util::BodyExt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, UnixListener};

/// How the server behaves.
#[derive(Clone, Debug)]
pub struct Options {
    /// How long a write waits for its transaction before it is answered with 202.
    pub sync_timeout: Duration,
    /// Largest request body, bytes.
    pub body_limit: usize,
    /// Answer 502 rather than 503 where an element is out of reach.
    pub nso_compatible: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { sync_timeout: Duration::from_secs(120), body_limit: 4 << 20, nso_compatible: false }
    }
}

/// The RESTCONF server of one daemon.
pub struct Restconf {
    pub(super) controller: Arc<Controller>,
    pub(super) options: Options,
}

/// One request, taken apart.
pub(super) struct Ask {
    pub principal: Principal,
    pub method: Method,
    pub headers: HeaderMap,
    pub query: Option<String>,
    /// Encoding of the answer.
    pub media: Media,
}

impl Restconf {
    /// A server in front of this controller.
    pub fn new(controller: Arc<Controller>, options: Options) -> Arc<Self> {
        Arc::new(Self { controller, options })
    }

    /// Serves a loopback address until `stop` is done; requests under way are finished.
    pub async fn serve_tcp(
        self: Arc<Self>,
        listener: TcpListener,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> std::io::Result<()> {
        let service = self.router().into_make_service_with_connect_info::<Peer>();
        axum::serve(listener, service).with_graceful_shutdown(stop).await
    }

    /// Serves a local socket until `stop` is done; requests under way are finished.
    pub async fn serve_unix(
        self: Arc<Self>,
        listener: UnixListener,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> std::io::Result<()> {
        let service = self.router().into_make_service_with_connect_info::<Peer>();
        axum::serve(listener, service).with_graceful_shutdown(stop).await
    }

    pub(super) fn index(&self) -> &SchemaIndex {
        self.controller.schema()
    }

    fn router(self: Arc<Self>) -> Router {
        Router::new().fallback(handle).with_state(self)
    }

    /// Answers one request of a known principal.
    pub async fn answer(&self, mut principal: Principal, request: Request) -> Response {
        let (parts, mut body) = request.into_parts();
        if let Some(ticket) = parts.headers.get(&TICKET) {
            principal.ticket = ticket_text(ticket.as_bytes());
        }
        let path = parts.uri.path().to_owned();
        let accepted = media::accepted(&parts.headers);
        let ask = Ask {
            principal,
            method: parts.method,
            query: parts.uri.query().map(str::to_owned),
            media: accepted.unwrap_or(Media::Json),
            headers: parts.headers,
        };
        let writes = !matches!(ask.method, Method::GET | Method::HEAD | Method::OPTIONS);
        let answered = if writes && ask.headers.contains_key(ORIGIN) {
            let message = "requests on behalf of a web page are refused; nothing was done";
            Err(Problem::new(StatusCode::FORBIDDEN, "access-denied", message))
        } else if let Some(meta) = host_meta(&path, &ask.method) {
            Ok(meta)
        } else if accepted.is_none() {
            let message = format!("the answer can be {} or {}", Media::Json.as_str(), Media::Xml.as_str());
            Err(Problem::new(StatusCode::NOT_ACCEPTABLE, "invalid-value", message))
        } else {
            self.route(&ask, &mut body, &path).await
        };
        let mut answer = answered.unwrap_or_else(|problem| Answer::problem(&problem, ask.media, self.index()));
        if answer.status == StatusCode::METHOD_NOT_ALLOWED {
            // RFC 9110 §15.5.6 demands it.
            let operation = path.starts_with("/restconf/operations/");
            answer = answer.with(ALLOW, if operation { "POST, OPTIONS" } else { "GET, HEAD, OPTIONS" });
        }
        // A client that is still sending would never read the answer.
        drain(&mut body).await;
        answer.into_response()
    }

    async fn route(&self, ask: &Ask, body: &mut Body, path: &str) -> Result<Answer, Problem> {
        let nowhere = || {
            Problem::new(StatusCode::NOT_FOUND, "invalid-value", "there is nothing at this path")
                .remedy("the API begins at /restconf; see /.well-known/host-meta")
        };
        let rest = path.strip_prefix("/restconf").ok_or_else(nowhere)?;
        if let Some(target) = below(rest, "/data") {
            return self.data(ask, body, target).await;
        }
        if let Some(name) = below(rest, "/operations") {
            return self.operation(ask, body, name).await;
        }
        match rest.trim_end_matches('/') {
            "" => read_only(ask, root),
            "/yang-library-version" => read_only(ask, |media| match media {
                Media::Json => format!("{{\n  \"ietf-restconf:yang-library-version\": \"{YANG_LIBRARY}\"\n}}\n"),
                Media::Xml => {
                    format!("<yang-library-version xmlns=\"{RESTCONF}\">{YANG_LIBRARY}</yang-library-version>\n")
                }
            }),
            _ => Err(nowhere()),
        }
    }
}

async fn handle(
    State(server): State<Arc<Restconf>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    request: Request,
) -> Response {
    server.answer(peer.principal, request).await
}

/// The whole body, or why not (413 when it is larger than allowed).
pub(super) async fn read_body(body: &mut Body, headers: &HeaderMap, limit: usize) -> Result<Bytes, Problem> {
    let too_big = || {
        let message = format!("the body is larger than {limit} bytes; nothing was stored, nothing was sent");
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-big", message).remedy("send fewer services in one request")
    };
    let declared = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if declared.is_some_and(|length| length > limit as u64) {
        return Err(too_big());
    }
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| {
            Problem::new(StatusCode::BAD_REQUEST, "malformed-message", "the body broke off; nothing was done")
        })?;
        let Ok(chunk) = frame.into_data() else { continue };
        if bytes.len() + chunk.len() > limit {
            return Err(too_big());
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.into())
}

/// The resource itself for GET and HEAD, 405 for everything else.
pub(super) fn read_only(ask: &Ask, body: impl FnOnce(Media) -> String) -> Result<Answer, Problem> {
    match ask.method {
        Method::GET | Method::HEAD => Ok(Answer::new(StatusCode::OK).body(ask.media.as_str(), body(ask.media))),
        Method::OPTIONS => Ok(allow("GET, HEAD, OPTIONS")),
        _ => Err(not_here(&ask.method)),
    }
}

pub(super) fn allow(methods: &str) -> Answer {
    Answer::new(StatusCode::OK).with(ALLOW, methods)
}

pub(super) fn not_here(method: &Method) -> Problem {
    let message = format!("{method} is not offered for this resource; nothing was done");
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "operation-not-supported", message)
}

async fn drain(body: &mut Body) {
    let mut left: usize = 64 << 20;
    let all = async {
        while let Some(Ok(frame)) = body.frame().await {
            left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
            if left == 0 {
                return;
            }
        }
    };
    let _ = tokio::time::timeout(Duration::from_secs(10), all).await;
}

fn below<'a>(rest: &'a str, name: &str) -> Option<&'a str> {
    rest.strip_prefix(name).filter(|more| more.is_empty() || more.starts_with('/'))
}

fn root(media: Media) -> String {
    match media {
        Media::Json => format!(
            "{{\n  \"ietf-restconf:restconf\": {{\n    \"data\": {{}},\n    \"operations\": {{}},\n    \"yang-library-version\": \"{YANG_LIBRARY}\"\n  }}\n}}\n"
        ),
        Media::Xml => format!(
            "<restconf xmlns=\"{RESTCONF}\">\n  <data/>\n  <operations/>\n  <yang-library-version>{YANG_LIBRARY}</yang-library-version>\n</restconf>\n"
        ),
    }
}

/// RFC 6415: where the API is.
fn host_meta(path: &str, method: &Method) -> Option<Answer> {
    if !matches!(*method, Method::GET | Method::HEAD) {
        return None;
    }
    match path {
        "/.well-known/host-meta" => Some(Answer::new(StatusCode::OK).body(
            "application/xrd+xml",
            "<XRD xmlns=\"http://docs.oasis-open.org/ns/xri/xrd-1.0\">\n  <Link rel=\"restconf\" href=\"/restconf\"/>\n</XRD>\n"
                .into(),
        )),
        "/.well-known/host-meta.json" => Some(Answer::new(StatusCode::OK).body(
            "application/json",
            "{\n  \"links\": [{ \"rel\": \"restconf\", \"href\": \"/restconf\" }]\n}\n".into(),
        )),
        _ => None,
    }
}

/// Who is at the other end.
#[derive(Clone, Debug)]
struct Peer {
    principal: Principal,
}

impl Connected<IncomingStream<'_, TcpListener>> for Peer {
    fn connect_info(_: IncomingStream<'_, TcpListener>) -> Self {
        let user = "anonymous-loopback".into();
        Self { principal: Principal { user, role: Role::Operator, tenant: None, ticket: None } }
    }
}

impl Connected<IncomingStream<'_, UnixListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, UnixListener>) -> Self {
        let (user, role) = match stream.io().peer_cred() {
            Ok(cred) => (user_name(cred.uid()), Role::Administrator),
            // Who cannot be named may look.
            Err(_) => ("unknown".into(), Role::Observer),
        };
        Self { principal: Principal { user, role, tenant: None, ticket: None } }
    }
}

fn user_name(uid: u32) -> String {
    let known = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let mut names = known.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    });
    names.next().unwrap_or_else(|| format!("uid-{uid}"))
}

pub(super) fn ticket_text(bytes: &[u8]) -> Option<String> {
    let text: String = String::from_utf8_lossy(bytes).chars().filter(|c| !c.is_control()).take(256).collect();
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// Headers that only some answers have.
pub(super) const ACCEPT_PATCH: HeaderName = HeaderName::from_static("accept-patch");
const YANG_LIBRARY: &str = "2019-01-04";
pub(super) const RESTCONF: &str = "urn:ietf:params:xml:ns:yang:ietf-restconf";
