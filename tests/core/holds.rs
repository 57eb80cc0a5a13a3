//! What is held: windows, settling, grouping and digests, and what is gathered meanwhile.

use std::collections::{BTreeMap, BTreeSet};

use notify_bridge::domain::command::{Accept, Command, Due, Refusal, Told};
use notify_bridge::domain::event::{DeliveryKey, Event, Outcome, RequestKeys};
use notify_bridge::domain::hold::{UNTIL_RELEASED, Way};
use notify_bridge::domain::notice::{
    Collection, Item, ItemKind, Items, NoticeDraft, Severity, Subject, Transition,
};
use notify_bridge::domain::reason::What;
use notify_bridge::projections::outbox::Status;
use notify_bridge::wire;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::driver::{Core, entity, provider};

/// Tuesday, 24 November 2026, 12:00:00 UTC.
const NOON: i64 = 1_795_521_600_000_000;
const SECOND: i64 = 1_000_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;

/// One chat, one tracker with these keys, one link with those.
fn core(tracker: Value, link: Value, receiver: Value) -> Core {
    let mut core = Core::new();
    core.now = NOON;
    configure(&mut core, tracker, link, receiver);
    core
}

fn configure(core: &mut Core, tracker: Value, link: Value, receiver: Value) {
    let with = |mut base: Value, more: Value| {
        let (Value::Object(base_fields), Value::Object(more)) = (&mut base, more) else {
            panic!("objects");
        };
        base_fields.extend(more);
        base
    };
    let link = with(json!({"target": "t"}), link);
    let tracker = with(
        json!({"entity": "tracker", "name": "w", "provider": "p", "links": [link]}),
        tracker,
    );
    let receiver = with(json!({"name": "r", "to": "7"}), receiver);
    let target = json!({"entity": "target", "name": "t", "kind": "telegram", "pace": "off", "receivers": [receiver]});
    core.configure(vec![provider("p"), entity(target), entity(tracker)])
        .expect("a configuration");
}

fn noon_to_two(mode: &str) -> Value {
    json!({"quiet": [{"from": "12:00", "to": "14:00", "mode": mode}]})
}

fn notice(kind: &str, subject: &str, transition: Transition) -> NoticeDraft {
    NoticeDraft {
        kind: kind.into(),
        collection: Some(Collection {
            id: "1".into(),
            name: "attic".into(),
        }),
        subject: Subject {
            key: subject.into(),
            label: subject.into(),
        },
        transition,
        title: format!("{kind} {subject}"),
        ..NoticeDraft::default()
    }
}

fn photos(added: &[u32], removed: &[u32]) -> NoticeDraft {
    let items = |keys: &[u32]| {
        keys.iter()
            .map(|key| Item {
                key: key.to_string(),
                kind: ItemKind::Photo,
                ..Item::default()
            })
            .collect()
    };
    NoticeDraft {
        kind: if added.is_empty() {
            "assets_removed".into()
        } else {
            "assets_added".into()
        },
        items: Items {
            added: items(added),
            removed: items(removed),
            added_total: added.len() as u64,
            removed_total: removed.len() as u64,
        },
        ..notice("", "", Transition::None)
    }
}

impl Core {
    fn tell(&mut self, notices: Vec<NoticeDraft>) -> u64 {
        let first = self.state.position + 1;
        let provider = self.provider("p");
        let accept = Accept {
            provider,
            notices,
            keys: RequestKeys::default(),
            hops: 0,
        };
        self.run(Command::Accept(Box::new(accept)))
            .expect("accepted");
        first
    }

    /// Gives the timer's command for what is due now, until nothing is.
    fn release(&mut self) {
        loop {
            let due: Vec<Due> = self
                .state
                .outbox
                .held
                .iter()
                .take_while(|(until, _)| *until <= self.now)
                .map(|(_, key)| Due {
                    delivery: *key,
                    notices: self.gathered_by(*key),
                })
                .collect();
            if due.is_empty() {
                return;
            }
            self.run(Command::ReleaseDue { due }).expect("released");
        }
    }

