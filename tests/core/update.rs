//! What was told of a subject is remembered while its link updates, within bounds, and leaves.

use notify_bridge::domain::command::{Attempted, Saying};
use notify_bridge::domain::event::{DeliveryKey, Event, Remember};
use notify_bridge::domain::reason::What;
use notify_bridge::domain::spec::EntityKind;
use notify_bridge::projections::messages::{MESSAGES_MAX, Message, Messages, Place};
use notify_bridge::targets::Verdict;
use proptest::prelude::*;

use crate::driver::{Core, accept, ready, target};

fn keep() -> Saying {
    saying(Remember::Keep)
}

fn saying(remember: Remember) -> Saying {
    Saying {
        remember,
        edited: None,
        anew: None,
        files: Default::default(),
    }
}

/// Tells a subject to every receiver, each in two parts.
fn tell(core: &mut Core, subject: &str, ids: &[&str], saying: &Saying) {
    core.run(accept(core.provider("p"), subject, None)).unwrap();
    loop {
        let due = core.due();
        if due.is_empty() {
            return;
        }
        for key in due {
            sent(core, key, ids, saying.clone());
        }
    }
}

fn sent(core: &mut Core, key: DeliveryKey, ids: &[&str], saying: Saying) {
    core.claim(key).unwrap();
    let verdict = Verdict::Sent {
        ids: ids.iter().map(|id| (*id).to_owned()).collect(),
        pause: None,
    };
    core.report_saying(key, Attempted::Judged(verdict), saying)
        .unwrap();
}

fn replays(core: &Core) {
    assert_eq!(core.folded(None), core.state);
    assert_eq!(core.folded(Some(core.log.len() / 2)), core.state);
}

#[test]
fn a_message_is_remembered_until_the_end_of_its_subject_is_told() {
    let mut core = ready(2);
    tell(&mut core, "a", &["41"], &keep());
    tell(&mut core, "b", &["42"], &keep());
    assert_eq!(core.state.messages.len(), 4);
    tell(&mut core, "a", &["41"], &saying(Remember::Forget));
    assert_eq!(core.state.messages.len(), 2);
    tell(&mut core, "b", &["42"], &saying(Remember::No));
    assert_eq!(core.state.messages.len(), 2, "another link's, or nobody's");
    tell(&mut core, "b", &[], &keep());
    assert!(
        core.state.messages.is_empty(),
        "what has no id cannot be edited"
    );
    replays(&core);
}

#[test]
fn an_edit_keeps_the_id_and_says_so() {
    let mut core = ready(1);
    tell(&mut core, "a", &["41"], &keep());
    let edited = Saying {
        remember: Remember::Keep,
        edited: Some("41".into()),
        anew: None,
        files: Default::default(),
    };
    tell(&mut core, "a", &[], &edited);
    let last = core.log.last().map(|(_, event)| event.clone());
    let Some(Event::DeliverySettled { why, ids, .. }) = last else {
        panic!("{last:?}");
    };
    assert_eq!((why, ids), (What::Edited, vec!["41".to_owned()]));
    assert_eq!(core.state.messages.len(), 1);
    replays(&core);
}

#[test]
fn what_cannot_be_edited_waits_for_its_turn_again_and_is_not_edited_any_more() {
    let mut core = ready(1);
    tell(&mut core, "a", &["41"], &keep());
    core.run(accept(core.provider("p"), "a", None)).unwrap();
    let key = core.due()[0];
    core.claim(key).unwrap();
    core.report_saying(key, Attempted::EditRefused("it is gone".into()), keep())
        .unwrap();
    assert_eq!(core.due(), [key]);
    let delivery = &core.state.outbox.deliveries[&key];
    let place = Place {
        via: delivery.via,
        receiver: delivery.receiver,
        subject: delivery.subject,
    };
    assert!(
        core.state
            .messages
            .get(place)
            .is_some_and(|message| !message.editable)
    );
    core.check();
    replays(&core);
}

#[test]
fn memory_leaves_with_tracker_target_and_receiver() {
    for what in [0, 1, 2] {
        let mut core = ready(2);
        tell(&mut core, "a", &["41"], &keep());
        let left = match what {
            0 => {
                core.remove(&[(EntityKind::Tracker, "w")]).unwrap();
                0
            }
            1 => {
                core.remove(&[(EntityKind::Tracker, "w"), (EntityKind::Target, "t")])
                    .unwrap();
                0
            }
            _ => {
                core.configure(vec![target("t", 1)]).unwrap();
                1
            }
        };
        assert_eq!(core.state.messages.len(), left, "{what}");
        replays(&core);
    }
}

#[test]
fn what_is_settled_after_its_tracker_went_is_not_remembered() {
    let mut core = ready(1);
    core.run(accept(core.provider("p"), "a", None)).unwrap();
    core.remove(&[(EntityKind::Tracker, "w")]).unwrap();
    core.log.clear();
    for key in core.due() {
        sent(&mut core, key, &["41"], keep());
        sent(&mut core, key, &["42"], keep());
    }
    assert!(core.state.outbox.deliveries.is_empty());
    assert!(core.state.messages.is_empty());
}

#[test]
fn the_oldest_message_makes_room() {
    let place = |subject: u64| Place {
        via: 1,
        receiver: 2,
        subject,
    };
    let message = |position: u64| Message {
        ids: vec![position.to_string()],
        position,
        notice: position,
        provider: 0,
        kind_hash: 0,
        tracker: 3,
        target: 4,
        editable: true,
    };
    let mut told = Messages::default();
    for n in 0..MESSAGES_MAX as u64 + 10 {
        told.keep(place(n), message(n + 1));
        // The first one is told again and again, and is so never the oldest.
        told.keep(place(0), message(1_000_000 + n));
    }
    assert_eq!(told.len(), MESSAGES_MAX);
    assert!(told.get(place(0)).is_some());
    assert!(told.get(place(10)).is_none());
    assert!(told.get(place(12)).is_some());
    told.forget_tracker(3);
    assert_eq!(told, Messages::default());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_tellings_replay_to_the_same_memory(
        tellings in proptest::collection::vec((0u8..4, 0u8..4, any::<bool>()), 1..30),
    ) {
        let mut core = ready(2);
        for (subject, what, edits) in tellings {
            core.run(accept(core.provider("p"), &subject.to_string(), None)).unwrap();
            for key in core.due() {
                core.claim(key).unwrap();
                let remember = [Remember::No, Remember::Keep, Remember::Forget][usize::from(what % 3)];
                let told = Saying { remember, edited: edits.then(|| "7".to_owned()), anew: None, files: Default::default() };
                let result = if what == 3 {
                    Attempted::EditRefused("no".into())
                } else {
                    Attempted::Judged(Verdict::Sent { ids: vec![key.position.to_string()], pause: None })
                };
                core.report_saying(key, result, told).unwrap();
            }
            core.check();
        }
        prop_assert_eq!(core.folded(None), core.state.clone());
        prop_assert_eq!(core.folded(Some(core.log.len() / 2)), core.state);
    }
}
