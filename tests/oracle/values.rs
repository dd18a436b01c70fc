//! Spellings of values: whatever libyang takes for a value of a type we take, and both give it the same canonical text; what
//! only we take is a matter of ranges, lengths and patterns, which are not ours to judge.

use crate::arbitrary::Dice;
use crate::arbitrary_modules::{PLAIN, beta};
use crate::instances::candidate;
use crate::laws::LIMITS;
use crate::libyang::{self, Libyang, Refusal, Take};
use crate::{Worker, law};
use andante::tree::schema::SchemaKind;
use andante::tree::{CodecError, ConfigTree, Policy, SchemaIndex, json, xml};
use andante::yang::{ModuleSet, Wanted};
use std::collections::BTreeMap;
use yang5::data::DataFormat;

/// Unions whose members compete for a value.
const UNIONS: &[&str] = &[
    "union { type uint8; type string; }",
    "union { type string; type uint8; }",
    "union { type int64; type boolean; type enumeration { enum x; enum 7; } }",
    "union { type decimal64 { fraction-digits 2; } type uint8; }",
    "union { type identityref { base b:root; } type string; }",
    "union { type inet:ip-address; type inet:ip-prefix; type inet:domain-name; }",
    "union { type bits { bit b; bit a; } type binary; type string; }",
    "union { type empty; type uint64; type string { length \"1..3\"; } }",
    "union { type yang:mac-address; type yang:hex-string; type string; }",
    "union { type instance-identifier { require-instance false; } type string; }",
];

struct Bench {
    libyang: Libyang,
    index: std::sync::Arc<SchemaIndex>,
    types: Vec<String>,
}

impl Bench {
    fn new() -> Self {
        let unions = UNIONS.iter().map(|ty| format!("{ty} "));
        let types: Vec<String> = PLAIN.iter().map(|(ty, _)| (*ty).to_owned()).chain(unions).collect();
        let leafs: String =
            types.iter().enumerate().map(|(n, ty)| format!("    leaf l{n} {{ type {ty} }}\n")).collect();
        let text = format!(
            "module values {{\n  yang-version 1.1; namespace \"urn:example:values\"; prefix v;\n  import beta {{ prefix b; }}\n  \
             import ietf-inet-types {{ prefix inet; }} import ietf-yang-types {{ prefix yang; }}\n  \
             identity own {{ base b:root; }}\n  container c {{\n{leafs}  }}\n}}\n"
        );
        let set = ModuleSet {
            modules: ["beta", "values"].map(Wanted::all_features).to_vec(),
            dirs: Vec::new(),
            texts: vec![beta(), text],
        };
        let loaded = Worker::start().load(&set);
        assert!(loaded.left_out.is_empty(), "{:?}", loaded.left_out);
        Self { libyang: Libyang::load(&set, &loaded.left_out), index: loaded.index.clone(), types }
    }

    /// One document, by both; the canonical text of its only leaf.
    fn ask(&self, document: &str, format: DataFormat) -> (Result<String, Refusal>, Result<String, CodecError>) {
        let theirs = self.libyang.read(document, format, Take::Parsed).map(|tree| one(libyang::values(&tree)));
        let ours: Result<ConfigTree, CodecError> = match format {
            DataFormat::XML => xml::parse(document.as_bytes(), &self.index, None, Policy::STRICT, LIMITS),
            _ => json::parse(document.as_bytes(), &self.index, None, Policy::STRICT, LIMITS),
        };
        (theirs, ours.map(|tree| one(libyang::own_values(&tree))))
    }
}

fn one(values: BTreeMap<String, String>) -> String {
    values.into_values().next().expect("one leaf")
}

/// What both must agree about, or else the reason why not.
#[derive(Default)]
struct Count {
    agreed: usize,
    both_refused: usize,
    restricted: usize,
    theirs_alone: usize,
    /// Where they do not agree.
    apart: Vec<String>,
}

fn judge(bench: &Bench, ty: &str, text: &str, document: &str, format: DataFormat, count: &mut Count) {
    let (theirs, ours) = bench.ask(document, format);
    let apart = match (&theirs, &ours) {
        (Ok(theirs), Ok(ours)) if ours == theirs => {
            count.agreed += 1;
            return;
        }
        (Err(_), Err(_)) => {
            count.both_refused += 1;
            return;
        }
        (Err(refusal), Ok(_)) if not_ours(&refusal.message, text) => {
            count.restricted += 1;
            return;
        }
        (Ok(_), _) if theirs_alone(ty, text, format) => {
            count.theirs_alone += 1;
            return;
        }
        (Ok(theirs), Ok(ours)) => format!("we read {ours:?}, libyang {theirs:?}"),
        (Ok(theirs), Err(error)) => format!("libyang takes {theirs:?}, we say {error}"),
        (Err(refusal), Ok(ours)) => format!("we take {ours:?}, libyang says {}", refusal.message),
    };
    count.apart.push(format!("{apart}: type {ty} {document}"));
}

