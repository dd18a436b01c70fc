//! Canonical forms: equal meanings have equal texts, different ones do not, and a canonical text stays as it is.
//!
//! The oracle is the drawing itself: a meaning is drawn first (octets, numbers, sets, lines), then spelled in one of the ways
//! in which elements and people spell it. Addresses are held against the parsers of the standard library and of `ipnet`.

use super::law;
use crate::arbitrary::splitmix;
use andante::tree::canon::{FORMS, Form, Prefixes, Words, form};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A small generator.
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        splitmix(&mut self.0)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn coin(&mut self) -> bool {
        self.below(2) == 0
    }

    fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len() as u64) as usize]
    }

    /// Few values, so that equal meanings are drawn often, and the edges.
    fn number(&mut self, most: u64) -> u64 {
        match self.below(4) {
            0 => self.below(4).min(most),
            1 => most - self.below(3).min(most),
            _ => self.below(most.saturating_add(1).max(1)).min(most) & [0x3, 0xFF01, u64::MAX][self.below(3) as usize],
        }
    }

    fn zeros(&mut self) -> &'static str {
        ["", "", "0", "000"][self.below(4) as usize]
    }

    fn case(&mut self, text: &str) -> String {
        text.chars().map(|c| if self.coin() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() }).collect()
    }
}

/// A meaning in a form of the test's own, and one spelling of it.
type Spelled = (String, String);

fn v4(draw: &mut Draw) -> Ipv4Addr {
    let of = [draw.number(255), draw.number(255), draw.number(255), draw.number(255)];
    Ipv4Addr::new(of[0] as u8, of[1] as u8, of[2] as u8, of[3] as u8)
}

/// The eight groups in one of their spellings (RFC 4291 §2.2).
fn v6(draw: &mut Draw) -> (u128, String) {
    let groups: Vec<u16> = (0..8).map(|_| if draw.coin() { 0 } else { draw.number(0xFFFF) as u16 }).collect();
    let bits = groups.iter().fold(0u128, |bits, group| bits << 16 | u128::from(*group));
    let mut text: Vec<String> = groups
        .iter()
        .map(|group| {
            let text = if draw.coin() { format!("{group:x}") } else { format!("{group:04x}") };
            draw.case(&text)
        })
        .collect();
    if draw.below(4) == 0 {
        let v4 = Ipv4Addr::from(bits as u32);
        text.truncate(6);
        text.push(v4.to_string());
        return (bits, text.join(":"));
    }
    // `::` for any one run of zero groups.
    let runs: Vec<(usize, usize)> = (0..8)
        .flat_map(|from| (from + 1..=8).map(move |to| (from, to)))
        .filter(|(from, to)| groups[*from..*to].iter().all(|group| *group == 0))
        .collect();
    if !runs.is_empty() && draw.coin() {
        let (from, to) = *draw.of(&runs);
        return (bits, format!("{}::{}", text[..from].join(":"), text[to..].join(":")));
    }
    (bits, text.join(":"))
}

fn prefix(draw: &mut Draw, keep_host: bool) -> Spelled {
    if draw.coin() {
        let (address, length) = (v4(draw), draw.number(32) as u8);
        let mask = if length == 0 { 0 } else { u32::MAX << (32 - length) };
        let bits = if keep_host { u32::from(address) } else { u32::from(address) & mask };
        let tail = if draw.coin() { Ipv4Addr::from(mask).to_string() } else { length.to_string() };
        return (format!("4 {bits} {length}"), format!("{address}/{tail}"));
    }
    let ((bits, text), length) = (v6(draw), draw.number(128) as u8);
    let mask = if length == 0 { 0 } else { u128::MAX << (128 - length) };
    let bits = if keep_host { bits } else { bits & mask };
    (format!("6 {bits} {length}"), format!("{text}/{length}"))
}

fn mac(draw: &mut Draw) -> Spelled {
    let octets: Vec<u8> = (0..6).map(|_| draw.number(255) as u8).collect();
    let hex: Vec<String> = octets.iter().map(|octet| format!("{octet:02x}")).collect();
    let text = match draw.below(5) {
        0 => hex.join(":"),
        1 => hex.join("-"),
        2 => hex.chunks(2).map(|pair| pair.concat()).collect::<Vec<_>>().join("."),
        3 => hex.concat(),
        _ => octets.iter().map(|octet| format!("{octet:x}")).collect::<Vec<_>>().join(":"),
    };
    (format!("{octets:?}"), draw.case(&text))
}