    fn gathered_by(&self, key: DeliveryKey) -> Vec<(u64, notify_bridge::domain::event::Accepted)> {
        let delivery = &self.state.outbox.deliveries[&key];
        let positions: Vec<u64> = match delivery.gathered.as_deref() {
            Some(gathered) => gathered.members().iter().map(|m| m.notice).collect(),
            None => vec![delivery.notice],
        };
        let at = |position: u64| {
            self.log.iter().find_map(|(at, event)| match event {
                Event::Accepted(accepted) if at.position == position => {
                    Some((position, (**accepted).clone()))
                }
                _ => None,
            })
        };
        positions.into_iter().filter_map(at).collect()
    }

    fn statuses(&self) -> Vec<Status> {
        let deliveries = self.state.outbox.deliveries.values();
        deliveries.map(|delivery| delivery.status).collect()
    }

    /// Until when, and why, the only held delivery is held.
    fn held(&self) -> Option<(i64, What)> {
        let mut holds = self
            .state
            .outbox
            .deliveries
            .values()
            .filter_map(|delivery| delivery.hold.as_deref());
        let hold = holds.next().map(|hold| (hold.until, hold.why));
        assert_eq!(holds.next(), None, "one delivery is held");
        hold
    }

    fn wait(&mut self, micros: i64) {
        self.now += micros;
        self.release();
    }

    /// How the last of its planned deliveries was planned.
    fn way(&self, notice: u64) -> Option<Way> {
        self.log.iter().find_map(|(at, event)| match event {
            Event::Accepted(accepted) if at.position == notice => {
                accepted.plan.ways.last().map(|planning| planning.way)
            }
            _ => None,
        })
    }
}

#[test]
fn a_window_holds_silences_or_drops() {
    let mut held = core(noon_to_two("hold"), json!({}), json!({}));
    held.tell(vec![notice("push", "", Transition::None)]);
    assert_eq!(held.held(), Some((NOON + 2 * HOUR, What::HeldQuietHours)));
    assert!(held.due().is_empty());
    held.wait(2 * HOUR - SECOND);
    assert_eq!(held.statuses(), [Status::Held]);
    held.wait(SECOND);
    assert_eq!(held.statuses(), [Status::Due]);

    let mut silent = core(noon_to_two("silent"), json!({}), json!({}));
    silent.tell(vec![notice("push", "", Transition::None)]);
    let delivery = silent.state.outbox.deliveries.values().next();
    assert!(delivery.is_some_and(|delivery| delivery.silent && delivery.status == Status::Due));

    let mut dropped = core(noon_to_two("drop"), json!({}), json!({}));
    let position = dropped.tell(vec![notice("push", "", Transition::None)]);
    let why = What::DroppedQuietHours;
    assert_eq!(dropped.way(position), Some(Way::Dropped { why }));
    assert!(dropped.statuses().is_empty());
    let counts: u64 = dropped.state.counts.days.values().map(|c| c.dropped).sum();
    assert_eq!(counts, 1);
}

#[test]
fn the_nearest_windows_win_and_none_can_be_said() {
    // The link's window says hold, the receiver says that there is none.
    let mut core = core(json!({}), noon_to_two("hold"), json!({"quiet": []}));
    core.tell(vec![notice("push", "", Transition::None)]);
    assert_eq!(core.statuses(), [Status::Due]);
}

#[test]
fn what_pierces_passes_and_so_does_what_closes_it() {
    let mut core = core(noon_to_two("hold"), json!({}), json!({"silent": true}));
    for n in 0..500 {
        core.tell(vec![notice("push", &n.to_string(), Transition::None)]);
    }
    let mut low = notice("low_battery", "ups", Transition::Opens);
    low.severity = Severity::Critical;
    let low = core.tell(vec![low]);
    let through = Way::Now {
        silent: false,
        pierced: true,
    };
    assert_eq!(core.way(low), Some(through));
    assert_eq!(core.due().len(), 1);
    let back = core.tell(vec![notice("on_line", "ups", Transition::Closes)]);
    assert_eq!(core.way(back), Some(through));
    // The window is over and everything is due: the two are the first all the same.
    core.now += 2 * HOUR;
    core.release();
    let first: Vec<u64> = core.due().iter().take(2).map(|key| key.position).collect();
    assert_eq!(first[0], low);
    // What follows about the same subject pierces no more.
    core.now = NOON + 24 * HOUR;
    let again = core.tell(vec![notice("on_line", "ups", Transition::Closes)]);
    assert!(matches!(core.way(again), Some(Way::Held { .. })));
}

