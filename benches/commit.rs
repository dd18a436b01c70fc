//! What a transaction costs the daemon itself, and how that grows with the number of elements (it should not).
//!
//! ```text
//!  overhead   Controller ─► elements inside this process, zero latency: wall and processor time of one transaction, its
//!             waits for the disk, transactions per second, for 10 … 1,000 elements of 1,000 entries
//!  wide       one transaction over 1, 10, 50 … elements: what each element adds
//!  one leaf   the same over real SSH and NETCONF sessions: the elements are simulated in a process of their own, so the
//!             processor time of this process and of its libyang worker is the daemon's
//! ```
//!
//! The store is SQLite with `synchronous=FULL`, documents are validated by libyang, every element is read back. What the
//! simulated elements inside this process spend is measured on their threads and taken off. Figures of the peer stand
//! beside: clixon-controller 1.8, measured on a machine of this class (2 cores) over real sessions.
//! `ANDANTE_FLEETS=10,50` sets the numbers of elements, for a quick look; `ANDANTE_PARTS=overhead,wide,leaf` the parts.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a benchmark fails by panicking")]

#[path = "../tests/support/fleet.rs"]
mod fleet;
#[path = "../tests/support/paper.rs"]
mod paper;
#[path = "../tests/support/platforms.rs"]
#[allow(dead_code)]
mod platforms;
#[path = "../tests/support/through.rs"]
mod through;

use andante::controller::{Absent, DocumentEdit, Vault};
use andante::domain::{Element, Inventory};
use andante::face;
use andante::service::decompose;
use andante::service::ledger::{Draft, Exclusions, Ledger};
use andante::tree::{ConfigTree, Key};
use fleet::{End, Fleet, House, document, key, process_time, written};
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

const ENTRIES: usize = 1_000;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        // A task, so that it runs where the daemon's tasks run.
        tokio::spawn(measured()).await.unwrap();
    });
}

async fn measured() {
    let fleets: Vec<usize> = match std::env::var("ANDANTE_FLEETS") {
        Ok(text) => text.split(',').map(|count| count.parse().unwrap()).collect(),
        Err(_) => vec![10, 50, 200, 1_000],
    };
    let parts = std::env::var("ANDANTE_PARTS").unwrap_or_else(|_| "overhead,wide,leaf".into());
    let house = House::new().await;
    if parts.contains("overhead") {
        for platform in ["iosxr", "frr"] {
            overhead(&house, platform, &fleets).await;
        }
    }
    if parts.contains("wide") {
        wide(&house, fleets.iter().copied().max().unwrap()).await;
    }
    if parts.contains("leaf") {
        leaf(&house, &fleets).await;
    }
}

fn reached(good: bool) -> &'static str {
    if good { "reached" } else { "missed" }
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Half-way and 99th of sorted samples, ms.
fn at(samples: &mut [Duration], share: f64) -> f64 {
    samples.sort_unstable();
    ms(samples[((samples.len() - 1) as f64 * share) as usize])
}

/// Processor time of the daemon: this process and its workers.
fn daemon_time() -> Duration {
    process_time() + children_time()
}

/// The libyang workers, in ticks of the kernel.
fn children_time() -> Duration {
    let mut ticks = 0;
    for task in std::fs::read_dir("/proc/self/task").unwrap().flatten() {
        let children = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
        for child in children.split_whitespace() {
            let stat = std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
            if !stat.contains("(andanted)") {
                continue;
            }
            let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
            ticks += fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
        }
    }
    Duration::from_millis(ticks * 10)
}

// ── one transaction, elements that answer at once ────────────────────────────────────────────────────────────────────

