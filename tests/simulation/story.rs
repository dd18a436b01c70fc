//! A story: everything that happens in one simulated run, as plain words. A story is made from a seed, or written down:
//! what is written down stays the same story when the dice change.

use andante::domain::Class;
use serde::{Deserialize, Serialize};

/// One run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Story {
    pub seed: u64,
    pub elements: Vec<Nature>,
    pub orders: Vec<Order>,
    #[serde(default)]
    pub twists: Vec<Twist>,
}

/// What an element is like, all through the story.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Nature {
    pub class: Class,
    /// Running does not survive a restart before it is saved.
    #[serde(default)]
    pub startup: bool,
    #[serde(default)]
    pub habits: Vec<Habit>,
}

/// What an element always does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Habit {
    /// The candidate stays when the session that edited it ends.
    KeepsStaleCandidate,
    /// So many sessions at a time.
    Sessions(usize),
    /// Every answer takes so many milliseconds more.
    Slow(u64),
    /// The timer of a confirmed commit runs for a third of the time asked for.
    ShortTimer,
    /// Ok to a cancel, and nothing happens.
    IgnoresCancel,
    /// Ok to a cancel of the session that holds the locks: the timer is forgotten, the new state stays (netconfd).
    CancelForgets,
    /// A second confirmed commit makes the present state the backup.
    ClobbersBackup,
    /// Does not say who holds its lock, nor show its candidate.
    TellsNoHolder,
    /// Its errors repeat the persist-id that they were given.
    EchoesPersist,
    /// A lock does not keep a person at the console from editing.
    LocksBindNobody,
    /// Offers less than the plan was made for (NETCONF 1.0 only, say).
    Weaker,
}

/// A transaction that somebody asks for. Its plan is made from what the elements show at that moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Order {
    /// Milliseconds after the start of the story.
    pub at: u64,
    /// What is wanted, by element.
    pub wants: Vec<(usize, Vec<Wish>)>,
    /// Milliseconds after `at`: cancelled (true) or told to stop (false).
    #[serde(default)]
    pub stop: Option<(u64, bool)>,
}

/// One change of configuration; by a transaction or by a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Wish {
    Vlan(u8, u16),
    Mtu(u8, u16),
    Describe(u8, u16),
    NoDescription(u8),
    Vrf(u8, u8),
    Target(u8, u16),
    NoVrf(u8),
    Rule(u16),
    /// On an element that speaks as its platform does.
    Native(Meddling, u16),
}

/// What a person does to a native configuration. The number that goes with it chooses the place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Meddling {
    /// Another text in a description that is there.
    Retext,
    /// Another number in a leaf that holds one.
    Renumber,
    /// A leaf is taken away.
    Unset,
    /// An entry is taken away, with all below it.
    Drop,
    /// A description on a port that nobody uses.
    Label,
}

/// What a session asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Call {
    OpenReader,
    OpenWriter,
    Read,
    Lock,
    Prepare,
    Apply,
    Extend,
    Confirm,
    Cancel,
    Discard,
    Save,
    Unlock,
}

/// Something happens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Twist {
    pub when: When,
    pub what: What,
}

/// At which moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum When {
    /// Milliseconds after the start of the story.
    At(u64),
    /// When the daemons pass their nth probe point, whatever it is.
    Step(usize),
    /// When a probe point of this name is passed for the nth time.
    Point(String, usize),
    /// At the nth call of this kind on an element (0 = first).
    Call(usize, Call, usize),
}

