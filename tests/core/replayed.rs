//! What the log says, once more: each decision is made again, each change is named, and a store gives
//! the same with a snapshot and without.

use std::collections::BTreeMap;

use notify_bridge::domain::changes::changes;
use notify_bridge::domain::event::Accepted;
use notify_bridge::domain::redecide::{Again, Recorded, again};
use notify_bridge::domain::state::{At, Rows, State};
use notify_bridge::shell::replay::{Check, Replay};
use notify_bridge::shell::{rebuild, snapshots};
use notify_store::{Batch, Log, Options};

use super::*;

/// Every command of the story is decided as it was, and every event names what it changed.
pub fn decided_again(core: &Core) {
    let accepted: BTreeMap<u64, &Accepted> = core
        .log
        .iter()
        .filter_map(|(at, event)| match event {
            Event::Accepted(accepted) => Some((at.position, &**accepted)),
            _other => None,
        })
        .collect();
    let mut read = |position: u64| accepted.get(&position).map(|found| Accepted::clone(found));
    let mut state = State::default();
    let commands = commands(core);
    // What was decided after a gap met a state that is not there, until one is carried over the gap.
    let mut has_gap = false;
    for (index, events) in commands.iter().enumerate() {
        let at = events[0].0;
        let after = commands.get(index + 1).map(|after| after[0].0.position);
        let positions = events.iter().map(|(at, _)| at.position).chain(after);
        let is_whole = core.firsts.contains(&at.position) && at.position == state.position + 1;
        has_gap |= !is_whole || !positions.is_sorted_by(|one, next| one + 1 == *next);
        if has_gap {
            for (at, event) in *events {
                // Changes are named of a state that lacks nothing.
                state.evolve(*at, event, &mut Rows::new());
                has_gap &=
                    !matches!(event, Event::StateCarried { part, parts, .. } if part + 1 == *parts);
            }
            continue;
        }
        let payloads: Vec<Event> = events.iter().map(|(_, event)| event.clone()).collect();
        let recorded = Recorded {
            at,
            events: &payloads,
        };
        let decided = again(&state, recorded, &mut read);
        assert_eq!(decided, Again::Same, "at {at:?}, recorded {payloads:#?}");
        for (at, event) in *events {
            evolve_and_name(&mut state, *at, event);
        }
    }
}

fn evolve_and_name(state: &mut State, at: At, event: &Event) {
    let mut before = state.clone();
    state.evolve(at, event, &mut Rows::new());
    before.position = state.position;
    let named = changes(&before, state);
    assert_eq!(named.is_empty(), before == *state, "{event:?}: {named:?}");
}

/// The story, command by command.
fn commands(core: &Core) -> Vec<&[(At, Event)]> {
    core.log
        .chunk_by(|_, (at, _)| !core.firsts.contains(&at.position))
        .collect()
}

/// The story as the ledger writes it.
fn recorded(core: &Core) -> Vec<Vec<notify_store::Recorded<Event>>> {
    let commands = commands(core).into_iter();
    commands
        .map(|events| {
            let first = events[0].0.position;
            let events = events.iter();
            events
                .map(|(at, event)| notify_store::Recorded {
                    position: at.position,
                    recorded_at: at.recorded_at,
                    space: 0,
                    causation: if at.position == first { 0 } else { first },
                    correlation: [7; 16],
                    payload: event.clone(),
                })
                .collect()
        })
        .collect()
}

struct Store {
    folder: tempfile::TempDir,
    log: Log<Event>,
}

impl Store {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = Log::open(folder.path(), &Options::default(), &|_| {}).unwrap();
        Store { folder, log }
    }

    fn append(&mut self, commands: &[Vec<notify_store::Recorded<Event>>]) {
        let events: Vec<_> = commands.iter().flatten().cloned().collect();
        self.log.append(&Batch::of(events)).unwrap();
    }

    fn rebuilt(&self) -> State {
        rebuild::rebuild(self.folder.path(), &self.log.reader(), &|_, _, _| {}).unwrap()
    }
}

