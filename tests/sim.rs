//! The simulated elements, seen by the daemon's own drivers and by clients that break the rules.
//!
//! What is asked here of the simulator was measured on real servers first (netconfd, FRR); the facts are named where they
//! are asked. Loopback only; every wait asks for a condition and has an end.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // an element that fails is a failed test

#[path = "support/demo.rs"]
mod demo;
#[path = "support/platforms.rs"]
mod platforms;
#[path = "sim/readings.rs"]
mod readings;
#[path = "support/simulated.rs"]
mod simulated;
#[path = "sim/story.rs"]
mod story;

use andante::adagio::cli::driver::dialect_of;
use andante::adagio::cli::{CliLimits, CliSession, Verdict};
use andante::adagio::connect::Connector;
use andante::adagio::netconf::{
    ConfirmedCommit, Datastore, DefaultOperation, EditConfig, Filter, NetconfError, NetconfLimits, NetconfSession,
};
use andante::adagio::secret::NoSecrets;
use andante::adagio::sim::{Fault, Login, SimElement, SimFiles, SimHandle, SimOptions, control, run_from_files, serve};
use andante::adagio::ssh::{SshConnection, SshLimits, SshTarget};
use andante::adagio::tap::Tap;
use andante::adagio::{Confirm, DriverError, Effect, Payload, Southbound};
use andante::adapter::Adapter;
use andante::domain::{Class, Element};
use andante::tree::{ConfigTree, Diff, diff, inverse};
use platforms::{adapter_folder, platforms};
use russh::keys::PrivateKey;
use simulated::simulated;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// A simulated domain: `pe1` and `pe3` (iosxr), `pe2` (frr), and what the daemon needs to drive it.
struct Lab {
    sim: SimHandle,
    adapters: BTreeMap<String, Arc<Adapter>>,
    connector: Connector,
    folder: tempfile::TempDir,
}

impl Lab {
    async fn start() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl Fn(&mut SimElement)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = key_in(folder.path());
        let (adapters, schemas) = platforms().await;
        let elements = [("pe1", "iosxr"), ("pe2", "frr")].map(|(name, adapter)| {
            let mut element = SimElement::new(name, adapter);
            element.login = Login { keys: vec![key.public_key().clone()], password: Some("s3cret".to_owned().into()) };
            if adapter == "frr" {
                element.running = FRR_BEFORE.into();
            }
            change(&mut element);
            element
        });
        let options = SimOptions { elements: elements.into(), adapters: adapter_folder(), schemas, state: None };
        let connector = Connector {
            ssh: SshLimits::default(),
            netconf: NetconfLimits { rpc_timeout: Duration::from_secs(2), ..NetconfLimits::default() },
            cli: CliLimits { line_timeout: Duration::from_secs(2), ..CliLimits::default() },
            busy: Duration::from_millis(100),
            secrets: Arc::new(NoSecrets),
            inside: None,
            readings: Arc::default(),
        };
        Self { sim: serve(options).await.unwrap(), adapters, connector, folder }
    }

    fn element(&self, name: &str) -> Element {
        simulated(&self.sim, name, "andante", &self.folder.path().join("key"))
    }

    fn target(&self, name: &str) -> SshTarget {
        self.connector.target(&self.element(name)).unwrap()
    }

    fn south(&self, name: &str) -> Arc<dyn Southbound> {
        self.connector.southbound(&self.element(name), self.adapter(name)).unwrap()
    }

    fn adapter(&self, name: &str) -> &Arc<Adapter> {
        &self.adapters[self.sim.adapter(name).unwrap()]
    }

    async fn netconf(&self, name: &str) -> NetconfSession {
        let limits = self.connector.netconf;
        NetconfSession::connect(&self.target(name), &self.connector.ssh, limits, Tap::default()).await.unwrap()
    }

    async fn cli(&self, name: &str) -> CliSession {
        let dialect = Arc::new(dialect_of(self.adapter(name)).unwrap());
        let (ssh, limits) = (&self.connector.ssh, self.connector.cli);
        CliSession::connect(&self.target(name), ssh, dialect, limits, Tap::default()).await.unwrap()
    }

    /// The golden L3VPN of the adapter as a change of what runs now: before, after, the way there and back.
    fn service(&self, name: &str) -> Change {
        let adapter = self.adapter(name);
        let case = adapter_folder().join(adapter.name()).join("tests/change_vlan_id/element-service.json");
        let wanted = serde_json::from_str(&std::fs::read_to_string(case).unwrap()).unwrap();
        let before = self.sim.running(name).unwrap();
        let after = before.overlay(&adapter.map(&wanted).unwrap());
        let there = diff(&before, &after);
        let payload = adapter.render(&there, &before, &after).unwrap();
        let back = adapter.render(&inverse(&there), &after, &before).unwrap();
        Change { before, after, there, payload, back }
    }

    async fn read(&self, name: &str) -> ConfigTree {
        let mut reader = self.south(name).open_reader().await.unwrap();
        let reading = reader.read_running().await.unwrap();
        assert_eq!(reading.partial, None);
        reader.close().await;
        reading.tree
    }

    fn typed(&self, name: &str) -> String {
        self.sim.wire(name).unwrap().iter().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).collect()
    }
}