/// Refusals of libyang that are not for a codec to give, or where we are lenient on purpose.
fn not_ours(message: &str, text: &str) -> bool {
    let reasons = [
        "Unsatisfied pattern",
        "Unsatisfied range",
        "Unsatisfied length",
        // The index has one form for addresses of both families.
        "Failed to store IP",
        // Whether an instance identifier leads anywhere.
        "semantic error",
        // Base64 in lines (RFC 2045), as some elements write it.
        "Invalid Base64 character",
        // Numbers of 64 bits and decimals as JSON numbers: many clients send them so.
        "Invalid non-num64-encoded",
        "Invalid non-string-encoded decimal64",
    ];
    // RFC 7950 §9.13 wants a prefix on every name in XML, RFC 7951 §6.11 none where the module does not change.
    let prefixes = message.contains("Invalid instance-identifier") && text.trim().starts_with("/values:");
    // A pretty printer puts line ends around values.
    reasons.iter().any(|reason| message.contains(reason)) || text != text.trim() || leading_zero(text) || prefixes
}

/// What libyang takes beyond, or beside, the RFC.
fn theirs_alone(ty: &str, text: &str, format: DataFormat) -> bool {
    let json = format == DataFormat::JSON;
    // RFC 7950 §9.2.1 keeps other bases for defaults; libyang's JSON reader takes them inside strings, too.
    let base = json && leading_zero(text);
    // A JSON number with a fraction or an exponent for an integer.
    let number = json && serde_json::from_str::<f64>(text).is_ok() && text.contains(['.', 'e', 'E']);
    // RFC 7950 §9.3.1 wants a digit before the point; more than 19 digits say nothing that the value keeps.
    let digits = text.contains(['.']) && (text.starts_with('.') || text.starts_with("-.") || text.len() > 20);
    // Bits that no byte holds (RFC 4648 §3.5).
    let stray = ty.contains("binary") && text.ends_with('=');
    // In a union, an instance identifier that leads nowhere is a string for libyang: we do not look where it leads.
    let nowhere = ty.contains("union") && ty.contains("instance-identifier") && text.starts_with('/');
    // RFC 7950 §9.10.2: derived from all bases; libyang is content with one.
    let bases = ty.matches("base ").count() > 1;
    bases || base || number || digits || stray || nowhere
}

fn leading_zero(text: &str) -> bool {
    let digits = text.trim().trim_start_matches(['-', '+']);
    digits.len() > 1 && digits.starts_with('0') && digits[1..].starts_with(|c: char| c == 'x' || c.is_ascii_digit())
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[test]
fn every_spelling_that_libyang_takes_has_the_canonical_text_that_libyang_gives_it() {
    let bench = Bench::new();
    let mut count = Count::default();
    law(40, |seed| {
        let mut dice = Dice(seed);
        let top = bench.index.top()[0];
        for (n, ty) in bench.types.iter().enumerate() {
            let leaf = bench.index.child_named(Some(top), "values", &format!("l{n}")).unwrap();
            assert_eq!(bench.index.node(leaf).kind, SchemaKind::Leaf);
            let spec = bench.index.node(leaf).ty.clone().unwrap();
            for round in 0..6 {
                let text = match round {
                    // Every listed spelling is tried with every type once in a usual run.
                    0..4 => SPELLINGS[(seed as usize * 4 + round) % SPELLINGS.len()].to_owned(),
                    _ => {
                        let text = candidate(&mut dice, &bench.index, &spec, "", 20);
                        spelled(&mut dice, &text)
                    }
                };
                let prefixed = text.replace("beta:", "b:").replace("values:", "v:");
                let declared =
                    "xmlns=\"urn:example:values\" xmlns:v=\"urn:example:values\" xmlns:b=\"urn:example:beta\"";
                let document = format!("<c {declared}><l{n}>{}</l{n}></c>", escaped(&prefixed));
                judge(&bench, ty, &text, &document, DataFormat::XML, &mut count);
                for token in tokens(&text) {
                    let document = format!("{{\"values:c\":{{\"l{n}\":{token}}}}}");
                    judge(&bench, ty, &text, &document, DataFormat::JSON, &mut count);
                }
            }
        }
    });
    let Count { agreed, both_refused, restricted, theirs_alone, apart } = count;
    println!(
        "spellings: {agreed} with the same canonical text, {both_refused} refused by both, {restricted} by libyang for what \
         is not in the index, {theirs_alone} that libyang takes beside the RFC"
    );
    let shown: Vec<&str> = apart.iter().take(400).map(String::as_str).collect();
    assert!(apart.is_empty(), "{} differences\n{}", apart.len(), shown.join("\n"));
    assert!(theirs_alone * 20 <= agreed && restricted <= agreed, "too often libyang is called wrong");
    assert!(crate::only().is_some() || agreed > 3000 && both_refused > 3000, "a poor draw");
}

/// The text as JSON may write it.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens = vec![serde_json::to_string(text).unwrap()];
    if text.is_empty() {
        tokens.push("[null]".into());
    }
    if serde_json::from_str::<serde_json::Number>(text).is_ok() || matches!(text, "true" | "false" | "null") {
        tokens.push(text.to_owned());
    }
    tokens
}

