use super::*;

const WINDOW: Duration = Duration::from_secs(60);
const T0: Duration = Duration::ZERO;

fn machine(classes: &[Class]) -> Machine {
    Machine::new(classes.iter().zip(1..).map(|(class, n)| (format!("pe{n}"), *class)), WINDOW)
}

fn why(kind: CauseKind) -> Cause {
    Cause { kind, element: Some("pe1".into()), path: None, sent: None, says: None, message: "because".into() }
}

fn answered(element: &str, verb: Verb, answer: Answer) -> Event {
    Event::Answered { element: element.into(), verb, answer }
}

fn sent(acts: &[Act]) -> Vec<(String, Verb)> {
    acts.iter()
        .filter_map(|act| match act {
            Act::Send(element, verb) => Some((element.clone(), *verb)),
            _ => None,
        })
        .collect()
}

/// Runs a machine, answering every send by `answer` and every write by `Written`; returns all acts in order.
fn play(machine: &mut Machine, answer: impl Fn(&str, Verb) -> Answer) -> Vec<Act> {
    let mut all = Vec::new();
    let mut acts = std::collections::VecDeque::from(machine.step(T0, Event::Begin).unwrap());
    while let Some(act) = acts.pop_front() {
        all.push(act.clone());
        let event = match act {
            Act::Write(record) => Event::Written(record),
            Act::Send(element, verb) => answered(&element, verb, answer(&element, verb)),
            Act::GiveUp | Act::Abandon => continue,
        };
        acts.extend(machine.step(T0, event).unwrap());
    }
    all
}

fn well(_: &str, _: Verb) -> Answer {
    Answer::done()
}

/// What happens on the way forward, in order, when these elements answer well and the first of them is checked.
fn forward(names: &[&str]) -> Vec<Event> {
    use Verb::{Apply, Check, Confirm, Lock, Prepare, Release, Verify};
    let phases: [(Phase, &[Verb]); 5] = [
        (Phase::Locked, &[Lock]),
        (Phase::Prepared, &[Prepare]),
        (Phase::Applied, &[Apply]),
        (Phase::Verified, &[Verify, Check]),
        (Phase::Decided, &[Confirm, Release]),
    ];
    let mut events = vec![Event::Begin];
    for (phase, verbs) in phases {
        events.push(Event::Written(Record::Intent(phase)));
        for verb in verbs {
            let asked = if *verb == Check { &names[..1] } else { names };
            events.extend(asked.iter().map(|name| answered(name, *verb, Answer::done())));
        }
    }
    events.push(Event::Written(Record::End));
    events
}

/// As far as what this element answers to this verb, that answer included.
fn until(mut events: Vec<Event>, name: &str, verb: Verb) -> Vec<Event> {
    let at = events.iter().position(|event| *event == answered(name, verb, Answer::done())).unwrap();
    events.truncate(at + 1);
    events
}

/// A machine that was driven as far as this state, with one class A element.
fn in_state(state: State) -> Machine {
    let mut machine = machine(&[Class::A]).with_checks(["pe1"]);
    let script = forward(&["pe1"]);
    if matches!(state, State::Restoring | State::Abandoned) {
        for event in until(script, "pe1", Verb::Apply) {
            machine.step(T0, event).unwrap();
        }
        let event = match state {
            State::Restoring => Event::WriteFailed(Record::Intent(Phase::Verified), why(CauseKind::Internal)),
            _ => Event::HandsOff(why(CauseKind::Interrupted)),
        };
        machine.step(T0, event).unwrap();
        return machine;
    }
    for event in script {
        if machine.state() == state {
            break;
        }
        machine.step(T0, event).unwrap();
    }
    assert_eq!(machine.state(), state);
    machine
}

const STATES: [State; 12] = [
    State::Planned,
    State::Locking,
    State::Preparing,
    State::Applying,
    State::Verifying,
    State::Checking,
    State::Deciding,
    State::Confirming,
    State::Restoring,
    State::Closing,
    State::Closed,
    State::Abandoned,
];