fn story(steps: &[Step]) -> Core {
    let mut core = ready(2);
    for step in steps {
        take(&mut core, step);
    }
    core
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Ids, counters, keys of redeliveries and everything else.
    #[test]
    fn a_store_gives_the_same_with_a_snapshot_and_without(
        steps in proptest::collection::vec(step(), 1..60),
        cut in any::<proptest::sample::Index>(),
    ) {
        let core = story(&steps);
        let commands = recorded(&core);
        let (early, late) = commands.split_at(cut.index(commands.len()));
        let mut store = Store::new();
        if !early.is_empty() {
            store.append(early);
            let made = snapshots::make(store.folder.path(), &store.log.reader()).unwrap();
            prop_assert_eq!(made.position, store.log.next_position() - 1);
        }
        store.append(late);
        prop_assert_eq!(&store.rebuilt(), &core.state);
        std::fs::remove_dir_all(store.folder.path().join("snapshots")).ok();
        prop_assert_eq!(&store.rebuilt(), &core.state);

        let reader = store.log.reader();
        let mut check = Check::new(&reader, State::default(), u64::MAX);
        prop_assert!(check.difference().unwrap().is_none());
        prop_assert_eq!(check.tally.events, core.state.position);
        prop_assert_eq!(check.tally.same, commands.len() as u64);
        let mut replay = Replay::new(&reader, State::default());
        while replay.step().unwrap().is_some() {}
        prop_assert_eq!(replay.state(), &core.state);
    }
}

/// A decision that was altered in the store is found, and others are not blamed.
#[test]
fn an_altered_decision_is_found() {
    let mut core = ready(2);
    let provider = core.provider("p");
    for subject in ["a", "b"] {
        core.run(accept(provider, subject, None)).unwrap();
    }
    let keys = core.due();
    core.claim(keys[0]).unwrap();
    core.report(keys[0], attempted(2)).unwrap();
    core.claim(keys[1]).unwrap();
    core.report(keys[1], attempted(3)).unwrap();
    type Alter = fn(&mut Event) -> bool;
    let cases: [(&str, Alter); 5] = [
        ("a receiver less", |event| match event {
            Event::Accepted(accepted) => accepted.plan.planned.pop().is_some(),
            _other => false,
        }),
        ("another day", |event| match event {
            Event::Accepted(accepted) => {
                accepted.day += 1;
                true
            }
            _other => false,
        }),
        ("an earlier try", |event| match event {
            Event::AttemptFailed {
                retry_at,
                scope: Scope::Message,
                ..
            } => {
                *retry_at -= 1;
                true
            }
            _other => false,
        }),
        ("a wait that nobody asked for", |event| match event {
            Event::AttemptFailed {
                retry_at,
                scope: Scope::Receiver,
                ..
            } => {
                *retry_at += 1;
                true
            }
            _other => false,
        }),
        ("an id that was given away", |event| match event {
            Event::EntityPut { id, .. } => {
                *id += 1;
                true
            }
            _other => false,
        }),
    ];
    for (what, alter) in cases {
        let mut commands = recorded(&core);
        let altered = commands
            .iter_mut()
            .flatten()
            .find_map(|event| alter(&mut event.payload).then_some(event.position));
        let altered = altered.unwrap_or_else(|| panic!("nothing to alter: {what}"));
        let mut store = Store::new();
        store.append(&commands);
        let reader = store.log.reader();
        let mut check = Check::new(&reader, State::default(), u64::MAX);
        let found = check.difference().unwrap();
        let found = found.unwrap_or_else(|| panic!("not found: {what}"));
        let positions: Vec<u64> = found.recorded.iter().map(|event| event.position).collect();
        assert!(positions.contains(&altered), "{what}: {positions:?}");
    }
}

/// What a bridge does, the timer and people included, in one store.
#[test]
fn a_gap_is_said_and_a_snapshot_after_it_goes_on() {
    let mut core = ready(1);
    let provider = core.provider("p");
    let mut store = Store::new();
    core.run(accept(provider, "a", None)).unwrap();
    core.send_all();
    let gone: Vec<u64> = core.log.iter().map(|(at, _)| at.position).skip(5).collect();
    store.append(&recorded(&core));
    let snapshot = snapshots::make(store.folder.path(), &store.log.reader()).unwrap();
    let before = recorded(&core).len();
    core.run(accept(provider, "b", None)).unwrap();
    store.append(&recorded(&core)[before..]);
    let removal = notify_store::Removal {
        frames: gone,
        ..notify_store::Removal::default()
    };
    store.log.remove(&removal).unwrap();
    let reader = store.log.reader();
    let mut check = Check::new(&reader, State::default(), u64::MAX);
    assert!(check.difference().unwrap().is_none());
    assert!(!check.tally.unknown.is_empty());
    let base =
        notify_bridge::shell::replay::base(store.folder.path(), &reader, Some(snapshot.position));
    let mut check = Check::new(&reader, base.unwrap(), u64::MAX);
    assert!(check.difference().unwrap().is_none());
    assert!(check.tally.unknown.is_empty());
    assert_eq!(check.tally.same, 1);
    let wrong = notify_bridge::shell::replay::base(store.folder.path(), &reader, Some(1));
    let told = wrong.expect_err("there is none").to_string();
    assert!(told.contains(&snapshot.position.to_string()), "{told}");
}