#[test]
fn down_and_up_again_within_a_window_says_nothing() {
    for together in [false, true] {
        let mut core = core(noon_to_two("hold"), json!({}), json!({}));
        let down = notice("firing", "disk", Transition::Opens);
        let up = notice("resolved", "disk", Transition::Closes);
        let other = notice("firing", "fan", Transition::Opens);
        if together {
            core.tell(vec![down, up]);
        } else {
            core.tell(vec![down]);
            core.tell(vec![up]);
        }
        assert!(core.statuses().is_empty(), "{:?}", core.log.last());
        let settled = core.log.iter().any(|(_, event)| {
            matches!(
                event,
                Event::DeliverySettled {
                    why: What::CancelledOut,
                    outcome: Outcome::Dropped,
                    ..
                }
            )
        });
        assert!(settled);
        core.tell(vec![other]);
        core.wait(2 * HOUR);
        assert_eq!(core.statuses(), [Status::Due]);
        assert_eq!(core.folded(None), core.state);
    }
}

#[test]
fn one_message_tells_what_came_of_a_kind_in_a_collection() {
    let mut core = core(noon_to_two("hold"), json!({}), json!({}));
    let mut expected = Vec::new();
    for n in 0..20 {
        expected.push(core.tell(vec![notice("push", &n.to_string(), Transition::None)]));
    }
    core.tell(vec![notice("release_published", "", Transition::None)]);
    assert_eq!(core.statuses(), [Status::Held, Status::Held]);
    let host = core.state.outbox.deliveries.values().next();
    let members = host.and_then(|delivery| delivery.gathered.as_deref());
    let members: Vec<u64> = members
        .map(|gathered| {
            gathered
                .members()
                .iter()
                .map(|member| member.notice)
                .collect()
        })
        .unwrap_or_default();
    assert_eq!(members, expected);
}

#[test]
fn items_added_and_removed_in_a_night_are_told_once_or_not_at_all() {
    let mut core = core(noon_to_two("hold"), json!({}), json!({}));
    core.tell(vec![photos(&[1, 2, 3], &[])]);
    core.tell(vec![photos(&[], &[2])]);
    core.tell(vec![photos(&[4], &[])]);
    core.tell(vec![photos(&[], &[9])]);
    let gathered = core.state.outbox.deliveries.values().next();
    let gathered = gathered.and_then(|delivery| delivery.gathered.as_deref());
    let gathered = gathered.expect("gathered");
    assert_eq!((gathered.counts(), gathered.count()), ((3, 1), 4));
    assert_eq!(gathered.direction("2"), None);
    // And everything back.
    core.tell(vec![photos(&[9], &[1, 3, 4])]);
    assert!(core.statuses().is_empty());
    assert_eq!(core.folded(None), core.state);
}

#[test]
fn fifty_thousand_items_stay_small() {
    let mut core = core(noon_to_two("hold"), json!({}), json!({}));
    for batch in 0..100u32 {
        let keys: Vec<u32> = (batch * 500..(batch + 1) * 500).collect();
        core.tell(vec![photos(&keys, &[])]);
    }
    assert_eq!(core.statuses(), [Status::Held]);
    let bytes = wire::encode_state(&core.state).expect("a snapshot").len();
    assert!(bytes < 2_000_000, "{bytes}");
    let gathered = core.state.outbox.deliveries.values().next();
    let gathered = gathered.and_then(|delivery| delivery.gathered.as_deref());
    assert_eq!(
        gathered.map(|gathered| gathered.counts()),
        Some((50_000, 0))
    );
}

#[test]
fn settling_waits_for_quiet_and_not_for_ever() {
    let mut core = core(
        json!({"settle": "2m", "settle_max": "5m"}),
        json!({}),
        json!({}),
    );
    core.tell(vec![photos(&[1], &[])]);
    assert_eq!(core.held(), Some((NOON + 2 * MINUTE, What::HeldSettling)));
    for key in 2..5 {
        core.wait(MINUTE);
        core.tell(vec![photos(&[key], &[])]);
    }
    assert_eq!(core.held(), Some((NOON + 5 * MINUTE, What::HeldSettling)));
    core.wait(2 * MINUTE);
    assert_eq!(core.statuses(), [Status::Due]);
}

