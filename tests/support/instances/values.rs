//! Values: texts that may be of a type, and what is known of the values of one leaf.

use super::{Instances, Shape};
use crate::arbitrary::Dice;
use andante::tree::schema::{Canonical, SchemaIndex, SchemaKind, TypeSpec};
use andante::tree::{SchemaId, Value};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

#[derive(Default)]
pub(super) struct Known {
    pub(super) good: Vec<Value>,
    bad: HashSet<String>,
    /// Patterns that a value did not meet; `None` for one that we cannot use.
    pub(super) patterns: Vec<(String, Option<regex::Regex>)>,
    /// Bounds that refusals taught: of a number, and of the length of a text.
    low: Option<i128>,
    high: Option<i128>,
    longest: Option<usize>,
    shortest: usize,
    /// Refusals of the node itself since it last passed.
    pub(super) refused: u32,
}

impl Instances {
    /// A value for a leaf: one that passed before, or a new one; `None` when nothing is known that passes.
    pub(super) fn value(&mut self, dice: &mut Dice, shape: Shape, leaf: SchemaId) -> Option<Value> {
        let index = self.index.clone();
        let schema = index.node(leaf);
        let ty = schema.ty.as_ref()?;
        let module = schema.name.module.as_str();
        let known = self.known.entry(leaf).or_default();
        if !known.good.is_empty() && dice.chance(50) {
            let at = dice.below(known.good.len());
            return Some(known.good[at].clone());
        }
        for round in 0..24 {
            let patterned = !known.patterns.is_empty() && (round % 2 == 0);
            let text = if patterned {
                let at = dice.below(known.patterns.len());
                match sample(&known.patterns[at].0, dice) {
                    Some(text) => text,
                    None => continue,
                }
            } else {
                candidate(dice, &index, ty, schema.name.name.as_str(), shape.odd)
            };
            let Ok(value) = ty.value(module, &text) else { continue };
            if moment(value.as_str()) && value.as_str() != MOMENT {
                continue;
            }
            if known.beyond(value.as_str()) {
                continue;
            }
            let fits =
                known.patterns.iter().all(|(_, regex)| regex.as_ref().is_none_or(|r| r.is_match(value.as_str())));
            if (fits || round > 12) && !known.bad.contains(value.as_str()) {
                return Some(value);
            }
        }
        if !known.good.is_empty() {
            let at = dice.below(known.good.len());
            return Some(known.good[at].clone());
        }
        self.left_out.entry(leaf).or_insert("no value is known that passes");
        None
    }
}

impl Known {
    /// Learns from a value that did not pass.
    pub(super) fn refuse(&mut self, text: &str, message: &str) {
        self.bad.insert(text.to_owned());
        if message.starts_with("Unsatisfied range") {
            // Most ranges begin near zero and end below this.
            let whole = text.split('.').next().unwrap_or(text);
            match whole.parse::<i128>() {
                Ok(number) if number > 100_000 => self.high = Some(number - 1),
                Ok(number) if number < 0 => self.low = Some(number + 1),
                _ => {}
            }
        }
        if message.starts_with("Unsatisfied length") {
            let length = text.chars().count();
            match length {
                0 | 1 => self.shortest = self.shortest.max(length + 1),
                _ => self.longest = Some(self.longest.map_or(length - 1, |longest| longest.min(length - 1))),
            }
        }
        if matches!((self.low, self.high), (Some(low), Some(high)) if low > high)
            || self.longest.is_some_and(|longest| longest < self.shortest)
        {
            // The bounds have holes, or begin elsewhere: only single values are remembered.
            (self.low, self.high, self.longest, self.shortest) = (None, None, None, 0);
        }
    }

    fn beyond(&self, text: &str) -> bool {
        let length = text.chars().count();
        let number = || text.split('.').next().and_then(|whole| whole.parse::<i128>().ok());
        length < self.shortest
            || self.longest.is_some_and(|longest| length > longest)
            || (self.low.is_some() || self.high.is_some())
                && number()
                    .is_some_and(|n| self.low.is_some_and(|low| n < low) || self.high.is_some_and(|high| n > high))
    }

    pub(super) fn learn(&mut self, value: &Value) {
        if self.good.len() < 12 && !self.good.contains(value) {
            self.good.push(value.clone());
        }
    }
}

