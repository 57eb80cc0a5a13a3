//! How bad a notice is for a tracker, and how little it takes to say that thousands are held.

use notify_bridge::domain::command::{Accept, Command};
use notify_bridge::domain::event::{Accepted, DeliveryKey, Event, RequestKeys};
use notify_bridge::domain::hold::Way;
use notify_bridge::domain::id::ORDINAL_MAX;
use notify_bridge::domain::notice::{NoticeDraft, Severity, Subject, Transition};
use notify_bridge::wire;
use notify_store::{PAYLOAD_BYTES_MAX, Payload};
use serde_json::{Value, json};

use crate::driver::{Core, entity, provider};

/// Tuesday, 24 November 2026, 12:00:00 UTC.
const NOON: i64 = 1_795_521_600_000_000;

fn notice(kind: &str, severity: Severity, transition: Transition) -> NoticeDraft {
    NoticeDraft {
        kind: kind.into(),
        subject: Subject {
            key: "pump".into(),
            label: "pump".into(),
        },
        transition,
        severity,
        title: kind.into(),
        ..NoticeDraft::default()
    }
}

fn tell(core: &mut Core, notice: NoticeDraft) -> Accepted {
    let first = core.log.len();
    core.run(Command::Accept(Box::new(Accept {
        provider: core.provider("p"),
        notices: vec![notice],
        keys: RequestKeys::default(),
        hops: 0,
    })))
    .unwrap();
    match &core.log[first].1 {
        Event::Accepted(accepted) => Accepted::clone(accepted),
        other => panic!("{other:?}"),
    }
}

fn with(tracker: Value) -> Core {
    let mut core = Core::new();
    core.now = NOON;
    let mut base =
        json!({"entity": "tracker", "name": "w", "provider": "p", "links": [{"target": "t"}]});
    let (Value::Object(fields), Value::Object(more)) = (&mut base, tracker) else {
        panic!("objects");
    };
    fields.extend(more);
    let target = json!({"entity": "target", "name": "t", "kind": "telegram", "pace": "off", "receivers": [{"name": "r", "to": "7"}]});
    core.configure(vec![provider("p"), entity(target), entity(base)])
        .expect("a configuration");
    core
}

#[test]
fn a_trackers_severity_decides_the_rank() {
    for (severity, own, first) in [
        (json!({"leak": "critical"}), Severity::Info, "leak"),
        (
            json!({"note": "info", "leak": "warning"}),
            Severity::Critical,
            "note",
        ),
        (
            json!("'critical' if notice.kind == 'leak' else 'info'"),
            Severity::Info,
            "leak",
        ),
    ] {
        let mut core = with(json!({"severity": severity.clone()}));
        tell(
            &mut core,
            NoticeDraft {
                subject: Subject::default(),
                ..notice("note", Severity::Info, Transition::None)
            },
        );
        tell(
            &mut core,
            NoticeDraft {
                subject: Subject::default(),
                ..notice("leak", own, Transition::None)
            },
        );
        let [next, _] = core.due()[..] else {
            panic!("two are due");
        };
        let (_, Event::Accepted(accepted)) = &core.log[usize::try_from(next.position).unwrap() - 1]
        else {
            panic!("accepted");
        };
        assert_eq!(accepted.notice.kind, first, "{severity}");
        assert_eq!(core.folded(None), core.state);
    }
}

#[test]
fn what_closes_what_pierced_for_its_tracker_pierces_too() {
    let quiet = json!([{"from": "11:00", "to": "13:00", "mode": "hold"}]);
    for (severity, own, pierced) in [
        (json!({"down": "critical"}), Severity::Warning, true),
        (json!({"down": "info"}), Severity::Critical, false),
    ] {
        let mut core = with(json!({"quiet": quiet, "severity": severity}));
        for (kind, severity, transition) in [
            ("down", own, Transition::Opens),
            ("up", Severity::Success, Transition::Closes),
        ] {
            let accepted = tell(&mut core, notice(kind, severity, transition));
            let way = accepted.plan.ways.first().map(|planning| planning.way);
            let goes = matches!(way, Some(Way::Now { pierced: true, .. }));
            assert_eq!(goes, pierced, "{kind} of {own:?}: {way:?}");
        }
        assert_eq!(core.folded(None), core.state);
    }
}

