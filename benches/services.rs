//! What one service change costs beside 1,000 and beside 100,000 services, and what a start costs with them.
//!
//! ```text
//!  fill a store (documents, claims, numbers) ─► in a process of its own: load it (time, memory), then
//!                                               create, change and delete a service with three end points, again and again:
//!                                               plan ─► decide ─► store ─► follow, elements of 60,000 nodes, given as read
//! ```
//!
//! The store is filled with what decisions would have left there: the records of one real service, with other names and
//! numbers for each of the others. Nothing is read from elements: that, and parsing what they say, is measured elsewhere.
//! `ANDANTE_SERVICES=2000` sets the larger number, for a quick look.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a benchmark fails by panicking")]

#[path = "../tests/support/platforms.rs"]
#[allow(dead_code)]
mod platforms;

use andante::adapter::Adapter;
use andante::controller::{Desk, Model, Wanted, meaning};
use andante::domain::{Class, Element, Inventory, ServiceKey, StoredDocument};
use andante::face;
use andante::plan::{Allowed, Plan};
use andante::service::decompose;
use andante::service::ledger::{Draft, Exclusions, Ledger, Ranges, Take};
use andante::store::{Batch, Durability, SqliteStore, Store, Table};
use andante::tree::{Claims, ConfigTree, Intended, Layer, Limits, Owner, Policy, SchemaIndex, Unpacker, apply, json};
use andante::yang::client::{Loaded, YangWorker};
use andante::yang::protocol::{DocumentKind, Encoding};
use andante::yang::sources::ModuleSet;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

const ELEMENTS: usize = 200;
const NODES: u32 = 60_000;
const ROUNDS: usize = 100;
const PORTS: usize = 8;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, column, file] = arguments.as_slice()
        && column == "column"
    {
        return House::new().await.column(Path::new(file)).await;
    }
    let many = std::env::var("ANDANTE_SERVICES").ok().and_then(|text| text.parse().ok()).unwrap_or(100_000);
    let house = House::new().await;
    println!("{ELEMENTS} elements (half FRR, half IOS XR); a service has two or three end points\n");
    let mut columns = Vec::new();
    for services in [1_000, many] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("andante.db");
        let start = Instant::now();
        let (records, bytes) = house.fill(&file, services).await;
        let filled = start.elapsed();
        println!("{services} services: {records} records, {} MB, written in {filled:.1?}", bytes >> 20);
        let child = Command::new(std::env::current_exe().unwrap()).arg("column").arg(&file).output().unwrap();
        assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stderr));
        let said = String::from_utf8(child.stdout).unwrap();
        let (words, samples) = said.trim_end().rsplit_once('\n').unwrap();
        println!("{words}");
        columns.push(serde_json::from_str(samples).unwrap());
    }
    table(&columns, many);
    house.validation().await;
}

fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

/// Nanoseconds of each step, by step.
type Column = BTreeMap<String, Vec<u64>>;

/// Shares of sorted samples.
fn at(samples: &[u64], share: f64) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_unstable();
    sorted[((sorted.len() - 1) as f64 * share) as usize] as f64 / 1e6
}

fn table(columns: &[Column], many: usize) {
    println!("\n{:<34} {:>9} {:>9} {:>9} {:>9} {:>7}", "ms", "1k p50", "1k p99", "p50", "p99", "ratio");
    for (step, few) in &columns[0] {
        let more = &columns[1][step];
        let (a, b) = (at(few, 0.5), at(more, 0.5));
        let [c, d] = [at(few, 0.99), at(more, 0.99)];
        print!("{step:<34} {a:>9.3} {c:>9.3} {b:>9.3} {d:>9.3} {:>7.2}", b / a);
        match step.starts_with("plan") {
            true => {
                let reached = |good: bool| if good { "reached" } else { "missed" };
                println!(
                    "  p50 5: {}, p99 20: {}, 1.5 x: {}",
                    reached(b <= 5.0),
                    reached(d <= 20.0),
                    reached(b <= 1.5 * a)
                )
            }
            false => println!(),
        }
    }
    println!("(the two columns on the right: {many} services)");
}

