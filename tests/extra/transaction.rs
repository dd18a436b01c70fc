//! The transaction machine in this process, over the real candidate: checks, refusals, locks, other people, lost replies,
//! and a mgmtd that dies in the middle.

use crate::element::Frr10;
use crate::ride::{Rider, South, Watch, plan};
use crate::support::{Cut, wait_until};
use andante::adagio::cli::CliLimits;
use andante::adagio::connect::Connector;
use andante::adagio::netconf::NetconfLimits;
use andante::adagio::secret::NoSecrets;
use andante::adagio::ssh::SshLimits;
use andante::adapter::{Adapter, CliLine, Payload};
use andante::domain::outcome::CauseKind;
use andante::domain::{Class, Element, Outcome, TransactionRecord};
use andante::transaction::TransactionLimits;
use andante::tree::ConfigTree;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

/// The element, and the daemon's part in front of it.
struct Lab {
    element: Frr10,
    rider: Rider,
    connector: Connector,
    before: ConfigTree,
    after: ConfigTree,
    /// What it says before, byte for byte.
    text: String,
}

impl Lab {
    fn start() -> Option<Self> {
        let element = crate::element()?;
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/extra/adapters/frr10");
        let adapter = Arc::new(Adapter::load(&folder).unwrap());
        let text = element.running();
        let tree = |text: &str| adapter.normalise(&adapter.parse(text).unwrap().tree);
        let before = tree(&text);
        let service = "vrf acme\n ip route 198.51.100.0/25 192.0.2.2\nexit-vrf\n!\ninterface eth1\n description new\n\
                       exit\n!\ninterface eth1.100\n description vrf=acme\n ip address 192.0.2.1/30\nexit\n!\n";
        let after = before.overlay(&tree(&format!("{service}end\n")));
        let limits = TransactionLimits {
            connect: Duration::from_secs(10),
            lock: Duration::from_secs(10),
            settle: Duration::from_millis(500),
            margin: Duration::from_millis(200),
            ..TransactionLimits::default()
        };
        let connector = Connector {
            ssh: SshLimits::default(),
            netconf: NetconfLimits::default(),
            cli: CliLimits {
                line_timeout: Duration::from_secs(15),
                show_timeout: Duration::from_secs(20),
                ..CliLimits::default()
            },
            busy: Duration::from_millis(100),
            secrets: Arc::new(NoSecrets),
            inside: None,
            readings: Arc::default(),
        };
        Some(Self { element, rider: Rider::new(adapter, limits), connector, before, after, text })
    }

    fn south(&self) -> South {
        let access = self.element.access();
        let text = format!(
            "name='pe1'\nadapter='frr10'\naddress='{}'\nusername='{}'\nhost_key='{}'\nprivate_key='{}'",
            access.addr(),
            access.username(),
            access.host_key_fingerprint(),
            access.private_key().display(),
        );
        let element: Element = toml::from_str(&text).unwrap();
        BTreeMap::from([("pe1".to_owned(), self.connector.southbound(&element, &self.rider.adapter).unwrap())])
    }

    async fn run(&self, watch: Watch) -> TransactionRecord {
        self.try_run(&self.before, &self.after, Arc::new(watch)).await.expect("nobody dies here")
    }

    async fn try_run(&self, from: &ConfigTree, to: &ConfigTree, watch: Arc<Watch>) -> Option<TransactionRecord> {
        self.rider.ride(plan(&self.rider.adapter, Class::B, from, to), &self.south(), watch).await
    }

    async fn recovered(&self) -> TransactionRecord {
        let recovery = self.rider.recovery().await;
        recovery.run(&self.south()).await.unwrap().into_iter().next().expect("an open transaction")
    }

    #[track_caller]
    fn is_before(&self, what: &str) {
        assert_eq!(self.element.running(), self.text, "{what}");
        self.element.nothing_is_left(what);
    }

    #[track_caller]
    fn is_after(&self, what: &str) {
        let text = self.element.running();
        let tree = self.rider.adapter.normalise(&self.rider.adapter.parse(&text).unwrap().tree);
        assert!(tree == self.after, "{what}: {text}");
        self.element.nothing_is_left(what);
    }

    fn typed(&self) -> String {
        self.element.wire().iter().map(|session| session.text()).collect()
    }
}