/// The eight octets on the wire (RFC 4364 §4.2).
fn distinguisher(draw: &mut Draw) -> Spelled {
    let zeros = draw.zeros();
    let asdot = |number: u32| format!("{}.{}", number >> 16, number & 0xFFFF);
    let (octets, text) = match draw.below(3) {
        0 => {
            let (number, assigned) = (draw.number(0xFFFF) as u16, draw.number(0xFFFF_FFFF) as u32);
            let spelled = if draw.below(4) == 0 { asdot(number.into()) } else { format!("{zeros}{number}") };
            let kind = if draw.coin() { "0:" } else { "" };
            let mut octets = vec![0, 0];
            octets.extend(number.to_be_bytes());
            octets.extend(assigned.to_be_bytes());
            (octets, format!("{kind}{spelled}:{zeros}{assigned}"))
        }
        1 => {
            let (address, assigned) = (v4(draw), draw.number(0xFFFF) as u16);
            let kind = if draw.coin() { "1:" } else { "" };
            let mut octets = vec![0, 1];
            octets.extend(address.octets());
            octets.extend(assigned.to_be_bytes());
            (octets, format!("{kind}{address}:{zeros}{assigned}"))
        }
        _ => {
            let (number, assigned) = (draw.number(0xFFFF_FFFF) as u32, draw.number(0xFFFF) as u16);
            let spelled = if draw.coin() { asdot(number) } else { number.to_string() };
            let text = match draw.below(3) {
                0 if number > 0xFFFF => format!("{spelled}:{assigned}"),
                1 => format!("{spelled}L:{assigned}"),
                _ => format!("2:{spelled}:{assigned}"),
            };
            let mut octets = vec![0, 2];
            octets.extend(number.to_be_bytes());
            octets.extend(assigned.to_be_bytes());
            (octets, text)
        }
    };
    let target = if draw.below(4) == 0 { "target:" } else { "" };
    (format!("{octets:?}"), format!("{target}{text}"))
}

fn range_set(draw: &mut Draw) -> Spelled {
    let set: BTreeSet<u64> = (0..=draw.below(5)).map(|_| draw.below(8)).collect();
    let mut items = Vec::new();
    let all: Vec<u64> = set.iter().copied().collect();
    let mut at = 0;
    while at < all.len() {
        let mut end = at;
        while end + 1 < all.len() && all[end + 1] == all[end] + 1 && draw.below(3) > 0 {
            end += 1;
        }
        items.push(match end - at {
            0 if draw.coin() => all[at].to_string(),
            _ => format!("{}{}-{}", draw.zeros(), all[at], all[end]),
        });
        // Overlaps mean nothing more.
        at = if end > at && draw.below(3) == 0 { end } else { end + 1 };
    }
    for at in (1..items.len()).rev() {
        items.swap(at, draw.below(at as u64 + 1) as usize);
    }
    let between = *draw.of(&[",", ", ", " ", " ,"]);
    (format!("{set:?}"), items.join(between))
}

fn number(draw: &mut Draw) -> Spelled {
    let value = i128::from(draw.number(u64::MAX)) * if draw.coin() { 1 } else { -1 };
    let (magnitude, zeros) = (value.unsigned_abs(), draw.zeros());
    let sign = if value < 0 { "-" } else { *draw.of(&["", "+"]) };
    let digits = if draw.coin() { format!("{zeros}{magnitude}") } else { format!("0x{zeros}{magnitude:X}") };
    (value.to_string(), format!("{sign}{digits}"))
}

fn lines(draw: &mut Draw) -> Spelled {
    let line = |draw: &mut Draw| (*draw.of(&["", "a", " a", "a b", "a  b", "é"])).to_owned();
    let mut meant: Vec<String> = (0..draw.below(4)).map(|_| line(draw)).collect();
    while meant.first().is_some_and(String::is_empty) {
        meant.remove(0);
    }
    while meant.last().is_some_and(String::is_empty) {
        meant.pop();
    }
    let end = *draw.of(&["\n", "\r\n", "\r"]);
    let mut text = [end, ""][draw.below(2) as usize].repeat(draw.below(3) as usize);
    for (at, line) in meant.iter().enumerate() {
        text.push_str(line);
        text.push_str(["", " ", "\t "][draw.below(3) as usize]);
        if at + 1 < meant.len() || draw.coin() {
            text.push_str(end);
        }
    }
    (format!("{meant:?}"), text)
}