#[test]
fn a_digest_is_due_by_the_clock_or_when_it_is_full() {
    let every = json!({"digest": {"every": "1h", "after": 3}});
    let mut core = core(json!({}), every, json!({}));
    core.now = NOON + 10 * MINUTE;
    core.tell(vec![notice("push", "", Transition::None)]);
    core.tell(vec![notice("issue_opened", "", Transition::None)]);
    assert_eq!(core.held(), Some((NOON + HOUR, What::HeldDigest)));
    core.wait(50 * MINUTE);
    assert_eq!(core.statuses(), [Status::Due]);
    core.send_all();
    for _ in 0..3 {
        core.tell(vec![notice("push", "", Transition::None)]);
    }
    core.release();
    assert_eq!(core.statuses(), [Status::Due], "three make it full");
}

#[test]
fn what_settles_in_the_night_waits_for_the_morning_and_becomes_one() {
    let tracker =
        json!({"settle": "1m", "quiet": [{"from": "12:00", "to": "14:00", "mode": "hold"}]});
    let mut core = core(tracker, json!({}), json!({}));
    core.tell(vec![photos(&[1], &[])]);
    core.wait(MINUTE);
    assert_eq!(core.held(), Some((NOON + 2 * HOUR, What::HeldQuietHours)));
    core.tell(vec![photos(&[2], &[])]);
    core.wait(MINUTE);
    assert_eq!(core.held(), Some((NOON + 2 * HOUR, What::HeldQuietHours)));
    core.wait(2 * HOUR);
    let gathered = core.state.outbox.deliveries.values().next();
    let gathered = gathered.and_then(|delivery| delivery.gathered.as_deref());
    assert_eq!(gathered.map(|gathered| gathered.counts()), Some((2, 0)));
    assert_eq!(core.statuses(), [Status::Due]);
}

#[test]
fn a_changed_window_plans_what_is_held_anew() {
    let mut core = core(noon_to_two("hold"), json!({}), json!({}));
    core.tell(vec![notice("push", "", Transition::None)]);
    let longer = json!({"quiet": [{"from": "12:00", "to": "15:00", "mode": "hold"}]});
    configure(&mut core, longer, json!({}), json!({}));
    core.run(Command::Replan { after: None }).expect("planned");
    assert_eq!(core.held(), Some((NOON + 3 * HOUR, What::HeldQuietHours)));
    configure(&mut core, json!({"quiet": []}), json!({}), json!({}));
    core.run(Command::Replan { after: None }).expect("planned");
    assert_eq!(core.statuses(), [Status::Due]);
}

#[test]
fn what_is_no_longer_wanted_is_not_sent_at_the_windows_end() {
    let mut core = core(noon_to_two("hold"), json!({}), json!({}));
    core.tell(vec![notice("push", "a", Transition::None)]);
    core.tell(vec![notice("push", "b", Transition::None)]);
    let mut only_a = noon_to_two("hold");
    only_a["where"] = json!("notice.subject.key == 'a'");
    configure(&mut core, only_a, json!({}), json!({}));
    core.wait(2 * HOUR);
    let gathered = core.state.outbox.deliveries.values().next();
    let gathered = gathered.and_then(|delivery| delivery.gathered.as_deref());
    assert_eq!(gathered.map(|gathered| gathered.count()), Some(1));

    core.tell(vec![notice("push", "c", Transition::None)]);
    let mut none = noon_to_two("hold");
    none["kinds"] = json!(["release_*"]);
    core.send_all();
    core.now = NOON + 24 * HOUR;
    configure(&mut core, noon_to_two("hold"), json!({}), json!({}));
    core.tell(vec![notice("push", "d", Transition::None)]);
    configure(&mut core, none, json!({}), json!({}));
    core.wait(2 * HOUR);
    assert!(core.statuses().is_empty());
}