#[track_caller]
fn why(record: &TransactionRecord) -> &andante::domain::outcome::Cause {
    let Some(Outcome::NotApplied { cause }) = &record.outcome else { panic!("{record:#?}") };
    cause
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_is_checked_committed_read_back_and_saved() {
    let Some(lab) = Lab::start() else { return };
    let record = lab.run(Watch::default()).await;
    assert_eq!(record.outcome, Some(Outcome::Applied), "{record:#?}");
    assert_eq!(record.elements["pe1"].class, Class::B);
    lab.is_after("applied");
    let typed = lab.typed();
    for line in ["configure terminal file-lock", "mgmt commit check", "mgmt commit apply", "write memory"] {
        assert!(typed.contains(line), "{line}: {typed}");
    }
    let record = lab.try_run(&lab.after, &lab.before, Arc::default()).await.unwrap();
    assert_eq!(record.outcome, Some(Outcome::Applied), "{record:#?}");
    lab.is_before("and back");
}

/// The interface lives in the kernel: mgmtd takes the line, and the check refuses it. Now and then mgmtd dies of that (an
/// assertion in its mgmt_txn.c, when two backends refuse): nothing was applied then either, and the next try shows it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_check_refuses_changes_nothing() {
    let Some(mut lab) = Lab::start() else { return };
    let mut plan = plan(&lab.rider.adapter, Class::B, &lab.before, &lab.after);
    plan.elements[0].payload = Payload::Cli { lines: vec![CliLine::new("no interface eth1")] };
    let plan = plan.sealed();
    for _ in 0..5 {
        let record = lab.rider.ride(plan.clone(), &lab.south(), Arc::default()).await.unwrap();
        let cause = why(&record).clone();
        assert_eq!(cause.kind, CauseKind::Refused, "{cause:?}");
        assert!(!lab.typed().contains("mgmt commit apply"), "committed after a failed check");
        if lab.element.is_alive("mgmtd") {
            assert!(cause.message.contains("only inactive interfaces can be deleted"), "{cause:?}");
            return lab.is_before("refused");
        }
        println!("mgmtd has died of the check: {}", cause.message);
        lab.element.restart();
        lab.is_before("mgmtd died of the check");
    }
    panic!("mgmtd dies of every check");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_who_holds_the_candidate_is_waited_for() {
    let Some(mut lab) = Lab::start() else { return };
    let mut operator = lab.element.operator();
    operator.line("configure terminal file-lock");
    operator.line("ip route 10.66.0.0/16 192.0.2.66");
    lab.rider.limits.lock = Duration::from_secs(1);
    let record = lab.run(Watch::default()).await;
    assert_eq!(why(&record).kind, CauseKind::Locked, "{record:#?}");
    assert!(why(&record).message.contains("locked by another session"), "{record:#?}");
    // He leaves in the middle of our waiting; what he did not commit goes with him.
    lab.rider.limits.lock = Duration::from_secs(20);
    let sessions = lab.element.wire().len();
    let waiting = lab.run(Watch::default());
    let leaving = async {
        tokio::task::spawn_blocking(move || {
            operator.line("mgmt commit abort");
            operator.line("end");
        })
        .await
        .unwrap();
    };
    let (record, ()) = tokio::join!(waiting, leaving);
    assert_eq!(record.outcome, Some(Outcome::Applied), "{record:#?}");
    assert!(lab.element.wire().len() > sessions);
    lab.is_after("he left");
}

/// While our candidate is prepared nobody else gets a line in. But when he leaves, mgmtd empties our candidate: nothing is
/// committed, and that is what is said.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_edit_beside_our_candidate_is_refused_and_empties_ours() {
    let Some(lab) = Lab::start() else { return };
    let console = lab.element.console();
    let watch = Watch::does("before-apply:pe1", move || {
        let said = console(&["configure terminal", "ip route 10.66.0.0/16 192.0.2.66"]);
        let said = said.unwrap_or_else(|refused| refused);
        assert!(said.contains("could not lock candidate DS"), "{said}");
    });
    let record = lab.run(watch).await;
    assert!(why(&record).message.contains("No changes found to be committed"), "{record:#?}");
    lab.is_before("emptied");
    let record = lab.run(Watch::default()).await;
    assert_eq!(record.outcome, Some(Outcome::Applied), "{record:#?}");
    lab.is_after("alone");
}

/// Sessions come and go all the time, so that candidates are emptied at any moment, half typed too: whatever is said is true.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn candidates_that_are_emptied_at_any_moment_are_never_half_applied() {
    let Some(lab) = Lab::start() else { return };
    let (mut applied, mut refused) = (0, 0);
    for _ in 0..12 {
        let console = lab.element.console();
        let end = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let ended = end.clone();
        let storm = std::thread::spawn(move || {
            while !ended.load(std::sync::atomic::Ordering::SeqCst) {
                let _ = console(&["show version"]);
                std::thread::sleep(Duration::from_millis(60)); // the pace of the storm; nothing is waited for
            }
        });
        let record = lab.run(Watch::default()).await;
        end.store(true, std::sync::atomic::Ordering::SeqCst);
        storm.join().unwrap();
        let record = if record.finished.is_some() { record } else { lab.recovered().await };
        match &record.outcome {
            Some(Outcome::Applied) => {
                applied += 1;
                lab.is_after("in the storm");
                let back = lab.try_run(&lab.after, &lab.before, Arc::default()).await.unwrap();
                assert_eq!(back.outcome, Some(Outcome::Applied), "{back:#?}");
            }
            Some(Outcome::NotApplied { .. }) => refused += 1,
            _ => panic!("{record:#?}"),
        }
        lab.is_before("after the storm");
    }
    println!("in the storm: {applied} applied, {refused} not applied");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_edit_after_the_plan_is_stale_and_stays() {
    let Some(lab) = Lab::start() else { return };
    lab.element.vtysh(&["configure terminal", "interface eth1", "description his"]).unwrap();
    let record = lab.run(Watch::default()).await;
    assert_eq!(why(&record).kind, CauseKind::Stale, "{record:#?}");
    assert!(lab.element.running().contains("description his"));
    lab.element.nothing_is_left("stale");
}

