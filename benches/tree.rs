//! The configuration tree beside libyang on the same bytes, from 1,000 to 1,000,000 nodes.
//!
//! One list of entries with eight leafs each, as an interface table has them. A node is what libyang calls one: an entry or a
//! leaf, keys included; ours are fewer, for keys are no nodes here, and memory is divided by ours. Every figure is the median
//! of several runs, warm. `cargo bench --bench tree` takes about two minutes; `-- 100000` measures one size.
//!
//! libyang parses without validation and prints its difference as a tree, for it knows no edit-config; its memory is what the
//! process grew by. Both build hashes while they parse.
#![allow(unsafe_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use andante::tree::schema::{Canonical, SchemaIndex, SchemaKind, SchemaModule, SchemaNode, Tables, TypeSpec};
use andante::tree::{
    After, Claims, ConfigTree, Intended, Layer, Limits, Name, Node, Owner, Path, Policy, QName, SchemaId, Step, Value,
    diff, json, xml,
};
use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use yang5::context::{Context, ContextFlags};
use yang5::data::{Data, DataDiffFlags, DataFormat, DataParserFlags, DataPrinterFlags, DataTree, DataValidationFlags};

fn main() {
    // The test runner of cargo calls benches, too, with this argument; there is nothing to test here.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let only: Option<usize> = std::env::args().find_map(|argument| argument.parse().ok());
    let yang = Yang::new();
    let mut missed = 0;
    for nodes in [1_000, 10_000, 100_000, 450_000, 1_000_000] {
        if only.is_none_or(|only| only == nodes) {
            missed += size(&yang, nodes);
        }
    }
    println!("\ntargets missed: {missed}");
}