/// A date with time and zone. RFC 6991 leaves its canonical form to the device's clock, and libyang takes the zone of its own
/// process and the next minute for a leap second; we keep the text. Only [`MOMENT`] is drawn, which both leave alone.
fn moment(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() > 18
        && bytes[..4].iter().all(u8::is_ascii_digit)
        && bytes[4] == b'-'
        && matches!(bytes[10], b'T' | b't')
}

const MOMENT: &str = "2024-01-02T03:04:05Z";

/// A text that a pattern of XML Schema allows; some are drawn once, for that is slow.
fn sample(pattern: &str, dice: &mut Dice) -> Option<String> {
    thread_local! {
        static SAMPLES: RefCell<HashMap<String, Vec<String>>> = RefCell::default();
    }
    SAMPLES.with_borrow_mut(|samples| {
        let texts = samples.entry(pattern.to_owned()).or_insert_with(|| samples_of(pattern));
        (!texts.is_empty()).then(|| texts[dice.below(texts.len())].clone())
    })
}

fn samples_of(pattern: &str) -> Vec<String> {
    let pattern = xsd(pattern);
    let (Ok(strategy), Ok(regex)) =
        (proptest::string::string_regex(&pattern), regex::Regex::new(&format!("^(?:{pattern})$")))
    else {
        return Vec::new();
    };
    let mut dice = Dice(pattern.len() as u64);
    let mut runner = TestRunner::new_with_rng(Config::default(), TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]));
    let mut texts = Vec::new();
    for _ in 0..24 {
        let Ok(tree) = strategy.new_tree(&mut runner) else { continue };
        let whole = tree.current();
        // Most texts have a length, too.
        let short: String = whole.chars().take(1 + dice.below(8)).collect();
        for text in [whole, short] {
            let plain = |c: char| c == ' ' || c.is_alphanumeric() || c.is_ascii_graphic();
            let text = if moment(&text) { MOMENT.to_owned() } else { text };
            if text.len() < 100 && text.chars().all(plain) && regex.is_match(&text) && !texts.contains(&text) {
                texts.push(text);
            }
        }
    }
    texts
}

/// From a pattern of XML Schema to one of ours: its own classes, and the anchors that some modules write and it does not have.
pub(super) fn xsd(pattern: &str) -> String {
    let pattern = pattern
        .replace("\\i", "[A-Za-z_:]")
        .replace("\\c", "[A-Za-z0-9_:.-]")
        .replace("\\d", "[0-9]")
        .replace("\\p{N}", "[0-9]")
        .replace("\\p{L}", "[A-Za-z]");
    let bare = pattern.strip_prefix('^').unwrap_or(&pattern);
    bare.strip_suffix('$').unwrap_or(bare).to_owned()
}

