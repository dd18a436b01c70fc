//! The wire level against real servers: netconfd and FRR's vtysh behind OpenSSH, and an SSH server of our own where
//! the question is what a client says before it is let in.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // an element that fails is a failed test
mod support;

use andante::adagio::cli::{CliDialect, CliError, CliLimits, CliSession, Dialect, Verdict};
use andante::adagio::netconf::{
    ConfirmedCommit, Datastore, DefaultOperation, EditConfig, Filter, NetconfError, NetconfLimits, NetconfSession,
    TestOption, WithDefaults,
};
use andante::adagio::ssh::{SshAuth, SshConnection, SshError, SshLimits, SshTarget, probe_host_key};
use andante::adagio::tap::Tap;
use andante::domain::ErrorClass;
use russh::keys::{Algorithm, EcdsaCurve, PrivateKey};
use russh::server::{Auth, Config, Handler, PublicKeyOffer, Response};
use std::borrow::Cow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::{FrrElement, FrrOptions, NetconfElement, NetconfOptions, or_skip};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

const INTERFACES: &str = "urn:ietf:params:xml:ns:yang:ietf-interfaces";

async fn netconf(element: &NetconfElement, tap: Tap) -> NetconfSession {
    let limits = NetconfLimits { rpc_timeout: Duration::from_secs(10), ..NetconfLimits::default() };
    NetconfSession::connect(&element.target(), &SshLimits::default(), limits, tap).await.unwrap()
}

/// An interface with a description; `operation` goes into the list entry.
fn interface(name: &str, description: &str, operation: &str) -> String {
    let operation = if operation.is_empty() { String::new() } else { format!(" nc:operation=\"{operation}\"") };
    let description =
        if description.is_empty() { String::new() } else { format!("<description>{description}</description>") };
    format!(
        "<interfaces xmlns=\"{INTERFACES}\"><interface{operation}><name>{name}</name>{description}\
         <type xmlns:ianaift=\"urn:ietf:params:xml:ns:yang:iana-if-type\">ianaift:ethernetCsmacd</type>\
         </interface></interfaces>"
    )
}

fn edit(config: &str) -> EditConfig<'_> {
    EditConfig {
        target: Datastore::Candidate,
        default_operation: Some(DefaultOperation::Merge),
        test_option: Some(TestOption::TestThenSet),
        error_option: None,
        config,
    }
}

async fn running(session: &NetconfSession) -> String {
    session.get_config(Datastore::Running, None, None).await.unwrap().inner
}

fn tag(error: &NetconfError) -> &str {
    error.rpc_errors().first().map_or("none", |e| e.tag.as_str())
}

fn confirmed<'a>(seconds: u64, persist: Option<&'a str>, persist_id: Option<&'a str>) -> ConfirmedCommit<'a> {
    ConfirmedCommit { timeout: Some(Duration::from_secs(seconds)), persist, persist_id }
}