#[test]
fn the_way_forward_passes_every_state_in_order_and_writes_before_it_sends() {
    let mut machine = machine(&[Class::A, Class::D]);
    let acts = play(&mut machine, well);
    let phases: Vec<Record> =
        acts.iter().filter_map(|act| if let Act::Write(record) = act { Some(*record) } else { None }).collect();
    use Phase::{Applied, Decided, Locked, Prepared, Verified};
    let mut expected: Vec<Record> = [Locked, Prepared, Applied, Verified, Decided].map(Record::Intent).into();
    expected.push(Record::End);
    assert_eq!(phases, expected);
    // Between two writes stand the sends of that phase, all of them, and no others.
    let verbs: Vec<Vec<Verb>> = acts
        .split(|act| matches!(act, Act::Write(_)))
        .map(|part| sent(part).into_iter().map(|(_, verb)| verb).collect())
        .collect();
    use Verb::{Apply, Confirm, Lock, Prepare, Release, Verify};
    let both = |verb| vec![verb, verb];
    let confirm = vec![Confirm, Confirm, Release, Release];
    let expected = [vec![], both(Lock), both(Prepare), both(Apply), both(Verify), confirm, vec![]];
    assert_eq!(verbs, expected);
    assert_eq!(machine.state(), State::Closed);
    assert_eq!(machine.outcome(), Some(Outcome::Applied));
}

#[test]
fn class_a_is_applied_together_then_the_others_one_at_a_time_the_weakest_last() {
    let mut machine = machine(&[Class::D, Class::A, Class::C, Class::A, Class::D, Class::B]);
    let mut acts = machine.step(T0, Event::Begin).unwrap();
    // To the start of Applying.
    while machine.state() != State::Applying {
        let mut next = Vec::new();
        for act in acts {
            next.extend(match act {
                Act::Write(record) => machine.step(T0, Event::Written(record)).unwrap(),
                Act::Send(element, verb) => machine.step(T0, answered(&element, verb, Answer::done())).unwrap(),
                _ => vec![],
            });
        }
        acts = next;
    }
    let mut waves = Vec::new();
    acts = machine.step(T0, Event::Written(Record::Intent(Phase::Applied))).unwrap();
    while machine.state() == State::Applying {
        let wave = sent(&acts);
        waves.push(wave.iter().map(|(element, _)| element.clone()).collect::<Vec<_>>());
        acts = Vec::new();
        for (element, verb) in wave {
            assert!(acts.is_empty(), "a wave is answered as a whole before the next");
            acts = machine.step(T0, answered(&element, verb, Answer::done())).unwrap();
        }
    }
    assert_eq!(waves, [vec!["pe2", "pe4"], vec!["pe6"], vec!["pe3"], vec!["pe1"], vec!["pe5"]]);
}

#[test]
fn a_first_error_stops_the_rest_and_everything_sent_is_brought_back() {
    for (verb, answer) in [
        (Verb::Lock, Answer::Refused(why(CauseKind::Locked))),
        (Verb::Prepare, Answer::Refused(why(CauseKind::Refused))),
        (Verb::Prepare, Answer::Lost(why(CauseKind::Unreachable))),
        (Verb::Apply, Answer::Refused(why(CauseKind::Refused))),
        (Verb::Apply, Answer::Lost(why(CauseKind::Unreachable))),
        (Verb::Verify, Answer::Lost(why(CauseKind::Verify))),
        (Verb::Verify, Answer::Conflict(why(CauseKind::Verify))),
    ] {
        let mut machine = machine(&[Class::A, Class::C, Class::D]);
        let failing = answer.clone();
        let acts = play(
            &mut machine,
            |element, asked| {
                if element == "pe2" && asked == verb { failing.clone() } else { Answer::done() }
            },
        );
        let sends = sent(&acts);
        assert!(acts.contains(&Act::GiveUp));
        assert!(!sends.iter().any(|(_, verb)| *verb == Verb::Confirm), "{verb:?}");
        let applied = sends.iter().any(|(element, sent)| element == "pe3" && *sent == Verb::Apply);
        assert_eq!(applied, verb == Verb::Verify, "{verb:?}: pe3 comes last");
        let back = match verb {
            Verb::Lock => Verb::Release,
            Verb::Prepare => Verb::Withdraw,
            _ => Verb::Restore,
        };
        assert!(sends.contains(&("pe1".into(), back)), "{verb:?}: {sends:?}");
        let Some(Outcome::NotApplied { cause }) = machine.outcome() else { panic!("{:?}", machine.outcome()) };
        let (Answer::Refused(first) | Answer::Lost(first) | Answer::Conflict(first)) = answer else { panic!() };
        assert_eq!(cause, first, "the first cause stays");
    }
}