async fn overhead(house: &House, platform: &str, fleets: &[usize]) {
    let class = if platform == "frr" { "D" } else { "A" };
    println!("\ncommit overhead, {platform} (class {class}), elements of {ENTRIES} entries, zero latency");
    println!("a transaction changes one service with two end points: a leaf on one element, or a VLAN on both\n");
    println!(
        "{:<10} {:<18} {:>9} {:>9} {:>9} {:>7} {:>9}",
        "elements", "one at a time", "wall p50", "wall p99", "cpu", "syncs", "commits"
    );
    let running = by_hand(house, platform);
    let mut first: Option<[f64; 3]> = None;
    for &count in fleets {
        let fleet = Arc::new(Fleet::of(house, count, platform, &running).await);
        let services = (count / 2).min(100);
        let ends = |service: usize, vlan: usize| {
            [End { element: service * 2, port: 0, vlan }, End { element: service * 2 + 1, port: 0, vlan }]
        };
        let id = |service: usize| format!("s{service:04}");
        let all: Vec<_> =
            (0..services).map(|service| (id(service), document(&id(service), platform, &ends(service, 100)))).collect();
        for chunk in all.chunks(10) {
            fleet.put(house, chunk).await;
        }
        let rounds = 60;
        let mut row = Vec::new();
        for what in ["a leaf", "a VLAN on both", "create", "delete"] {
            let mut walls = Vec::new();
            let (before, spent) = (fleet.store.count(), fleet.spent.load(Ordering::Relaxed));
            let since = daemon_time();
            for round in 0..rounds {
                let service = round % services;
                let start = Instant::now();
                match what {
                    "a leaf" => {
                        let mut body = document(&id(service), platform, &ends(service, 100));
                        set_prefix(&mut body, if round / services % 2 == 0 { 29 } else { 30 });
                        fleet.put(house, &[(id(service), body)]).await;
                    }
                    "a VLAN on both" => {
                        let vlan = 200 + round / services;
                        let body = document(&id(service), platform, &ends(service, vlan));
                        fleet.put(house, &[(id(service), body)]).await;
                    }
                    "create" => {
                        let id = format!("n{round:04}");
                        let body = document(&id, platform, &ends(service, 1000 + round));
                        fleet.put(house, &[(id, body)]).await;
                    }
                    _ => drop(fleet.delete(&format!("n{round:04}")).await),
                }
                walls.push(start.elapsed());
            }
            let spent = Duration::from_nanos(fleet.spent.load(Ordering::Relaxed) - spent);
            let cpu = ms((daemon_time() - since).saturating_sub(spent)) / rounds as f64;
            let used = fleet.store.count() - before;
            let (p50, p99) = (at(&mut walls, 0.5), at(&mut walls, 0.99));
            let syncs = used.now as f64 / rounds as f64;
            row.push(cpu);
            println!(
                "{count:<10} {what:<18} {p50:>9.2} {p99:>9.2} {cpu:>9.2} {syncs:>7.1} {:>9.1}   15 ms: {}, 5 syncs: {}",
                used.lazy as f64 / rounds as f64 + syncs,
                reached(p50 <= 15.0),
                reached(syncs <= 5.0)
            );
        }
        let Rate { rate, syncs, cpu, each, writers } = concurrent(house, &fleet, platform, services).await;
        let (sync, busy) = (disk(), |ms: f64| rate * ms / 10.0);
        println!(
            "{count:<10} {rate:>7.0} transactions/s by {writers} writers: {each:.1} ms, {syncs:.2} syncs, {cpu:.2} ms cpu each   200/s: {}",
            reached(rate >= 200.0)
        );
        println!(
            "{:<10} the disk takes {sync:.2} ms a sync: busy {:.0} %; two processors: busy {:.0} %",
            "",
            busy(syncs * sync),
            busy(cpu) / 2.0
        );
        let now = [row[0], row[1], 1.0 / rate];
        match &first {
            None => first = Some(now),
            Some(first) => println!(
                "{:<10} beside {} elements: cpu x {:.2} (leaf), x {:.2} (VLAN), rate x {:.2}",
                "",
                fleets[0],
                now[0] / first[0],
                now[1] / first[1],
                first[2] / now[2]
            ),
        }
    }
    println!(
        "peer: clixon-controller 1.8 with 10 x 100 entries: 20 transactions/s, 45 ms cpu each; 50 x 1,000: 0.8/s,"
    );
    println!(
        "      1.30 s cpu; 200 x 1,000: 0.2/s, 4.74 s cpu (its elements are real processes, and it reads them whole)"
    );
}

/// What came of services that were changed side by side.
struct Rate {
    /// Transactions a second.
    rate: f64,
    syncs: f64,
    cpu: f64,
    /// Half of them took no longer than this, ms.
    each: f64,
    writers: usize,
}

