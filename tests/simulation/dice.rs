//! Stories from seeds: the same seed, the same story, as long as these dice stay as they are.

use crate::story::{Call, DiskFault, Fault, Habit, Nature, Order, Story, Twist, What, When, Wish};
use crate::world::World;
use andante::domain::Class;

pub const CLASSES: [Class; 4] = [Class::A, Class::B, Class::C, Class::D];

/// As often as they are worth it.
const OFTEN: [Call; 18] = [
    Call::OpenReader,
    Call::OpenWriter,
    Call::Read,
    Call::Read,
    Call::Read,
    Call::Lock,
    Call::Prepare,
    Call::Apply,
    Call::Apply,
    Call::Apply,
    Call::Extend,
    Call::Confirm,
    Call::Confirm,
    Call::Cancel,
    Call::Discard,
    Call::Save,
    Call::Unlock,
    Call::OpenWriter,
];

pub const FAULTS: [Fault; 16] = [
    Fault::Refuse,
    Fault::LoseReply,
    Fault::LateReply(3),
    Fault::LateReply(20),
    Fault::Hang,
    Fault::CutBefore,
    Fault::CutAfter,
    Fault::Late,
    Fault::Lags(300),
    Fault::Lags(1_400),
    Fault::Silent,
    Fault::Rewrite,
    Fault::Part(1),
    Fault::PartThenCut(1),
    Fault::PartThenHang(2),
    Fault::PartialRead,
];

/// Whether a fault can strike at a call.
pub fn makes_sense(call: Call, fault: Fault) -> bool {
    match fault {
        Fault::Silent => matches!(call, Call::Apply | Call::Cancel),
        Fault::Rewrite
        | Fault::Late
        | Fault::Lags(_)
        | Fault::Part(_)
        | Fault::PartThenCut(_)
        | Fault::PartThenHang(_) => call == Call::Apply,
        Fault::PartialRead => call == Call::Read,
        _ => true,
    }
}

pub struct Dice(pub World);

impl Dice {
    pub fn below(&self, n: usize) -> usize {
        self.0.below(n)
    }

