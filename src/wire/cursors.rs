//! Payloads about where looking at providers stands, revision 1.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{put, take};
use crate::domain::event::Event;

#[derive(Serialize, Deserialize)]
struct CursorMovedR1<'a> {
    provider: u32,
    key: &'a str,
    #[serde(borrow)]
    bytes: Option<&'a [u8]>,
}

pub fn encode(event: &Event, out: &mut Vec<u8>) {
    match event {
        Event::CursorMoved {
            provider,
            key,
            bytes,
        } => put(
            &CursorMovedR1 {
                provider: *provider,
                key,
                bytes: bytes.as_deref(),
            },
            out,
        ),
        _ => debug_assert!(false, "kind {} is not encoded here", super::kind_of(event)),
    }
}

pub fn decode(kind: u16, bytes: &[u8]) -> Result<Event, String> {
    match kind {
        90 => {
            let CursorMovedR1 {
                provider,
                key,
                bytes,
            } = take(bytes)?;
            Ok(Event::CursorMoved {
                provider,
                key: key.to_owned(),
                bytes: bytes.map(Arc::from),
            })
        }
        other => Err(format!("kind {other} is not decoded here")),
    }
}