#[test]
fn a_person_moves_and_releases() {
    let mut core = core(noon_to_two("hold"), json!({}), json!({}));
    core.tell(vec![notice("push", "", Transition::None)]);
    let key = *core.state.outbox.deliveries.keys().next().expect("one");
    let by = || "ada".to_owned();
    let hold = |until| Command::HoldUntil {
        delivery: key,
        until,
        by: by(),
    };
    let past = core.run(hold(Some(core.now)));
    assert!(matches!(past, Err(Refusal::Invalid { field, .. }) if field == "until"));
    core.run(hold(None)).expect("held");
    assert_eq!(core.held(), Some((UNTIL_RELEASED, What::HeldOperator)));
    core.wait(100 * HOUR);
    assert_eq!(core.statuses(), [Status::Held]);
    core.run(hold(Some(core.now + HOUR))).expect("moved");
    core.wait(HOUR);
    assert_eq!(core.statuses(), [Status::Due]);
    core.run(hold(Some(core.now + HOUR))).expect("moved again");
    // In the middle of the window, by a person: it goes, and is not held again when it is claimed.
    core.now = NOON + 240 * HOUR + MINUTE;
    core.run(Command::ReleaseNow {
        delivery: key,
        by: by(),
    })
    .expect("released");
    assert!(matches!(core.claim(key), Ok(Told::Claimed { .. })));
}

#[test]
fn what_waits_in_its_lane_until_quiet_hours_is_held_then() {
    let mut core = core(noon_to_two("hold"), json!({}), json!({}));
    core.now = NOON - MINUTE;
    core.tell(vec![notice("push", "", Transition::None)]);
    let key = core.due()[0];
    core.now = NOON + MINUTE;
    assert_eq!(core.claim(key), Ok(Told::Done));
    assert_eq!(core.held(), Some((NOON + 2 * HOUR, What::HeldQuietHours)));
    core.wait(2 * HOUR);
    core.send_all();
    assert!(core.statuses().is_empty());
}

#[test]
fn a_step_of_the_clock_moves_spans_and_not_moments() {
    let mut core = core(json!({"settle": "10m"}), json!({}), json!({}));
    core.tell(vec![photos(&[1], &[])]);
    for by_micros in [24 * HOUR, -48 * HOUR] {
        core.now += by_micros;
        core.run(Command::ClockStepped { by_micros })
            .expect("noted");
        core.release();
        assert_eq!(
            core.held(),
            Some((core.now + 10 * MINUTE, What::HeldSettling))
        );
    }
    let mut civil = self::core(noon_to_two("hold"), json!({}), json!({}));
    civil.tell(vec![notice("push", "", Transition::None)]);
    // Into the same window of the next day: still quiet, so still held.
    civil.now += 24 * HOUR;
    civil
        .run(Command::ClockStepped {
            by_micros: 24 * HOUR,
        })
        .expect("noted");
    civil.release();
    assert_eq!(civil.held(), Some((NOON + 26 * HOUR, What::HeldQuietHours)));
}

#[derive(Debug, Clone)]
pub(super) enum Step {
    Tell(Vec<(u8, u8, u8)>),
    Wait(u32),
    Send,
    Shift(i32),
    Policy(u8),
    Person { nth: usize, what: u8 },
}

pub(super) fn step() -> impl Strategy<Value = Step> {
    let told = (0u8..5, 0u8..4, 0u8..6);
    prop_oneof![
        6 => proptest::collection::vec(told, 1..4).prop_map(Step::Tell),
        4 => (0u32..7_000).prop_map(Step::Wait),
        2 => Just(Step::Send),
        1 => (-90_000i32..90_000).prop_map(Step::Shift),
        1 => (0u8..6).prop_map(Step::Policy),
        1 => (0usize..6, 0u8..4).prop_map(|(nth, what)| Step::Person { nth, what }),
    ]
}

fn made((what, subject, item): (u8, u8, u8)) -> NoticeDraft {
    let subject = subject.to_string();
    let item = u32::from(item);
    match what {
        0 => notice("firing", &subject, Transition::Opens),
        1 => notice("resolved", &subject, Transition::Closes),
        2 => photos(&[item, item + 1], &[]),
        3 => photos(&[], &[item]),
        _ => notice("push", &subject, Transition::None),
    }
}