/// All measures of one size. Returns how many targets were missed.
fn size(yang: &Yang, nodes: usize) -> u32 {
    let entries = nodes / 9;
    let runs = (2_000_000 / nodes).clamp(3, 31);
    let index = schema();
    let limits = Limits { bytes: 1 << 30, nodes: 100_000_000, ..Limits::SOUTH };
    let text = document(entries, |_| false);
    let parse = |text: &str| xml::parse(text.as_bytes(), &index, None, Policy::ELEMENT, &limits).unwrap();
    let megabytes = text.len() as f64 / 1e6;
    println!("\n{nodes} nodes, {entries} entries, {megabytes:.1} MB of XML, median of {runs}");
    println!("  {:<34}{:>14}{:>14}{:>9}  {:<26}", "", "this project", "libyang", "times", "target");
    let mut table = Rows { missed: 0 };

    let (ours, theirs) = medians(runs, || parse(&text), || yang.parse(&text));
    let ratio = theirs.as_secs_f64() / ours.as_secs_f64();
    let speed = megabytes / ours.as_secs_f64();
    table.row(
        "parse XML, build, hash",
        ours,
        Some(theirs),
        "≥ 100 MB/s or ≥ 2.5 ×",
        Some(speed >= 100.0 || ratio >= 2.5),
    );
    println!("  {:<34}{:>9.0} MB/s{:>9.0} MB/s", "", speed, megabytes / theirs.as_secs_f64());

    let a = parse(&text);
    let json_text = json::print(&a, &index, false);
    let parse_json = || json::parse(json_text.as_bytes(), &index, None, Policy::ELEMENT, &limits).unwrap();
    table.row(
        "parse JSON, build, hash",
        median(runs, parse_json),
        Some(median(runs, || yang.parse_json(&json_text))),
        "",
        None,
    );
    let their_a = yang.parse(&text);
    table.row(
        "print XML",
        median(runs, || xml::print(&a, &index, false)),
        Some(median(runs, || yang.print(&their_a))),
        "",
        None,
    );
    let parts = parts(&a);
    table.row(
        "build from leafs, hash (dup)",
        median(runs, || build(&parts)),
        Some(median(runs, || their_a.duplicate().unwrap())),
        "",
        None,
    );

    for (what, changed) in [
        ("diff of re-read, 1 change", Change::One),
        ("diff of re-read, 1 %", Change::Part(100)),
        ("diff of re-read, 50 %", Change::Part(2)),
    ] {
        let other = document(entries, |entry| changed.hits(entry, entries));
        let b = parse(&other);
        let their_b = yang.parse(&other);
        let ours = median(runs.max(11), || diff(&a, &b));
        let flags = DataDiffFlags::empty;
        let theirs = median(runs.min(5), || their_a.diff(&their_b, flags()).unwrap());
        let (target, reached) = match (nodes, &changed) {
            (450_000, Change::One) => ("≤ 100 µs", Some(ours <= Duration::from_micros(100))),
            _ => ("", None),
        };
        table.row(what, ours, Some(theirs), target, reached);
        if !matches!(changed, Change::One) {
            let difference = diff(&a, &b);
            let their_difference = their_a.diff(&their_b, flags()).unwrap();
            let print = || their_difference.print_string(DataFormat::XML, DataPrinterFlags::WITH_SIBLINGS).unwrap();
            let what =
                if matches!(changed, Change::Part(2)) { "render edit-config, 50 %" } else { "render edit-config, 1 %" };
            table.row(
                what,
                median(runs, || xml::edit_config(&difference, &index)),
                Some(median(runs.min(5), print)),
                "",
                None,
            );
        }
    }

    // Claims: a hundred entries each.
    let owners = claims(&a, 100);
    let pieces: Vec<DataTree<'_>> =
        owners.iter().map(|claims| yang.parse(&xml::print(&claims.tree, &index, false))).collect();
    let ours = median(runs.min(5), || Intended::merge(&owners).unwrap());
    let theirs = (nodes <= 100_000).then(|| {
        median(3, || {
            let mut whole = yang.empty();
            pieces.iter().for_each(|piece| whole.merge(piece).unwrap());
            whole
        })
    });
    table.row(&format!("merge claims of {} owners", owners.len()), ours, theirs, "", None);

    let entry =
        Path::root().child(Step::single(q("table"))).child(Step::entry(q("port"), &[("name", &name(entries / 2))]));
    let leaf = Node::leaf(q("mtu"), Value::text("1234"));
    let set = || a.with(&entry, leaf.clone(), After::Keep);
    let before = ALLOCATED.load(Ordering::Relaxed);
    let edited = black_box(set());
    let bytes = ALLOCATED.load(Ordering::Relaxed) - before;
    drop(edited);
    table.row("set one leaf", median(101, set), None, "", None);
    println!("  {:<34}{:>8} bytes", "", bytes);

    // Memory: what a parsed tree keeps, its values and keys aside; then all of it.
    drop((parts, owners, pieces));
    let bare = document_of(entries, |_| (String::from("x"), String::from("10.0.0.1")));
    let kept = |text: &str| {
        let before = LIVE.load(Ordering::Relaxed);
        let tree = parse(text);
        let bytes = LIVE.load(Ordering::Relaxed) - before;
        (bytes as f64, f64::from(tree.count()))
    };
    let (structure, count) = kept(&bare);
    // The text of the key, with its count, its length and its kind.
    let keys = (0..entries).map(|entry| (16 + 1 + name(entry).len()).next_multiple_of(8) as f64).sum::<f64>();
    let per_node = (structure - keys) / count;
    let (whole, count) = kept(&text);
    let resident = resident();
    let held: Vec<DataTree<'_>> = (0..runs.min(5)).map(|_| yang.parse(&text)).collect();
    let theirs = (self::resident().saturating_sub(resident)) as f64 / held.len() as f64 / (nodes as f64);
    table.figure("memory per node, values aside", per_node, None, "≤ 40 B", Some(per_node <= 40.0));
    table.figure("memory per node, with values", whole / count, (nodes >= 10_000).then_some(theirs), "", None);
    table.missed
}

enum Change {
    One,
    Part(usize),
}

impl Change {
    fn hits(&self, entry: usize, entries: usize) -> bool {
        match self {
            Self::One => entry == entries / 2,
            Self::Part(part) => entry.is_multiple_of(*part),
        }
    }
}

struct Rows {
    missed: u32,
}

impl Rows {
    fn row(&mut self, what: &str, ours: Duration, theirs: Option<Duration>, target: &str, reached: Option<bool>) {
        let times =
            theirs.map_or_else(String::new, |theirs| format!("{:.1}", theirs.as_secs_f64() / ours.as_secs_f64()));
        let theirs = theirs.map_or_else(|| "–".into(), shown);
        println!("  {what:<34}{:>14}{theirs:>14}{times:>9}  {target:<26}{}", shown(ours), self.verdict(reached));
    }

