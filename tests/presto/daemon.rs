//! A daemon inside the test, and a client.

use crate::holds::Holds;
use andante::config::Settings;
use andante::controller::{Absent, Controller};
use andante::daemon::{Invocation, start_with};
use andante::domain::{Element, Port, Principal, Role};
use andante::presto::{Server, ServerSettings, listen, serve};
use andante::service::ledger::Take;
use andante::store::{SqliteStore, Table, list};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpStream, UnixStream};
use tokio_util::sync::CancellationToken;

pub const JSON: &str = "application/yang-data+json";
pub const XML: &str = "application/yang-data+xml";
pub const SERVICES: &str = "/restconf/data/ietf-l3vpn-ntw:l3vpn-ntw/vpn-services";
pub const ACME: &str = "/restconf/data/ietf-l3vpn-ntw:l3vpn-ntw/vpn-services/vpn-service=acme-l3";

pub struct Daemon {
    pub controller: Arc<Controller>,
    /// Where a test stops transactions.
    pub holds: Arc<Holds>,
    server: Option<Server>,
    pub socket: PathBuf,
    stop: CancellationToken,
    settings: Settings,
    nso_compatible: bool,
    folder: tempfile::TempDir,
}

pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Daemon {
    /// A domain whose two elements do not answer.
    pub async fn unreachable() -> Self {
        Self::with(vec![element("pe1", "iosxr", &["GigabitEthernet0/0/0/1"]), element("pe2", "frr", &["eth1"])], false)
            .await
    }

    pub async fn with(elements: Vec<Element>, nso_compatible: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = Settings::default();
        settings.paths.state = folder.path().join("state");
        settings.paths.adapters = root().join("adapters");
        settings.paths.profiles = root().join("yang");
        settings.paths.yang = crate::support::iosxr_models().into_iter().collect();
        settings.paths.elements = PathBuf::new();
        // Generous: real servers share the machine with everything else.
        settings.adagio.connect_timeout = 60;
        settings.adagio.busy_timeout = 1;
        settings.transaction.lock_timeout = 5;
        settings.ledger.quarantine = 0;
        let holds = Arc::new(Holds::default());
        let controller = begin(&settings, &holds).await;
        controller.apply_elements(&noc(), elements, Absent::Keep).await.unwrap();
        let socket = folder.path().join("andante.sock");
        let stop = CancellationToken::new();
        let server = Some(serving(&controller, &socket, nso_compatible, &stop).await);
        Self { controller, holds, server, socket, stop, settings, nso_compatible, folder }
    }

    /// Ends the daemon and starts another over the same store.
    pub async fn restart(&mut self) {
        self.stop.cancel();
        let server = self.server.take().unwrap();
        tokio::time::timeout(Duration::from_secs(20), server.finished()).await.unwrap();
        self.stop = CancellationToken::new();
        self.controller = begin(&self.settings, &self.holds).await;
        self.server = Some(serving(&self.controller, &self.socket, self.nso_compatible, &self.stop).await);
    }

    /// Asks over TCP.
    pub async fn ask(&self, method: Method, path: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Answer {
        let stream = TcpStream::connect(self.server.as_ref().unwrap().address()).await.unwrap();
        exchange(TokioIo::new(stream), method, path, headers, body.into()).await
    }

    /// Asks over the local socket.
    pub async fn ask_locally(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        let stream = UnixStream::connect(&self.socket).await.unwrap();
        exchange(TokioIo::new(stream), method, path, headers, body.into()).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.ask(Method::GET, path, &[], "").await
    }

    pub async fn put(&self, path: &str, body: impl Into<Bytes>) -> Answer {
        self.ask(Method::PUT, path, &[("content-type", JSON)], body).await
    }

    pub async fn post(&self, path: &str, body: impl Into<Bytes>) -> Answer {
        self.ask(Method::POST, path, &[("content-type", JSON)], body).await
    }

    /// The folder of the store.
    pub fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// The ledger as it is stored.
    pub async fn numbers(&self) -> Vec<Take> {
        let store = SqliteStore::open(&self.folder.path().join("state/andante.db")).unwrap();
        list(&store, Table::Numbers, "").await.unwrap().into_iter().map(|(_, take)| take).collect()
    }

    /// Nothing was stored and no transaction was begun.
    pub async fn untouched(&self) {
        for face in ["ietf-l3vpn-ntw", "ietf-l2vpn-ntw"] {
            assert!(self.controller.documents(&noc(), face).await.unwrap().is_empty(), "a document was stored");
        }
        assert!(
            self.controller.transactions_page(&noc(), None, usize::MAX).await.unwrap().is_empty(),
            "a transaction was begun"
        );
    }

    pub async fn end(mut self) {
        self.stop.cancel();
        let server = self.server.take().unwrap();
        tokio::time::timeout(Duration::from_secs(20), server.finished()).await.unwrap();
        assert!(!self.socket.exists(), "the socket file stays");
    }
}

async fn begin(settings: &Settings, holds: &Arc<Holds>) -> Arc<Controller> {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_andanted"));
    let invocation = Invocation { settings: settings.clone(), program, crash_at: None };
    start_with(invocation, holds.clone()).await.unwrap().0
}

async fn serving(
    controller: &Arc<Controller>,
    socket: &Path,
    nso_compatible: bool,
    stop: &CancellationToken,
) -> Server {
    let settings = ServerSettings {
        listen: ([127, 0, 0, 1], 0).into(),
        socket: Some(socket.to_owned()),
        sync_timeout: Duration::from_secs(60),
        body_limit: 4 << 20,
        nso_compatible,
    };
    serve(controller.clone(), listen(settings).await.unwrap(), stop.clone()).unwrap()
}

impl Answer {
    #[track_caller]
    pub fn is(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{:#?}\n{}", self.headers, self.text);
        self
    }

    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        assert_eq!(self.header("content-type"), Some(JSON), "{}", self.text);
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}\n{}", self.text))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The first error of an error body.
    #[track_caller]
    pub fn error(&self) -> serde_json::Value {
        let error = self.json()["ietf-restconf:errors"]["error"][0].clone();
        assert!(error["error-type"].is_string() && error["error-message"].is_string(), "{}", self.text);
        error
    }

    /// Status and tag of a refusal.
    #[track_caller]
    pub fn refused(self, status: u16, tag: &str) -> serde_json::Value {
        let answer = self.is(status);
        let error = answer.error();
        assert_eq!(error["error-tag"], tag, "{}", answer.text);
        error
    }
}

async fn exchange<T>(stream: TokioIo<T>, method: Method, path: &str, headers: &[(&str, &str)], body: Bytes) -> Answer
where
    TokioIo<T>: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
{
    let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let mut request = Request::builder().method(method).uri(path).header("host", "localhost");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(body)).unwrap();
    let answer = tokio::time::timeout(Duration::from_secs(100), sender.send_request(request)).await.unwrap().unwrap();
    let (parts, body) = answer.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    Answer { status: parts.status, headers: parts.headers, text: String::from_utf8(bytes.to_vec()).unwrap() }
}

