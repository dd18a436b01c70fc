//! Many tales: how requests ended, what of the faults was used, and each tale that breaks a law, whole.

use super::play::{Planted, Told, word};
use super::tale::Tale;
use super::{chronicle, shrunk, simulate};
use crate::Broken;
use std::collections::BTreeMap;
use std::time::Instant;

#[derive(Default)]
struct Tally {
    counts: BTreeMap<&'static str, BTreeMap<String, u64>>,
    broken: Vec<(u64, Broken)>,
}

impl Tally {
    fn one(&mut self, of: &'static str, what: impl Into<String>) {
        *self.counts.entry(of).or_default().entry(what.into()).or_default() += 1;
    }

    fn count(&self, of: &str, what: &str) -> u64 {
        self.counts.get(of).and_then(|counts| counts.get(what)).copied().unwrap_or_default()
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn run(seeds: impl Iterator<Item = u64>) -> Tally {
    let mut tally = Tally::default();
    for seed in seeds {
        match simulate(&Tale::from_seed(seed), Planted::default()) {
            Ok(stage) => {
                for (at, (.., heard)) in stage.answers() {
                    match stage.tale.asks[at].want.verb() {
                        None => tally.one("requests", word(&heard)),
                        Some(verb) => tally.one("verbs", format!("{verb} {}", word(&heard))),
                    }
                }
                for used in stage.director.used() {
                    tally.one("faults", used);
                }
                let told: Told = stage.told.lock().unwrap().clone().unwrap();
                told.states.iter().for_each(|state| tally.one("services", state.as_str()));
                told.elements.iter().for_each(|(_, state)| tally.one("elements", format!("{:?}", state.sync)));
                told.deviations.iter().for_each(|found| tally.one("deviations", format!("{:?}", found.kind)));
                told.queued.iter().for_each(|change| tally.one("queued", format!("{:?}", change.state)));
            }
            Err(broken) => tally.broken.push((seed, broken)),
        }
    }
    tally
}

fn tell(tally: &Tally, seeds: u64, since: Instant) {
    let seconds = since.elapsed().as_secs_f64();
    println!("{seeds} tales in {seconds:.1} s, {:.0} per second", seeds as f64 / seconds);
    for (title, counts) in &tally.counts {
        let all: Vec<String> = counts.iter().map(|(name, count)| format!("{name} {count}")).collect();
        println!("{title}: {}", all.join(", "));
    }
    let mut laws: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for (seed, broken) in &tally.broken {
        broken.laws.iter().for_each(|(law, _)| laws.entry(law).or_default().push(*seed));
    }
    for (law, seeds) in laws {
        println!("BROKEN {law}: {} tales: {:?}", seeds.len(), &seeds[..seeds.len().min(12)]);
    }
}

fn explain(seed: u64, broken: &Broken) -> String {
    let tale = Tale::from_seed(seed);
    let small = shrunk(&tale, &Planted::default());
    let law = simulate(&small, Planted::default()).err().map(|broken| broken.to_string()).unwrap_or_default();
    let json = |tale: &Tale| serde_json::to_string(tale).unwrap();
    let told = chronicle(&small, Planted::default());
    format!("service seed {seed}\n{broken}  tale: {}\n  shrunk: {}\n{law}{told}", json(&tale), json(&small))
}

fn judged(from: u64, to: u64, shown: usize) {
    let since = Instant::now();
    let tally = run(from..to);
    tell(&tally, to - from, since);
    let shown: Vec<String> = tally.broken.iter().take(shown).map(|(seed, broken)| explain(*seed, broken)).collect();
    let brief: Vec<String> = tally.broken.iter().map(|(seed, broken)| format!("seed {seed}\n{broken}")).collect();
    assert!(tally.broken.is_empty(), "{} broken:\n{}\n{}", brief.len(), brief.join(""), shown.join("\n"));
    if to - from < ENOUGH {
        return;
    }
    // What never happens is not judged.
    for (of, what) in [
        ("requests", "applied"),
        ("requests", "refused"),
        ("requests", "not applied"),
        ("verbs", "rollback applied"),
        ("verbs", "undo applied"),
        ("verbs", "cancel not applied"),
        ("services", "deployed"),
        ("services", "deviating"),
        ("elements", "InSync"),
        ("elements", "OutOfSync"),
        ("faults", "Human"),
        ("faults", "Kill"),
        ("faults", "Takeover"),
        ("faults", "PowerLoss"),
        ("faults", "Reboot"),
    ] {
        assert!(tally.count(of, what) > 0, "no {what} among the {of} of {} tales", to - from);
    }
}

/// So many tales have to show all that matters.
const ENOUGH: u64 = 140;

/// `SERVICE_SEEDS=n`: so many tales; `SEEDS=n`, which is for stories of transactions, means a fifth of it here.
fn seeds() -> u64 {
    number("SERVICE_SEEDS").or(number("SEEDS").map(|seeds| seeds / 5)).unwrap_or(300)
}

#[test]
fn seeds_of_services_of_the_first_half_leave_what_the_store_says() {
    judged(0, seeds() / 2, 2);
}

#[test]
fn seeds_of_services_of_the_second_half_leave_what_the_store_says() {
    judged(seeds() / 2, seeds(), 2);
}

/// `SERVICE_LIST=4000..8000`: just these.
#[test]
fn seeds_of_services_of_a_list_on_request() {
    let Ok(list) = std::env::var("SERVICE_LIST") else { return };
    let (from, to) = list.split_once("..").expect("SERVICE_LIST=from..to");
    judged(from.trim().parse().unwrap(), to.trim().parse().unwrap(), 4);
}

/// `SERVICE_SEED=n`: one, told whole.
#[test]
fn one_service_seed_on_request() {
    let Some(seed) = number("SERVICE_SEED") else { return };
    let tale = Tale::from_seed(seed);
    println!("{}", serde_json::to_string_pretty(&tale).unwrap());
    match simulate(&tale, Planted::default()) {
        Ok(_) => println!("{}", chronicle(&tale, Planted::default())),
        Err(broken) => panic!("{}", explain(seed, &broken)),
    }
}

#[test]
fn a_service_seed_tells_the_same_tale_twice() {
    for seed in [3, 5, 11, 42] {
        let tale = Tale::from_seed(seed);
        assert_eq!(chronicle(&tale, Planted::default()), chronicle(&tale, Planted::default()), "seed {seed}");
    }
}
