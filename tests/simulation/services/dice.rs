//! Tales from seeds.

use super::tale::{Ask, End, LENGTH, SERVICES, Spec, Tale, Want};
use crate::dice::Dice;
use crate::story::{Call, Fault, Meddling, Twist, What, When, Wish};
use crate::world::World;
use andante::domain::{Offer, QueuePolicy};

const MEDDLING: [Meddling; 5] =
    [Meddling::Retext, Meddling::Renumber, Meddling::Unset, Meddling::Drop, Meddling::Label];
const POLICIES: [QueuePolicy; 3] = [QueuePolicy::Block, QueuePolicy::Skip, QueuePolicy::RevertService];
const OFFERS: [Offer; 3] = [Offer::Retry, Offer::AcceptActual, Offer::ForceIntent];
/// What may leave a transaction unresolved.
const ASTRAY: [Fault; 3] = [Fault::Rewrite, Fault::Part(1), Fault::PartThenCut(1)];

fn meddling(dice: &Dice) -> Wish {
    Wish::Native(dice.of(&MEDDLING), dice.below(1_000) as u16)
}

fn spec(dice: &Dice, elements: usize) -> Spec {
    let mut ends: Vec<End> = Vec::new();
    let all = dice.one_in(3);
    for element in 0..elements {
        if all || dice.one_in(2) {
            ends.push(End { element, port: 1 + dice.below(2) as u8, vlan: 100 + dice.below(5) as u16 });
        }
    }
    if ends.is_empty() {
        ends.push(End { element: dice.below(elements), port: 1, vlan: 100 });
    }
    Spec { ends, routes: dice.below(3) as u8, customer: dice.below(3) as u8 }
}

fn ask(dice: &Dice, elements: usize, anyway: bool) -> Ask {
    let service = |dice: &Dice| 1 + dice.below(usize::from(SERVICES)) as u8;
    let want = match dice.below(12) {
        0..=2 => Want::Delete(service(dice)),
        3 if anyway => Want::Heal(dice.below(elements)),
        4 => {
            let first = service(dice);
            Want::Put(vec![(first, spec(dice, elements)), (1 + first % SERVICES, spec(dice, elements))])
        }
        _ => Want::Put(vec![(service(dice), spec(dice, elements))]),
    };
    let at = if dice.one_in(3) { dice.number(0, 3_000) } else { dice.number(0, LENGTH) };
    let named = dice.one_in(2);
    Ask {
        at,
        want,
        named,
        again: (named && dice.one_in(2)).then(|| dice.number(0, 60_000)),
        pinned: dice.one_in(6).then(|| dice.number(100, 20_000)),
        queue: dice.one_in(3).then(|| dice.of(&POLICIES)),
        anyway: anyway && dice.one_in(3),
    }
}

fn twist(dice: &Dice, elements: usize) -> Twist {
    let Twist { mut when, mut what } = dice.twist(elements, LENGTH);
    if let When::Call(.., nth) = &mut when {
        // Looks and plans call as well: what is to strike late has to wait longer.
        *nth += [0, 0, 1, 3, 6, 12][dice.below(6)];
    }
    match &mut what {
        What::Human(_, wish) | What::Candidate(_, wish) => *wish = meddling(dice),
        _ => {}
    }
    Twist { when, what }
}

/// Ways back, calling off, and a word on what is unresolved: beside everything else, or right behind it.
fn verb(dice: &Dice, tale: &mut Tale, services: usize, anyway: bool) {
    let other = dice.below(services);
    let others = tale.asks[other].at;
    let later = dice.number(0, 30_000);
    let (at, want) = match dice.below(7) {
        0 | 1 => {
            // Most services are asked for once: something has to be there to go back to.
            let service = dice.of(&[tale.services(&tale.asks[other].want), vec![1]].concat());
            let changed = Want::Put(vec![(service, spec(dice, tale.elements.len()))]);
            tale.asks.push(Ask::of((others + later / 2).min(LENGTH), changed));
            (others + later, Want::Rollback(service, [1, 1, 1, 2][dice.below(4)]))
        }
        2..=4 => (others + later, Want::Undo(other)),
        5 => (others.saturating_sub(200), Want::Cancel(other)),
        _ => {
            let (element, nth) = (dice.below(tale.elements.len()), dice.below(4));
            let what = What::Strike(dice.of(&ASTRAY));
            tale.twists.push(Twist { when: When::Call(element, Call::Apply, nth), what });
            (dice.number(0, LENGTH), Want::Resolve(dice.of(&OFFERS)))
        }
    };
    let back = matches!(want, Want::Rollback(..) | Want::Undo(_));
    let named = back && dice.one_in(2);
    let pinned = match want {
        Want::Cancel(_) => (!dice.one_in(3)).then(|| dice.number(5, 900)),
        _ => (back && dice.one_in(2)).then(|| dice.number(100, 10_000)),
    };
    tale.asks.push(Ask {
        named,
        again: (named && dice.one_in(2)).then(|| dice.number(0, 30_000)),
        pinned,
        queue: (back && dice.one_in(4)).then(|| dice.of(&POLICIES)),
        anyway: back && (anyway && dice.one_in(3)),
        ..Ask::of(at.min(LENGTH), want)
    });
}

impl Tale {
    pub fn from_seed(seed: u64) -> Self {
        let dice = Dice(World::new(seed ^ 0x5e41_1ce5));
        let count = 1 + dice.below(3);
        let elements = (0..count).map(|_| dice.nature()).collect();
        let anyway = dice.one_in(3);
        let asks: Vec<Ask> = (0..[1, 2, 3, 4, 5, 6, 8][dice.below(7)]).map(|_| ask(&dice, count, anyway)).collect();
        let mut twists: Vec<Twist> = (0..[0, 1, 2, 3, 4, 6][dice.below(6)]).map(|_| twist(&dice, count)).collect();
        for _ in 0..[0, 0, 1, 2, 4][dice.below(5)] {
            let (when, at) = (When::At(dice.number(0, LENGTH)), dice.below(count));
            twists.push(Twist { when, what: What::Human(at, meddling(&dice)) });
        }
        let services = asks.len();
        let mut tale = Tale { seed, elements, asks, twists };
        for _ in 0..[0, 0, 1, 2, 3][dice.below(5)] {
            verb(&dice, &mut tale, services, anyway);
        }
        tale
    }
}