/// The same value, perhaps, in another spelling.
fn spelled(dice: &mut Dice, text: &str) -> String {
    match dice.below(10) {
        0 => format!(" {text}"),
        1 => format!("{text}\n"),
        2 => format!("+{text}"),
        3 => format!("0{text}"),
        4 => format!("{text}0"),
        5 => text.to_uppercase(),
        6 => text.replace(' ', "  "),
        7 => text.split(' ').rev().collect::<Vec<_>>().join(" "),
        8 => format!("{text}."),
        _ => text.to_owned(),
    }
}

const SPELLINGS: &[&str] = &[
    "",
    " ",
    "0",
    "00",
    "-0",
    "+0",
    "007",
    "+5",
    "-5",
    "+-5",
    "5 ",
    " 5",
    "5\n",
    "\t5",
    "1e3",
    "0x1",
    "010",
    "08",
    "1.0",
    "1.50",
    "-1.50",
    "1.",
    ".5",
    "-.5",
    "00.50",
    "-0.0",
    "1.123456789012345678",
    "9.999999999999999999",
    "922337203685477580.7",
    "1.00000000000000000000",
    "255",
    "256",
    "127",
    "128",
    "-128",
    "-129",
    "65535",
    "65536",
    "4294967295",
    "4294967296",
    "18446744073709551615",
    "18446744073709551616",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "99999999999999999999999999",
    "true",
    "false",
    "TRUE",
    "True",
    " true",
    "1",
    "yes",
    "null",
    "up",
    " up ",
    "UP",
    "x y",
    "x  y",
    "half way",
    "down",
    "a",
    "b",
    "c",
    "a b",
    "b a",
    "a  b",
    " a b c ",
    "c b a",
    "a a",
    "a,b",
    "a\nb",
    "AAECAw==",
    "AAEC\nAw==",
    " AAECAw== ",
    "AAECAw",
    "AAECAw=",
    "AA EC Aw==",
    "AAECAx==",
    "====",
    "A",
    "QQ==",
    "QR==",
    "/+8=",
    "_-8=",
    "beta:one",
    "beta:two",
    "beta:both",
    "one",
    "own",
    "values:own",
    "beta:root",
    "beta:own",
    " beta:one ",
    "nope:one",
    "beta:",
    ":one",
    "beta: one",
    "192.0.2.1",
    "192.0.2.01",
    "192.0.2",
    "192.0.2.256",
    " 192.0.2.1",
    "192.0.2.1%eth0",
    "0.0.0.0",
    "2001:DB8::1",
    "2001:db8:0:0:0:0:0:1",
    "2001:db8::0001",
    "2001:0db8::",
    "::",
    "::1",
    "::ffff:192.0.2.1",
    "::FFFF:c000:0201",
    "1::2::3",
    "fe80::1%eth0",
    "fe80::1%25eth0",
    "FE80::1%Eth0",
    "2001:db8::/32",
    "2001:DB8::1/32",
    "2001:db8::1/128",
    "::/0",
    "10.1.2.3/8",
    "10.0.0.0/8",
    "10.0.0.0/08",
    "10.0.0.0/33",
    "0.0.0.0/0",
    "10.0.0.0",
    "10.0.0.0/",
    "10.0.0.0/8 ",
    "00:1B:2c:3D:4e:5F",
    "00-1b-2c-3d-4e-5f",
    "001b.2c3d.4e5f",
    "0:1b:2c:3d:4e:5f",
    "AB:cd",
    "ab:CD:",
    "A",
    "F81D4FAE-7DEC-11D0-A765-00A0C91E6BF6",
    "1.2.3.4",
    "Example.COM",
    "example.com.",
    "http://Example.com/A",
    "a:b",
    "/values:c",
    "/values:c/l0",
    "/values:c/values:l0",
    "/values:c/l0 ",
    " /values:c",
    "/c",
    "values:c",
    "/values:c[l0='1']",
    "/values:c[values:l0=\"1\"]/l1",
    "/nope:c",
    "/",
    "a<b&c>\"'",
    "é😀",
    "]]>",
    "\u{a0}5",
    "５",
];