    pub fn one_in(&self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub fn of<T: Clone>(&self, all: &[T]) -> T {
        all[self.below(all.len())].clone()
    }

    pub fn number(&self, from: u64, to: u64) -> u64 {
        from + self.0.chance() % (to - from)
    }

    pub fn nature(&self) -> Nature {
        let habits = [
            Habit::KeepsStaleCandidate,
            Habit::Sessions(1),
            Habit::Sessions(2),
            Habit::Slow(2_000),
            Habit::Slow(400),
            Habit::ShortTimer,
            Habit::IgnoresCancel,
            Habit::CancelForgets,
            Habit::ClobbersBackup,
            Habit::TellsNoHolder,
            Habit::EchoesPersist,
            Habit::LocksBindNobody,
            Habit::Weaker,
        ];
        let count = [0, 0, 0, 1, 1, 2][self.below(6)];
        let mut chosen: Vec<Habit> = (0..count).map(|_| self.of(&habits)).collect();
        chosen.dedup();
        // An element that offers less than planned refuses everything: once in a while is enough.
        if !self.one_in(3) {
            chosen.retain(|habit| *habit != Habit::Weaker);
        }
        Nature { class: self.of(&CLASSES), startup: !self.one_in(3), habits: chosen }
    }

    fn wish(&self) -> Wish {
        let port = 1 + self.below(3) as u8;
        match self.below(9) {
            0 | 1 => Wish::Vlan(port, 101 + self.below(400) as u16),
            2 => Wish::Mtu(port, 1_600 + self.below(9) as u16),
            3 => Wish::Describe(port, self.below(50) as u16),
            4 => Wish::NoDescription(port),
            5 => Wish::Vrf(3 + self.below(3) as u8, 1 + self.below(4) as u8),
            6 => Wish::Target(1 + self.below(5) as u8, self.below(90) as u16),
            7 => Wish::NoVrf(1 + self.below(5) as u8),
            _ => Wish::Rule(self.below(100) as u16),
        }
    }

    fn order(&self, elements: usize) -> Order {
        let mut wants: Vec<(usize, Vec<Wish>)> = Vec::new();
        for element in 0..elements {
            if elements == 1 || !self.one_in(3) {
                let count = 1 + self.below(3);
                wants.push((element, (0..count).map(|_| self.wish()).collect()));
            }
        }
        let stop = self.one_in(8).then(|| (self.number(0, 700), !self.one_in(3)));
        Order { at: self.number(0, 4) * 250, wants, stop }
    }

    fn when(&self, elements: usize, length: u64) -> When {
        match self.below(5) {
            0 => When::At(self.number(0, length)),
            1 | 2 => When::Step(self.below(15 + 14 * elements)),
            _ => self.call(elements, &OFTEN),
        }
    }

    pub fn call(&self, elements: usize, calls: &[Call]) -> When {
        When::Call(self.below(elements), self.of(calls), [0, 0, 0, 1, 1, 2, 3][self.below(7)])
    }

    pub fn what(&self, elements: usize) -> What {
        let at = self.below(elements);
        match self.below(23) {
            0 | 1 => {
                let some = (0..elements).filter(|_| self.one_in(2)).collect();
                What::Partition(some, self.number(1, 40))
            }
            2 => What::HalfOpen(at),
            3 => What::Reset(at),
            4 => What::Away(at, self.number(1, 60)),
            5 | 6 => What::Reboot(at, self.number(1, 60)),
            7..=9 => What::Human(at, self.wish()),
            10 => What::SomebodyConfirms(at),
            11 => What::SomebodyCancels(at),
            12 => What::EarlyRevert(at),
            13 => What::KillSessions(at),
            14 | 15 => What::Disk(self.of(&[
                DiskFault::Full,
                DiskFault::FullFor(20),
                DiskFault::ReadOnly(30),
                DiskFault::SyncFailsStands,
                DiskFault::SyncFailsVolatile,
                DiskFault::Slow(400),
            ])),
            16 => What::Jump(if self.one_in(2) { 3_600 } else { -3_600 }),
            17 | 18 => What::Kill(self.number(1, 3_000)),
            19 => What::PowerLoss(self.below(4), self.number(1_000, 5_000)),
            20 => What::Candidate(at, self.wish()),
            21 => What::Lock(at, self.number(1, 30)),
            _ => What::Takeover,
        }
    }

    pub fn twist(&self, elements: usize, length: u64) -> Twist {
        if self.one_in(2) {
            let fault = self.of(&FAULTS[..]);
            let calls: Vec<Call> = OFTEN.into_iter().filter(|call| makes_sense(*call, fault)).collect();
            return Twist { when: self.call(elements, &calls), what: What::Strike(fault) };
        }
        // What was there before anybody came.
        if self.one_in(12) {
            let at = self.below(elements);
            let what = match self.below(3) {
                0 => What::Candidate(at, self.wish()),
                1 => What::Lock(at, self.number(1, 30)),
                _ => What::Lock(at, 1_000_000),
            };
            return Twist { when: When::At(0), what };
        }
        Twist { when: self.when(elements, length), what: self.what(elements) }
    }
}

impl Story {
    pub fn from_seed(seed: u64) -> Self {
        let dice = Dice(World::new(seed ^ 0x5eed));
        let count = 1 + dice.below(4);
        let elements: Vec<Nature> = (0..count).map(|_| dice.nature()).collect();
        let orders: Vec<Order> = (0..[1, 1, 2, 2, 3, 4][dice.below(6)]).map(|_| dice.order(count)).collect();
        let twists = (0..[0, 1, 2, 2, 3, 3, 4, 6][dice.below(8)]).map(|_| dice.twist(count, 2_500)).collect();
        Story { seed, elements, orders, twists }
    }
}
