//! SIGKILL for a server while a transaction works on it: netconfd, a daemon of FRR, an SSH server, at every point between
//! which something is sent to that element. It boots again at once, or only when the transaction has given up.
//!
//! What is asked each time: the outcome that is said at last is what both elements say (an element that rebooted before
//! its configuration was saved is looked at again), nothing deviates, and the service can be made and removed afterwards.
//! And which one it is: before the read-back a server that was struck has not the change (or loses it), and everything goes
//! back; behind it the decision stands, and the change is made again.
//! Every point once by default, with the ways of booting in turn; `ANDANTE_MATRIX=all` for all of both.

use crate::domain::{Domain, Wishes, applied, noc};
use crate::unknown::truthful;
use andante::controller::Failure;
use andante::domain::{Outcome, SyncState};
use std::fmt;
use std::time::{Duration, Instant};

const FILE: &str = "l3vpn-any-to-any.json";

/// Who is struck.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Server {
    Netconfd,
    SshOfPe1,
    Bgpd,
    SshOfPe2,
}

/// When it is there again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Boots {
    AtOnce,
    Later,
}

/// One blow and what came of it.
struct Row {
    server: Server,
    point: String,
    boots: Boots,
    first: String,
    last: String,
    took: Duration,
}

/// The points of an element, in their order.
fn points(element: &str) -> Vec<String> {
    let verbs = ["lock", "prepare", "apply", "verify", "confirm", "release"];
    verbs.iter().flat_map(|verb| [format!("before-{verb}:{element}"), format!("after-{verb}:{element}")]).collect()
}

async fn struck(servers: [Server; 2], element: &str) {
    let whole = std::env::var("ANDANTE_MATRIX").as_deref() == Ok("all");
    let short = |settings: &mut andante::config::Settings, _: &std::path::Path| {
        settings.adagio.connect_timeout = 5;
        settings.adagio.answer_timeout = 10;
    };
    let Some(mut domain) = Domain::with(Wishes { settings: short, ..Wishes::default() }).await else { return };
    let before = domain.running();
    let mut rows = Vec::new();
    for (n, point) in points(element).into_iter().enumerate() {
        let turns = [(servers[n % 2], n / 2 % 2 == 0)];
        let all = [(servers[0], true), (servers[0], false), (servers[1], true), (servers[1], false)];
        for (server, at_once) in if whole { &all[..] } else { &turns[..] } {
            let boots = if *at_once { Boots::AtOnce } else { Boots::Later };
            rows.push(blow(&mut domain, *server, &point, boots, &before).await);
        }
    }
    for row in &rows {
        assert!(row.ends_as_it_must(), "{row}");
    }
    // A daemon of FRR that forgot what was not saved: it is a deviation then, and healed.
    let forgot = |row: &Row| row.server == Server::Bgpd && row.last.ends_with("then a deviation, healed");
    assert_eq!(rows.iter().any(forgot), servers.contains(&Server::Bgpd), "no daemon forgot anything");
    println!("| struck | at | boots | first said | at last | s |\n|---|---|---|---|---|---|");
    for row in rows {
        println!("{row}");
    }
}