/// A hundred chats of a hundred bots each, told of everything by one link.
fn ten_thousand(tracker: Value, receiver: impl Fn(usize) -> Value) -> Core {
    let mut core = with(json!({"enabled": false}));
    let mut specs = Vec::new();
    let mut names = Vec::new();
    for bot in 0..100 {
        let receivers: Vec<Value> = (0..100)
            .map(|chat| {
                let mut base = json!({"name": format!("r{chat}"), "to": chat.to_string()});
                if let (Value::Object(fields), Value::Object(more)) =
                    (&mut base, receiver(bot * 100 + chat))
                {
                    fields.extend(more);
                }
                base
            })
            .collect();
        names.push(format!("bot-{bot}"));
        specs.push(entity(json!({"entity": "target", "name": names[bot], "kind": "telegram", "receivers": receivers})));
    }
    specs.push(entity(
        json!({"entity": "target", "name": "all", "kind": "broadcast", "targets": names}),
    ));
    let mut base = json!({"entity": "tracker", "name": "every", "provider": "p", "links": [{"target": "all"}]});
    if let (Value::Object(fields), Value::Object(more)) = (&mut base, tracker) {
        fields.extend(more);
    }
    specs.push(entity(base));
    core.configure(specs).expect("a configuration");
    core
}

fn bytes(event: &Event) -> usize {
    let mut bytes = Vec::new();
    event.encode(&mut bytes);
    assert!(bytes.len() <= wire::weight(event), "{}", bytes.len());
    let read = Event::decode(event.kind(), event.revision(), &bytes);
    assert_eq!(read.as_ref(), Ok(event));
    bytes.len()
}

#[test]
fn ten_thousand_receivers_that_are_held_alike_take_little() {
    let quiet = json!([{"from": "11:00", "to": "13:00", "mode": "hold"}]);
    for tracker in [
        json!({"quiet": quiet}),
        json!({"group": {"by": "notice.kind", "wait": "30s"}}),
    ] {
        let mut core = ten_thousand(tracker, |_| json!({}));
        for nth in 0..2 {
            // The second one joins the first.
            let accepted = tell(
                &mut core,
                notice("firing", Severity::Warning, Transition::Opens),
            );
            let planned = accepted.plan.planned.len();
            assert_eq!(planned, usize::from(ORDINAL_MAX));
            assert_eq!(accepted.plan.ways.len(), planned);
            let merged = matches!(
                accepted.plan.ways[9].way,
                Way::Merged {
                    host: DeliveryKey { ordinal: 10, .. },
                    ..
                }
            );
            assert_eq!(merged, nth == 1);
            let bytes = bytes(&Event::Accepted(Box::new(accepted)));
            assert!(bytes < 64 * 1_024, "{bytes}");
        }
    }
}

#[test]
fn receivers_that_are_held_each_in_a_way_of_its_own_fit_as_well() {
    let window = |n: usize| {
        let to = format!("{:02}:{:02}", 13 + n % 10, n / 10 % 60);
        json!({"quiet": [{"from": "11:00", "to": to, "mode": "hold"}]})
    };
    for text in [100, 40_000] {
        let mut core = ten_thousand(json!({}), window);
        let large = NoticeDraft {
            text: "x".repeat(text),
            ..notice("firing", Severity::Warning, Transition::Opens)
        };
        let accepted = tell(&mut core, large);
        assert!(accepted.plan.planned.len() > 500, "many are still reached");
        let bytes = bytes(&Event::Accepted(Box::new(accepted)));
        assert!(bytes < PAYLOAD_BYTES_MAX, "{bytes}");
    }
}
