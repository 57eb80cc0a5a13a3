//! Payloads about the store itself, revision 1.

use serde::{Deserialize, Serialize};

use super::{put, take};
use crate::domain::event::Event;

#[derive(Serialize, Deserialize)]
struct RestoredR1<'a> {
    epoch: u16,
    through: u64,
    taken_at: i64,
    written_by: &'a str,
    by: &'a str,
}

#[derive(Serialize, Deserialize)]
struct StretchR1 {
    from: u64,
    to: u64,
}

#[derive(Serialize, Deserialize)]
struct LossAcceptedR1<'a> {
    stretches: Vec<StretchR1>,
    others: u32,
    kept_as: &'a str,
    by: &'a str,
}

pub fn encode(event: &Event, out: &mut Vec<u8>) {
    match event {
        Event::Restored {
            epoch,
            through,
            taken_at,
            written_by,
            by,
        } => put(
            &RestoredR1 {
                epoch: *epoch,
                through: *through,
                taken_at: *taken_at,
                written_by,
                by,
            },
            out,
        ),
        Event::LossAccepted {
            stretches,
            others,
            kept_as,
            by,
        } => put(
            &LossAcceptedR1 {
                stretches: stretches
                    .iter()
                    .map(|(from, to)| StretchR1 {
                        from: *from,
                        to: *to,
                    })
                    .collect(),
                others: *others,
                kept_as,
                by,
            },
            out,
        ),
        _ => debug_assert!(false, "kind {} is not encoded here", super::kind_of(event)),
    }
}

pub fn decode(kind: u16, bytes: &[u8]) -> Result<Event, String> {
    Ok(match kind {
        120 => {
            let RestoredR1 {
                epoch,
                through,
                taken_at,
                written_by,
                by,
            } = take(bytes)?;
            Event::Restored {
                epoch,
                through,
                taken_at,
                written_by: written_by.to_owned(),
                by: by.to_owned(),
            }
        }
        121 => {
            let LossAcceptedR1 {
                stretches,
                others,
                kept_as,
                by,
            } = take(bytes)?;
            Event::LossAccepted {
                stretches: stretches
                    .into_iter()
                    .map(|stretch| (stretch.from, stretch.to))
                    .collect(),
                others,
                kept_as: kept_as.to_owned(),
                by: by.to_owned(),
            }
        }
        other => return Err(format!("kind {other} is not decoded here")),
    })
}