pub fn noc() -> Principal {
    Principal { user: "noc".into(), role: Role::Administrator, tenant: None, ticket: None }
}

/// An element at an address where nobody listens.
pub fn element(name: &str, adapter: &str, ports: &[&str]) -> Element {
    Element {
        name: name.into(),
        ne_id: None,
        adapter: adapter.into(),
        address: "127.0.0.1:1".into(),
        username: "andante".into(),
        private_key: Some("/nonexistent".into()),
        password_file: None,
        host_key: Some("SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".into()),
        router_id: Some(if name == "pe1" { "10.0.0.1" } else { "10.0.0.2" }.parse().unwrap()),
        asn: Some(65000),
        site: None,
        ports: ports.iter().map(|port| Port { name: port.to_string(), role: "uni".into(), exclude: false }).collect(),
        facts: Default::default(),
        protected: Vec::new(),
        one_session: false,
        managed: true,
    }
}

/// A document of `tests/documents` as the body of its `vpn-service`.
pub fn service(name: &str) -> serde_json::Value {
    let all = document(name);
    let (top, content) = all.as_object().unwrap().iter().next().unwrap();
    let module = top.split(':').next().unwrap();
    serde_json::json!({ format!("{module}:vpn-service"): content["vpn-services"]["vpn-service"] })
}

pub fn document(name: &str) -> serde_json::Value {
    serde_json::from_str(&text(name)).unwrap()
}

pub fn text(name: &str) -> String {
    std::fs::read_to_string(root().join("tests/documents").join(name)).unwrap()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