    fn figure(&mut self, what: &str, ours: f64, theirs: Option<f64>, target: &str, reached: Option<bool>) {
        let times = theirs.map_or_else(String::new, |theirs| format!("{:.1}", theirs / ours));
        let theirs = theirs.map_or_else(|| "–".into(), |bytes| format!("{bytes:.1} B"));
        println!("  {what:<34}{:>12.1} B{theirs:>14}{times:>9}  {target:<26}{}", ours, self.verdict(reached));
    }

    fn verdict(&mut self, reached: Option<bool>) -> &'static str {
        self.missed += u32::from(reached == Some(false));
        match reached {
            Some(true) => "reached",
            Some(false) => "missed",
            None => "",
        }
    }
}

fn shown(time: Duration) -> String {
    match time.as_nanos() {
        nanos if nanos < 10_000 => format!("{nanos} ns"),
        nanos if nanos < 10_000_000 => format!("{:.1} µs", nanos as f64 / 1e3),
        nanos => format!("{:.1} ms", nanos as f64 / 1e6),
    }
}

/// The medians of two that take turns: what else the machine does, and what the heap went through, is the same for both.
fn medians<A, B>(runs: usize, mut first: impl FnMut() -> A, mut second: impl FnMut() -> B) -> (Duration, Duration) {
    let mut times: Vec<(Duration, Duration)> =
        (0..runs).map(|_| (median(1, &mut first), median(1, &mut second))).collect();
    times.sort_unstable_by_key(|(first, _)| *first);
    let ours = times[runs / 2].0;
    times.sort_unstable_by_key(|(_, second)| *second);
    (ours, times[runs / 2].1)
}

/// The median time of so many runs, after one that does not count.
fn median<T>(runs: usize, mut run: impl FnMut() -> T) -> Duration {
    drop(black_box(run()));
    let mut times: Vec<Duration> = (0..runs)
        .map(|_| {
            let started = Instant::now();
            let result = black_box(run());
            let time = started.elapsed();
            drop(result);
            time
        })
        .collect();
    times.sort_unstable();
    times[times.len() / 2]
}

fn q(name: &str) -> QName {
    QName::new("bench-table", name)
}

fn name(entry: usize) -> String {
    format!("GigabitEthernet0/0/{entry:06}")
}

/// A table in the order of its schema; entries that are hit have another description.
fn document(entries: usize, hit: impl Fn(usize) -> bool) -> String {
    document_of(entries, |entry| {
        let description = format!("customer {}{}", entry * 7919 % 100_003, if hit(entry) { " moved" } else { "" });
        (description, format!("10.{}.{}.{}", entry >> 16 & 255, entry >> 8 & 255, entry & 255))
    })
}

fn document_of(entries: usize, texts: impl Fn(usize) -> (String, String)) -> String {
    use std::fmt::Write;
    let mut out = String::from("<table xmlns=\"urn:andante:bench\">");
    for entry in 0..entries {
        let (description, address) = texts(entry);
        write!(
            out,
            "<port><name>{}</name><description>{description}</description><enabled>{}</enabled><mtu>{}</mtu>\
             <mode>{}</mode><speed>{}</speed><vlan>{}</vlan><address>{address}</address></port>",
            name(entry),
            !entry.is_multiple_of(5),
            [1500, 9000, 9216][entry % 3],
            ["access", "trunk", "routed"][entry % 3],
            [1_000_000_000u64, 10_000_000_000, 100_000_000_000][entry % 3],
            1 + entry % 4094,
        )
        .unwrap();
    }
    out.push_str("</table>");
    out
}

const MODULE: &str = "module bench-table { yang-version 1.1; namespace 'urn:andante:bench'; prefix t;
  container table { list port { key name;
    leaf name { type string; } leaf description { type string; } leaf enabled { type boolean; } leaf mtu { type uint16; }
    leaf mode { type enumeration { enum access; enum trunk; enum routed; } } leaf speed { type uint64; }
    leaf vlan { type uint16; } leaf address { type string; } } } }";