/// What every measurement needs.
struct House {
    worker: YangWorker,
    north: Arc<Loaded>,
    adapters: BTreeMap<String, Arc<Adapter>>,
    ranges: Ranges,
    /// By adapter: the claims of the sample service as they are stored.
    samples: BTreeMap<&'static str, String>,
}

impl House {
    async fn new() -> Self {
        let worker = platforms::worker();
        let names = ["ietf-vpn-common", "ietf-l3vpn-ntw", "ietf-l2vpn-ntw", "andante"];
        let north = worker.load(&ModuleSet::named(&names, &[&root("yang")])).await.unwrap();
        let (adapters, _) = platforms::compiled(&worker).await;
        let ranges = Ranges { rd: 60_001..=65_535, rt: 4_000_001..=4_294_967_295, ..Ranges::default() };
        let mut house = Self { worker, north, adapters, ranges, samples: BTreeMap::new() };
        house.sample();
        house.proved();
        house
    }

    fn tree(&self, document: &serde_json::Value) -> ConfigTree {
        let text = document.to_string();
        json::parse(text.as_bytes(), self.index(), None, Policy::STRICT, &Limits::NORTH).unwrap()
    }

    fn printed(&self, tree: &ConfigTree) -> String {
        json::print(tree, self.index(), false)
    }

    fn index(&self) -> &SchemaIndex {
        &self.north.index
    }

    fn wanted(&self, id: &str, ends: &[End]) -> Wanted {
        let tree = self.tree(&document(id, ends));
        let service = face::service_of(&tree, &key(id)).unwrap();
        Wanted { key: key(id), document: Some((self.printed(&tree), Arc::new(service))) }
    }

    /// What the sample service asks of an element of each platform.
    fn sample(&mut self) {
        let ends = [0, 1].map(|element| End { element, port: 0, vlan: 3999 });
        let inventory: Inventory = (0..2).map(element).collect();
        for (adapter, claims) in ["frr", "iosxr"].into_iter().zip(self.mapped(SAMPLE, &ends, &self.ranges, &inventory))
        {
            self.samples.insert(adapter, serde_json::to_string(&claims).unwrap());
        }
    }

    /// The true way of a service to its claims.
    fn mapped(&self, id: &str, ends: &[End], ranges: &Ranges, inventory: &Inventory) -> Vec<Claims> {
        let (_, service) = self.wanted(id, ends).document.unwrap();
        let (ledger, excluded) = (Ledger::default(), Exclusions::new());
        let mut draft = Draft::new(&ledger, &excluded).within(ranges.clone());
        let split = decompose(&service, inventory, &mut draft).unwrap();
        let claims = |end: &End| {
            let tree = self.adapters[platform(end.element)].map(&split.elements[&name(end.element)]).unwrap();
            Claims::new(Owner(format!("service {}", key(id))), Layer::Service, tree)
        };
        ends.iter().map(claims).collect()
    }

    /// What is exchanged in a text is what another service would get.
    fn proved(&self) {
        let (id, inventory) = ("s0000042", (0..ELEMENTS).map(element).collect());
        let ends = [(6, 3, 17), (67, 1, 940)].map(|(element, port, vlan)| End { element, port, vlan });
        let ranges = Ranges { rd: 777..=777, rt: 43..=43, ..Ranges::default() };
        for (end, claims) in ends.iter().zip(self.mapped(id, &ends, &ranges, &inventory)) {
            let made: Claims = serde_json::from_str(&self.claims(id, end, [43, 777])).unwrap();
            // Addresses are the sample's: they are numbered by the place of the end.
            assert_eq!(made, claims, "{}", name(end.element));
        }
    }

    /// The claims of another service on an element.
    fn claims(&self, id: &str, end: &End, numbers: [usize; 2]) -> String {
        let text = &self.samples[platform(end.element)];
        let port = format!("{}.{}", port(end.element, end.port), end.vlan);
        text.replace(SAMPLE, id)
            .replace(&format!("{}.3999", port_of(platform(end.element), 0)), &port)
            .replace("\"3999\"", &format!("\"{}\"", end.vlan))
            .replace("4000001", &numbers[0].to_string())
            .replace("60001", &numbers[1].to_string())
            .replace(&router_id(end.element % 2), &router_id(end.element))
    }

