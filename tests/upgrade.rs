//! Bytes that were written stay readable: one golden per event kind and revision, and one small store
//! per released format that opens and rebuilds to what was recorded.
//!
//! A golden that does not match means that written logs would read differently. It is never
//! corrected: a new revision is added. `BLESS=1` writes goldens that are missing.

#![expect(
    clippy::disallowed_methods,
    reason = "BLESS in the environment asks for missing goldens"
)]

#[path = "upgrade/samples.rs"]
mod samples;

use notify_bridge::domain::event::{Accepted, Event, Plan, Remember};
use notify_bridge::domain::notice::Item;
use notify_bridge::domain::reason::What;
use notify_bridge::wire::{self, KINDS};
use notify_store::{DecodeError, Payload};
use samples::samples;
use std::path::PathBuf;

fn fixtures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

#[test]
fn every_kind_and_revision_reads_and_writes_its_golden() {
    let samples = samples();
    assert_eq!(samples.len(), KINDS.len(), "one sample a kind");
    for (event, (kind, revision, name)) in samples.iter().zip(KINDS) {
        assert_eq!(
            (event.kind(), event.revision()),
            (*kind, *revision),
            "{name}"
        );
        let mut bytes = Vec::new();
        event.encode(&mut bytes);
        let path = fixtures().join(format!("events/{name}.r{revision}"));
        let wanted = std::env::var_os("BLESS").is_some() && !path.exists();
        if wanted {
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("the folder is made");
            std::fs::write(&path, hex::encode(&bytes)).expect("the golden is written");
        }
        let golden = std::fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let golden = hex::decode(golden.trim()).expect("hex");
        assert_eq!(
            hex::encode(&bytes),
            hex::encode(&golden),
            "{name} writes other bytes than it did"
        );
        assert_eq!(
            &Event::decode(*kind, *revision, &golden).expect(name),
            event,
            "{name}"
        );
    }
}

/// Of a plan, what was planned for when ways were written one by one.
fn one_by_one(plan: &mut Plan) {
    plan.planned.truncate(2);
    plan.links[0].severity = None;
}

/// Of the items, what their first revision knew.
fn named_only(accepted: &mut Accepted) {
    for item in &mut accepted.notice.items.added {
        *item = Item {
            key: item.key.clone(),
            kind: item.kind,
            label: item.label.clone(),
            ..Item::default()
        };
    }
}

/// Events as they were written before deliveries could be held, and before a service could take a
/// message and ask for a rest.
#[test]
fn earlier_revisions_read_as_what_they_meant() {
    for (event, (kind, revision, name)) in samples().into_iter().zip(KINDS) {
        let newest = event.clone();
        let expected = match event {
            Event::Accepted(mut accepted) => {
                accepted.plan.ways.clear();
                accepted.plan.routed[0].until = None;
                one_by_one(&mut accepted.plan);
                named_only(&mut accepted);
                Event::Accepted(accepted)
            }
            Event::Resent {
                seed,
                notice,
                day,
                provider,
                row,
                subject,
                mut plan,
                why: _,
                by,
            } => {
                plan.ways.clear();
                plan.routed[0].until = None;
                one_by_one(&mut plan);
                let why = What::Resent;
                Event::Resent {
                    seed,
                    notice,
                    day,
                    provider,
                    row,
                    subject,
                    plan,
                    why,
                    by,
                }
            }
            Event::PartSent {
                delivery,
                notice,
                part,
                ids,
                answer,
                pause_until: _,
            } => Event::PartSent {
                delivery,
                notice,
                part,
                ids,
                answer,
                pause_until: None,
            },
            Event::DeliverySettled {
                delivery,
                notice,
                part,
                outcome,
                why,
                detail,
                ids,
                answer,
                pause_until: _,
                remember: _,
            } => Event::DeliverySettled {
                delivery,
                notice,
                part,
                outcome,
                why,
                detail,
                ids,
                answer,
                pause_until: None,
                remember: Remember::No,
            },
            Event::StateCarried {
                layout: _,
                part,
                parts,
                bytes,
            } => Event::StateCarried {
                layout: 1,
                part,
                parts,
                bytes,
            },
            other => other,
        };
        for earlier in 1..*revision {
            let path = fixtures().join(format!("events/{name}.r{earlier}"));
            let golden = std::fs::read_to_string(&path).expect(name);
            let golden = hex::decode(golden.trim()).expect("hex");
            let read = Event::decode(*kind, earlier, &golden);
            // Revision 2 of a notice knew all of its plan, and of its items only what names them.
            let expected = match (&expected, newest.clone()) {
                (Event::Accepted(_), Event::Accepted(mut accepted)) if earlier == 2 => {
                    named_only(&mut accepted);
                    one_by_one(&mut accepted.plan);
                    Event::Accepted(accepted)
                }
                // Later ones knew all but how bad it is for a tracker.
                (Event::Accepted(_), Event::Accepted(mut accepted)) if earlier == 3 => {
                    one_by_one(&mut accepted.plan);
                    Event::Accepted(accepted)
                }
                (Event::Resent { .. }, Event::Resent { mut plan, .. }) if earlier == 2 => {
                    let Event::Resent {
                        seed,
                        notice,
                        day,
                        provider,
                        row,
                        subject,
                        why,
                        by,
                        ..
                    } = newest.clone()
                    else {
                        panic!("it is one");
                    };
                    one_by_one(&mut plan);
                    Event::Resent {
                        seed,
                        notice,
                        day,
                        provider,
                        row,
                        subject,
                        plan,
                        why,
                        by,
                    }
                }
                (expected, _) => expected.clone(),
            };
            assert_eq!(read.as_ref(), Ok(&expected), "{name} r{earlier}");
        }
    }
}

#[test]
fn bytes_are_decoded_exactly() {
    for event in samples() {
        let mut bytes = Vec::new();
        event.encode(&mut bytes);
        for cut in 0..bytes.len() {
            assert!(
                Event::decode(event.kind(), event.revision(), &bytes[..cut]).is_err(),
                "{cut} bytes of {event:?}"
            );
        }
        bytes.push(0);
        assert!(matches!(
            Event::decode(event.kind(), event.revision(), &bytes),
            Err(DecodeError::Malformed { .. })
        ));
    }
}

#[test]
fn what_is_not_known_is_named_and_never_skipped() {
    assert_eq!(
        Event::decode(999, 1, &[]),
        Err(DecodeError::UnknownKind { kind: 999 })
    );
    assert_eq!(
        Event::decode(20, 5, &[]),
        Err(DecodeError::UnknownRevision {
            kind: 20,
            revision: 5
        })
    );
    for (kind, _, name) in KINDS {
        assert_eq!(wire::kind_name(*kind), Some(*name));
    }
}
