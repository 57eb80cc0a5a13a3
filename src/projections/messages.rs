//! What was told of a subject last, over links that say `update = true`: the message that a later
//! notice of the subject edits instead of adding another.
//!
//! **Invariant:** bounded by [`MESSAGES_MAX`]; the message that was sent first is forgotten for a new one.
//! A message leaves when the end of its subject was told, and with its tracker, target or receiver.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Messages remembered, all links together.
pub const MESSAGES_MAX: usize = 16_384;

/// Parts of a message that is remembered; one of more is not edited, and can still be answered to.
pub const PARTS_REMEMBERED_MAX: usize = 64;

/// A subject as one receiver hears of it over one link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Place {
    /// Names the link.
    pub via: u64,
    pub receiver: u32,
    /// Hash of provider and subject.
    pub subject: u64,
}

/// A message that a service has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// As the service calls it, part by part.
    pub ids: Vec<String>,
    /// Position of the event that says it was sent, or edited last.
    pub position: u64,
    pub tracker: u32,
    pub target: u32,
    /// The notice it tells, of whose provider, and the hash of its kind.
    pub notice: u64,
    pub provider: u32,
    pub kind_hash: u64,
    /// Whether it can be edited: all of its parts are known, and the service has not refused. Else it can
    /// still be answered to.
    pub editable: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Messages {
    messages: BTreeMap<Place, Message>,
    /// Places by the position of their message.
    order: BTreeMap<u64, Place>,
}

impl Messages {
    pub fn iter(&self) -> impl Iterator<Item = (&Place, &Message)> {
        self.messages.iter()
    }

    pub fn get(&self, place: Place) -> Option<&Message> {
        self.messages.get(&place)
    }

    pub fn len(&self) -> usize {
        self.messages.len()
    }

    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    pub fn keep(&mut self, place: Place, message: Message) {
        self.forget(place);
        if self.messages.len() >= MESSAGES_MAX
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.messages.remove(&oldest);
        }
        self.order.insert(message.position, place);
        self.messages.insert(place, message);
    }

    pub fn forget(&mut self, place: Place) {
        if let Some(message) = self.messages.remove(&place) {
            self.order.remove(&message.position);
        }
    }

    /// The service does not let it be edited.
    pub fn refuse(&mut self, place: Place) {
        if let Some(message) = self.messages.get_mut(&place) {
            message.editable = false;
        }
    }

    /// Notices whose message can still be edited.
    pub fn editable(&self) -> impl Iterator<Item = u64> + '_ {
        let editable = self.messages.values().filter(|message| message.editable);
        editable.map(|message| message.notice)
    }

    /// Forgets messages whose notice is forgotten, given provider, kind and position.
    pub fn forget_families(&mut self, is_forgotten: impl Fn(u32, u64, u64) -> bool) {
        self.forget_where(|_, message| {
            is_forgotten(message.provider, message.kind_hash, message.notice)
        });
    }

    pub fn forget_tracker(&mut self, tracker: u32) {
        self.forget_where(|_, message| message.tracker == tracker);
    }

    pub fn forget_target(&mut self, target: u32) {
        self.forget_where(|_, message| message.target == target);
    }

    pub fn forget_receiver(&mut self, receiver: u32) {
        self.forget_where(|place, _| place.receiver == receiver);
    }

    fn forget_where(&mut self, is_one: impl Fn(&Place, &Message) -> bool) {
        self.messages
            .retain(|place, message| !is_one(place, message));
        let messages = &self.messages;
        self.order.retain(|_, place| messages.contains_key(place));
    }
}