fn schema() -> SchemaIndex {
    let unsigned = |bits| TypeSpec::Integer { bits, signed: false };
    let text = || TypeSpec::Text(Canonical::Exact);
    let modes = TypeSpec::Enumeration(["access", "trunk", "routed"].map(String::from).to_vec());
    let leafs = [
        ("name", text()),
        ("description", text()),
        ("enabled", TypeSpec::Bool),
        ("mtu", unsigned(16)),
        ("mode", modes),
        ("speed", unsigned(64)),
        ("vlan", unsigned(16)),
        ("address", text()),
    ];
    let container = SchemaNode {
        children: vec![SchemaId(1)],
        ..SchemaNode::new(q("table"), SchemaKind::Container { presence: false })
    };
    let list = SchemaNode {
        parent: Some(SchemaId(0)),
        keys: vec![Name::new("name")],
        children: (2..10).map(SchemaId).collect(),
        ..SchemaNode::new(q("port"), SchemaKind::List { user_ordered: false })
    };
    let leafs = leafs.into_iter().map(|(name, ty)| SchemaNode {
        parent: Some(SchemaId(1)),
        ty: Some(Arc::new(ty)),
        ..SchemaNode::new(q(name), SchemaKind::Leaf)
    });
    let module = SchemaModule {
        name: Name::new("bench-table"),
        namespace: "urn:andante:bench".into(),
        prefix: "t".into(),
        revision: None,
    };
    SchemaIndex::from(Tables {
        modules: vec![module],
        nodes: [container, list].into_iter().chain(leafs).collect(),
        top: vec![SchemaId(0)],
        ..Tables::default()
    })
}

/// The entries of a table in parts: keys and leafs.
fn parts(tree: &ConfigTree) -> Vec<(andante::tree::Keys, Vec<Node>)> {
    let top = tree.top();
    let entries = top.first().unwrap().children();
    entries.iter().map(|entry| (entry.keys().unwrap().clone(), entry.children().to_vec())).collect()
}

fn build(parts: &[(andante::tree::Keys, Vec<Node>)]) -> ConfigTree {
    let name = q("port");
    let entries =
        parts.iter().map(|(keys, leafs)| Node::entry(name.clone(), keys.clone(), false, leafs.iter().cloned()));
    ConfigTree::new([Node::container(q("table"), false, entries)])
}

/// Claims of owners with so many entries each.
fn claims(tree: &ConfigTree, each: usize) -> Vec<Claims> {
    let top = tree.top();
    let entries = top.first().unwrap().children().to_vec();
    let owners = entries.chunks(each).enumerate().map(|(number, entries)| {
        let tree = ConfigTree::new([Node::container(q("table"), false, entries.iter().cloned())]);
        Claims::new(Owner(format!("service {number:06}")), Layer::Service, tree)
    });
    owners.collect()
}

/// libyang with the same module.
struct Yang {
    context: Context,
}

impl Yang {
    fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("andante-bench-tree-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("bench-table.yang"), MODULE).unwrap();
        let mut context = Context::new(ContextFlags::NO_YANGLIBRARY).unwrap();
        context.set_searchdir(&folder).unwrap();
        context.load_module("bench-table", None, &[]).unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        Self { context }
    }

    fn parse(&self, text: &str) -> DataTree<'_> {
        self.read(text, DataFormat::XML)
    }

    fn parse_json(&self, text: &str) -> DataTree<'_> {
        self.read(text, DataFormat::JSON)
    }

    fn read(&self, text: &str, format: DataFormat) -> DataTree<'_> {
        let flags = DataParserFlags::NO_VALIDATION | DataParserFlags::STRICT;
        DataTree::parse_string(&self.context, text, format, flags, DataValidationFlags::empty()).unwrap()
    }

    fn print(&self, tree: &DataTree<'_>) -> String {
        tree.print_string(DataFormat::XML, DataPrinterFlags::WITH_SIBLINGS | DataPrinterFlags::SHRINK).unwrap()
    }

    fn empty(&self) -> DataTree<'_> {
        DataTree::new(&self.context)
    }
}

/// Resident bytes of this process.
fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    text.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).map_or(0, |pages| pages * 4096)
}

/// The system's allocator, counting.
struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static ALLOCATED: AtomicUsize = AtomicUsize::new(0);

// SAFETY: everything is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size(), Ordering::Relaxed);
        ALLOCATED.fetch_add(layout.size(), Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        LIVE.fetch_add(size, Ordering::Relaxed);
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        ALLOCATED.fetch_add(size, Ordering::Relaxed);
        unsafe { System.realloc(memory, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;