async fn blow(domain: &mut Domain, server: Server, point: &str, boots: Boots, before: &(String, String)) -> Row {
    let put = domain.put(FILE, |text| text);
    let key = put.key().clone();
    let hold = domain.holds.at(point);
    let start = Instant::now();
    let controller = domain.controller.clone();
    let writing =
        tokio::spawn(
            async move { controller.write(&noc(), vec![put], &Default::default(), &Default::default()).await },
        );
    hold.reached().await;
    kill(domain, server);
    if boots == Boots::AtOnce {
        boot(domain, server);
    }
    hold.go_on();
    let record = writing.await.unwrap();
    if boots == Boots::Later {
        boot(domain, server);
    }
    let what = format!("{server:?} at {point}, boots {boots:?}");
    domain.holds.clear();
    let record = match record {
        Ok(record) => record,
        // What was read at the plan was not there any more at PREPARED, and cannot be planned anew: nothing was sent.
        Err(Failure::Incomplete { .. } | Failure::Unreachable { .. }) => {
            assert_eq!(&domain.running(), before, "{what}");
            applied(&domain.write(vec![domain.put(FILE, |text| text)]).await.unwrap());
            applied(&domain.write(vec![domain.delete(&key)]).await.unwrap());
            let said = || "refused".to_owned();
            return Row { server, point: point.to_owned(), boots, first: said(), last: said(), took: start.elapsed() };
        }
        Err(other) => panic!("{what}: {other:#?}"),
    };
    let first = said(record.outcome.as_ref());
    // A daemon of FRR that died after everything was read back and before it was saved comes back without the service:
    // what was said was true then, and the next look says that it is not any more.
    let forgot = server == Server::Bgpd && record.outcome == Some(Outcome::Applied) && !has_bgp(domain);
    let last = if forgot {
        let report = domain.check("pe2").await;
        assert!(!report.deviations.is_empty() && report.state.sync != SyncState::InSync, "{what}: {report:#?}");
        applied(&domain.heal("pe2").await);
        format!("{first}, then a deviation, healed")
    } else {
        said(Some(&truthful(domain, record, before).await))
    };
    let took = start.elapsed();
    assert!(took < Duration::from_secs(40), "{what}: {took:?}");
    // What comes next finds nothing in its way.
    if domain.controller.document(&noc(), &key).await.unwrap().is_none() {
        applied(&domain.write(vec![domain.put(FILE, |text| text)]).await.unwrap());
    }
    applied(&domain.write(vec![domain.delete(&key)]).await.unwrap());
    assert_eq!(&domain.running(), before, "{what}");
    Row { server, point: point.to_owned(), boots, first, last, took }
}

fn kill(domain: &mut Domain, server: Server) {
    match server {
        Server::Netconfd => domain.pe1.kill9_netconfd(),
        Server::SshOfPe1 => domain.pe1.disconnect(),
        Server::Bgpd => domain.pe2.kill_daemon("bgpd"),
        Server::SshOfPe2 => domain.pe2.disconnect(),
    }
}

fn boot(domain: &mut Domain, server: Server) {
    match server {
        Server::Netconfd => domain.pe1.restart(),
        Server::SshOfPe1 => domain.pe1.reconnect(),
        Server::Bgpd => {
            domain.pe2.start_daemon("bgpd");
            domain.pe2.has_booted();
        }
        Server::SshOfPe2 => domain.pe2.reconnect(),
    }
}

fn has_bgp(domain: &Domain) -> bool {
    domain.pe2.running_config().contains("router bgp 65000 vrf")
}

fn said(outcome: Option<&Outcome>) -> String {
    match outcome {
        Some(Outcome::Applied) => "applied".into(),
        Some(Outcome::NotApplied { .. }) => "not-applied".into(),
        Some(Outcome::Unresolved { elements, .. }) => format!("unresolved ({})", elements.join(", ")),
        None => "nothing".into(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_netconf_element_is_struck_at_every_point() {
    struck([Server::Netconfd, Server::SshOfPe1], "pe1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cli_element_is_struck_at_every_point() {
    struck([Server::Bgpd, Server::SshOfPe2], "pe2").await;
}

impl Row {
    /// Which end there has to be. Where a lock is waited for, or only an SSH server died, there may be either.
    fn ends_as_it_must(&self) -> bool {
        let (point, _) = self.point.split_once(':').unwrap();
        let ssh = matches!(self.server, Server::SshOfPe1 | Server::SshOfPe2);
        match point {
            "before-lock" | "after-lock" | "before-prepare" => true,
            "after-prepare" | "before-apply" => self.last == "not-applied",
            "after-apply" | "before-verify" => ssh || self.last == "not-applied",
            _ => self.last.starts_with("applied"),
        }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let server = match self.server {
            Server::Netconfd => "netconfd",
            Server::SshOfPe1 => "sshd of pe1 (A)",
            Server::Bgpd => "bgpd",
            Server::SshOfPe2 => "sshd of pe2 (D)",
        };
        let boots = if self.boots == Boots::AtOnce { "at once" } else { "later" };
        let (point, first, last, took) = (&self.point, &self.first, &self.last, self.took.as_secs_f32());
        write!(f, "| {server} | {point} | {boots} | {first} | {last} | {took:.1} |")
    }
}