fn boolean(draw: &mut Draw) -> Spelled {
    let flag = draw.coin();
    let words: &[&str] = if flag {
        &["true", "on", "yes", "enable", "enabled", "1"]
    } else {
        &["false", "off", "no", "disable", "disabled", "0"]
    };
    let word = *draw.of(words);
    (flag.to_string(), draw.case(word))
}

fn named(draw: &mut Draw, names: &[(&str, u64)], most: u64) -> Spelled {
    if draw.coin() {
        let (name, number) = draw.of(names);
        return (number.to_string(), draw.case(name));
    }
    let number = if draw.coin() { draw.of(names).1 } else { draw.number(most) };
    (number.to_string(), format!("{}{number}", draw.zeros()))
}

/// Draws a meaning for a form.
fn spelled(name: &str, draw: &mut Draw) -> Option<Spelled> {
    Some(match name {
        "ip4" => {
            let address = v4(draw);
            (u32::from(address).to_string(), address.to_string())
        }
        "ip6" => {
            let (bits, text) = v6(draw);
            (bits.to_string(), text)
        }
        "ip" | "ip-zone" => match draw.coin() {
            true => {
                let (bits, text) = v6(draw);
                (format!("6 {bits}"), text)
            }
            false => {
                let address = v4(draw);
                (format!("4 {address}"), address.to_string())
            }
        },
        "ip-prefix" => prefix(draw, false),
        "ip-interface" => prefix(draw, true),
        "mac" => mac(draw),
        "rd" | "rt" => distinguisher(draw),
        "asn" => {
            let number = draw.number(0xFFFF_FFFF);
            let text = if draw.coin() { format!("{}.{}", number >> 16, number & 0xFFFF) } else { number.to_string() };
            (number.to_string(), text)
        }
        "range-set" => range_set(draw),
        "number" => number(draw),
        "hex" => {
            let (value, zeros) = (draw.number(u64::MAX), draw.zeros());
            let start = *draw.of(&["", "0x", "0X"]);
            let digits = draw.case(&format!("{value:x}"));
            (value.to_string(), format!("{start}{zeros}{digits}"))
        }
        "decimal" => {
            let (whole, hundredths) = (draw.number(999), draw.number(99));
            let text = match (hundredths, draw.coin()) {
                (0, true) => format!("{}{whole}", draw.zeros()),
                _ => format!("{}{whole}.{hundredths:02}{}", draw.zeros(), draw.zeros()),
            };
            (format!("{whole} {hundredths}"), text)
        }
        "lines" => lines(draw),
        "bool" => boolean(draw),
        // From the registries, not from our tables.
        "port" => named(draw, &[("www", 80), ("bgp", 179), ("https", 443), ("domain", 53), ("snmp", 161)], 65535),
        "ip-protocol" => named(draw, &[("tcp", 6), ("udp", 17), ("gre", 47), ("ospf", 89), ("icmp", 1)], 255),
        "dscp" => named(draw, &[("ef", 46), ("af11", 10), ("af43", 38), ("cs6", 48), ("default", 0)], 63),
        "precedence" => named(draw, &[("critical", 5), ("network", 7), ("routine", 0)], 7),
        "ethertype" => {
            let number = *draw.of(&[0x0800u64, 0x86DD, 0x0806, 0x8100, 0x1234]);
            let text = match (number, draw.below(3)) {
                (0x0800, 0) => "ipv4".to_owned(),
                (0x86DD, 0) => "ipv6".to_owned(),
                (0x8100, 0) => "dot1q".to_owned(),
                (_, 1) => format!("{number:04x}"),
                _ => format!("0x{number:04X}"),
            };
            (number.to_string(), text)
        }
        "lower" => {
            let text = format!("a{}", draw.below(4));
            (text.clone(), draw.case(&text))
        }
        "blanks" => {
            let words: Vec<String> = (0..draw.below(3)).map(|_| format!("w{}", draw.below(2))).collect();
            (format!("{words:?}"), format!(" {} ", words.join(*draw.of(&[" ", "  ", "\t"]))))
        }
        "exact" => {
            let text = format!("{} x", draw.below(3));
            (text.clone(), text)
        }
        _ => return None,
    })
}

