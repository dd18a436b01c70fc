//! Killing the libyang worker at random while plans are made loses none of them, and changes no answer.
//!
//! First on paper elements: `ANDANTE_CASES` plans (1,000), each from a document that is parsed, printed, validated by the
//! worker, split, mapped, merged and planned. The answer of each is known before: the id of the plan, which is the digest of
//! all that it says and sends, or all faults of the document. Then through the controller of the daemon over simulated
//! elements, SSH included. `ANDANTE_SEED` repeats a run.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/demo.rs"]
#[allow(dead_code)]
mod demo;
#[path = "yang_kill/domain.rs"]
mod domain;
#[path = "scenarios/network.rs"]
#[allow(dead_code)]
mod network;
#[path = "support/paper.rs"]
mod paper;
#[path = "support/platforms.rs"]
#[allow(dead_code)]
mod platforms;

use andante::tree::{Limits, Policy, json};
use andante::yang::{DocumentKind, Encoding, Fault};
use domain::{domain, plan};
use network::{Network, Request};
use paper::root;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What a request ends in.
#[derive(Clone, Debug, PartialEq)]
enum Answer {
    Plan(String),
    Faults(Vec<Fault>),
    Refused(Vec<String>),
}

/// The answer to a document, by all stations.
async fn answer(network: &Network, text: &str) -> Answer {
    let (worker, north) = network.north();
    let tree = json::parse(text.as_bytes(), &north.index, None, Policy::STRICT, &Limits::NORTH).unwrap();
    let body = json::print(&tree, &north.index, false);
    let faults = worker.validate(&north.id, DocumentKind::Config, Encoding::Json, &body).await;
    let faults = faults.unwrap_or_else(|error| panic!("lost: {error}"));
    if !faults.is_empty() {
        return Answer::Faults(faults);
    }
    let put = andante::face::documents(&tree).unwrap();
    match network.plan(&Request { put, delete: Vec::new() }, &Default::default()) {
        Ok(plan) => Answer::Plan(plan.id),
        Err(refused) => Answer::Refused(refused),
    }
}

/// Documents with their answers: services of all kinds, with other VLANs, and with faults that only libyang sees.
async fn variants(network: &Network) -> Vec<(String, Answer)> {
    let mut variants = Vec::new();
    for name in ["l3vpn-any-to-any", "l3vpn-hub-spoke", "l3vpn-bgp-dual-stack", "l2vpn-vpws-ldp", "l2vpn-vxlan-evpn"] {
        let text = std::fs::read_to_string(root("tests/documents").join(format!("{name}.json"))).unwrap();
        let text = serde_json::from_str::<serde_json::Value>(&text).unwrap().to_string();
        for vlan in [100, 2001, 2002] {
            variants.push(text.replace("\"cvlan-id\":100", &format!("\"cvlan-id\":{vlan}")));
        }
        // The profile has another name than the one that is referred to.
        variants.push(text.replacen("\"profile-id\":\"", "\"profile-id\":\"no-", 1));
    }
    variants.sort();
    variants.dedup();
    let mut answered = Vec::new();
    for text in variants {
        let answer = answer(network, &text).await;
        answered.push((text, answer));
    }
    let count = |wanted: fn(&Answer) -> bool| answered.iter().filter(|(_, answer)| wanted(answer)).count();
    assert!(count(|answer| matches!(answer, Answer::Plan(_))) >= 6, "{answered:#?}");
    assert!(count(|answer| matches!(answer, Answer::Faults(_))) >= 3, "{answered:#?}");
    answered
}