/// `mgmt rollback` by somebody else between our commit and our read-back: the silence of the commit is no proof.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_rollback_before_the_read_back_is_seen() {
    let Some(lab) = Lab::start() else { return };
    // Our session holds the lock until the end, so he has to be faster than a lock: after the reply was lost.
    lab.element.cut(Cut::AfterDelivery, "mgmt commit apply");
    let console = lab.element.console();
    let watch = Watch::does("after-apply:pe1", move || {
        let rolled = wait_until("a rollback", Duration::from_secs(10), || {
            let said = console(&["configure terminal", "mgmt rollback last 1"]).unwrap_or_else(|refused| refused);
            !said.contains("ailed")
        });
        rolled.unwrap();
    });
    let record = lab.run(watch).await;
    assert!(!lab.element.cut_is_pending());
    why(&record);
    lab.is_before("rolled back by somebody");
}

/// Until the decision a person may cancel: what is committed already is taken back, by reading.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_committed_change_is_taken_back() {
    let Some(lab) = Lab::start() else { return };
    let stop = andante::transaction::StopSignal::new();
    let signal = stop.clone();
    let watch = Watch::does("before-verify:pe1", move || signal.cancel()).told_by(stop);
    let record = lab.run(watch).await;
    assert_eq!(why(&record).kind, CauseKind::Cancelled, "{record:#?}");
    lab.is_before("cancelled");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_reply_is_unknown_and_reading_decides() {
    let Some(lab) = Lab::start() else { return };
    for (when, on) in [
        (Cut::BeforeDelivery, "mgmt commit apply"),
        (Cut::AfterDelivery, "mgmt commit apply"),
        (Cut::AfterDelivery, "mgmt commit check"),
        (Cut::AfterDelivery, "ip address"),
    ] {
        lab.element.cut(when, on);
        let record = lab.run(Watch::default()).await;
        let what = format!("{when:?} {on}");
        assert!(!lab.element.cut_is_pending(), "{what}: nothing was cut");
        why(&record);
        lab.is_before(&what);
    }
}

/// mgmtd dies. What it had not saved is gone with it; the element comes back from what was saved.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mgmtd_that_dies_in_the_middle_is_survived() {
    for (point, applied) in [("before-prepare:pe1", false), ("before-apply:pe1", false), ("before-verify:pe1", false)] {
        let Some(mut lab) = Lab::start() else { return };
        lab.rider.limits.connect = Duration::from_secs(3);
        let pid = lab.element.pid("mgmtd");
        let watch = Watch::does(point, move || {
            let ended = Command::new("kill").args(["-KILL", &pid.to_string()]).status().unwrap();
            assert!(ended.success());
        });
        let record = lab.run(watch).await;
        let Some(outcome) = &record.outcome else { panic!("{point}: {record:#?}") };
        // The truth in between: before a commit nothing was done; afterwards nobody can say.
        match outcome {
            Outcome::NotApplied { .. } => assert!(!applied, "{point}: {record:#?}"),
            Outcome::Unresolved { .. } => {}
            Outcome::Applied => panic!("{point}: applied without a read-back: {record:#?}"),
        }
        let open = matches!(outcome, Outcome::Unresolved { .. });
        lab.element.restart();
        if open {
            let record = lab.recovered().await;
            assert_eq!(record.outcome == Some(Outcome::Applied), applied, "{point}: {record:#?}");
            assert!(record.finished.is_some(), "{point}: {record:#?}");
        }
        if applied { lab.is_after(point) } else { lab.is_before(point) }
    }
}

/// A save while mgmtd is dead would write a file without all that it knows: it is not made, and that is told. What was
/// read back is applied; what the element loses with its restart is a deviation then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_mgmtd_is_never_saved() {
    let Some(mut lab) = Lab::start() else { return };
    let pid = lab.element.pid("mgmtd");
    let watch = Watch::does("before-confirm:pe1", move || {
        assert!(Command::new("kill").args(["-KILL", &pid.to_string()]).status().unwrap().success());
    });
    let saved = lab.element.saved();
    let record = lab.run(watch).await;
    assert_eq!(record.outcome, Some(Outcome::Applied), "{record:#?}");
    let detail = record.elements["pe1"].detail.clone().unwrap_or_default();
    assert!(detail.contains("not saved") && detail.contains("mgmtd"), "{record:#?}");
    assert_eq!(lab.element.saved(), saved, "a file without what mgmtd knows");
    lab.element.restart();
    lab.is_before("what was saved");
}

/// Our process dies: the lock and the candidate go with its session.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_candidate_dies_with_the_session_that_holds_its_lock() {
    let Some(lab) = Lab::start() else { return };
    let died = lab.try_run(&lab.before, &lab.after, Arc::new(Watch::dies_at("after-prepare:pe1"))).await;
    assert!(died.is_none());
    let record = lab.recovered().await;
    why(&record);
    lab.is_before("died with its candidate");
}
