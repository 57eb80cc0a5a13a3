//! What is seen at a provider that is asked: taken whole or not at all, kept as long as its place.

use std::sync::Arc;

use notify_bridge::domain::command::{Command, Observe, Refusal, Told};
use notify_bridge::domain::event::Event;
use notify_bridge::domain::notice::{NoticeDraft, Severity};
use notify_bridge::domain::spec::EntityKind;
use notify_bridge::projections::cursors::{
    CURSOR_BYTES_MAX, CURSOR_KEY_BYTES_MAX, CURSORS_BYTES_MAX, CURSORS_MAX,
};
use notify_store::{PAYLOAD_BYTES_MAX, Payload as _};
use serde_json::{Value, json};

use crate::driver::{Core, draft, entity, target, tracker};

type Moved = Vec<(String, Option<Arc<[u8]>>)>;

fn asked(more: Value) -> Core {
    let mut core = Core::new();
    core.configure(vec![ups(more), target("t", 1), tracker("w", "power", "t")])
        .unwrap();
    core
}

fn ups(more: Value) -> notify_bridge::domain::spec::EntitySpec {
    let mut spec =
        json!({"entity": "provider", "name": "power", "kind": "nut", "host": "a.example"});
    for (key, value) in more.as_object().unwrap() {
        spec[key] = value.clone();
    }
    entity(spec)
}

fn moved(cursors: &[(&str, Option<&[u8]>)]) -> Moved {
    let cursors = cursors.iter();
    cursors
        .map(|(key, bytes)| ((*key).to_owned(), bytes.map(Arc::from)))
        .collect()
}

fn observe(core: &mut Core, cursors: Moved, notices: Vec<NoticeDraft>) -> Result<Told, Refusal> {
    let provider = core.state.configuration.provider("power").unwrap();
    let (provider, revision) = (provider.id, provider.revision);
    core.run(Command::Observe(Box::new(Observe {
        provider,
        revision,
        cursors,
        notices,
    })))
}

fn kept(core: &Core) -> Vec<(String, Vec<u8>)> {
    let cursors = core.state.cursors.of(core.provider("power"));
    let cursors = cursors.into_iter().flatten();
    cursors
        .map(|(key, bytes)| (key.clone(), bytes.to_vec()))
        .collect()
}

#[test]
fn an_observation_is_one_and_what_did_not_change_appends_nothing() {
    let mut core = asked(json!({}));
    let before = core.log.len();
    observe(
        &mut core,
        moved(&[("a", Some(b"1")), ("b", Some(b"2"))]),
        vec![draft("s", Severity::Info), draft("t", Severity::Info)],
    )
    .unwrap();
    let kinds: Vec<u16> = core.log[before..].iter().map(|(_, e)| e.kind()).collect();
    assert_eq!(kinds, [20, 20, 90, 90]);
    let before = core.log.len();
    observe(&mut core, moved(&[("a", Some(b"1")), ("c", None)]), vec![]).unwrap();
    assert_eq!(core.log.len(), before, "a tick that changed nothing");
    observe(&mut core, moved(&[("a", None), ("b", Some(b"3"))]), vec![]).unwrap();
    assert_eq!(kept(&core), [("b".to_owned(), b"3".to_vec())]);
    assert_eq!(core.folded(None), core.state);
    assert_eq!(core.folded(Some(core.log.len() / 2)), core.state);
}

#[test]
fn a_configuration_that_changed_meanwhile_refuses_it() {
    let mut core = asked(json!({}));
    let provider = core.state.configuration.provider("power").unwrap();
    let command = Command::Observe(Box::new(Observe {
        provider: provider.id,
        revision: provider.revision,
        cursors: moved(&[("a", Some(b"1"))]),
        notices: vec![draft("s", Severity::Info)],
    }));
    core.configure(vec![ups(json!({"description": "new"}))])
        .unwrap();
    assert_eq!(core.run(command.clone()), Err(Refusal::Outdated));
    core.configure(vec![ups(json!({"enabled": false}))])
        .unwrap();
    assert!(matches!(
        core.run(command.clone()),
        Err(Refusal::NotFound { .. })
    ));
    core.remove(&[(EntityKind::Tracker, "w"), (EntityKind::Provider, "power")])
        .unwrap();
    assert!(matches!(core.run(command), Err(Refusal::NotFound { .. })));
}