/// A text that may be a value of the type.
pub fn candidate(dice: &mut Dice, index: &SchemaIndex, ty: &TypeSpec, name: &str, odd: usize) -> String {
    match ty {
        TypeSpec::Integer { bits, signed } => {
            let whole = if *bits == 64 { u64::MAX } else { (1 << bits) - 1 };
            let usual = [10, 30, 64, 128, 256, 512, 600, 1000, 1500, 3600, 9000, 10_000, 50_000, 100_000, 1_000_000];
            let positive = match dice.below(10) {
                8 | 9 => usual[dice.below(usual.len())],
                0 => 0,
                1 if *signed => whole / 2,
                1 => whole,
                2..=4 => dice.below(16) as u64,
                5 => 1 + dice.below(100) as u64,
                6 => 1 + dice.below(4094) as u64,
                _ => dice.below(usize::MAX) as u64,
            };
            let positive = positive & if *signed { whole / 2 } else { whole };
            if *signed && dice.chance(25) { format!("-{positive}") } else { positive.to_string() }
        }
        TypeSpec::Decimal64 { .. } => {
            let sign = ["", "", "-"][dice.below(3)];
            let point = [".0", ".5", ".1", ".9", ".25"][dice.below(5)];
            format!("{sign}{}{point}", dice.below(12))
        }
        TypeSpec::Bool => ["true", "false"][dice.below(2)].into(),
        TypeSpec::Empty => String::new(),
        TypeSpec::Enumeration(names) if !names.is_empty() => names[dice.below(names.len())].clone(),
        TypeSpec::Bits(names) => {
            let some: Vec<&str> = names.iter().filter(|_| dice.chance(50)).map(String::as_str).collect();
            some.join(" ")
        }
        TypeSpec::Binary => ["AAECAw==", "", "/+8=", "QQ=="][dice.below(4)].into(),
        TypeSpec::Identity { identities } if !identities.is_empty() => identities[dice.below(identities.len())].clone(),
        TypeSpec::InstanceIdentifier => {
            let tops = index.top();
            match tops.get(dice.below(tops.len().max(1))).map(|top| index.node(*top)) {
                Some(top) if matches!(top.kind, SchemaKind::Container { .. }) => format!("/{}", top.name),
                _ => "/ietf-interfaces:interfaces".into(),
            }
        }
        TypeSpec::Text(Canonical::IpAddress) => {
            ["192.0.2.1", "2001:db8::1", "::", "203.0.113.77"][dice.below(4)].into()
        }
        TypeSpec::Text(Canonical::IpPrefix) => {
            ["10.0.0.0/8", "192.0.2.0/24", "2001:db8::/32", "0.0.0.0/0", "::/0"][dice.below(5)].into()
        }
        TypeSpec::Text(_) => text(dice, name, odd),
        TypeSpec::Union(members) if !members.is_empty() => {
            let member = dice.below(members.len());
            candidate(dice, index, &members[member], name, odd)
        }
        TypeSpec::Restricted { of, within } => {
            let number = matches!(**of, TypeSpec::Integer { .. });
            match within.get(dice.below(within.len().max(1))) {
                Some((low, high)) if number && dice.chance(60) => {
                    let span = (high - low).clamp(0, 1 << 40) as usize;
                    (low + dice.below(span + 1) as i128).to_string()
                }
                _ => candidate(dice, index, of, name, odd),
            }
        }
        TypeSpec::Enumeration(_) | TypeSpec::Identity { .. } | TypeSpec::Union(_) => "none".into(),
    }
}

fn text(dice: &mut Dice, name: &str, odd: usize) -> String {
    if dice.chance(odd) {
        let parts = ["a", " ", "<", "&amp;", "'", "\"", "\n", "\t", "é", "😀", "]]>", "\\", "alpha:x", "/"];
        return (0..1 + dice.below(5)).map(|_| parts[dice.below(parts.len())]).collect();
    }
    let hints: &[(&str, &[&str])] = &[
        ("addr", &["192.0.2.1", "2001:db8::1", "00:11:22:33:44:55", "0011.2233.4455"]),
        ("prefix", &["10.0.0.0/8", "2001:db8::/32", "192.0.2.0"]),
        ("mask", &["255.255.255.0", "0.0.0.255"]),
        ("mac", &["00:11:22:33:44:55", "0011.2233.4455"]),
        ("time", &["12:30:00", MOMENT, "10:00"]),
        ("date", &["2024-01-02", MOMENT]),
        ("interface", &["GigabitEthernet0/0/0/0", "Loopback0", "eth0", "1/0"]),
        ("rd", &["65000:1", "192.0.2.1:7"]),
        ("target", &["65000:1", "route-target:65000:1"]),
    ];
    if dice.chance(40)
        && let Some((_, texts)) = hints.iter().find(|(hint, _)| name.contains(hint))
    {
        return texts[dice.below(texts.len())].into();
    }
    TEXTS[dice.below(TEXTS.len())].into()
}

const TEXTS: &[&str] = &[
    "a",
    "abc",
    "word",
    "default",
    "GigabitEthernet0/0/0/0",
    "Loopback0",
    "eth0",
    "192.0.2.1",
    "10.0.0.0/8",
    "2001:db8::1",
    "2001:db8::/32",
    "00:11:22:33:44:55",
    "0011.2233.4455",
    "1",
    "7",
    "42",
    "100",
    "65000",
    "65000:1",
    "1.1",
    "0.0.0.0",
    MOMENT,
    "2024-01-02",
    "12:30:00",
    "12:30",
    "example.com",
    "FF",
    "00000001",
    "0123456789abcdef",
    "49.0001.0000.0000.0001.00",
    "any",
    "A",
    "1/0",
    "0/0/CPU0",
    "act",
    "x-y_z",
    "1.3.6.1.4.1",
    "1d",
    "",
    "b1",
    "1..2",
    "10.1",
    "encrypted",
    "route-target:65000:1",
    "3:45",
    "e1f2",
];