    /// A store as it would be after these services were decided. Answers the number of records and their bytes.
    async fn fill(&self, file: &Path, services: usize) -> (usize, usize) {
        let store = SqliteStore::open(file).unwrap();
        let epoch = store.take_lease("bench").await.unwrap();
        let (mut batch, mut records, mut bytes) = (Batch::default(), 0, 0);
        for number in 0..ELEMENTS {
            let element = element(number);
            batch.put(Table::Elements, &element.name, &element).unwrap();
        }
        let mut used = [0usize; ELEMENTS];
        for n in 0..services {
            let id = format!("s{n:07}");
            let ends: Vec<End> = (0..2 + n % 2)
                .map(|at| {
                    let element = (n * 7 + at * 61) % ELEMENTS;
                    let nth = used[element];
                    used[element] += 1;
                    End { element, port: nth % PORTS, vlan: 2 + nth / PORTS }
                })
                .collect();
            let body = document(&id, &ends).to_string();
            let elements = ends.iter().map(|end| name(end.element)).collect();
            let (author, modified) = ("bench".into(), Timestamp::UNIX_EPOCH);
            let document = StoredDocument {
                key: key(&id),
                revision: 1,
                etag: id.clone(),
                author,
                modified,
                body,
                elements,
                effect: Default::default(),
                ticket: None,
                transaction: None,
                oldest: 0,
            };
            batch.put(Table::Documents, &document.key.to_string(), &document).unwrap();
            let rt = Take::held("rt@65000", &key(&id), "", n as u64 + 1);
            batch.put(Table::Numbers, &rt.key(), &rt).unwrap();
            for end in &ends {
                let rd = end.port + (end.vlan - 2) * PORTS + 1;
                let take =
                    Take::held(&format!("rd@{}", router_id(end.element)), &key(&id), &name(end.element), rd as u64);
                batch.put(Table::Numbers, &take.key(), &take).unwrap();
                let claims: Claims = serde_json::from_str(&self.claims(&id, end, [n + 1, rd])).unwrap();
                let claims = claims.pack();
                let at = format!("{}/{}", name(end.element), key(&id));
                batch.changes.push(andante::store::Change::Put(Table::Claims, at, claims));
            }
            if batch.changes.len() > 10_000 || n + 1 == services {
                records += batch.changes.len();
                for change in &batch.changes {
                    if let andante::store::Change::Put(_, key, value) = change {
                        bytes += key.len() + value.len();
                    }
                }
                store.commit(epoch, std::mem::take(&mut batch), Durability::Now).await.unwrap();
            }
        }
        (records, bytes)
    }