#[test]
fn what_cannot_be_brought_back_is_unresolved_by_name() {
    for (answer, turn) in [
        (Answer::Lost(why(CauseKind::Unreachable)), Turn::Unknown),
        (Answer::Conflict(why(CauseKind::Stale)), Turn::Conflict),
    ] {
        let mut machine = machine(&[Class::B, Class::D]);
        play(&mut machine, |element, verb| match (element, verb) {
            ("pe2", Verb::Verify) => Answer::Lost(why(CauseKind::Verify)),
            ("pe1", Verb::Restore) => answer.clone(),
            _ => Answer::done(),
        });
        let Some(Outcome::Unresolved { elements, cause }) = machine.outcome() else { panic!() };
        assert_eq!((elements, cause.kind), (vec!["pe1".to_owned()], CauseKind::Verify));
        assert_eq!(machine.progress()["pe1"].turn, turn);
        assert_eq!(machine.progress()["pe2"].turn, Turn::Restored);
    }
}

#[test]
fn after_the_decision_there_is_no_way_back() {
    let mut machine = machine(&[Class::A, Class::A]);
    let acts = play(&mut machine, |element, verb| match (element, verb) {
        ("pe1", Verb::Confirm) => Answer::Lost(why(CauseKind::Unreachable)),
        _ => Answer::done(),
    });
    let sends = sent(&acts);
    assert!(sends.contains(&("pe1".into(), Verb::Advance)));
    assert!(!sends.iter().any(|(_, verb)| matches!(verb, Verb::Restore | Verb::Withdraw)));
    assert_eq!(machine.outcome(), Some(Outcome::Applied));

    let mut machine = self::machine(&[Class::A, Class::A]);
    play(&mut machine, |element, verb| match (element, verb) {
        ("pe1", Verb::Confirm | Verb::Advance) => Answer::Lost(why(CauseKind::Unreachable)),
        _ => Answer::done(),
    });
    assert!(matches!(machine.outcome(), Some(Outcome::Unresolved { elements, .. }) if elements == ["pe1"]));
}

#[test]
fn the_way_back_waits_for_what_is_in_flight() {
    let mut machine = machine(&[Class::A, Class::A]);
    machine.step(T0, Event::Begin).unwrap();
    machine.step(T0, Event::Written(Record::Intent(Phase::Locked))).unwrap();
    let acts = machine.step(T0, answered("pe1", Verb::Lock, Answer::Refused(why(CauseKind::Locked)))).unwrap();
    assert_eq!(acts, [Act::GiveUp]);
    // The other one got its lock meanwhile: it is given back.
    let acts = machine.step(T0, answered("pe2", Verb::Lock, Answer::done())).unwrap();
    assert_eq!(sent(&acts), [("pe2".into(), Verb::Release)]);
}

#[test]
fn a_stop_turns_back_before_applied_and_a_cancel_before_the_decision() {
    let back = |state: State, kind: CauseKind| {
        let mut machine = in_state(state);
        machine.step(T0, Event::Stop(why(kind))).unwrap();
        machine.state() != state
    };
    use State::{
        Applying, Checking, Closed, Closing, Confirming, Deciding, Locking, Planned, Preparing, Restoring, Verifying,
    };
    for state in [Planned, Locking, Preparing] {
        assert!(back(state, CauseKind::Interrupted) && back(state, CauseKind::Cancelled), "{state:?}");
    }
    for state in [Applying, Verifying, Checking] {
        assert!(!back(state, CauseKind::Interrupted) && back(state, CauseKind::Cancelled), "{state:?}");
    }
    for state in [Deciding, Confirming, Restoring, Closing, Closed] {
        assert!(!back(state, CauseKind::Interrupted) && !back(state, CauseKind::Cancelled), "{state:?}");
    }
}

#[test]
fn timers_are_started_anew_at_their_half_while_others_work() {
    let mut machine = machine(&[Class::A, Class::D]);
    let at = Duration::from_secs(10);
    for event in until(forward(&["pe1", "pe2"]), "pe1", Verb::Apply) {
        machine.step(at, event).unwrap();
    }
    assert_eq!(machine.next_tick(), Some(at + WINDOW / 2));
    assert!(machine.step(at + Duration::from_secs(5), Event::Tick).unwrap().is_empty());
    let acts = machine.step(at + WINDOW / 2, Event::Tick).unwrap();
    assert_eq!(sent(&acts), [("pe1".into(), Verb::Extend)]);
    assert_eq!(machine.next_tick(), None, "it is busy");
    // The slow one ends first: the barrier waits for the timer's answer.
    assert!(machine.step(at + WINDOW, answered("pe2", Verb::Apply, Answer::done())).unwrap().is_empty());
    let acts = machine.step(at + WINDOW, answered("pe1", Verb::Extend, Answer::done())).unwrap();
    assert_eq!(acts, [Act::Write(Record::Intent(Phase::Verified))]);
}

