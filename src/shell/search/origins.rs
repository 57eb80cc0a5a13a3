//! Looking up in the log what documents are made of.

use notify_store::{ReadError, Reader, Recorded};
use serde_json::Value;

use crate::domain::event::Event;
use crate::domain::family::Family;
use crate::search::document::Origins;
use crate::shell::families::{self, FamilyError};
use crate::shell::views;

/// The log.
pub struct Log<'a>(pub &'a Reader<Event>);

impl Origins for Log<'_> {
    type Error = ReadError;

    fn event(&self, position: u64) -> Result<Option<Recorded<Event>>, ReadError> {
        self.0.get(position)
    }

    fn family(&self, notice: u64) -> Result<Option<Family>, ReadError> {
        match families::read(self.0, notice) {
            Ok(family) => Ok(Some(family)),
            Err(FamilyError::Missing(_)) => Ok(None),
            Err(FamilyError::Read(error)) => Err(error),
        }
    }

    fn shown(&self, event: &Recorded<Event>) -> Value {
        views::event(event)["data"].take()
    }
}