pub(super) fn policy(core: &mut Core, which: u8) {
    let (tracker, link, receiver) = match which {
        0 => (noon_to_two("hold"), json!({}), json!({})),
        1 => (json!({"settle": "2m"}), json!({}), json!({})),
        2 => (
            json!({}),
            json!({"digest": {"every": "1h", "after": 5}}),
            json!({}),
        ),
        3 => (
            noon_to_two("hold"),
            json!({}),
            json!({"digest": {"at": ["13:00"]}}),
        ),
        4 => (
            json!({"group": {"by": "notice.kind"}}),
            noon_to_two("silent"),
            json!({}),
        ),
        _ => (
            json!({"settle": "30s"}),
            json!({"digest": {"every": "30m"}}),
            noon_to_two("hold"),
        ),
    };
    configure(core, tracker, link, receiver);
    let mut after = None;
    loop {
        let last = notify_bridge::domain::decide::held_after(&core.state, after).pop();
        let Some(last) = last else { return };
        core.run(Command::Replan { after }).expect("planned");
        after = Some(last);
    }
}

pub(super) fn take(core: &mut Core, step: &Step) {
    match step {
        Step::Tell(notices) => {
            core.tell(notices.iter().copied().map(made).collect());
        }
        Step::Wait(seconds) => core.wait(i64::from(*seconds) * SECOND),
        Step::Send => {
            core.release();
            core.send_all();
        }
        Step::Shift(seconds) => {
            let by_micros = i64::from(*seconds) * SECOND;
            core.now += by_micros;
            core.run(Command::ClockStepped { by_micros })
                .expect("noted");
        }
        Step::Policy(which) => policy(core, *which),
        Step::Person { nth, what } => {
            let Some(key) = core.state.outbox.deliveries.keys().nth(*nth).copied() else {
                return;
            };
            let by = "ada".to_owned();
            let until = core.now + HOUR;
            // A refusal is an answer too.
            let _answer = core.run(match what {
                0 => Command::ReleaseNow { delivery: key, by },
                1 => Command::HoldUntil {
                    delivery: key,
                    until: Some(until),
                    by,
                },
                2 => Command::HoldUntil {
                    delivery: key,
                    until: None,
                    by,
                },
                _ => Command::Operate {
                    delivery: key,
                    action: notify_bridge::domain::event::Action::Drop,
                    by,
                },
            });
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn held_or_not_it_replays_to_the_same_state(first in 0u8..6, steps in proptest::collection::vec(step(), 1..50), cut in 0usize..200) {
        let mut core = core(json!({}), json!({}), json!({}));
        policy(&mut core, first);
        for step in &steps {
            take(&mut core, step);
            core.check();
        }
        prop_assert_eq!(&core.folded(None), &core.state);
        prop_assert_eq!(&core.folded(Some(cut % core.log.len())), &core.state);
    }

    /// Every planned delivery is open, or ended once: sent, dropped, merged or taken back.
    #[test]
    fn nothing_is_uncounted(first in 0u8..6, steps in proptest::collection::vec(step(), 1..50)) {
        let mut core = core(json!({}), json!({}), json!({}));
        policy(&mut core, first);
        for step in &steps {
            take(&mut core, step);
        }
        let mut planned = BTreeSet::new();
        let mut ends: BTreeMap<DeliveryKey, u32> = BTreeMap::new();
        for (at, event) in &core.log {
            match event {
                Event::Accepted(accepted) => {
                    for index in 0..accepted.plan.planned.len() as u16 {
                        let key = DeliveryKey { position: at.position, ordinal: index + 1 };
                        planned.insert(key);
                        let way = accepted.plan.ways.iter().find(|planning| planning.index == index);
                        match way.map(|planning| planning.way) {
                            Some(Way::Merged { .. } | Way::Cancelled { .. } | Way::Dropped { .. }) => {
                                *ends.entry(key).or_default() += 1;
                            }
                            Some(Way::Now { .. } | Way::Held { .. }) | None => {}
                        }
                    }
                }
                Event::DeliverySettled { delivery, outcome, .. } if *outcome != Outcome::Parked => {
                    *ends.entry(*delivery).or_default() += 1;
                }
                Event::DeliveryMerged { delivery, .. } | Event::DeliveryOperated { delivery, .. } => {
                    *ends.entry(*delivery).or_default() += 1;
                }
                _ => {}
            }
        }
        let open: BTreeSet<DeliveryKey> = core.state.outbox.deliveries.keys().copied().collect();
        for key in &planned {
            let count = ends.get(key).copied().unwrap_or(0) + u32::from(open.contains(key));
            prop_assert_eq!(count, 1, "{:?}", key);
        }
    }
}