// ---------------------------------------------------------------------------------------------- netconfd

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_confirmed_commit_from_lock_to_unlock() {
    let Some(element) = or_skip("netconf element", NetconfElement::start(NetconfOptions::ietf_interfaces())) else {
        return;
    };
    let (tap, record) = Tap::recording();
    let holder = netconf(&element, tap).await;
    let c = holder.capabilities().clone();
    assert!(c.base11 && c.candidate && c.confirmed_commit_11 && c.validate() && c.notification && c.monitoring);
    assert!(!c.startup && !c.writable_running);
    assert_eq!(c.module("ietf-interfaces").unwrap().revision.as_deref(), Some("2014-05-08"));
    let modes = &c.with_defaults.as_ref().unwrap().modes;
    assert!(modes.contains(&WithDefaults::ReportAllTagged));

    let before = running(&holder).await;
    holder.lock(Datastore::Running).await.unwrap();
    holder.lock(Datastore::Candidate).await.unwrap();
    let other = netconf(&element, Tap::default()).await;
    let denied = other.lock(Datastore::Candidate).await.unwrap_err();
    assert_eq!((tag(&denied), denied.class(), denied.is_unknown()), ("lock-denied", ErrorClass::Transient, false));

    let fragment = interface("wire0", "one &lt; two", "");
    holder.edit_config(edit(&fragment)).await.unwrap();
    holder.commit_confirmed(confirmed(60, Some("andante.t1"), None)).await.unwrap();
    // Read back from a new session, by a subtree filter.
    let filter = format!("<interfaces xmlns=\"{INTERFACES}\"><interface><name>wire0</name></interface></interfaces>");
    let read = other.get_config(Datastore::Running, Some(Filter::Subtree(&filter)), None).await.unwrap();
    assert!(read.inner.contains("<description>one &lt; two</description>"), "{}", read.inner);
    assert!(read.to_document("data").starts_with("<data"));

    // The timer is extended by the same name; another session is held back by the lock (tried: in-use).
    holder.commit_confirmed(confirmed(60, Some("andante.t1"), Some("andante.t1"))).await.unwrap();
    assert_eq!(tag(&other.confirm(Some("andante.t1")).await.unwrap_err()), "in-use");
    holder.confirm(Some("andante.t1")).await.unwrap();
    // F4: the second confirm and a late cancel are errors, and do not tell what had happened.
    assert_eq!(tag(&holder.confirm(Some("andante.t1")).await.unwrap_err()), "operation-failed");
    assert_eq!(tag(&holder.cancel_commit(Some("andante.t1")).await.unwrap_err()), "operation-failed");
    assert_ne!(running(&other).await, before);

    // F6: delete of what is missing is refused, remove is not.
    let gone = |operation| interface("nowhere", "", operation);
    let refused = holder.edit_config(edit(&gone("delete"))).await.unwrap_err();
    assert_eq!((tag(&refused), refused.class()), ("data-missing", ErrorClass::Rejected));
    holder.edit_config(edit(&gone("remove"))).await.unwrap();
    holder.discard_changes().await.unwrap();
    let all = format!("<interfaces xmlns=\"{INTERFACES}\" nc:operation=\"remove\"/>");
    let remove = EditConfig { default_operation: Some(DefaultOperation::None), ..edit(&all) };
    holder.edit_config(remove).await.unwrap();
    holder.commit().await.unwrap();
    assert_eq!(running(&holder).await, before, "byte for byte as before");
    holder.unlock(Datastore::Candidate).await.unwrap();
    holder.unlock(Datastore::Running).await.unwrap();
    let own_id = holder.session_id();
    assert_ne!(own_id, other.session_id());
    holder.close().await.unwrap();
    other.close().await.unwrap();

    // What left is what arrived, and the fragment is in it unchanged.
    assert!(record.contains(fragment.as_bytes()));
    assert_eq!(element.wire()[0].text(), String::from_utf8(record.bytes()).unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_netconfd_refuses_and_what_it_loses() {
    let Some(element) = or_skip("netconf element", NetconfElement::start(NetconfOptions::ietf_interfaces())) else {
        return;
    };
    let session = netconf(&element, Tap::default()).await;
    let before = running(&session).await;

    // Several errors in one reply, each kept with its own path.
    let two = format!(
        "<interfaces xmlns=\"{INTERFACES}\"><interface><name>a</name><enabled>perhaps</enabled><bogus/></interface>\
         <interface><name>b</name><description>no type</description></interface></interfaces>"
    );
    let refused = session.edit_config(edit(&two)).await.unwrap_err();
    let errors = refused.rpc_errors();
    assert!(errors.len() >= 2, "{refused}");
    assert!(errors.iter().all(|e| !e.tag.is_empty() && !e.kind.is_empty()), "{errors:?}");
    assert!(errors.iter().any(|e| e.path.as_deref().is_some_and(|p| p.contains("interface"))), "{errors:?}");
    assert_eq!(refused.class(), ErrorClass::Rejected);

    // F6: a dirty candidate makes the lock fail.
    session.edit_config(edit(&interface("dirty", "", ""))).await.unwrap();
    let denied = session.lock(Datastore::Candidate).await.unwrap_err();
    assert_eq!(tag(&denied), "resource-denied", "{denied}");
    session.discard_changes().await.unwrap();
    session.lock(Datastore::Candidate).await.unwrap();

    // F20: validate, and the commit that answers ok changes nothing. Only a read tells.
    session.edit_config(edit(&interface("lost", "", ""))).await.unwrap();
    session.validate(Datastore::Candidate).await.unwrap();
    session.commit().await.unwrap();
    assert_eq!(running(&session).await, before, "this server has been repaired: take F20 out of the notes");
    session.discard_changes().await.unwrap();

    // F5: without persist the end of the session reverts at once.
    session.edit_config(edit(&interface("shortlived", "", ""))).await.unwrap();
    session.commit_confirmed(confirmed(60, None, None)).await.unwrap();
    let watcher = netconf(&element, Tap::default()).await;
    assert!(running(&watcher).await.contains("shortlived"));
    drop(session);
    // The server learns of the end of the session on its own: ask until it has.
    let deadline = tokio::time::Instant::now() + Duration::from_secs(5);
    while running(&watcher).await != before {
        assert!(tokio::time::Instant::now() < deadline, "not reverted");
    }
    // F3: the holder dies inside the window. Nobody can lock, anyone can discard and confirm.
    let holder = netconf(&element, Tap::default()).await;
    holder.lock(Datastore::Candidate).await.unwrap();
    holder.edit_config(edit(&interface("kept", "", ""))).await.unwrap();
    holder.commit_confirmed(confirmed(60, Some("andante.t2"), None)).await.unwrap();
    let id = holder.session_id();
    drop(holder);
    watcher.kill_session(id).await.ok(); // it may be gone by itself already
    let denied = watcher.lock(Datastore::Candidate).await.unwrap_err();
    assert!(matches!(tag(&denied), "in-use" | "lock-denied"), "{denied}");
    watcher.discard_changes().await.unwrap();
    watcher.confirm(Some("andante.t2")).await.unwrap();
    assert!(running(&watcher).await.contains("kept"));

    // Schemas are read; a module that is not there is refused.
    let text = watcher.get_schema("ietf-interfaces", Some("2014-05-08")).await.unwrap();
    assert!(text.trim_start().starts_with("module ietf-interfaces") && text.contains("&&") == text.contains("&& "));
    assert!(!text.contains("&lt;") && !text.contains("&quot;"), "references are resolved");
    assert!(matches!(watcher.get_schema("no-such", None).await, Err(NetconfError::Rejected { .. })));
    // Not announced, so not sent.
    let startup = watcher.copy_config(Datastore::Startup, Datastore::Running).await;
    assert!(matches!(startup, Err(NetconfError::NotSupported { .. })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn notifications_come_beside_replies_and_a_dead_server_is_unknown() {
    let Some(mut element) = or_skip("netconf element", NetconfElement::start(NetconfOptions::ietf_interfaces())) else {
        return;
    };
    let mut watcher = netconf(&element, Tap::default()).await;
    let mut events = watcher.take_notifications().unwrap();
    watcher.create_subscription(None).await.unwrap();
    let session = netconf(&element, Tap::default()).await; // its start is an event (RFC 6470)
    assert!(!running(&watcher).await.is_empty(), "replies go on while events come");
    let event = tokio::time::timeout(Duration::from_secs(10), events.recv()).await.unwrap().unwrap();
    assert!(event.name.starts_with("netconf-") || event.name.starts_with("sysSession"), "{event:?}");
    assert!(!event.event_time.is_empty());

    element.kill9_netconfd();
    let error = session.get_config(Datastore::Running, None, None).await.unwrap_err();
    assert!(matches!(error, NetconfError::Unknown { .. } | NetconfError::Closed { .. }), "{error:?}");
    assert_eq!(error.class(), ErrorClass::Transient);
    let again = session.commit().await.unwrap_err();
    assert!(matches!(again, NetconfError::Closed { .. }), "a dead session sends nothing: {again:?}");
    element.restart();
    assert!(!running(&netconf(&element, Tap::default()).await).await.is_empty());
}

// ---------------------------------------------------------------------------------------------- vtysh

fn frr_dialect() -> Arc<Dialect> {
    let text = include_str!("../src/adagio/cli/tests/frr-dialect.toml");
    Arc::new(toml::from_str::<CliDialect>(text).unwrap().compile().unwrap())
}

async fn vtysh(element: &FrrElement, tap: Tap) -> CliSession {
    let limits = CliLimits { line_timeout: Duration::from_secs(10), ..CliLimits::default() };
    CliSession::connect(&element.target(), &SshLimits::default(), frr_dialect(), limits, tap).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn vtysh_line_by_line() {
    let options = FrrOptions::pe("pe2", "10.255.0.1", "10.255.0.2");
    let Some(mut element) = or_skip("frr element", FrrElement::start(options)) else { return };
    let (tap, record) = Tap::recording();
    let mut session = vtysh(&element, tap).await;
    assert_eq!((session.host(), session.mode()), ("pe2", "exec"));

    let text = session.run_show_to_end("show running-config").await.unwrap();
    let local = element.running_config();
    assert_eq!(text.trim(), local.trim(), "complete and unchanged");

    async fn accepted(session: &mut CliSession, line: &str, mode: &str) {
        let reply = session.send_line(line).await.unwrap();
        assert!(reply.accepted() && reply.echo_ok, "{line}: {reply:?}");
        assert_eq!(reply.mode, mode, "{line}");
    }
    assert_eq!(session.enter_config().await.unwrap().mode, "config");
    accepted(&mut session, "vrf acme", "config-vrf").await;
    let route = session.send_line(" ip route 172.16.1.0/24 192.168.1.2").await.unwrap();
    assert_eq!(route.verdict, Verdict::Notice, "{route:?}");
    accepted(&mut session, "exit-vrf", "config").await;
    accepted(&mut session, "interface eth1.100", "config-if").await;
    accepted(&mut session, " description vrf=acme \"a\" ! # (b)", "config-if").await;

    // Errors are texts, with and without %; the mode stays.
    let mtu = session.send_line(" mtu 1400").await.unwrap();
    assert_eq!(mtu.verdict, Verdict::Error { text: "% Unknown command:  mtu 1400".into() });
    assert_eq!(mtu.mode, "config-if");
    let other_as = session.send_line("router bgp 65001").await.unwrap();
    assert_eq!(other_as.verdict, Verdict::Error { text: "BGP is already running; AS is 65000".into() });
    accepted(&mut session, "router bgp 65000 vrf acme", "config-router").await;
    accepted(&mut session, " address-family ipv4 unicast", "config-router-af").await;
    accepted(&mut session, "  rt vpn both 65000:100", "config-router-af").await;
    let bare = session.send_line("  no rt vpn both").await.unwrap();
    assert_eq!(bare.verdict, Verdict::Error { text: "Internal CLI error [rtlist]".into() });

    // A question mark would be a help request.
    let refused = session.send_line("  rd vpn export ?").await.unwrap_err();
    assert!(matches!(refused, CliError::Refused(_)), "{refused:?}");
    // A line as long as the terminal takes comes back whole.
    accepted(&mut session, "interface eth1.100", "config-if").await;
    let long = format!(" description {}", "x".repeat(200));
    accepted(&mut session, &long, "config-if").await;
    assert_eq!(session.leave_config().await.unwrap().mode, "exec");
    assert!(session.run_show("show bogus").await.is_err_and(|e| matches!(e, CliError::Rejected(_))));
    let text = session.run_show_to_end("show running-config").await.unwrap();
    assert!(text.contains(&long) && text.contains(" ip route 172.16.1.0/24 192.168.1.2\n"), "{text}");
    let saved = session.save().await.unwrap();
    assert_eq!(saved.verdict, Verdict::Notice, "{saved:?}");

    // What left is what arrived.
    assert_eq!(element.wire()[0].text(), String::from_utf8(record.bytes()).unwrap());

    // The connection dies: the line is unknown, the next is not sent.
    element.disconnect();
    let error = session.send_line("configure terminal").await.unwrap_err();
    assert!(error.is_unknown(), "{error:?}");
    assert!(matches!(session.send_line("end").await, Err(CliError::Closed(_))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_mark_on_vtysh_is_seen_by_the_echo() {
    let options = FrrOptions { hostname: "pe7".into(), daemons: Vec::new() };
    let Some(element) = or_skip("frr element", FrrElement::start(options)) else { return };
    let mut written = frr_dialect().source().clone();
    written.forbidden.clear();
    let dialect = Arc::new(written.compile().unwrap());
    let (ssh, limits) = (SshLimits::default(), CliLimits::default());
    let mut session = CliSession::connect(&element.target(), &ssh, dialect, limits, Tap::default()).await.unwrap();
    session.enter_config().await.unwrap();
    session.send_line("interface eth1").await.unwrap();
    let reply = session.send_line(" description why? not").await.unwrap();
    assert_eq!((reply.echo_ok, reply.verdict), (false, Verdict::EchoDiffers));
    // And it was executed all the same: the outcome has to be read.
    assert!(element.running_config().contains(" description why not"), "{}", element.running_config());
}

// ---------------------------------------------------------------------------------------------- ssh

/// An SSH server that counts what is said before a login.
#[derive(Clone, Default)]
struct Gate {
    attempts: Arc<AtomicUsize>,
    said: Arc<Mutex<Vec<String>>>,
    password_works: bool,
}

impl Gate {
    fn note(&self, what: &str) {
        self.attempts.fetch_add(1, Ordering::SeqCst);
        self.said.lock().unwrap().push(what.to_owned());
    }
}

impl Handler for Gate {
    type Error = russh::Error;

    async fn auth_none(&mut self, _: &str) -> Result<Auth, Self::Error> {
        self.note("none");
        Ok(Auth::reject())
    }

    async fn auth_password(&mut self, user: &str, password: &str) -> Result<Auth, Self::Error> {
        self.note(&format!("password {user}"));
        Ok(if self.password_works && password == "s3cret" { Auth::Accept } else { Auth::reject() })
    }

    async fn auth_publickey_offered(&mut self, _: &str, _: PublicKeyOffer<'_>) -> Result<Auth, Self::Error> {
        self.note("publickey");
        Ok(Auth::reject())
    }

    async fn auth_keyboard_interactive<'a>(
        &'a mut self,
        _: &str,
        _: &str,
        response: Option<Response<'a>>,
    ) -> Result<Auth, Self::Error> {
        let Some(mut response) = response else {
            self.note("keyboard-interactive");
            let prompts = vec![(Cow::Borrowed("Site: "), true), (Cow::Borrowed("Password: "), false)];
            return Ok(Auth::Partial { name: "".into(), instructions: "".into(), prompts: prompts.into() });
        };
        let mut next = || response.next().map(|b| String::from_utf8_lossy(&b).into_owned());
        // A prompt that is shown on the screen must not get the password.
        let good = next().as_deref() == Some("") && next().as_deref() == Some("s3cret");
        Ok(if good { Auth::Accept } else { Auth::reject() })
    }
}

fn host_key(algorithm: Algorithm) -> (PrivateKey, String) {
    let key = PrivateKey::random(&mut russh::keys::key::safe_rng(), algorithm).unwrap();
    let public = key.public_key().to_openssh().unwrap();
    (key, public)
}

/// Serves one connection after the other; the address and the host key.
async fn serve(gate: Gate) -> (String, String) {
    let (key, public) = host_key(Algorithm::Ed25519);
    (serve_with(gate, vec![key]).await, public)
}

async fn serve_with(gate: Gate, keys: Vec<PrivateKey>) -> String {
    let config = Arc::new(Config {
        keys,
        auth_rejection_time: Duration::ZERO,
        auth_rejection_time_initial: Some(Duration::ZERO),
        ..Config::default()
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if let Ok(session) = russh::server::run_stream(config.clone(), stream, gate.clone()).await {
                let _ = session.await;
            }
        }
    });
    address
}

fn with_password(address: &str, pin: Option<&str>) -> SshTarget {
    SshTarget {
        address: address.into(),
        username: "admin".into(),
        auth: vec![SshAuth::Password("s3cret".to_owned().into())],
        host_key: pin.map(|p| p.parse().unwrap()),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_pinned_key_nothing_is_said() {
    let gate = Gate { password_works: true, ..Gate::default() };
    let (address, key) = serve(gate.clone()).await;
    let limits = SshLimits::default();
    let probed = probe_host_key(&address, &limits).await.unwrap();
    assert_eq!(probed.openssh, key.split_whitespace().take(2).collect::<Vec<_>>().join(" "));

    let unknown = SshConnection::connect(&with_password(&address, None), &limits).await.unwrap_err();
    let SshError::HostKeyUnknown { fingerprint, openssh, .. } = &unknown else { panic!("{unknown:?}") };
    assert_eq!((fingerprint, openssh), (&probed.fingerprint, &probed.openssh));
    for wrong in [
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti".to_owned(),
        format!("SHA256:{}", "A".repeat(43)),
    ] {
        let changed = SshConnection::connect(&with_password(&address, Some(&wrong)), &limits).await.unwrap_err();
        let SshError::HostKeyChanged { expected, got, .. } = &changed else { panic!("{changed:?}") };
        assert_eq!((expected, got), (&wrong, &probed.fingerprint));
        assert_eq!(changed.class(), ErrorClass::Rejected);
    }
    assert_eq!(gate.attempts.load(Ordering::SeqCst), 0, "{:?}", gate.said.lock().unwrap());

    for right in [&probed.openssh, &probed.fingerprint] {
        let open = SshConnection::connect(&with_password(&address, Some(right)), &limits).await.unwrap();
        assert_eq!(open.host_key(), &probed);
    }
    assert_eq!(gate.attempts.load(Ordering::SeqCst), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_with_several_keys_is_asked_for_the_pinned_kind() {
    let (first, ed25519) = host_key(Algorithm::Ed25519);
    let (second, ecdsa) = host_key(Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 });
    let gate = Gate { password_works: true, ..Gate::default() };
    let address = serve_with(gate, vec![first, second]).await;
    for pin in [&ed25519, &ecdsa] {
        let open = SshConnection::connect(&with_password(&address, Some(pin)), &SshLimits::default()).await.unwrap();
        assert_eq!(&open.host_key().openssh, pin);
    }
    // A pinned kind that is gone is a changed key, not a failure to agree.
    let (_, gone) = host_key(Algorithm::Ecdsa { curve: EcdsaCurve::NistP384 });
    let changed = SshConnection::connect(&with_password(&address, Some(&gone)), &SshLimits::default()).await;
    assert!(matches!(changed, Err(SshError::HostKeyChanged { .. })), "{changed:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_answers_hidden_prompts_only() {
    let gate = Gate::default(); // the password method refuses, keyboard-interactive takes it
    let (address, key) = serve(gate.clone()).await;
    let mut target = with_password(&address, Some(&key));
    SshConnection::connect(&target, &SshLimits::default()).await.unwrap();
    assert_eq!(*gate.said.lock().unwrap(), ["password admin", "keyboard-interactive"]);

    target.auth = vec![SshAuth::Password("wrong".to_owned().into())];
    let refused = SshConnection::connect(&target, &SshLimits::default()).await.unwrap_err();
    assert!(matches!(refused, SshError::AuthRefused { .. }), "{refused:?}");
    assert_eq!(refused.class(), ErrorClass::Rejected);
    let text = format!("{refused} {refused:?} {target:?}");
    assert!(!text.contains("wrong") && !text.contains("s3cret"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_server_costs_the_time_limit_and_is_left() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let accept = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut said = Vec::new();
        stream.read_to_end(&mut said).await.ok();
        said
    };
    let limits = SshLimits { connect_timeout: Duration::from_millis(200), ..SshLimits::default() };
    let (error, said) = tokio::join!(probe_host_key(&address, &limits), accept);
    let error = error.unwrap_err();
    assert!(matches!(error, SshError::TimedOut { .. }), "{error:?}");
    assert_eq!(error.class(), ErrorClass::Transient);
    assert!(said.starts_with(b"SSH-2.0-"));
    drop(listener);
    let refused = probe_host_key(&address, &SshLimits::default()).await.unwrap_err();
    assert!(matches!(refused, SshError::Connect { .. }), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_file_that_cannot_be_used_is_named() {
    let gate = Gate::default();
    let (address, key) = serve(gate.clone()).await;
    let mut target = with_password(&address, Some(&key));
    target.auth = vec![SshAuth::PrivateKey("/nonexistent/key".into())];
    let error = SshConnection::connect(&target, &SshLimits::default()).await.unwrap_err();
    assert!(matches!(&error, SshError::PrivateKey { path, .. } if path.ends_with("key")), "{error:?}");
}