/// Disjoint services changed side by side: 32 writers, or one for each service, each of which sends its next change when the
/// last one is answered. Two changes of one service at a time would wait for each other, and others behind them.
async fn concurrent(house: &House, fleet: &Arc<Fleet>, platform: &str, services: usize) -> Rate {
    let (rounds, writers) = (600, services.min(32));
    let (before, spent, since) = (fleet.store.count(), fleet.spent.load(Ordering::Relaxed), daemon_time());
    let mut edits: Vec<Vec<Vec<DocumentEdit>>> = vec![Vec::new(); writers];
    for round in 0..rounds {
        let (service, vlan) = (round % services, 300 + round / services);
        let ends = [0, 1].map(|end| End { element: service * 2 + end, port: 0, vlan });
        let id = format!("s{service:04}");
        let document = house.tree(&document(&id, platform, &ends));
        edits[service % writers].push(vec![DocumentEdit::Put { key: key(&id), document, expect: None }]);
    }
    let start = Instant::now();
    let writing = edits.into_iter().map(|edits| {
        let fleet = fleet.clone();
        tokio::spawn(async move {
            let mut walls = Vec::new();
            for edit in edits {
                let start = Instant::now();
                fleet.write(edit).await;
                walls.push(start.elapsed());
            }
            walls
        })
    });
    let walls = futures::future::join_all(writing.collect::<Vec<_>>()).await;
    let took = start.elapsed().as_secs_f64();
    let mut walls: Vec<Duration> = walls.into_iter().flat_map(Result::unwrap).collect();
    let spent = Duration::from_nanos(fleet.spent.load(Ordering::Relaxed) - spent);
    let cpu = ms((daemon_time() - since).saturating_sub(spent)) / rounds as f64;
    let used = fleet.store.count() - before;
    let syncs = used.syncs as f64 / rounds as f64;
    Rate { rate: rounds as f64 / took, syncs, cpu, each: at(&mut walls, 0.5), writers }
}

/// How long the disk takes to make 32 kB durable, ms: what the store waits for.
fn disk() -> f64 {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let mut samples: Vec<Duration> = (0..50)
        .map(|_| {
            file.write_all(&[7; 32 << 10]).unwrap();
            let start = Instant::now();
            file.as_file().sync_data().unwrap();
            start.elapsed()
        })
        .collect();
    at(&mut samples, 0.5)
}

/// One transaction over many elements.
async fn wide(house: &House, most: usize) {
    println!("\none service over many elements in one transaction (iosxr, class A, zero latency)\n");
    println!("{:<10} {:>10} {:>10} {:>14} {:>7}", "elements", "wall", "cpu", "cpu / element", "syncs");
    let fleet = Fleet::of(house, most, "iosxr", &by_hand(house, "iosxr")).await;
    let widths = [2, 10, 50, 200, 1_000].into_iter().filter(|width| *width <= most);
    for (at, width) in widths.enumerate() {
        let mut samples = Vec::new();
        let before = fleet.store.count();
        let (spent, since) = (fleet.spent.load(Ordering::Relaxed), daemon_time());
        let rounds = (400 / width).clamp(2, 40);
        for round in 0..rounds {
            let ends: Vec<End> =
                (0..width).map(|element| End { element, port: 1, vlan: 100 + at * 50 + round }).collect();
            let start = Instant::now();
            fleet.put(house, &[("wide".into(), document("wide", "iosxr", &ends))]).await;
            samples.push(start.elapsed());
        }
        let spent = Duration::from_nanos(fleet.spent.load(Ordering::Relaxed) - spent);
        let cpu = ms((daemon_time() - since).saturating_sub(spent)) / rounds as f64;
        let used = fleet.store.count() - before;
        println!(
            "{width:<10} {:>10.1} {cpu:>10.1} {:>14.2} {:>7.1}",
            self::at(&mut samples, 0.5),
            cpu / width as f64,
            used.now as f64 / rounds as f64
        );
    }
}

// ── one leaf over real sessions ──────────────────────────────────────────────────────────────────────────────────────

async fn leaf(house: &House, fleets: &[usize]) {
    println!(
        "\none leaf on one of N elements of {ENTRIES} entries, over SSH and NETCONF (elements in another process)"
    );
    println!("a transaction opens two sessions: to plan and write, to read back\n");
    println!("{:<10} {:>9} {:>9} {:>12} {:>12}", "elements", "wall p50", "wall p99", "cpu daemon", "of it libyang");
    let running = by_hand(house, "iosxr");
    let text = house.adapters["iosxr"].text(&running);
    println!("(an element prints {} kB)", text.len() / 1000);
    let mut first = None;
    for &count in fleets {
        let folder = tempfile::tempdir().unwrap();
        let simulated = Simulated::start(folder.path(), count, &text);
        let vault = Arc::new(Vault::new(&[7; 32]).unwrap());
        let connector = fleet::connector(None, vault.clone());
        let (controller, _) = house.controller(folder.path(), connector, vault).await;
        controller.apply_elements(&fleet::noc(), simulated.elements.clone(), Absent::Keep).await.unwrap();
        let edit = |prefix: u32| {
            let mut body = document("leaf", "iosxr", &[End { element: count / 2, port: 0, vlan: 100 }]);
            set_prefix(&mut body, prefix);
            vec![DocumentEdit::Put { key: key("leaf"), document: house.tree(&body), expect: None }]
        };
        written(&controller, edit(30)).await;
        let rounds = 40;
        let mut walls = Vec::new();
        let (since, yang) = (daemon_time(), children_time());
        for round in 0..rounds {
            let start = Instant::now();
            written(&controller, edit(if round % 2 == 0 { 29 } else { 30 })).await;
            walls.push(start.elapsed());
        }
        let cpu = ms(daemon_time() - since) / f64::from(rounds);
        let yang = ms(children_time() - yang) / f64::from(rounds);
        let (p50, p99) = (at(&mut walls, 0.5), at(&mut walls, 0.99));
        println!("{count:<10} {p50:>9.2} {p99:>9.2} {cpu:>12.2} {yang:>12.2}   10 ms: {}", reached(cpu <= 10.0));
        match first {
            None => first = Some(cpu),
            Some(first) => println!("{:<10} beside {} elements: cpu x {:.2}", "", fleets[0], cpu / first),
        }
    }
    println!(
        "peer: clixon-controller 1.8: 45 ms cpu with 10 x 100 entries, 1,300 with 50 x 1,000, 4,740 with 200 x 1,000"
    );
}