struct Change {
    before: ConfigTree,
    after: ConfigTree,
    there: Diff,
    payload: Payload,
    back: Payload,
}

const FRR_BEFORE: &str = "interface eth0\n description core\n ip address 10.0.0.2/30\nexit\n!\nrouter bgp 65000\n \
                          bgp router-id 10.255.0.2\nexit\n!\nend\n";

fn key_in(folder: &Path) -> PrivateKey {
    let key = PrivateKey::random(&mut russh::keys::key::safe_rng(), russh::keys::Algorithm::Ed25519).unwrap();
    key.write_openssh_file(folder.join("key"), Default::default()).unwrap();
    key
}

/// Waits until the condition holds, at most five seconds.
async fn until(what: &str, holds: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(5);
    while !holds() {
        assert!(Instant::now() < end, "never: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn confirm(seconds: u64) -> Confirm {
    Confirm { persist: "andante.t1.1.abc".into(), timeout: Duration::from_secs(seconds) }
}

fn tag(error: &DriverError) -> &str {
    error.tag.as_deref().unwrap_or("none")
}

fn rpc_tag<T: std::fmt::Debug>(result: Result<T, NetconfError>) -> String {
    result.unwrap_err().rpc_errors().first().map_or("none".to_owned(), |error| error.tag.clone())
}

// ------------------------------------------------------------------------------------------------- NETCONF, our driver

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_of_class_a_there_and_back_leaves_the_element_byte_for_byte() {
    let lab = Lab::start().await;
    let service = lab.service("pe1");
    let text = lab.sim.text("pe1").unwrap();
    assert!(!service.there.is_empty());
    let mut writer = lab.south("pe1").open_writer().await.unwrap();
    assert_eq!(writer.class(), Class::A);
    for payload in [&service.payload, &service.back] {
        writer.lock().await.unwrap();
        writer.prepare(payload).await.unwrap();
        let before = lab.sim.running("pe1").unwrap();
        let wanted = if before == service.before { &service.after } else { &service.before };
        writer.apply(payload, Some(&confirm(60))).await.unwrap();
        assert_eq!(&lab.read("pe1").await, wanted, "read from a session of its own");
        writer.extend(&confirm(60)).await.unwrap();
        writer.confirm(&confirm(60).persist).await.unwrap();
        writer.save().await.unwrap();
        writer.unlock().await.unwrap();
        assert_eq!(&lab.sim.running("pe1").unwrap(), wanted);
    }
    assert_eq!(lab.sim.text("pe1").unwrap(), text);
    // The bytes of the payload are on the wire as they are.
    let Payload::Netconf { config } = &service.payload else { panic!() };
    assert!(lab.typed("pe1").contains(config.as_str()));
    writer.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_cancelled_or_not_confirmed_in_time_is_taken_back() {
    let lab = Lab::start().await;
    let service = lab.service("pe1");
    let mut writer = lab.south("pe1").open_writer().await.unwrap();
    let persist = confirm(1).persist;
    writer.lock().await.unwrap();
    writer.prepare(&service.payload).await.unwrap();
    writer.apply(&service.payload, Some(&confirm(60))).await.unwrap();
    assert_eq!(lab.sim.running("pe1").unwrap(), service.after);
    writer.cancel(&persist).await.unwrap();
    assert_eq!(lab.sim.running("pe1").unwrap(), service.before);
    // F4: a late cancel does not tell whether it was cancelled or confirmed.
    let late = writer.cancel(&persist).await.unwrap_err();
    assert_eq!((tag(&late), late.effect), ("operation-failed", Effect::Unknown));

    writer.prepare(&service.payload).await.unwrap();
    writer.apply(&service.payload, Some(&confirm(1))).await.unwrap();
    assert_eq!(lab.sim.running("pe1").unwrap(), service.after);
    until("the timer reverts", || lab.sim.running("pe1").unwrap() == service.before).await;
    assert_eq!(tag(&writer.confirm(&persist).await.unwrap_err()), "operation-failed", "F4");
    writer.unlock().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_before_the_commit_changes_nothing_and_a_lost_reply_is_unknown() {
    let lab = Lab::start().await;
    let service = lab.service("pe1");
    lab.sim.fault("pe1", Fault::Refuse { on: "edit-config".into(), answer: "too-big".into(), times: 1 }).unwrap();
    let mut writer = lab.south("pe1").open_writer().await.unwrap();
    writer.lock().await.unwrap();
    let refused = writer.prepare(&service.payload).await.unwrap_err();
    assert_eq!((tag(&refused), refused.effect), ("too-big", Effect::None));
    writer.prepare(&service.payload).await.unwrap();
    lab.sim.fault("pe1", Fault::LoseReply { on: "commit".into() }).unwrap();
    let lost = writer.apply(&service.payload, Some(&confirm(60))).await.unwrap_err();
    assert_eq!(lost.effect, Effect::Unknown);
    assert_eq!(lab.read("pe1").await, service.after, "only reading tells that it was done");
    drop(writer);

    // The holder of the lock is gone: whoever knows the persist-id takes it back.
    let other = lab.netconf("pe1").await;
    other.cancel_commit(Some(&confirm(60).persist)).await.unwrap();
    assert_eq!(lab.sim.running("pe1").unwrap(), service.before);

    // The connection ends instead of an answer, before anything was done: the candidate goes with its lock.
    let mut writer = lab.south("pe1").open_writer().await.unwrap();
    writer.lock().await.unwrap();
    writer.prepare(&service.payload).await.unwrap();
    lab.sim.fault("pe1", Fault::Close { on: "commit".into(), done: false }).unwrap();
    let cut = writer.apply(&service.payload, None).await.unwrap_err();
    assert_eq!(cut.effect, Effect::Unknown);
    assert_eq!(lab.sim.running("pe1").unwrap(), service.before);
    other.lock(Datastore::Candidate).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn classes_b_and_c_work_without_what_they_lack() {
    for class in [Class::B, Class::C] {
        let lab = Lab::with(|element| {
            element.class = class;
            element.base11 = false; // and the old framing at the same time
        })
        .await;
        let service = lab.service("pe1");
        let mut writer = lab.south("pe1").open_writer().await.unwrap();
        assert_eq!(writer.class(), class);
        writer.lock().await.unwrap();
        writer.prepare(&service.payload).await.unwrap();
        assert_eq!(lab.sim.running("pe1").unwrap(), service.before);
        writer.apply(&service.payload, None).await.unwrap();
        writer.unlock().await.unwrap();
        assert_eq!(lab.read("pe1").await, service.after);
        let session = lab.netconf("pe1").await;
        let confirmed = ConfirmedCommit::default();
        assert!(session.commit_confirmed(confirmed).await.is_err(), "{class}: there is no confirmed commit");
    }
}

// --------------------------------------------------------------------------------------- NETCONF, by hand and against us

const VRFS: &str = "http://cisco.com/ns/yang/Cisco-IOS-XR-infra-rsi-cfg";

fn vrf(name: &str, operation: &str, inner: &str) -> String {
    let operation = if operation.is_empty() { String::new() } else { format!(" nc:operation=\"{operation}\"") };
    format!("<vrfs xmlns=\"{VRFS}\"><vrf{operation}><vrf-name>{name}</vrf-name>{inner}</vrf></vrfs>")
}

fn edit(config: &str, default: DefaultOperation) -> EditConfig<'_> {
    let target = Datastore::Candidate;
    EditConfig { target, default_operation: Some(default), test_option: None, error_option: None, config }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn locks_and_the_shared_candidate_are_as_the_facts_say() {
    let lab = Lab::start().await;
    let (one, two) = (lab.netconf("pe1").await, lab.netconf("pe1").await);
    let red = vrf("red", "", "<create/>");
    // F1: without a lock the edit of a dead session stays, and whoever commits next commits it.
    one.edit_config(edit(&red, DefaultOperation::Merge)).await.unwrap();
    drop(one);
    assert_eq!(rpc_tag(two.lock(Datastore::Candidate).await), "resource-denied", "F6: dirty");
    two.commit().await.unwrap();
    assert!(lab.sim.text("pe1").unwrap().contains("<vrf-name>red</vrf-name>"));

    // With a lock it is thrown away with the session.
    let three = lab.netconf("pe1").await;
    three.lock(Datastore::Running).await.unwrap();
    three.lock(Datastore::Candidate).await.unwrap();
    assert_eq!(rpc_tag(two.lock(Datastore::Candidate).await), "lock-denied");
    let blue = vrf("blue", "", "<create/>");
    assert_eq!(rpc_tag(two.edit_config(edit(&blue, DefaultOperation::Merge)).await), "in-use");
    three.edit_config(edit(&blue, DefaultOperation::Merge)).await.unwrap();
    assert_eq!(rpc_tag(two.commit().await), "in-use");
    // kill-session is an end like any other.
    two.kill_session(three.session_id()).await.unwrap();
    two.lock(Datastore::Candidate).await.unwrap();
    let candidate = two.get_config(Datastore::Candidate, None, None).await.unwrap().inner;
    assert!(candidate.contains("red") && !candidate.contains("blue"), "{candidate}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn edits_that_do_not_fit_are_refused_with_their_tag() {
    let lab = Lab::start().await;
    let session = lab.netconf("pe1").await;
    let (merge, none) = (DefaultOperation::Merge, DefaultOperation::None);
    let red = vrf("red", "create", "<create/>");
    session.edit_config(edit(&red, none)).await.unwrap();
    for (what, config, default, expected) in [
        ("create what exists", red.clone(), none, "data-exists"),
        ("delete what is missing", vrf("blue", "delete", ""), none, "data-missing"), // F6
        (
            "go through what is missing",
            vrf("blue", "", "<description nc:operation=\"merge\">x</description>"),
            none,
            "data-missing",
        ),
        ("a node that the model lacks", vrf("red", "", "<colour>red</colour>"), merge, "unknown-element"),
        ("a namespace of nobody", "<x xmlns=\"urn:nobody\"/>".into(), merge, "unknown-namespace"),
        ("an entry without its key", format!("<vrfs xmlns=\"{VRFS}\"><vrf/></vrfs>"), merge, "missing-element"),
        ("an operation of nobody", vrf("red", "destroy", ""), merge, "bad-attribute"),
    ] {
        assert_eq!(rpc_tag(session.edit_config(edit(&config, default)).await), expected, "{what}");
    }
    session.edit_config(edit(&vrf("blue", "remove", ""), none)).await.unwrap(); // F6: remove is harmless
    let changed = vrf("red", "", "<description nc:operation=\"merge\">x</description>");
    session.edit_config(edit(&changed, none)).await.unwrap();
    session.edit_config(edit(&vrf("green", "", "<create/>"), merge)).await.unwrap();
    session.commit().await.unwrap();

    // Filters: a container, and an entry by its key.
    let read = async |filter: &str| {
        session.get_config(Datastore::Running, Some(Filter::Subtree(filter)), None).await.unwrap().inner
    };
    let all = read(&format!("<vrfs xmlns=\"{VRFS}\"/>")).await;
    assert!(all.contains("red") && all.contains("green") && all.contains("<description>x</description>"), "{all}");
    let one = read(&format!("<vrfs xmlns=\"{VRFS}\"><vrf><vrf-name>green</vrf-name></vrf></vrfs>")).await;
    assert!(one.contains("green") && one.contains("<create/>") && !one.contains("red"), "{one}");
    let names = read(&format!("<vrfs xmlns=\"{VRFS}\"><vrf><vrf-name/></vrf></vrfs>")).await;
    assert!(names.contains("green") && names.contains("red") && !names.contains("description"), "{names}");
    assert_eq!(read("<nothing xmlns=\"urn:nobody\"/>").await, "");
    assert_eq!(rpc_tag(session.get_schema("Cisco-IOS-XR-none", None).await), "invalid-value");
    let module = session.get_schema("Cisco-IOS-XR-infra-rsi-cfg", None).await.unwrap();
    assert!(module.contains("module Cisco-IOS-XR-infra-rsi-cfg {"), "{module}");

    // `replace` of the whole datastore leaves what was given.
    session.edit_config(edit(&vrf("blue", "", "<create/>"), DefaultOperation::Replace)).await.unwrap();
    session.commit().await.unwrap();
    let text = lab.sim.text("pe1").unwrap();
    assert!(text.contains("blue") && !text.contains("red"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_without_base_11_has_no_persist() {
    let lab = Lab::start().await;
    let connection = SshConnection::connect(&lab.target("pe1"), &SshLimits::default()).await.unwrap();
    let mut stream = connection.subsystem("netconf").await.unwrap();
    let base = "urn:ietf:params:xml:ns:netconf:base:1.0";
    let hello =
        format!("<hello xmlns=\"{base}\"><capabilities><capability>{base}</capability></capabilities></hello>]]>]]>");
    let commit =
        format!("<rpc xmlns=\"{base}\" message-id=\"7\"><commit><confirmed/><persist>p</persist></commit></rpc>]]>]]>");
    let no_id = format!("<rpc xmlns=\"{base}\"><commit/></rpc>]]>]]>");
    stream.write_all(format!("{hello}{commit}{no_id}").as_bytes()).await.unwrap();
    let mut said = String::new();
    while said.matches("]]>]]>").count() < 3 {
        let mut block = [0; 4096];
        let n = tokio::time::timeout(Duration::from_secs(5), stream.read(&mut block)).await.unwrap().unwrap();
        assert!(n > 0, "{said}");
        said.push_str(std::str::from_utf8(&block[..n]).unwrap());
    }
    let replies: Vec<&str> = said.split("]]>]]>").collect();
    assert!(replies[0].contains("candidate:1.0") && replies[0].contains("<session-id>"), "{said}");
    assert!(
        replies[1].contains("message-id=\"7\"") && replies[1].contains("base:1.1 protocol not enabled"),
        "F5: {said}"
    );
    assert!(replies[2].contains("missing-attribute"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_validate_may_spoil_the_commit_and_only_reading_tells() {
    let lab = Lab::start().await;
    lab.sim.fault("pe1", Fault::ValidateSpoilsCommit).unwrap();
    let session = lab.netconf("pe1").await;
    let red = vrf("red", "", "<create/>");
    // F20.
    session.edit_config(edit(&red, DefaultOperation::Merge)).await.unwrap();
    session.validate(Datastore::Candidate).await.unwrap();
    session.commit().await.unwrap();
    assert!(lab.sim.running("pe1").unwrap().is_empty());
    // Without the explicit validate it works.
    session.edit_config(edit(&red, DefaultOperation::Merge)).await.unwrap();
    session.commit().await.unwrap();
    assert!(!lab.sim.running("pe1").unwrap().is_empty());
}

// ----------------------------------------------------------------------------------------------------- CLI, our driver

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_there_and_back_leave_the_element_byte_for_byte() {
    let lab = Lab::start().await;
    let service = lab.service("pe2");
    let text = lab.sim.text("pe2").unwrap();
    assert!(
        text.starts_with("Building configuration...\n\nCurrent configuration:\n!\n") && text.ends_with("!\nend\n"),
        "{text}"
    );
    assert_eq!(lab.read("pe2").await, service.before);
    let mut writer = lab.south("pe2").open_writer().await.unwrap();
    assert_eq!(writer.class(), Class::D);
    writer.lock().await.unwrap();
    writer.prepare(&service.payload).await.unwrap();
    assert_eq!(writer.apply(&service.payload, None).await.unwrap(), Vec::<String>::new());
    assert_eq!(lab.read("pe2").await, service.after);
    writer.save().await.unwrap();
    assert_eq!(writer.apply(&service.back, None).await.unwrap(), Vec::<String>::new());
    assert_eq!(lab.sim.text("pe2").unwrap(), text);
    let Payload::Cli { lines } = &service.payload else { panic!() };
    let typed: String = lines.iter().map(|line| format!("{}\n", line.text)).collect();
    assert!(lab.typed("pe2").contains(&format!("configure terminal\n{typed}end\n")), "the lines are typed as they are");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_line_leaves_the_lines_before_it() {
    let lab = Lab::start().await;
    let service = lab.service("pe2");
    let Payload::Cli { lines } = &service.payload else { panic!() };
    let answer = "% Configuration failed.".to_owned();
    lab.sim.fault("pe2", Fault::RefuseLine { number: 5, answer: answer.clone() }).unwrap();
    let mut writer = lab.south("pe2").open_writer().await.unwrap();
    let refused = writer.apply(&service.payload, None).await.unwrap_err();
    assert_eq!((refused.effect, refused.path.as_deref()), (Effect::Partial, Some(lines[4].text.trim())));
    assert!(refused.message.contains(&answer), "{refused}");
    // F7: what came before stays, for there is no transaction; what comes after was not typed.
    let now = lab.read("pe2").await;
    assert!(now != service.before && now != service.after);
    assert!(!lab.typed("pe2").contains(lines[5].text.trim()));
    // The grammar's own refusal, with the element's words.
    let mut cli = lab.cli("pe2").await;
    cli.enter_config().await.unwrap();
    let said = cli.send_line("router bgp 65001").await.unwrap();
    assert_eq!(said.verdict, Verdict::Error { text: "BGP is already running; AS is 65000".into() });
    let said = cli.send_line("frobnicate").await.unwrap();
    assert_eq!(said.verdict, Verdict::Error { text: "% Unknown command: frobnicate".into() });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_line_is_tried_again_and_then_named() {
    let mut lab = Lab::start().await;
    let service = lab.service("pe2");
    let mut writer = lab.south("pe2").open_writer().await.unwrap();
    writer.apply(&service.payload, None).await.unwrap();
    drop(writer);
    let Payload::Cli { lines } = &service.back else { panic!() };
    let busy = lines.iter().find(|line| line.busy).expect("the removal has a busy line").text.trim().to_owned();
    let answer = "% Configuration failed.\n\nError type: validation\n\
                  Error description: only inactive interfaces can be deleted";
    // F22: refused while the kernel object lives. Once: the line passes when it is tried again.
    lab.connector.busy = Duration::from_secs(5);
    lab.sim.fault("pe2", Fault::Refuse { on: busy.clone(), answer: answer.into(), times: 1 }).unwrap();
    let mut writer = lab.south("pe2").open_writer().await.unwrap();
    assert_eq!(writer.apply(&service.back, None).await.unwrap(), Vec::<String>::new());
    assert_eq!(lab.sim.running("pe2").unwrap(), service.before);
    // For ever: it is residue, and the rest is done.
    lab.connector.busy = Duration::from_millis(100);
    lab.sim.fault("pe2", Fault::Refuse { on: busy.clone(), answer: answer.into(), times: 1000 }).unwrap();
    let mut writer = lab.south("pe2").open_writer().await.unwrap();
    writer.apply(&service.payload, None).await.unwrap();
    let residue = writer.apply(&service.back, None).await.unwrap();
    assert!(!residue.is_empty() && residue[0].starts_with(&busy), "{residue:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_daemon_takes_its_part_out_of_the_text_and_the_read_is_partial() {
    let lab = Lab::start().await;
    lab.sim.hand_edit("pe2", "ip route 10.9.0.0/16 192.0.2.1").unwrap();
    let nodes = vec!["ip-route".to_owned(), "ipv6-route".to_owned()];
    lab.sim.fault("pe2", Fault::DeadDaemon { daemon: "staticd".into(), nodes }).unwrap();
    // F10.
    let mut reader = lab.south("pe2").open_reader().await.unwrap();
    let reading = reader.read_running().await.unwrap();
    assert_eq!(reading.partial.as_deref(), Some("not running: staticd"));
    assert!(!lab.sim.text("pe2").unwrap().contains("ip route"));
    lab.sim.mend("pe2").unwrap();
    assert!(lab.sim.text("pe2").unwrap().contains("\nip route 10.9.0.0/16 192.0.2.1\n"));
    assert_eq!(reader.read_running().await.unwrap().partial, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_operators_work_on_the_same_element() {
    let lab = Lab::start().await;
    let (mut one, mut two) = (lab.cli("pe2").await, lab.cli("pe2").await);
    one.enter_config().await.unwrap();
    two.enter_config().await.unwrap();
    assert_eq!(one.send_line("interface eth7").await.unwrap().mode, "config-if");
    assert_eq!(two.send_line("router bgp 65000 vrf red").await.unwrap().mode, "config-router");
    assert_eq!(two.send_line("address-family ipv4 unicast").await.unwrap().mode, "config-router-af");
    assert!(one.send_line("description mine").await.unwrap().accepted());
    assert!(two.send_line("export vpn").await.unwrap().accepted());
    // Leaving a context goes up one step, also after somebody else's change.
    assert!(one.send_line("shutdown").await.unwrap().accepted());
    assert_eq!(two.send_line("exit-address-family").await.unwrap().mode, "config-router");
    assert!(one.send_line("ip address 192.0.2.1/24").await.unwrap().accepted());
    assert!(two.send_line("bgp router-id 10.255.0.2").await.unwrap().accepted());
    assert_eq!(two.send_line("interface eth8").await.unwrap().mode, "config-if");
    assert_eq!(one.send_line("exit").await.unwrap().mode, "config");
    assert!(two.send_line("description yours").await.unwrap().accepted());
    assert_eq!(two.leave_config().await.unwrap().mode, "exec");
    let text = one.send_line("do show running-config").await.unwrap().output.join("\n");
    for line in ["interface eth7", " description mine", " shutdown", " ip address 192.0.2.1/24", "  export vpn"] {
        assert!(text.lines().any(|have| have.trim_end() == line), "{line:?} in {text}");
    }
    assert!(text.contains("interface eth8\n description yours"), "{text}");
    // The end of the connection instead of an answer: unknown.
    lab.sim.fault("pe2", Fault::Close { on: "no interface".into(), done: true }).unwrap();
    assert!(one.send_line("no interface eth8").await.unwrap_err().is_unknown());
    assert!(!lab.sim.text("pe2").unwrap().contains("eth8"));
}

// ------------------------------------------------------------------------------------------------ who may in, the console

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_given_key_and_password_open_the_door() {
    let lab = Lab::start().await;
    let other = tempfile::tempdir().unwrap();
    key_in(other.path());
    let mut element = lab.element("pe1");
    element.private_key = Some(other.path().join("key"));
    let refused = lab.connector.southbound(&element, lab.adapter("pe1")).unwrap().open_reader().await.err().unwrap();
    assert_eq!((refused.doing.as_str(), refused.effect), ("connect", Effect::None));
    let password = other.path().join("password");
    for (given, opens) in [("wrong\n", false), ("s3cret\n", true)] {
        std::fs::write(&password, given).unwrap();
        (element.private_key, element.password_file) = (None, Some(password.clone()));
        let south = lab.connector.southbound(&element, lab.adapter("pe1")).unwrap();
        assert_eq!(south.open_reader().await.is_ok(), opens, "{given}");
    }
    lab.sim.fault("pe1", Fault::Unreachable).unwrap();
    assert!(lab.south("pe1").open_reader().await.is_err());
    lab.sim.mend("pe1").unwrap();
    assert!(lab.south("pe1").open_reader().await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_domain_from_files_is_changed_through_its_control_socket() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    key_in(folder.path());
    let (_, schemas) = platforms().await;
    let element = |name: &str, adapter: &str, address: &str| {
        format!(
            "[[element]]\nname='{name}'\nadapter='{adapter}'\naddress='{address}'\nusername='a'\nprivate_key='key'\n\
             router_id='10.255.0.1'\nasn=65000\nports=[{{name='eth1'}}]\n"
        )
    };
    let both = element("pe1", "iosxr", "127.0.0.1:0") + &element("pe2", "frr", "127.0.0.1:0");
    std::fs::write(at("elements.toml"), both).unwrap();
    std::fs::write(at("pe2.running"), FRR_BEFORE).unwrap();
    let mut files = SimFiles {
        elements: at("elements.toml"),
        adapters: adapter_folder(),
        running: Some(folder.path().to_owned()),
        state: Some(folder.path().to_owned()),
    };
    assert_eq!(files.adapters_in_use().unwrap(), ["frr", "iosxr"]);
    let sim = run_from_files(&files, schemas.clone()).await.unwrap();
    let (first, socket) = (sim.fingerprint("pe1").unwrap(), at("control"));
    let asked = async {
        let end = Instant::now() + Duration::from_secs(5);
        while !socket.exists() {
            assert!(Instant::now() < end, "no control socket");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let list = control::request(&socket, "list", "").await.unwrap();
        assert!(list.starts_with(&format!("pe1 iosxr {} {first}\n", sim.address("pe1").unwrap())), "{list}");
        control::request(&socket, "edit pe2", "interface eth1.100\n description by hand\n").await.unwrap();
        control::request(&socket, "edit pe1", &vrf("red", "", "<create/>")).await.unwrap();
        assert!(control::request(&socket, "show pe2", "").await.unwrap().contains(" description by hand\n"));
        assert!(control::request(&socket, "show pe1", "").await.unwrap().contains("red"));
        let refused = control::request(&socket, "edit pe2", "interface eth9\nbogus\n").await.unwrap_err();
        assert!(andante::domain::chain(&refused).contains("line 2: % Unknown command: bogus"), "{refused:?}");
        assert!(!control::request(&socket, "show pe2", "").await.unwrap().contains("eth9"), "nothing of it was done");
        assert!(control::request(&socket, "show pe9", "").await.is_err());
        assert!(control::request(&socket, "stop", "").await.is_err());
        sim.stop();
    };
    let (served, ()) = tokio::join!(control::serve(&sim, &socket), asked);
    served.unwrap();
    assert!(!socket.exists());
    drop(sim);
    let again = run_from_files(&files, schemas.clone()).await.unwrap();
    assert_eq!(again.fingerprint("pe1").unwrap(), first, "the host key is kept in the state folder");
    // Nowhere but on loopback.
    std::fs::write(at("far.toml"), element("pe1", "iosxr", "192.0.2.1:830")).unwrap();
    files.elements = at("far.toml");
    assert!(run_from_files(&files, schemas).await.is_err());
}
