//! A law holds for many drawn cases: seeds counted up from nought, said when one breaks it.
//!
//! `ANDANTE_SEED=n` draws that case alone, `ANDANTE_CASES=n` draws n times as many.

/// How many times the usual number of cases is drawn.
pub fn times() -> u64 {
    std::env::var("ANDANTE_CASES").map_or(1, |times| times.parse().unwrap())
}

/// The one case that is asked for, if one is.
pub fn only() -> Option<u64> {
    std::env::var("ANDANTE_SEED").ok().map(|seed| seed.parse().unwrap())
}

/// Runs a law for many seeds.
pub fn law(cases: u64, mut holds: impl FnMut(u64)) {
    if let Some(seed) = only() {
        return holds(seed);
    }
    for seed in 0..cases * times() {
        let _said = Said(seed);
        holds(seed);
    }
}

/// Says the seed of a case that panics.
pub struct Said(pub u64);

impl Drop for Said {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("broken by ANDANTE_SEED={}", self.0);
        }
    }
}