    /// Loads a store and measures with it, in a process of its own; the last line that it prints are the samples.
    async fn column(&self, file: &Path) {
        let store = SqliteStore::open(file).unwrap();
        let epoch = store.take_lease("bench").await.unwrap();
        let meaning = meaning(&self.north.index);
        let (before, start) = (resident(), Instant::now());
        let mut model = Model::load(&store, &meaning).await.unwrap();
        let (took, used) = (start.elapsed(), resident().saturating_sub(before));
        let reached = |good: bool| if good { "reached" } else { "missed" };
        println!(
            "  load {took:.2?} (target 30 s: {}), resident + {} MB (target 1500 MB: {})",
            reached(took < Duration::from_secs(30)),
            used >> 20,
            reached(used < 1500 << 20)
        );
        let mut actual = self.actual(&store, 3).await;
        let nodes: Vec<u32> = actual.values().map(|(tree, _)| tree.count()).collect();
        println!("  elements of {nodes:?} nodes");
        let mut column = Column::new();
        let ends = |vlan| [0, 1, 2].map(|element| End { element, port: 0, vlan });
        for round in 0..ROUNDS {
            let id = format!("t{round:07}");
            let first = self.wanted(&id, &ends(4000));
            let mut moved = ends(4000);
            moved[1].vlan = 4001;
            let second = self.wanted(&id, &moved);
            let gone = Wanted { key: key(&id), document: None };
            for (step, want) in [("plan: create", first), ("plan: change a VLAN", second), ("plan: delete", gone)] {
                let mut timed = |what: &'static str, since: Instant| {
                    column.entry(what.to_string()).or_default().push(since.elapsed().as_nanos() as u64);
                };
                let start = Instant::now();
                let (own, ranges, excluded) = (&BTreeMap::new(), &Ranges::default(), &Exclusions::new());
                let desk = Desk { model: &model, adapters: &self.adapters, own, ranges, excluded };
                let drafted = desk.draft(vec![want]).unwrap();
                timed("of which draft", start);
                let (plan, _): (Plan, _) = desk.plan(drafted, &actual, &Allowed::default()).unwrap();
                timed(step, start);
                assert_eq!(plan.elements.len(), if step == "plan: change a VLAN" { 1 } else { 3 });
                let start = Instant::now();
                let daemon = andante::domain::Principal::daemon();
                let stamp =
                    andante::domain::Stamp { principal: &daemon, transaction: "bench", at: Timestamp::UNIX_EPOCH };
                let keep = andante::controller::HistoryLimits { revisions: 50, deleted: 1000 };
                let batch = model.decided(&plan, &stamp, keep, &BTreeMap::new()).unwrap();
                timed("decide (the batch)", start);
                let start = Instant::now();
                store.commit(epoch, batch.clone(), Durability::Now).await.unwrap();
                timed("store (SQLite, one fsync)", start);
                let start = Instant::now();
                model.apply(&batch, &meaning).unwrap();
                timed("follow (the mirror)", start);
                for element in &plan.elements {
                    let (tree, _) = actual.get_mut(&element.element).unwrap();
                    *tree = apply(&element.diff, tree).unwrap();
                }
            }
        }
        println!("{}", serde_json::to_string(&column).unwrap());
    }

    /// What the first elements say: what is claimed there, and beside it as much made by hand as fills the element.
    async fn actual(&self, store: &dyn Store, elements: usize) -> BTreeMap<String, (ConfigTree, Class)> {
        let mut read = BTreeMap::new();
        for element in 0..elements {
            let mut all: Vec<Claims> = Vec::new();
            for (_, bytes) in store.list_bytes(Table::Claims, &format!("{}/", name(element))).await.unwrap() {
                all.push(Unpacker::default().unpack(&bytes).unwrap());
            }
            let mut count: u32 = all.iter().map(|claims| claims.tree.count()).sum();
            let by_hand = |n: usize| {
                let end = End { element, port: n % PORTS, vlan: 2 + n / PORTS };
                let text = self.claims(&format!("h{n:07}"), &end, [900_000 + n, 30_000 + n]);
                serde_json::from_str::<Claims>(&text).unwrap()
            };
            let each = by_hand(0).tree.count();
            for n in all.len().. {
                if count + each > NODES {
                    break;
                }
                all.push(by_hand(n));
                count += each;
            }
            let class = if platform(element) == "frr" { Class::D } else { Class::A };
            read.insert(name(element), (Intended::merge(&all).unwrap().tree, class));
        }
        read
    }

    /// The one document, by libyang in its process: the closure of a service's document is the document.
    async fn validation(&self) {
        let ends = [0, 1, 2].map(|element| End { element, port: 0, vlan: 4000 });
        let (mut parse, mut check) = (Vec::new(), Vec::new());
        for round in 0..200 {
            let text = document(&format!("t{round:07}"), &ends).to_string();
            let start = Instant::now();
            let tree = json::parse(text.as_bytes(), self.index(), None, Policy::STRICT, &Limits::NORTH).unwrap();
            let body = self.printed(&tree);
            face::service_of(&tree, &key(&format!("t{round:07}"))).unwrap();
            parse.push(start.elapsed().as_nanos() as u64);
            let start = Instant::now();
            let faults =
                self.worker.validate(&self.north.id, DocumentKind::Config, Encoding::Json, &body).await.unwrap();
            check.push(start.elapsed().as_nanos() as u64);
            assert!(faults.is_empty(), "{faults:?}");
        }
        println!("\none document, the same beside any number of services (ms)");
        for (what, samples) in [("parse, print, meaning", parse), ("libyang in the worker", check)] {
            println!("{what:<34} {:>9.3} {:>9.3}", at(&samples, 0.5), at(&samples, 0.99));
        }
    }
}