/// The other process.
struct Simulated {
    child: Child,
    elements: Vec<Element>,
}

impl Simulated {
    fn start(folder: &std::path::Path, count: usize, running: &str) -> Self {
        let file = |name: &str| folder.join(name);
        std::fs::create_dir(file("running")).unwrap();
        std::fs::write(file("password"), "s3cret\n").unwrap();
        let mut inventory = String::new();
        for number in 0..count {
            let name = fleet::name(number);
            writeln!(inventory, "[[element]]\nname = '{name}'\nadapter = 'iosxr'\naddress = '127.0.0.1:0'").unwrap();
            writeln!(inventory, "username = 'andante'\npassword_file = 'password'").unwrap();
            std::fs::write(file("running").join(format!("{name}.running")), running).unwrap();
        }
        std::fs::write(file("elements.toml"), inventory).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_andante"))
            .args(["sim", "--elements"])
            .arg(file("elements.toml"))
            .arg("--adapters")
            .arg(paper::root("adapters"))
            .arg("--running")
            .arg(file("running"))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let elements = (0..count).map(|number| {
            let line = lines.next().unwrap().unwrap();
            // name, adapter, address, host key
            let words: Vec<&str> = line.split_whitespace().collect();
            let mut element = fleet::entry(number, "iosxr");
            assert_eq!(words[0], element.name, "{line}");
            element.address = words[2].into();
            element.host_key = Some(words[3..].join(" "));
            element.private_key = None;
            element.password_file = Some(file("password"));
            element
        });
        let elements = elements.collect();
        Self { child, elements }
    }
}

impl Drop for Simulated {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

// ── what is on an element ────────────────────────────────────────────────────────────────────────────────────────────

/// Changes one leaf at the first end.
fn set_prefix(document: &mut serde_json::Value, prefix: u32) {
    let service = &mut document["ietf-l3vpn-ntw:l3vpn-ntw"]["vpn-services"]["vpn-service"][0];
    let access = &mut service["vpn-nodes"]["vpn-node"][0]["vpn-network-accesses"]["vpn-network-access"][0];
    access["ip-connection"]["ipv4"]["prefix-length"] = prefix.into();
}

/// A configuration of [`ENTRIES`] list entries that nobody claims: services that somebody made by hand.
fn by_hand(house: &House, platform: &str) -> ConfigTree {
    const SAMPLE: &str = "s7777777";
    let ends = [End { element: 0, port: 3, vlan: 3999 }];
    let tree = house.tree(&document(SAMPLE, platform, &ends));
    let service = face::service_of(&tree, &key(SAMPLE)).unwrap();
    let inventory: Inventory = std::iter::once(fleet::entry(0, platform)).collect();
    let (ledger, excluded) = (Ledger::default(), Exclusions::new());
    let mut draft = Draft::new(&ledger, &excluded);
    let split = decompose(&service, &inventory, &mut draft).unwrap();
    let sample = house.adapters[platform].map(split.elements.values().next().unwrap()).unwrap();
    let sample = serde_json::to_string(&sample).unwrap();
    let mut whole = ConfigTree::default();
    for n in 0.. {
        let text = sample
            .replace(SAMPLE, &format!("h{n:07}"))
            .replace(".3999", &format!(".{}", 2000 + n))
            .replace("\"3999\"", &format!("\"{}\"", 2000 + n));
        let one: ConfigTree = serde_json::from_str(&text).unwrap();
        whole = whole.overlay(&one);
        let mut entries = 0;
        whole.walk(&mut |path, _| {
            entries += usize::from(path.last().is_some_and(|step| matches!(step.key, Key::Entry(_))));
            true
        });
        if entries >= ENTRIES {
            break;
        }
    }
    whole
}