/// The timer runs since the element heard of it: an answer that takes more than its half is followed by a new start at once.
#[test]
fn a_timer_is_counted_from_the_send() {
    let mut machine = machine(&[Class::A, Class::D]);
    let mut events = until(forward(&["pe1", "pe2"]), "pe1", Verb::Apply);
    let answer = events.pop().unwrap();
    for event in events {
        machine.step(T0, event).unwrap();
    }
    let late = WINDOW / 2 + Duration::from_secs(5);
    machine.step(late, answer).unwrap();
    assert_eq!(machine.next_tick(), Some(WINDOW / 2));
    assert_eq!(sent(&machine.step(late, Event::Tick).unwrap()), [("pe1".into(), Verb::Extend)]);
}

#[test]
fn the_state_is_compared_before_the_decision_where_it_is_asked_for() {
    let classes = [Class::A, Class::D];
    let mut with = machine(&classes).with_checks(["pe2"]);
    let acts = play(&mut with, well);
    let checked: Vec<usize> =
        acts.iter().enumerate().filter(|(_, act)| matches!(act, Act::Send(_, Verb::Check))).map(|(at, _)| at).collect();
    let decided = acts.iter().position(|act| *act == Act::Write(Record::Intent(Phase::Decided))).unwrap();
    let verified = acts.iter().rposition(|act| matches!(act, Act::Send(_, Verb::Verify))).unwrap();
    assert!(checked.len() == 1 && verified < checked[0] && checked[0] < decided, "{acts:?}");
    assert_eq!(with.outcome(), Some(Outcome::Applied));

    let mut failed = machine(&classes).with_checks(["pe1", "pe2"]);
    let acts = play(&mut failed, |name, verb| match (name, verb) {
        ("pe2", Verb::Check) => Answer::Refused(why(CauseKind::Check)),
        _ => Answer::done(),
    });
    assert!(matches!(failed.outcome(), Some(Outcome::NotApplied { cause }) if cause.kind == CauseKind::Check));
    assert_eq!(acts.iter().filter(|act| matches!(act, Act::Send(_, Verb::Restore))).count(), 2, "all come back");
    assert!(!acts.contains(&Act::Write(Record::Intent(Phase::Decided))));
}

#[test]
fn timers_are_started_anew_while_the_state_is_compared() {
    let mut machine = machine(&[Class::A, Class::A]).with_checks(["pe2"]);
    let at = T0;
    for event in until(forward(&["pe1", "pe2"]), "pe2", Verb::Verify) {
        machine.step(at, event).unwrap();
    }
    assert_eq!((machine.state(), machine.next_tick()), (State::Checking, Some(at + WINDOW / 2)));
    let acts = machine.step(at + WINDOW / 2, Event::Tick).unwrap();
    assert_eq!(sent(&acts), [("pe1".into(), Verb::Extend)]);
    // The check ends first: the decision waits for the timer's answer.
    assert!(machine.step(at + WINDOW, answered("pe2", Verb::Check, Answer::done())).unwrap().is_empty());
    let acts = machine.step(at + WINDOW, answered("pe1", Verb::Extend, Answer::done())).unwrap();
    assert_eq!(acts, [Act::Write(Record::Intent(Phase::Decided))]);
}

#[test]
fn recovery_starts_in_the_middle() {
    let progress = |class, turn| ElementProgress { turn, ..ElementProgress::untouched(class) };
    let members = || {
        vec![
            ("pe1".to_owned(), progress(Class::A, Turn::Unknown)),
            ("pe2".to_owned(), progress(Class::A, Turn::Prepared)),
            ("pe3".to_owned(), progress(Class::D, Turn::Untouched)),
        ]
    };
    let mut machine = Machine::backward(members(), why(CauseKind::Interrupted));
    let acts = play(&mut machine, well);
    assert_eq!(sent(&acts), [("pe1".into(), Verb::Restore), ("pe2".into(), Verb::Withdraw)]);
    assert!(matches!(machine.outcome(), Some(Outcome::NotApplied { .. })));

    let mut machine = Machine::forward(members());
    let acts = play(&mut machine, well);
    let advanced = sent(&acts).iter().filter(|(_, verb)| *verb == Verb::Advance).count();
    assert_eq!(advanced, 3, "every element is asked again");
    assert_eq!(machine.outcome(), Some(Outcome::Applied));
}

