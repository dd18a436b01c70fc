//! The daemon dies at a named point of a transaction, with real elements below it. Whoever starts next over the same
//! store ends what was left open by reading the elements: before the decision all is as before, after it all is new.

use crate::domain::{Domain, applied, document, noc};
use andante::domain::{Outcome, ServiceKey, TransactionRecord};
use serde_json::Value;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

const FILE: &str = "l3vpn-any-to-any.json";
const LIMIT: Duration = Duration::from_secs(60);
const SIGABRT: i32 = 6;

/// The daemon's own executable over the store of the domain; it aborts at `point`, as a power cut would.
struct Doomed {
    child: Child,
    socket: std::path::PathBuf,
}

impl Doomed {
    fn start(domain: &Domain, point: &str) -> Self {
        let folder = domain.folder();
        let socket = folder.join("andante.sock");
        let _ = std::fs::remove_file(&socket);
        let mut settings = domain.settings.clone();
        settings.presto.listen = ([127, 0, 0, 1], 0).into();
        settings.presto.socket = socket.clone();
        settings.reconcile.period = 0;
        let file = folder.join("andante.toml");
        std::fs::write(&file, toml::to_string(&settings).unwrap()).unwrap();
        let log = std::fs::File::create(folder.join("andanted.log")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_andanted"));
        command.arg("--config").arg(&file).args(["--crash-at", point]);
        let child = command.stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let mut doomed = Self { child, socket };
        let start = Instant::now();
        while UnixStream::connect(&doomed.socket).is_err() {
            let alive = doomed.child.try_wait().unwrap().is_none();
            assert!(alive && start.elapsed() < LIMIT, "the daemon does not listen: {}", said(folder));
            std::thread::yield_now();
        }
        doomed
    }

    /// Puts the service; there is no answer, for the daemon dies over it.
    fn put(mut self, key: &ServiceKey) -> ExitStatus {
        let mut value: Value = serde_json::from_str(&document(FILE)).unwrap();
        let services = &mut value["ietf-l3vpn-ntw:l3vpn-ntw"]["vpn-services"]["vpn-service"];
        let body = serde_json::json!({ "ietf-l3vpn-ntw:vpn-service": services.take() }).to_string();
        let mut stream = UnixStream::connect(&self.socket).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        write!(
            stream,
            "PUT /restconf/data/ietf-l3vpn-ntw:l3vpn-ntw/vpn-services/vpn-service={} HTTP/1.1\r\nHost: localhost\r\n\
             Content-Type: application/yang-data+json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            key.id,
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        assert_eq!(answer, "", "the daemon has lived to answer");
        self.child.wait().unwrap()
    }
}

impl Drop for Doomed {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn said(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("andanted.log")).unwrap_or_default()
}

/// The only transaction that is newer than `known`.
async fn newest(domain: &Domain, known: usize) -> TransactionRecord {
    let mut records = domain.controller.transactions_page(&noc(), None, usize::MAX).await.unwrap();
    assert_eq!(records.len(), known + 1, "{records:#?}");
    records.remove(0)
}

/// Dies at each point; the next controller over the same store ends the transaction as it should.
async fn dies_at(points: &[&str], decided: bool) {
    let Some(mut domain) = Domain::start().await else { return };
    let before = domain.running();
    let key = domain.put(FILE, |text| text).key().clone();
    for point in points {
        let known = domain.controller.transactions_page(&noc(), None, usize::MAX).await.unwrap().len();
        let status = Doomed::start(&domain, point).put(&key);
        assert_eq!(status.signal(), Some(SIGABRT), "{point}: {status}: {}", said(domain.folder()));
        domain.restart().await;
        let mut record = newest(&domain, known).await;
        let start = Instant::now();
        while !matches!(record.outcome, Some(Outcome::Applied | Outcome::NotApplied { .. })) {
            assert!(start.elapsed() < LIMIT, "{point}: {record:#?}");
            let pause = domain.controller.recover_again().await.unwrap().unwrap_or_default();
            tokio::time::sleep(pause.min(Duration::from_secs(2))).await;
            record = newest(&domain, known).await;
        }
        let stored = domain.controller.document(&noc(), &key).await.unwrap().is_some();
        if decided {
            assert_eq!(record.outcome, Some(Outcome::Applied), "{point}: {record:#?}");
            assert!(stored, "{point}");
        } else {
            assert!(matches!(record.outcome, Some(Outcome::NotApplied { .. })), "{point}: {record:#?}");
            assert!(!stored, "{point}");
            assert_eq!(domain.running(), before, "{point}");
        }
        for element in ["pe1", "pe2"] {
            let report = domain.check(element).await;
            assert!(report.deviations.is_empty(), "{point}: {element}: {:#?}", report.deviations);
        }
        // What comes next finds nothing in its way: no lock, no pending commit, no dirty candidate.
        if !decided {
            applied(&domain.write(vec![domain.put(FILE, |text| text)]).await.unwrap());
        }
        applied(&domain.write(vec![domain.delete(&key)]).await.unwrap());
        assert_eq!(domain.running(), before, "{point}");
    }
}

/// Between APPLIED and DECIDED, on both elements.
#[tokio::test(flavor = "multi_thread")]
async fn before_the_decision_all_is_as_before() {
    dies_at(&["after-prepare:pe1", "after-apply:pe1", "after-apply:pe2", "before-intent-decided"], false).await;
}

/// After DECIDED, on both elements.
#[tokio::test(flavor = "multi_thread")]
async fn after_the_decision_all_is_new() {
    dies_at(&["after-intent-decided", "after-confirm:pe1", "after-confirm:pe2"], true).await;
}