#[test]
fn texts_are_equal_exactly_where_their_meanings_are() {
    let (mut equal, mut different) = (0u64, 0u64);
    law(4_000, |seed| {
        let draw = &mut Draw(seed);
        for form in FORMS {
            let Some((meant, text)) = spelled(form.name, draw) else { continue };
            let canonical = form.of(&text).unwrap_or_else(|error| panic!("{}: {error}", form.name)).into_owned();
            stays(form, &canonical);
            for _ in 0..3 {
                let Some((other_meant, other)) = spelled(form.name, draw) else { continue };
                let other_canonical = form.of(&other).unwrap_or_else(|error| panic!("{}: {error}", form.name));
                let same = meant == other_meant;
                assert_eq!(canonical == other_canonical, same, "{}: {text:?} and {other:?} ({meant})", form.name);
                *(if same { &mut equal } else { &mut different }) += 1;
            }
        }
    });
    assert!(std::env::var_os("ANDANTE_SEED").is_some() || equal > 20_000 && different > 50_000, "{equal} {different}");
}

/// A canonical text is lent back as it is.
fn stays(form: &Form, canonical: &str) {
    match form.of(canonical) {
        Ok(std::borrow::Cow::Borrowed(again)) => assert_eq!(again, canonical, "{}", form.name),
        other => panic!("{}: {canonical:?} became {other:?}", form.name),
    }
}

/// What somebody might write instead: pieces of all spellings, cut, doubled and mixed.
fn garbage(draw: &mut Draw) -> String {
    const PIECES: &[&str] = &[
        "",
        "0",
        "1",
        "-",
        ":",
        ".",
        ",",
        "/",
        "%",
        " ",
        "\t",
        "\r",
        "\n",
        "x",
        "0x",
        "ff",
        "FE80",
        "::",
        "255",
        "256",
        "65536",
        "4294967296",
        "99999999999999999999999999999999999999999",
        "+",
        "target:",
        "L",
        "Gi",
        "é",
        "\u{0}",
        "ef",
        "true",
        "2:",
        "\u{202e}",
        "/33",
        "1.1.1.1",
    ];
    let mut text: String = (0..draw.below(7)).map(|_| *draw.of(PIECES)).collect();
    if draw.below(3) == 0 {
        let name = draw.of(FORMS).name;
        if let Some((_, good)) = spelled(name, draw) {
            let at = draw.below(good.len() as u64 + 1) as usize;
            let at = (0..=at).rev().find(|at| good.is_char_boundary(*at)).unwrap_or(0);
            text = format!("{}{text}{}", &good[..at], &good[at..]);
        }
    }
    text
}

#[test]
fn every_form_answers_to_every_text_and_what_it_answers_stays() {
    let (mut taken, mut refused) = (BTreeSet::new(), 0u64);
    law(20_000, |seed| {
        let draw = &mut Draw(seed ^ 0xA5A5);
        let text = garbage(draw);
        for form in FORMS {
            match form.of(&text) {
                Ok(canonical) => {
                    stays(form, &canonical);
                    taken.insert(form.name);
                }
                Err(_) => refused += 1,
            }
        }
    });
    let all = taken.len() == FORMS.len() && refused > 100_000;
    assert!(std::env::var_os("ANDANTE_SEED").is_some() || all, "{taken:?}, and {refused} were refused");
}

#[test]
fn addresses_are_taken_exactly_where_the_standard_library_takes_them() {
    law(20_000, |seed| {
        let draw = &mut Draw(seed ^ 0x1717);
        let text = match draw.below(3) {
            0 => v6(draw).1,
            1 => v4(draw).to_string(),
            _ => garbage(draw),
        };
        let of = |name: &str| form(name).unwrap().of(&text).ok().map(|canonical| canonical.into_owned());
        assert_eq!(of("ip"), text.parse::<IpAddr>().ok().map(|ip| ip.to_string()), "{text:?}");
        assert_eq!(of("ip4"), text.parse::<Ipv4Addr>().ok().map(|ip| ip.to_string()), "{text:?}");
        assert_eq!(of("ip6"), text.parse::<Ipv6Addr>().ok().map(|ip| ip.to_string()), "{text:?}");
        let (_, text) = prefix(draw, true);
        let network: Option<ipnet::IpNet> = text.parse().ok();
        if let Some(network) = network {
            let of = |name: &str| form(name).unwrap().of(&text).unwrap().into_owned();
            assert_eq!(of("ip-prefix"), network.trunc().to_string(), "{text:?}");
            assert_eq!(of("ip-interface"), network.to_string(), "{text:?}");
        }
    });
}