/// Kills whatever worker `pid` names, again and again: after a drawn number of answers, one time in five none at all, and
/// then at a drawn moment within 15 ms. So it hits workers that start, compile, validate, and wait. Until it is stopped;
/// answers how often it hit.
fn killer(
    seed: u64,
    answers: u64,
    (stop, done): (Arc<AtomicBool>, Arc<AtomicU64>),
    pid: impl Fn() -> Option<u32> + Send + 'static,
) -> std::thread::JoinHandle<u64> {
    std::thread::spawn(move || {
        let (mut dice, mut hits) = (Dice(seed), 0);
        while !stop.load(Ordering::Relaxed) {
            let next = match dice.below(5) {
                0 => 0,
                _ => done.load(Ordering::Relaxed) + 1 + dice.below(answers),
            };
            while done.load(Ordering::Relaxed) < next && !stop.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_micros(200));
            }
            std::thread::sleep(Duration::from_micros(dice.below(15_000)));
            if let Some(pid) = pid() {
                let done = std::process::Command::new("kill").args(["-9", &pid.to_string()]).output().unwrap();
                hits += u64::from(done.status.success());
            }
        }
        hits
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killing_the_worker_at_random_during_plans_loses_none() {
    let cases = number("ANDANTE_CASES", 1000);
    let seed = number("ANDANTE_SEED", 1);
    println!("seed {seed}, {cases} plans");
    let network = Network::load(&root("tests/scenarios/elements")).await;
    let variants = variants(&network).await;
    let network = Arc::new(network);

    let (stop, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let before = network.north().0.starts();
    let of = network.clone();
    let runtime = tokio::runtime::Handle::current();
    let done = Arc::new(AtomicU64::new(0));
    let killing = killer(seed, 16, (stop.clone(), done.clone()), move || runtime.block_on(of.north().0.pid()));
    let started = Instant::now();
    let variants = Arc::new(variants);
    let planners = (0..4).map(|n| {
        let (network, variants, asked, done) = (network.clone(), variants.clone(), asked.clone(), done.clone());
        tokio::spawn(async move {
            let mut dice = Dice(seed ^ (n + 1) << 32);
            while asked.fetch_add(1, Ordering::Relaxed) < cases {
                let (text, wanted) = &variants[dice.below(variants.len() as u64) as usize];
                let found = answer(&network, text).await;
                assert_eq!(&found, wanted, "another answer than without killing\n{text}");
                done.fetch_add(1, Ordering::Relaxed);
            }
        })
    });
    for planner in planners.collect::<Vec<_>>() {
        planner.await.unwrap();
    }
    stop.store(true, Ordering::Relaxed);
    let hits = killing.join().unwrap();
    let starts = network.north().0.starts() - before;
    println!(
        "{cases} plans in {:?}: {hits} kills hit, {starts} workers were started anew, none was lost",
        started.elapsed()
    );
    assert!(hits >= cases / 100 && starts >= cases / 100, "the worker was hardly killed: {hits}, {starts}");

    through_the_controller(seed, cases / 25).await;
}

/// The same through the daemon's controller, with elements behind SSH.
async fn through_the_controller(seed: u64, cases: u64) {
    let domain = domain().await;
    let (good, bad) =
        (domain.edit(|text| text), domain.edit(|text| text.replacen("\"profile-id\":\"", "\"profile-id\":\"no-", 1)));
    let wanted = plan(&domain, good.clone()).await.unwrap();
    let faults = plan(&domain, bad.clone()).await.unwrap_err();
    let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let killing = killer(seed, 2, (stop.clone(), done.clone()), domain::worker_of_this_process);
    let started = Instant::now();
    for n in 0..cases {
        match n % 4 {
            0 => assert_eq!(plan(&domain, bad.clone()).await.unwrap_err(), faults),
            _ => assert_eq!(plan(&domain, good.clone()).await, Ok(wanted.clone())),
        }
        done.fetch_add(1, Ordering::Relaxed);
    }
    stop.store(true, Ordering::Relaxed);
    let hits = killing.join().unwrap();
    println!("{cases} plans through the controller in {:?}: {hits} kills hit, none was lost", started.elapsed());
    assert!(cases < 10 || hits > 0);
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// xorshift64*
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11) % end.max(1)
    }
}