/// The identifier that is exchanged for others; VLAN 3999 and numbers from 60001 and 4000001 on are exchanged too.
const SAMPLE: &str = "s7777777";

struct End {
    element: usize,
    port: usize,
    vlan: usize,
}

fn root(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn key(id: &str) -> ServiceKey {
    ServiceKey { face: "ietf-l3vpn-ntw".into(), id: id.into() }
}

fn name(element: usize) -> String {
    format!("pe{element:03}")
}

fn platform(element: usize) -> &'static str {
    if element.is_multiple_of(2) { "frr" } else { "iosxr" }
}

fn router_id(element: usize) -> String {
    format!("10.77.{element}.1")
}

fn port(element: usize, port: usize) -> String {
    port_of(platform(element), port)
}

fn port_of(platform: &str, port: usize) -> String {
    if platform == "frr" { format!("eth{}", port + 1) } else { format!("GigabitEthernet0/0/0/{port}") }
}

fn element(number: usize) -> Element {
    let ports: Vec<_> = (0..PORTS).map(|at| serde_json::json!({ "name": port(number, at) })).collect();
    let entry = serde_json::json!({"name": name(number), "adapter": platform(number), "address": "192.0.2.1:22",
        "username": "andante", "router_id": router_id(number), "asn": 65000, "ports": ports});
    serde_json::from_value(entry).unwrap()
}

/// An L3VPN with an address and a static route at each end, all numbers automatic.
fn document(id: &str, ends: &[End]) -> serde_json::Value {
    let up = serde_json::json!({"admin-status": {"status": "ietf-vpn-common:admin-up"}});
    let node = |(at, end): (usize, &End)| {
        serde_json::json!({
            "vpn-node-id": name(end.element), "ne-id": name(end.element), "status": up,
            "active-vpn-instance-profiles": {"vpn-instance-profile": [{"profile-id": "main"}]},
            "vpn-network-accesses": {"vpn-network-access": [{
                "id": format!("{id}-{at}"), "interface-id": port(end.element, end.port),
                "vpn-instance-profile": "main", "status": up,
                "connection": {"encapsulation": {"type": "ietf-vpn-common:dot1q", "dot1q": {"cvlan-id": end.vlan}}},
                "ip-connection": {"ipv4": {"local-address": format!("198.51.100.{}", at * 4 + 1), "prefix-length": 30,
                    "address-allocation-type": "static-address", "primary-address": "1",
                    "address": [{"address-id": "1", "customer-address": format!("198.51.100.{}", at * 4 + 2)}]}},
                "routing-protocols": {"routing-protocol": [{"id": "static",
                    "type": "ietf-vpn-common:static-routing", "static": {"cascaded-lan-prefixes": {"ipv4-lan-prefixes": [
                        {"lan": format!("203.0.113.{}/27", at * 32), "next-hop": format!("198.51.100.{}", at * 4 + 2)}]}}}]}
            }]}
        })
    };
    let nodes: Vec<_> = ends.iter().enumerate().map(node).collect();
    let family = serde_json::json!({"address-family": "ietf-vpn-common:ipv4"});
    serde_json::json!({"ietf-l3vpn-ntw:l3vpn-ntw": {"vpn-services": {"vpn-service": [{
        "vpn-id": id, "vpn-name": id, "customer-name": "acme", "vpn-type": "ietf-vpn-common:l3vpn",
        "vpn-service-topology": "ietf-vpn-common:any-to-any", "status": up,
        "vpn-instance-profiles": {"vpn-instance-profile": [{"profile-id": "main",
            "role": "ietf-vpn-common:any-to-any-role", "local-as": 65000, "address-family": [family]}]},
        "vpn-nodes": {"vpn-node": nodes}
    }]}}})
}
