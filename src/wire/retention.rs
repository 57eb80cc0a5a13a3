//! Payloads about retention, revision 1.
//!
//! The bytes of a carried state are those of the projections themselves, as they were when revision 1
//! of its event was released. A projection whose fields change after that leaves a copy of what it was
//! here, for revision 1, and revision 2 begins.

use serde::{Deserialize, Serialize};

use super::{Texts, put, take};
use crate::domain::event::Event;
use crate::domain::retention::Rule;
use crate::projections::retention::Tally;

#[derive(Serialize, Deserialize)]
struct CarriedR1<'a> {
    part: u16,
    parts: u16,
    bytes: &'a [u8],
}

#[derive(Serialize, Deserialize)]
struct RuleR1<'a> {
    provider: u32,
    kind: &'a str,
    before: u64,
}

#[derive(Serialize, Deserialize)]
struct AdvancedR1<'a> {
    #[serde(borrow)]
    rules: Vec<RuleR1<'a>>,
    history_before: u64,
    mark: u64,
    carried_at: u64,
    seen_from: Vec<(u32, u64)>,
    by: &'a str,
}

#[derive(Serialize, Deserialize)]
struct CompactedR1 {
    run: u64,
    families: u64,
    frames: u64,
    bodies: u64,
    bytes: u64,
}

pub fn encode(event: &Event, out: &mut Vec<u8>) {
    match event {
        Event::StateCarried { part, parts, bytes } => put(
            &CarriedR1 {
                part: *part,
                parts: *parts,
                bytes,
            },
            out,
        ),
        Event::RetentionAdvanced {
            rules,
            history_before,
            mark,
            carried_at,
            seen_from,
            by,
        } => put(
            &AdvancedR1 {
                rules: rules
                    .iter()
                    .map(|rule| RuleR1 {
                        provider: rule.provider,
                        kind: &rule.kind,
                        before: rule.before,
                    })
                    .collect(),
                history_before: *history_before,
                mark: *mark,
                carried_at: *carried_at,
                seen_from: seen_from.clone(),
                by,
            },
            out,
        ),
        Event::Compacted { run, removed } => put(
            &CompactedR1 {
                run: *run,
                families: removed.families,
                frames: removed.frames,
                bodies: removed.bodies,
                bytes: removed.bytes,
            },
            out,
        ),
        _ => debug_assert!(false, "kind {} is not encoded here", super::kind_of(event)),
    }
}

pub fn decode(kind: u16, bytes: &[u8], texts: Texts) -> Result<Event, String> {
    Ok(match kind {
        80 => {
            let CarriedR1 { part, parts, bytes } = take(bytes)?;
            if part >= parts {
                return Err(format!("part {part} of {parts}"));
            }
            Event::StateCarried {
                part,
                parts,
                bytes: bytes.to_vec(),
            }
        }
        81 => {
            let advanced: AdvancedR1<'_> = take(bytes)?;
            Event::RetentionAdvanced {
                rules: advanced
                    .rules
                    .into_iter()
                    .map(|rule| Rule {
                        provider: rule.provider,
                        kind: rule.kind.to_owned(),
                        before: rule.before,
                    })
                    .collect(),
                history_before: advanced.history_before,
                mark: advanced.mark,
                carried_at: advanced.carried_at,
                seen_from: advanced.seen_from,
                by: texts.unread(advanced.by),
            }
        }
        82 => {
            let CompactedR1 {
                run,
                families,
                frames,
                bodies,
                bytes,
            } = take(bytes)?;
            Event::Compacted {
                run,
                removed: Tally {
                    families,
                    frames,
                    bodies,
                    bytes,
                },
            }
        }
        other => return Err(format!("kind {other} is not decoded here")),
    })
}
