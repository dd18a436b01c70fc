//! Requests to the daemon: HTTP/1.1 over the local socket, or over TCP to a URL.

use super::failure::Failure;
use http::{Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Duration;
use tokio::net::{TcpStream, UnixStream};

/// Where the daemon is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Local socket.
    Socket(PathBuf),
    /// `host:port`, and what stands before the API's own paths.
    Tcp { authority: String, prefix: String },
}

/// A daemon to ask.
#[derive(Clone, Debug)]
pub(super) struct Client {
    place: Place,
    ticket: Option<String>,
}

/// An answer.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    pub status: StatusCode,
    /// Header `Andante-Transaction`.
    pub transaction: Option<String>,
    /// The body as it came.
    pub text: String,
    /// The body read; null if there is none.
    pub body: Value,
}

impl Client {
    pub fn new(url: Option<&str>, socket: Option<PathBuf>, ticket: Option<String>) -> Result<Self, Failure> {
        let place = match (url, socket) {
            (_, Some(socket)) => Place::Socket(socket),
            (Some(url), None) => place(url)?,
            (None, None) => Place::Socket(SOCKET.into()),
        };
        let ticket = ticket.map(|text| text.chars().filter(|c| !c.is_control()).collect());
        Ok(Self { place, ticket })
    }

    /// Reads a resource below `/restconf/data`.
    pub async fn get(&self, path: &str) -> Result<Reply, Failure> {
        self.accepted(Method::GET, &format!("/restconf/data{path}"), None).await
    }

    /// Calls an operation of module `andante`.
    pub async fn call(&self, name: &str, input: Value) -> Result<Reply, Failure> {
        let body = json!({ "andante:input": input }).to_string();
        self.accepted(Method::POST, &format!("/restconf/operations/andante:{name}"), Some(body)).await
    }

    async fn accepted(&self, method: Method, path: &str, body: Option<String>) -> Result<Reply, Failure> {
        let reply = self.ask(method, path, body).await?;
        if reply.status.is_success() { Ok(reply) } else { Err(Failure::Refused(Box::new(reply))) }
    }

    async fn ask(&self, method: Method, path: &str, body: Option<String>) -> Result<Reply, Failure> {
        let asking = async {
            match &self.place {
                Place::Socket(socket) => {
                    let stream = UnixStream::connect(socket).await.map_err(|error| {
                        Failure::Tool(format!(
                            "the daemon does not answer at {}: {error}; is andanted running, and may you use its socket? \
                             (--socket, --url and ANDANTE_URL name another place)",
                            socket.display()
                        ))
                    })?;
                    self.exchange(TokioIo::new(stream), "localhost", method, path, body).await
                }
                Place::Tcp { authority, prefix } => {
                    let stream = TcpStream::connect(authority.as_str()).await.map_err(|error| {
                        Failure::Tool(format!(
                            "the daemon does not answer at {authority}: {error}; is andanted running?"
                        ))
                    })?;
                    self.exchange(TokioIo::new(stream), authority, method, &format!("{prefix}{path}"), body).await
                }
            }
        };
        let asked = tokio::time::timeout(PATIENCE, asking).await;
        asked.unwrap_or_else(|_| {
            Err(Failure::Tool("the daemon takes too long; look at 'andante transaction list'".into()))
        })
    }

    async fn exchange<T>(
        &self,
        stream: TokioIo<T>,
        host: &str,
        method: Method,
        path: &str,
        body: Option<String>,
    ) -> Result<Reply, Failure>
    where
        TokioIo<T>: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
    {
        let broken = |error: &dyn std::fmt::Display| {
            Failure::Tool(format!(
                "the connection to the daemon broke: {error}; whether it acted shows 'andante transaction list'"
            ))
        };
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(stream).await.map_err(|error| broken(&error))?;
        let connection = tokio::spawn(connection);
        let mut request = Request::builder().method(method).uri(path).header("host", host).header("accept", JSON);
        if body.is_some() {
            request = request.header("content-type", JSON);
        }
        if let Some(ticket) = &self.ticket {
            request = request.header("andante-ticket", ticket.as_bytes());
        }
        let request = request.body(Full::new(Bytes::from(body.unwrap_or_default())));
        let request = request.map_err(|error| Failure::Usage(format!("cannot ask for {path}: {error}")))?;
        let answer = sender.send_request(request).await.map_err(|error| broken(&error))?;
        let (parts, body) = answer.into_parts();
        let bytes = body.collect().await.map_err(|error| broken(&error))?.to_bytes();
        connection.abort();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let read = if text.is_empty() { Ok(Value::Null) } else { serde_json::from_str(&text) };
        let body = match read {
            Ok(body) => body,
            Err(_) if !parts.status.is_success() => Value::Null,
            Err(error) => return Err(Failure::Tool(format!("the answer is no JSON: {error}; is this the daemon?"))),
        };
        let transaction =
            parts.headers.get("andante-transaction").and_then(|value| value.to_str().ok()).map(str::to_owned);
        Ok(Reply { status: parts.status, transaction, text, body })
    }
}

fn place(url: &str) -> Result<Place, Failure> {
    let wrong = |why: &str| Failure::Usage(format!("--url {url}: {why}"));
    let uri: Uri = url.parse().map_err(|_| wrong("is not a URL"))?;
    if uri.scheme_str() != Some("http") {
        return Err(wrong("http:// is expected; for TLS put a local proxy in between"));
    }
    let host = uri.host().ok_or_else(|| wrong("names no host"))?;
    let authority = format!("{host}:{}", uri.port_u16().unwrap_or(80));
    Ok(Place::Tcp { authority, prefix: uri.path().trim_end_matches('/').to_owned() })
}

const SOCKET: &str = "/run/andante/andante.sock";
const JSON: &str = "application/yang-data+json";
/// Longer than any `presto.sync_timeout` that makes sense.
const PATIENCE: Duration = Duration::from_secs(900);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_socket_or_an_http_url() {
        let tcp = |authority: &str, prefix: &str| Place::Tcp { authority: authority.into(), prefix: prefix.into() };
        assert_eq!(place("http://127.0.0.1:8080").unwrap(), tcp("127.0.0.1:8080", ""));
        assert_eq!(place("http://[::1]:8080/a/").unwrap(), tcp("[::1]:8080", "/a"));
        assert!(place("https://x").is_err() && place("x").is_err());
    }
}