#[test]
fn cursors_stay_as_long_as_the_place() {
    for (change, stays) in [
        (json!({"description": "racks"}), true),
        (json!({"interval": "10s"}), true),
        (json!({"username": "watcher"}), true),
        (json!({"host": "b.example"}), false),
        (json!({"port": 3494}), false),
        (json!({"url": "https://c.example"}), false),
    ] {
        let mut core = asked(json!({}));
        observe(&mut core, moved(&[("a", Some(b"1"))]), vec![]).unwrap();
        core.configure(vec![ups(change.clone())]).unwrap();
        assert_eq!(!kept(&core).is_empty(), stays, "{change}");
        core.remove(&[(EntityKind::Tracker, "w"), (EntityKind::Provider, "power")])
            .unwrap();
        assert_eq!(core.state.cursors, Default::default());
        assert_eq!(core.folded(None), core.state);
    }
}

#[test]
fn cursors_are_bounded() {
    let mut core = asked(json!({}));
    let large = vec![7u8; CURSOR_BYTES_MAX];
    let key = "k".repeat(CURSOR_KEY_BYTES_MAX);
    let largest = moved(&[(&key, Some(&large))]);
    observe(&mut core, largest, vec![]).unwrap();
    let (_, event) = core.log.last().unwrap();
    let mut bytes = Vec::new();
    event.encode(&mut bytes);
    assert!(bytes.len() <= PAYLOAD_BYTES_MAX);
    assert!(matches!(event, Event::CursorMoved { .. }));
    let over = vec![7u8; CURSOR_BYTES_MAX + 1];
    let too_long = "k".repeat(CURSOR_KEY_BYTES_MAX + 1);
    let many: Moved = (0..=CURSORS_MAX)
        .map(|n| (n.to_string(), Some(Arc::from(&b"1"[..]))))
        .collect();
    let heavy: Moved = (0..=CURSORS_BYTES_MAX / CURSOR_BYTES_MAX)
        .map(|n| (n.to_string(), Some(Arc::from(&large[..]))))
        .collect();
    for (cursors, what) in [
        (moved(&[("a", Some(&over))]), "a cursor that is too large"),
        (moved(&[(&too_long, Some(b"1"))]), "a key that is too long"),
        (moved(&[("", Some(b"1"))]), "a key that is empty"),
        (moved(&[("a", Some(b"1")), ("a", None)]), "a key twice"),
        (many, "too many"),
        (heavy, "too much in all"),
    ] {
        let before = core.log.len();
        let refused = observe(&mut core, cursors, vec![draft("s", Severity::Info)]);
        assert!(
            matches!(refused, Err(Refusal::Invalid { .. })),
            "{what}: {refused:?}"
        );
        assert_eq!(core.log.len(), before);
    }
}

#[test]
fn after_a_restore_nobody_is_asked_until_a_person_resumes() {
    let mut core = asked(json!({}));
    assert!(!core.state.cursors.halted);
    let founded = core.log[0].1.clone();
    let at = notify_bridge::domain::state::At {
        position: core.state.position + 1,
        recorded_at: core.now,
    };
    core.state.evolve(at, &founded, &mut Vec::new());
    core.log.push((at, founded));
    assert!(core.state.cursors.halted);
    core.run(Command::Pause { by: "test".into() }).unwrap();
    core.run(Command::Resume { by: "test".into() }).unwrap();
    assert!(!core.state.cursors.halted);
    // That a store is founded anew is nobody's decision.
    assert_eq!(core.refolded(None), core.state);
}