/// What happens. The number is the element.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum What {
    /// To the call at which it happens.
    Strike(Fault),
    /// Nothing gets through to these elements, in either direction, for so many seconds.
    Partition(Vec<usize>, u64),
    /// The sessions that are open now never answer again, and stay open on the element.
    HalfOpen(usize),
    /// Every session is reset.
    Reset(usize),
    /// Not reachable and answering so, for so many seconds; sessions end.
    Away(usize, u64),
    /// Restarts from what it would start from, and is away for so many seconds.
    Reboot(usize, u64),
    /// A person changes running.
    Human(usize, Wish),
    /// A person puts something into the candidate, and leaves it there.
    Candidate(usize, Wish),
    /// A person holds the lock for so many seconds.
    Lock(usize, u64),
    /// Somebody else confirms what waits to be confirmed.
    SomebodyConfirms(usize),
    /// Somebody else cancels it.
    SomebodyCancels(usize),
    /// The timer of a confirmed commit runs out too early.
    EarlyRevert(usize),
    /// Another user ends all sessions.
    KillSessions(usize),
    Disk(DiskFault),
    /// The wall clock jumps by so many seconds.
    Jump(i64),
    /// The daemon is killed; the next one starts after so many milliseconds.
    Kill(u64),
    /// The host loses power: of what the disk was not asked to keep, so many batches survive. Sessions stay open on the elements.
    PowerLoss(usize, u64),
    /// A second daemon takes the lease while the first one works on.
    Takeover,
}

/// What goes wrong at a call, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fault {
    /// Answered with an error; nothing done.
    Refuse,
    /// Done, but the answer never comes.
    LoseReply,
    /// Done, and the answer comes after so many seconds.
    LateReply(u64),
    /// Not done, and no answer comes.
    Hang,
    /// The connection breaks before it is done.
    CutBefore,
    /// The connection breaks after it is done.
    CutAfter,
    /// The connection breaks; it is done a little later (class C and D).
    Late,
    /// Answered ok at once; it is done so many milliseconds later (class B to D).
    Lags(u64),
    /// Answered ok, nothing done (F20).
    Silent,
    /// Done, but with another value than asked.
    Rewrite,
    /// The line at this place is refused after the ones before it.
    Part(usize),
    /// So many lines are done, then the connection breaks.
    PartThenCut(usize),
    /// So many lines are done, then no answer comes.
    PartThenHang(usize),
    /// A reading that is not complete.
    PartialRead,
}

/// What goes wrong with the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DiskFault {
    /// The next write finds no space.
    Full,
    /// No write succeeds for so many seconds.
    FullFor(u64),
    /// Read-only for so many seconds.
    ReadOnly(u64),
    /// The next sync fails; the write stands.
    SyncFailsStands,
    /// The next sync fails; the write can be read, but power takes it away.
    SyncFailsVolatile,
    /// The next sync takes so many milliseconds.
    Slow(u64),
}

impl Story {
    /// One transaction over elements of these classes: a VLAN changes, a VRF comes, another one goes.
    pub fn of(seed: u64, classes: &[Class]) -> Self {
        let elements = classes.iter().map(|class| Nature { class: *class, startup: true, habits: vec![] }).collect();
        let story = Self { seed, elements, orders: vec![], twists: vec![] };
        story.then(0, &[Wish::Vlan(1, 200), Wish::Vrf(7, 3), Wish::NoVrf(2)])
    }

    /// One more transaction over all elements.
    pub fn then(mut self, at: u64, wishes: &[Wish]) -> Self {
        let wants = (0..self.elements.len()).map(|element| (element, wishes.to_vec())).collect();
        self.orders.push(Order { at, wants, stop: None });
        self
    }

    pub fn with(mut self, when: When, what: What) -> Self {
        self.twists.push(Twist { when, what });
        self
    }

    pub fn at_call(self, element: usize, call: Call, nth: usize, fault: Fault) -> Self {
        self.with(When::Call(element, call, nth), What::Strike(fault))
    }

    pub fn habit(mut self, element: usize, habit: Habit) -> Self {
        self.elements[element].habits.push(habit);
        self
    }

    /// The words of a twist without its numbers, for the table of what was used.
    pub fn word(what: &What) -> String {
        let text = match what {
            What::Strike(fault) => format!("{fault:?}"),
            What::Disk(fault) => format!("disk {fault:?}"),
            other => format!("{other:?}"),
        };
        text.split('(').next().unwrap_or_default().to_owned()
    }
}