#[test]
fn the_spellings_of_the_field_are_told_apart_or_taken_together() {
    for (name, texts) in [
        ("range-set", &["1-3,5", "1,2,3,5", "1-2,3,5", "5 1-3"][..]),
        ("rd", &["65000:1", "0:65000:1", "065000:01"]),
        ("rd", &["65541:1", "1.5:1", "2:65541:1"]),
        ("rt", &["target:192.0.2.1:7", "1:192.0.2.1:7"]),
        ("port", &["www", "80", "WWW", "http"]),
        ("port", &["bgp", "179"]),
        ("dscp", &["ef", "46"]),
        ("ip-protocol", &["tcp", "6"]),
        ("mac", &["aa:bb:cc:dd:ee:ff", "aabb.ccdd.eeff", "AA-BB-CC-DD-EE-FF"]),
        ("ip-prefix", &["10.1.1.1/16", "10.1.0.0/16", "10.1.2.3/255.255.0.0"]),
        ("ip6", &["2001:DB8::1", "2001:db8:0:0:0:0:0:1", "2001:0db8::0001"]),
        ("lines", &["a\r\nb", "a\nb\n\n", "\n a\nb"]),
    ] {
        let form = form(name).unwrap();
        let canonical: BTreeSet<String> = texts.iter().map(|text| form.of(text).unwrap().into_owned()).collect();
        // Blanks before a text count, so the last of `lines` is another one.
        assert_eq!(canonical.len(), if name == "lines" { 2 } else { 1 }, "{name} {canonical:?}");
    }
    for (name, text) in [
        ("rd", "65536:65536"),
        ("rd", "0:65536:1"),
        ("rd", "3:1:1"),
        ("ip4", "010.0.0.1"),
        ("ip-prefix", "10.0.0.0/255.0.255.0"),
        ("ip-prefix", "2001:db8::/ffff::"),
        ("range-set", "3-1"),
        ("range-set", ""),
        ("port", "65536"),
        ("dscp", "64"),
        ("mac", "aa:bb:cc:dd:ee"),
        ("bool", "maybe"),
    ] {
        assert!(form(name).unwrap().of(text).is_err(), "{name} {text}");
    }
    assert_ne!(form("rd").unwrap().of("2:65000:1").unwrap(), form("rd").unwrap().of("0:65000:1").unwrap());
}

#[test]
fn names_of_interfaces_follow_the_table_of_the_platform() {
    let table = |rows: &[(&str, &[&str])]| -> BTreeMap<String, Vec<String>> {
        let row = |(word, others): &(&str, &[&str])| {
            ((*word).to_owned(), others.iter().map(|other| (*other).to_owned()).collect())
        };
        rows.iter().map(row).collect()
    };
    let rows = table(&[("GigabitEthernet", &["Gi", "GE"]), ("TenGigE", &["Te"]), ("Loopback", &["Lo"])]);
    let short = Prefixes::new(&rows, false).unwrap();
    for (text, canonical) in [
        ("Gi0/0/0/1", "GigabitEthernet0/0/0/1"),
        ("gigabitethernet 0/0/0/1.100", "GigabitEthernet0/0/0/1.100"),
        ("GigabitEthernet0/0/0/1", "GigabitEthernet0/0/0/1"),
        ("ge0/0/0/1", "GigabitEthernet0/0/0/1"),
        ("te0/0", "TenGigE0/0"),
        ("Gig0/0", "Gig0/0"),
        ("eth1", "eth1"),
        ("Gi", "Gi"),
        ("", ""),
    ] {
        assert_eq!(short.of(text), canonical, "{text}");
        assert_eq!(short.of(canonical), canonical);
    }
    let long = Prefixes::new(&rows, true).unwrap();
    assert_eq!(long.of("Gig0/0"), "GigabitEthernet0/0");
    assert_eq!(long.of("g0/0"), "g0/0", "one letter is too little");
    assert!(Words::new(&table(&[("a", &["x"]), ("b", &["X"])])).is_err(), "one spelling, two meanings");
    assert!(Prefixes::new(&table(&[("eth0", &[])]), false).is_err(), "a word with a digit");
    // Two words with one beginning: neither is meant.
    let two = Prefixes::new(&table(&[("TenGigE", &[]), ("TenGigabit", &[])]), true).unwrap();
    assert_eq!((two.of("TenG0/1"), two.of("tengige0/1")), ("TenG0/1".into(), "TenGigE0/1".into()));
    law(2_000, |seed| {
        let draw = &mut Draw(seed);
        let word = *draw.of(&["Gi", "gigabitethernet", "GE", "Te", "lo", "Lo", "x", "Gig"]);
        let text = format!("{word}{}{}", *draw.of(&["", " ", "  "]), *draw.of(&["0/0", "1", "", "x"]));
        for table in [&short, &long] {
            let canonical = table.of(&text).into_owned();
            assert_eq!(table.of(&canonical), canonical, "{text}");
        }
    });
}
