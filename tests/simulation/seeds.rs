//! Many seeds: what they end as, what of the faults was used, and every story that breaks a law, whole.

use crate::dice::FAULTS;
use crate::play::Planted;
use crate::story::{Story, What};
use crate::{Broken, chronicle, shrunk, simulate, word};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

#[derive(Default)]
struct Tally {
    ends: BTreeMap<&'static str, u64>,
    used: BTreeMap<String, u64>,
    habits: BTreeMap<String, u64>,
    broken: Vec<(u64, Broken)>,
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn run(seeds: impl Iterator<Item = u64>) -> Tally {
    let mut tally = Tally::default();
    for seed in seeds {
        let story = Story::from_seed(seed);
        for habit in story.elements.iter().flat_map(|nature| &nature.habits) {
            let text = format!("{habit:?}");
            *tally.habits.entry(text.split('(').next().unwrap().to_owned()).or_default() += 1;
        }
        match simulate(&story, Planted::default()) {
            Ok(stage) => {
                for id in stage.transactions() {
                    *tally.ends.entry(word(stage.outcome(&id).as_ref())).or_default() += 1;
                }
                for used in stage.director.used() {
                    *tally.used.entry(used).or_default() += 1;
                }
            }
            Err(broken) => tally.broken.push((seed, broken)),
        }
    }
    tally
}

fn tell(tally: &Tally, seeds: u64, since: Instant) {
    let seconds = since.elapsed().as_secs_f64();
    println!("{seeds} seeds in {seconds:.1} s, {:.0} per second", seeds as f64 / seconds);
    for (title, counts) in [("faults", &tally.used), ("habits", &tally.habits)] {
        let all: Vec<String> = counts.iter().map(|(name, count)| format!("{name} {count}")).collect();
        println!("{title}: {}", all.join(", "));
    }
    println!("transactions: {:?}", tally.ends);
    let mut laws: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for (seed, broken) in &tally.broken {
        broken.laws.iter().for_each(|(law, _)| laws.entry(law).or_default().push(*seed));
    }
    for (law, seeds) in laws {
        println!("BROKEN {law}: {} seeds: {:?}", seeds.len(), &seeds[..seeds.len().min(12)]);
    }
}

/// The whole story of a seed that breaks a law, and the smallest story that still does.
fn explain(seed: u64, broken: &Broken) -> String {
    let story = Story::from_seed(seed);
    let small = shrunk(&story, &Planted::default());
    let law = simulate(&small, Planted::default()).err().map(|broken| broken.to_string()).unwrap_or_default();
    let json = |story: &Story| serde_json::to_string(story).unwrap();
    let told = chronicle(&small, Planted::default());
    format!("seed {seed}\n{broken}  story: {}\n  shrunk: {}\n{law}{told}", json(&story), json(&small))
}

/// `SEEDS_LIST=4,8,15` or `SEEDS_LIST=2000..4000`: just these, and each one that breaks a law told whole.
#[test]
fn seeds_of_a_list_on_request() {
    let Ok(list) = std::env::var("SEEDS_LIST") else { return };
    let number = |text: &str| text.trim().parse::<u64>().unwrap_or_else(|_| panic!("SEEDS_LIST: '{text}'"));
    let seeds: Vec<u64> = list
        .split(',')
        .flat_map(|part| match part.split_once("..") {
            Some((from, to)) => number(from)..number(to),
            None => number(part)..number(part) + 1,
        })
        .collect();
    let since = Instant::now();
    let tally = run(seeds.iter().copied());
    tell(&tally, seeds.len() as u64, since);
    let shown: Vec<String> = tally.broken.iter().map(|(seed, broken)| explain(*seed, broken)).collect();
    assert!(tally.broken.is_empty(), "{} seeds broken:\n{}", tally.broken.len(), shown.join("\n"));
}

fn judged(from: u64, to: u64) {
    let since = Instant::now();
    let tally = run(from..to);
    tell(&tally, to - from, since);
    let shown: Vec<String> = tally.broken.iter().take(3).map(|(seed, broken)| explain(*seed, broken)).collect();
    assert!(tally.broken.is_empty(), "{} seeds broken:\n{}", tally.broken.len(), shown.join("\n"));
    let count = |name| tally.ends.get(name).copied().unwrap_or_default();
    let all: u64 = tally.ends.values().sum();
    let one_sided = count("applied") < all / 10 || count("not applied") < all / 10;
    assert!(!one_sided, "the seeds are one-sided: {:?}", tally.ends);
    if to - from >= ENOUGH {
        let strikes = FAULTS.iter().map(|fault| Story::word(&What::Strike(*fault)));
        let wanted: BTreeSet<String> = strikes.chain(TWISTS.iter().map(|word| (*word).to_owned())).collect();
        let missing: Vec<&String> = wanted.iter().filter(|word| !tally.used.contains_key(*word)).collect();
        assert!(missing.is_empty(), "never happened in {} seeds: {missing:?}", to - from);
        let missing: Vec<&&str> = HABITS.iter().filter(|word| !tally.habits.contains_key(**word)).collect();
        assert!(missing.is_empty(), "no element of {} seeds has the habit: {missing:?}", to - from);
        // What is drawn and not listed here would go unnoticed on the day on which it is no longer drawn.
        let unlisted: Vec<_> = tally.used.keys().filter(|word| !wanted.contains(*word)).collect();
        assert!(unlisted.is_empty(), "not in the list of this test: {unlisted:?}");
        let unlisted: Vec<_> = tally.habits.keys().filter(|word| !HABITS.contains(&word.as_str())).collect();
        assert!(unlisted.is_empty(), "not in the list of this test: {unlisted:?}");
    }
}

/// So many seeds have to show everything that the dice know.
const ENOUGH: u64 = 1_000;

/// Everything that happens beside the faults of single calls.
const TWISTS: [&str; 22] = [
    "Partition",
    "HalfOpen",
    "Reset",
    "Away",
    "Reboot",
    "Human",
    "Candidate",
    "Lock",
    "SomebodyConfirms",
    "SomebodyCancels",
    "EarlyRevert",
    "KillSessions",
    "Jump",
    "Kill",
    "PowerLoss",
    "Takeover",
    "disk Full",
    "disk FullFor",
    "disk ReadOnly",
    "disk Slow",
    "disk SyncFailsStands",
    "disk SyncFailsVolatile",
];

const HABITS: [&str; 11] = [
    "KeepsStaleCandidate",
    "Sessions",
    "Slow",
    "ShortTimer",
    "IgnoresCancel",
    "CancelForgets",
    "ClobbersBackup",
    "TellsNoHolder",
    "EchoesPersist",
    "LocksBindNobody",
    "Weaker",
];

/// How many seeds the two tests share.
fn seeds() -> u64 {
    number("SEEDS").unwrap_or(2_000)
}

#[test]
fn seeds_of_the_first_half_end_before_or_after_or_say_otherwise() {
    judged(0, seeds() / 2);
}

#[test]
fn seeds_of_the_second_half_end_before_or_after_or_say_otherwise() {
    judged(seeds() / 2, seeds());
}

/// `SEED=n make simulate`: one seed, told whole.
#[test]
fn one_seed_on_request() {
    let Some(seed) = number("SEED") else { return };
    let story = Story::from_seed(seed);
    println!("{}", serde_json::to_string_pretty(&story).unwrap());
    match simulate(&story, Planted::default()) {
        Ok(stage) => {
            println!("{} transactions\n{}", stage.transactions().len(), chronicle(&story, Planted::default()));
        }
        Err(broken) => panic!("{}", explain(seed, &broken)),
    }
}

#[test]
fn a_seed_tells_the_same_story_twice() {
    for seed in [3, 77, 402] {
        let story = Story::from_seed(seed);
        let ends = |story: &Story| {
            let stage = simulate(story, Planted::default()).unwrap();
            let records: Vec<_> = stage.transactions().iter().map(|id| stage.record(id)).collect();
            (records, stage.director.points())
        };
        assert_eq!(ends(&story), ends(&story));
    }
}
