//! What is sent of a backlog once an outage is over.

use std::time::Duration;

use notify_bridge::domain::command::{Accept, Command};
use notify_bridge::domain::event::{Event, Outcome};
use notify_bridge::domain::notice::Severity;
use notify_bridge::domain::reason::What;
use notify_bridge::targets::Scope;
use serde_json::json;

use super::{HOUR, SECOND, core, failed, sent};
use crate::driver::{Core, draft};

/// What is told of a backlog: what was said of each subject, in order, and what became of the rest.
fn backlog(catch_up: serde_json::Value, wait: i64, outage: bool) -> (Vec<String>, Core) {
    let mut core = core(json!({"catch_up": catch_up}));
    if !outage {
        core.run(Command::Pause { by: "me".into() }).unwrap();
    }
    for subject in ["a", "b", "a", "c", "a"] {
        core.give(subject);
    }
    let mut plain = draft("", Severity::Info);
    plain.kind = "other".into();
    for _ in 0..2 {
        let command = Accept {
            provider: core.provider("p"),
            notices: vec![plain.clone()],
            keys: Default::default(),
            hops: 0,
        };
        core.run(Command::Accept(Box::new(command))).unwrap();
    }
    let until = core.now + wait;
    while outage && core.now < until {
        core.step("t", |_| failed(Scope::Target));
    }
    core.now = core.now.max(until) + Duration::from_secs(600).as_micros() as i64;
    core.run(Command::Resume { by: "me".into() }).unwrap();
    core.now += SECOND;
    let mut told = Vec::new();
    for _ in 0..60 {
        told.extend(core.step("t", |_| sent()));
    }
    core.check_replay();
    (told, core)
}

#[test]
fn a_backlog_is_caught_up_with_as_the_link_says() {
    for outage in [true, false] {
        let (told, core) = backlog(json!("all"), HOUR, outage);
        assert_eq!(told.len(), 7, "{outage}");
        assert_eq!(core.open_to("t"), 0);

        let (mut told, core) = backlog(json!("newest"), HOUR, outage);
        told.sort();
        assert_eq!(told, ["", "a", "b", "c"], "{outage}");
        let dropped = core
            .settled()
            .into_iter()
            .filter(|(_, why)| *why == What::Superseded);
        assert_eq!(dropped.count(), 3);

        let (told, core) = backlog(json!("summary"), HOUR, outage);
        assert_eq!(told.len(), 1, "{outage}");
        let merged = core
            .log
            .iter()
            .filter(|(_, event)| matches!(event, Event::DeliveryMerged { .. }));
        assert_eq!(merged.count(), 6);

        let (told, core) = backlog(json!({"max_age": "30m"}), HOUR, outage);
        assert!(told.is_empty(), "{outage}: {told:?}");
        assert!(
            core.settled()
                .iter()
                .all(|settled| *settled == (Outcome::Dropped, What::TooOld))
        );
        let (told, _) = backlog(json!({"max_age": "6h"}), HOUR, outage);
        assert_eq!(told.len(), 7, "{outage}");
    }
}

#[test]
fn what_did_not_wait_through_an_outage_is_sent_as_it_comes() {
    let mut core = core(json!({"catch_up": "newest"}));
    for _ in 0..3 {
        core.give("a");
    }
    let mut told = 0;
    for _ in 0..10 {
        told += core.step("t", |_| sent()).len();
    }
    assert_eq!(told, 3);
}