#[test]
fn a_transaction_of_no_element_is_decided_at_once() {
    let mut machine = machine(&[]);
    assert_eq!(play(&mut machine, well), [Act::Write(Record::Intent(Phase::Decided)), Act::Write(Record::End)]);
    assert_eq!(machine.outcome(), Some(Outcome::Applied));
}

#[test]
fn hands_off_sends_nothing_more_in_any_state() {
    for state in STATES.into_iter().filter(|state| !matches!(state, State::Closed)) {
        let mut machine = in_state(state);
        let acts = machine.step(T0, Event::HandsOff(why(CauseKind::Interrupted))).unwrap();
        assert!(sent(&acts).is_empty() && !acts.iter().any(|act| matches!(act, Act::Write(_))), "{state:?}");
        assert_eq!(machine.state(), State::Abandoned);
    }
}

/// Without elements nothing was sent, and yet the decision may be durable: nobody may be told that it is not.
#[test]
fn a_decision_that_may_stand_is_never_told_as_not_applied() {
    let mut machine = machine(&[]);
    machine.step(T0, Event::Begin).unwrap();
    machine.step(T0, Event::HandsOff(why(CauseKind::Interrupted))).unwrap();
    assert!(matches!(machine.outcome(), Some(Outcome::Unresolved { .. })), "{:?}", machine.outcome());
}

/// The pairs that cannot happen, all others are legal. An illegal event leaves the machine as it was.
#[test]
fn illegal_pairs_are_refused_and_change_nothing() {
    use State::{
        Abandoned, Applying, Checking, Closed, Closing, Confirming, Deciding, Locking, Planned, Preparing, Restoring,
        Verifying,
    };
    let waits_for = |state: State| match state {
        Locking => Some(Record::Intent(Phase::Locked)),
        Preparing => Some(Record::Intent(Phase::Prepared)),
        Applying => Some(Record::Intent(Phase::Applied)),
        Verifying => Some(Record::Intent(Phase::Verified)),
        Deciding => Some(Record::Intent(Phase::Decided)),
        _ => None,
    };
    let records = [
        Record::Intent(Phase::Locked),
        Record::Intent(Phase::Prepared),
        Record::Intent(Phase::Applied),
        Record::Intent(Phase::Verified),
        Record::Intent(Phase::Decided),
        Record::End,
    ];
    let verbs = [
        Verb::Lock,
        Verb::Prepare,
        Verb::Apply,
        Verb::Verify,
        Verb::Check,
        Verb::Extend,
        Verb::Confirm,
        Verb::Advance,
        Verb::Withdraw,
        Verb::Restore,
        Verb::Release,
    ];
    let mut refused = 0;
    for state in STATES {
        let mut legal_verbs = Vec::new();
        match state {
            Confirming => legal_verbs.push(Verb::Confirm),
            Restoring => legal_verbs.push(Verb::Restore),
            Closing => legal_verbs.push(Verb::Release),
            Checking => legal_verbs.push(Verb::Check),
            Planned | Locking | Preparing | Applying | Verifying | Deciding | Closed | Abandoned => {}
        }
        let mut events = vec![(Event::Begin, matches!(state, Planned | Confirming | Restoring))];
        for record in records {
            let legal = waits_for(state) == Some(record);
            events.push((Event::Written(record), legal));
            events.push((Event::WriteFailed(record, why(CauseKind::Internal)), legal));
        }
        for verb in verbs {
            events.push((answered("pe1", verb, Answer::done()), legal_verbs.contains(&verb)));
            events.push((answered("nobody", verb, Answer::done()), false));
        }
        for (event, legal) in events {
            let mut machine = in_state(state);
            let (before, shown) = (machine.progress(), label(&event));
            let result = machine.step(T0, event);
            assert_eq!(result.is_ok(), legal, "{state:?}: {shown}");
            if !legal {
                assert_eq!((machine.state(), machine.progress()), (state, before), "{state:?}: {shown}");
                refused += 1;
            }
        }
    }
    assert!(refused > 200);
}
