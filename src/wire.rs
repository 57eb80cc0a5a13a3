//! The bytes of events: frozen payload revisions, and the only user of postcard.
//!
//! Every event has a kind number in [`KINDS`], never reused, and a chain of revisions. A struct in
//! the modules below never changes once released; a later revision is a struct of its own with
//! `From<R1> for R2`, and decoding upcasts. postcard writes no field names, so structs hold only
//! integers, bytes, strings, options and vectors, and are decoded exactly.

use notify_store::{DecodeError, Payload, Stream};

use crate::domain::event::{Event, Plan};
use crate::domain::state::{Carried, CarriedRef, State};

mod attention;
mod bots;
mod configuration;
mod cursors;
mod delivery;
mod edits;
mod gathered;
mod health;
mod holds;
mod intake;
mod items;
mod media;
mod retention;
mod storage;
mod ways;

/// Kind numbers with the newest revision of each and the name it has in `log` and the API.
pub const KINDS: &[(u16, u16, &str)] = &[
    (1, 1, "store_founded"),
    (2, 1, "settings_changed"),
    (3, 1, "entity_put"),
    (4, 1, "entity_removed"),
    (5, 1, "file_applied"),
    (6, 1, "user_put"),
    (7, 1, "user_removed"),
    (8, 1, "token_put"),
    (9, 1, "token_revoked"),
    (10, 1, "session_began"),
    (11, 1, "session_seen"),
    (12, 1, "session_ended"),
    (20, 4, "notice_accepted"),
    (21, 1, "intake_unreadable"),
    (22, 3, "notice_resent"),
    (30, 1, "message_composed"),
    (31, 1, "attempt_started"),
    (32, 2, "part_sent"),
    (33, 1, "attempt_failed"),
    (34, 1, "fallback_used"),
    (35, 1, "claim_returned"),
    (36, 2, "delivery_settled"),
    (37, 1, "outcome_unknown"),
    (38, 1, "delivery_operated"),
    (39, 1, "hold_changed"),
    (43, 1, "delivery_merged"),
    (40, 1, "receiver_gone"),
    (41, 1, "receiver_moved"),
    (42, 1, "receiver_restored"),
    (50, 1, "sending_paused"),
    (51, 1, "sending_resumed"),
    (52, 1, "clock_stepped"),
    (60, 1, "fallback_awaited"),
    (61, 1, "handed_on"),
    (62, 1, "fell_silent"),
    (65, 1, "acknowledged"),
    (66, 1, "snoozed"),
    (67, 1, "snooze_ended"),
    (68, 1, "repeat_put_off"),
    (70, 1, "edit_refused"),
    (71, 1, "gathered_told"),
    (80, CARRIED_LAYOUT, "state_carried"),
    (81, 1, "retention_advanced"),
    (82, 1, "compacted"),
    (90, 1, "cursor_moved"),
    (110, 1, "part_left_out"),
    (111, 1, "media_told"),
    (120, 1, "store_restored"),
    (121, 1, "loss_accepted"),
    (125, 1, "chats_seen"),
    (126, 1, "chats_named"),
    (127, 1, "bot_verified"),
];

/// Revision of what is carried of a state; see [`retention`].
pub(crate) const CARRIED_LAYOUT: u16 = 2;

/// Number of an event's kind.
pub fn kind_of(event: &Event) -> u16 {
    match event {
        Event::Founded { .. } => 1,
        Event::SettingsChanged { .. } => 2,
        Event::EntityPut { .. } => 3,
        Event::EntityRemoved { .. } => 4,
        Event::FileApplied { .. } => 5,
        Event::UserPut { .. } => 6,
        Event::UserRemoved { .. } => 7,
        Event::TokenPut { .. } => 8,
        Event::TokenRevoked { .. } => 9,
        Event::SessionBegan { .. } => 10,
        Event::SessionSeen { .. } => 11,
        Event::SessionEnded { .. } => 12,
        Event::Accepted(_) => 20,
        Event::IntakeUnreadable { .. } => 21,
        Event::Resent { .. } => 22,
        Event::MessageComposed { .. } => 30,
        Event::AttemptStarted { .. } => 31,
        Event::PartSent { .. } => 32,
        Event::AttemptFailed { .. } => 33,
        Event::FallbackUsed { .. } => 34,
        Event::ClaimReturned { .. } => 35,
        Event::DeliverySettled { .. } => 36,
        Event::OutcomeUnknown { .. } => 37,
        Event::DeliveryOperated { .. } => 38,
        Event::HoldChanged { .. } => 39,
        Event::DeliveryMerged { .. } => 43,
        Event::ReceiverGone { .. } => 40,
        Event::ReceiverMoved { .. } => 41,
        Event::ReceiverRestored { .. } => 42,
        Event::SendingPaused { .. } => 50,
        Event::SendingResumed { .. } => 51,
        Event::ClockStepped { .. } => 52,
        Event::FallbackAwaited { .. } => 60,
        Event::HandedOn { .. } => 61,
        Event::FellSilent { .. } => 62,
        Event::EditRefused { .. } => 70,
        Event::PartLeftOut { .. } => 110,
        Event::MediaTold { .. } => 111,
        Event::GatheredTold { .. } => 71,
        Event::Acknowledged { .. } => 65,
        Event::Snoozed(_) => 66,
        Event::SnoozeEnded { .. } => 67,
        Event::RepeatPutOff { .. } => 68,
        Event::StateCarried { .. } => 80,
        Event::RetentionAdvanced { .. } => 81,
        Event::Compacted { .. } => 82,
        Event::CursorMoved { .. } => 90,
        Event::Restored { .. } => 120,
        Event::LossAccepted { .. } => 121,
        Event::ChatsSeen { .. } => 125,
        Event::ChatsNamed { .. } => 126,
        Event::BotVerified { .. } => 127,
    }
}

/// Name of a kind, as `log` and the API say it.
pub fn kind_name(kind: u16) -> Option<&'static str> {
    KINDS
        .iter()
        .find(|(number, ..)| *number == kind)
        .map(|(_, _, name)| *name)
}

impl Payload for Event {
    fn kind(&self) -> u16 {
        kind_of(self)
    }

    fn revision(&self) -> u16 {
        // One that was read is written as it was: its bytes are of that revision.
        if let Event::StateCarried { layout, .. } = self {
            return *layout;
        }
        let kind = kind_of(self);
        KINDS
            .iter()
            .find(|(number, ..)| *number == kind)
            .map_or(1, |(_, newest, _)| *newest)
    }

    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Event::Founded { .. }
            | Event::SettingsChanged { .. }
            | Event::EntityPut { .. }
            | Event::EntityRemoved { .. }
            | Event::FileApplied { .. }
            | Event::UserPut { .. }
            | Event::UserRemoved { .. }
            | Event::TokenPut { .. }
            | Event::TokenRevoked { .. }
            | Event::SessionBegan { .. }
            | Event::SessionSeen { .. }
            | Event::SessionEnded { .. }
            | Event::SendingPaused { .. }
            | Event::SendingResumed { .. }
            | Event::ClockStepped { .. } => configuration::encode(self, out),
            Event::Accepted(_) | Event::IntakeUnreadable { .. } | Event::Resent { .. } => {
                intake::encode(self, out)
            }
            Event::MessageComposed { .. }
            | Event::AttemptStarted { .. }
            | Event::PartSent { .. }
            | Event::AttemptFailed { .. }
            | Event::FallbackUsed { .. }
            | Event::ClaimReturned { .. }
            | Event::DeliverySettled { .. }
            | Event::OutcomeUnknown { .. }
            | Event::DeliveryOperated { .. }
            | Event::ReceiverGone { .. }
            | Event::ReceiverMoved { .. }
            | Event::ReceiverRestored { .. } => delivery::encode(self, out),
            Event::HoldChanged { .. } | Event::DeliveryMerged { .. } => holds::encode(self, out),
            Event::FallbackAwaited { .. } | Event::HandedOn { .. } | Event::FellSilent { .. } => {
                health::encode(self, out)
            }
            Event::EditRefused { .. } => edits::encode(self, out),
            Event::StateCarried { .. }
            | Event::RetentionAdvanced { .. }
            | Event::Compacted { .. } => retention::encode(self, out),
            Event::PartLeftOut { .. } | Event::MediaTold { .. } => media::encode(self, out),
            Event::CursorMoved { .. } => cursors::encode(self, out),
            Event::ChatsSeen { .. } | Event::ChatsNamed { .. } | Event::BotVerified { .. } => {
                bots::encode(self, out)
            }
            Event::GatheredTold { .. } => gathered::encode(self, out),
            Event::Acknowledged { .. }
            | Event::Snoozed(_)
            | Event::SnoozeEnded { .. }
            | Event::RepeatPutOff { .. } => attention::encode(self, out),
            Event::Restored { .. } | Event::LossAccepted { .. } => storage::encode(self, out),
        }
    }

    fn decode(kind: u16, revision: u16, bytes: &[u8]) -> Result<Self, DecodeError> {
        decode(kind, revision, bytes, Texts::All)
    }

    fn stream(&self) -> Stream {
        match self {
            Event::Accepted(_) | Event::IntakeUnreadable { .. } => Stream::Founds,
            Event::Resent { notice, .. }
            | Event::MessageComposed { notice, .. }
            | Event::AttemptStarted { notice, .. }
            | Event::PartSent { notice, .. }
            | Event::AttemptFailed { notice, .. }
            | Event::FallbackUsed { notice, .. }
            | Event::ClaimReturned { notice, .. }
            | Event::EditRefused { notice, .. }
            | Event::PartLeftOut { notice, .. }
            | Event::MediaTold { notice, .. }
            | Event::GatheredTold { notice, .. }
            | Event::DeliverySettled { notice, .. }
            | Event::OutcomeUnknown { notice, .. }
            | Event::DeliveryOperated { notice, .. }
            | Event::HoldChanged { notice, .. }
            | Event::DeliveryMerged { notice, .. }
            | Event::FallbackAwaited { notice, .. }
            | Event::HandedOn { notice, .. }
            | Event::Acknowledged { notice, .. }
            | Event::RepeatPutOff { notice, .. } => Stream::Of(*notice),
            Event::Founded { .. }
            | Event::SettingsChanged { .. }
            | Event::EntityPut { .. }
            | Event::EntityRemoved { .. }
            | Event::FileApplied { .. }
            | Event::UserPut { .. }
            | Event::UserRemoved { .. }
            | Event::TokenPut { .. }
            | Event::TokenRevoked { .. }
            | Event::SessionBegan { .. }
            | Event::SessionSeen { .. }
            | Event::SessionEnded { .. }
            | Event::ReceiverGone { .. }
            | Event::ReceiverMoved { .. }
            | Event::ReceiverRestored { .. }
            | Event::SendingPaused { .. }
            | Event::SendingResumed { .. }
            | Event::ClockStepped { .. }
            | Event::FellSilent { .. }
            | Event::CursorMoved { .. }
            | Event::ChatsSeen { .. }
            | Event::ChatsNamed { .. }
            | Event::BotVerified { .. }
            | Event::Snoozed(_)
            | Event::SnoozeEnded { .. }
            | Event::Restored { .. }
            | Event::LossAccepted { .. }
            | Event::StateCarried { .. }
            | Event::RetentionAdvanced { .. }
            | Event::Compacted { .. } => Stream::None,
        }
    }
}

/// An event as the fold over the log needs it: like [`Payload::decode`], and as strict, but texts
/// that no projection reads are left empty. They are most of what a log holds, and copying them
/// takes longer than all the rest of a rebuild.
pub fn decode_for_state(kind: u16, revision: u16, bytes: &[u8]) -> Result<Event, DecodeError> {
    decode(kind, revision, bytes, Texts::OfState)
}

/// Which texts are taken over from the bytes of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Texts {
    All,
    /// Those that [`State::evolve`] reads.
    OfState,
}

impl Texts {
    /// A text that no projection reads.
    fn unread(self, text: &str) -> String {
        match self {
            Texts::All => text.to_owned(),
            Texts::OfState => String::new(),
        }
    }

    /// A list that no projection reads, made of what stands in the bytes.
    fn unread_list<T, L: Default + FromIterator<T>>(self, items: impl Iterator<Item = T>) -> L {
        match self {
            Texts::All => items.collect(),
            Texts::OfState => L::default(),
        }
    }
}

fn decode(kind: u16, revision: u16, bytes: &[u8], texts: Texts) -> Result<Event, DecodeError> {
    let Some((_, newest, _)) = KINDS.iter().find(|(number, ..)| *number == kind) else {
        return Err(DecodeError::UnknownKind { kind });
    };
    if revision == 0 || revision > *newest {
        return Err(DecodeError::UnknownRevision { kind, revision });
    }
    let decoded = match kind {
        1..=12 | 50..=52 => configuration::decode(kind, bytes),
        20..=22 => intake::decode(kind, revision, bytes, texts),
        39 | 43 => holds::decode(kind, bytes, texts),
        60..=62 => health::decode(kind, bytes, texts),
        65..=68 => attention::decode(kind, bytes, texts),
        70 => edits::decode(kind, bytes, texts),
        80..=82 => retention::decode(kind, revision, bytes, texts),
        110 | 111 => media::decode(kind, bytes, texts),
        90 => cursors::decode(kind, bytes),
        71 => gathered::decode(kind, bytes, texts),
        120..=121 => storage::decode(kind, bytes),
        125..=127 => bots::decode(kind, bytes),
        _ => delivery::decode(kind, revision, bytes, texts),
    };
    decoded.map_err(|why| DecodeError::Malformed {
        kind,
        revision,
        why,
    })
}

// The largest notice with the largest plan fits its frame.
const _: () = {
    const NAMES_BYTES_MAX: usize = 2 * 1_024;
    let largest = crate::domain::notice::DRAFT_BYTES_MAX
        + crate::domain::routing::PLAN_BYTES_MAX
        + crate::domain::routing::WAYS_BYTES_SURE
        + NAMES_BYTES_MAX;
    assert!(largest <= notify_store::PAYLOAD_BYTES_MAX);
};

/// At least the bytes an event's payload will have, found without writing it, so that what is too
/// large is refused before it takes part in a transaction.
pub fn weight(event: &Event) -> usize {
    /// Lengths, numbers and options of a payload, and of each entry of a list in it.
    const FIXED: usize = 192;
    const ENTRY: usize = 32;
    let texts = |texts: &[String]| -> usize { texts.iter().map(|text| text.len() + ENTRY).sum() };
    let plan = |plan: &Plan| -> usize {
        let routed = plan.routed.iter().map(|routed| {
            routed.detail.len() + routed.tracker_name.len() + routed.target_name.len() + ENTRY
        });
        let links = plan.links.iter().map(|link| {
            link.tracker_name.len() + link.target_name.len() + link.link_name.len() + ENTRY
        });
        // A planned delivery is two numbers of at most five and three bytes.
        let ways = match plan.ways.is_empty() {
            true => 0,
            false => ways::ways_r2(plan).weight(),
        };
        routed.sum::<usize>() + links.sum::<usize>() + plan.planned.len() * 8 + ways
    };
    FIXED
        + match event {
            Event::Accepted(accepted) => {
                accepted.provider_name.len()
                    + accepted.provider_kind.len()
                    + accepted.notice.weight()
                    + plan(&accepted.plan)
            }
            Event::IntakeUnreadable {
                provider_name, why, ..
            } => provider_name.len() + why.len(),
            Event::Resent { plan: over, by, .. } => plan(over) + by.len(),
            Event::MessageComposed { parts, faults, .. } => {
                let parts = parts
                    .iter()
                    .map(|part| part.kind.len() + part.text.len() + part.payload.len() + ENTRY);
                parts.sum::<usize>() + texts(faults)
            }
            Event::PartSent { ids, answer, .. } => texts(ids) + answer.text.len(),
            Event::AttemptFailed { reason, answer, .. }
            | Event::FallbackUsed { reason, answer, .. }
            | Event::PartLeftOut { reason, answer, .. }
            | Event::EditRefused { reason, answer, .. } => reason.len() + answer.text.len(),
            Event::MediaTold { items, .. } => items
                .iter()
                .map(|item| {
                    let file = item.file.as_ref().map_or(0, |(_, id)| id.len());
                    item.key.len() + item.detail.len() + file + ENTRY
                })
                .sum(),
            Event::DeliverySettled {
                detail,
                ids,
                answer,
                ..
            } => detail.len() + texts(ids) + answer.text.len(),
            Event::DeliveryOperated { by, .. } | Event::ReceiverRestored { by, .. } => by.len(),
            Event::HoldChanged {
                detail,
                unwanted,
                by,
                ..
            } => detail.len() + by.len() + unwanted.len() * 10,
            Event::GatheredTold { telling, .. } => telling.notices.len() * 10,
            Event::Acknowledged { by, .. } | Event::SnoozeEnded { by, .. } => by.len(),
            Event::Snoozed(snooze) => snooze.name.len() + snooze.by.len(),
            Event::RepeatPutOff { detail, .. } => detail.len(),
            Event::Restored { written_by, by, .. } => written_by.len() + by.len(),
            Event::LossAccepted {
                stretches,
                kept_as,
                by,
                ..
            } => stretches.len() * 20 + kept_as.len() + by.len(),
            Event::ReceiverGone { reason, .. } => reason.len(),
            Event::CursorMoved { key, bytes, .. } => {
                key.len() + bytes.as_ref().map_or(0, |bytes| bytes.len())
            }
            Event::ChatsSeen { chats, .. } | Event::ChatsNamed { chats, .. } => chats
                .iter()
                .map(|chat| {
                    let names = chat.title.len() + chat.username.len() + chat.language.len();
                    chat.to.len() + names + ENTRY
                })
                .sum(),
            Event::BotVerified { identity, .. } => identity.username.len() + identity.name.len(),
            Event::FallbackAwaited { waits, .. } => waits.len() * 8,
            Event::HandedOn { detail, .. } => detail.len(),
            Event::ReceiverMoved { to, .. } => to.len(),
            Event::StateCarried { bytes, .. } => bytes.len(),
            Event::RetentionAdvanced {
                rules,
                seen_from,
                by,
                ..
            } => {
                let rules = rules.iter().map(|rule| rule.kind.len() + ENTRY);
                rules.sum::<usize>() + seen_from.len() * 16 + by.len()
            }
            Event::AttemptStarted { .. }
            | Event::ClaimReturned { .. }
            | Event::OutcomeUnknown { .. }
            | Event::DeliveryMerged { .. }
            | Event::Compacted { .. }
            | Event::FellSilent { .. }
            | Event::ClockStepped { .. } => 0,
            // Rare, and their specs are written as JSON: written once more to be measured.
            Event::Founded { .. }
            | Event::SettingsChanged { .. }
            | Event::EntityPut { .. }
            | Event::EntityRemoved { .. }
            | Event::FileApplied { .. }
            | Event::UserPut { .. }
            | Event::UserRemoved { .. }
            | Event::TokenPut { .. }
            | Event::TokenRevoked { .. }
            | Event::SessionBegan { .. }
            | Event::SessionSeen { .. }
            | Event::SessionEnded { .. }
            | Event::SendingPaused { .. }
            | Event::SendingResumed { .. } => {
                let mut bytes = Vec::new();
                configuration::encode(event, &mut bytes);
                bytes.len()
            }
        }
}

/// Format of a state in a snapshot. Another one is ignored and the log is read instead, so it goes up
/// with every change to a projection's fields or meaning.
pub const SNAPSHOT_FORMAT: u32 = 7;

/// The bytes of a snapshot of the state.
pub fn encode_state(state: &State) -> Result<Vec<u8>, postcard::Error> {
    postcard::to_allocvec(state)
}

/// A state from a snapshot; the error means the snapshot is of no use.
pub fn decode_state(bytes: &[u8]) -> Result<State, postcard::Error> {
    let (state, rest) = postcard::take_from_bytes(bytes)?;
    if rest.is_empty() {
        Ok(state)
    } else {
        Err(postcard::Error::DeserializeBadEncoding)
    }
}

/// The bytes of what is carried of a state over events that are removed.
pub(crate) fn encode_carried(state: &CarriedRef<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    put(state, &mut bytes);
    bytes
}

/// What was carried of a state; the error means that another program wrote it.
pub(crate) fn decode_carried(layout: u16, bytes: &[u8]) -> Result<Carried, String> {
    match layout {
        1 => retention::carried_r1(bytes),
        CARRIED_LAYOUT => take(bytes),
        other => Err(format!("unknown layout {other}")),
    }
}

/// Appends a frozen struct. Writing into memory cannot fail, and the structs hold nothing that
/// postcard refuses; a failure here would be a fault of this module.
fn put<T: serde::Serialize>(value: &T, out: &mut Vec<u8>) {
    struct Out<'a>(&'a mut Vec<u8>);
    impl postcard::ser_flavors::Flavor for Out<'_> {
        type Output = ();
        fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
            self.0.push(byte);
            Ok(())
        }
        fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
            self.0.extend_from_slice(bytes);
            Ok(())
        }
        fn finalize(self) -> postcard::Result<()> {
            Ok(())
        }
    }
    postcard::serialize_with_flavor(value, Out(out))
        .expect("a frozen struct serializes into memory");
}

/// Reads a frozen struct, all of the bytes.
fn take<'a, T: serde::Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, String> {
    let (value, rest) = postcard::take_from_bytes(bytes).map_err(|error| error.to_string())?;
    if rest.is_empty() {
        Ok(value)
    } else {
        Err(format!("{} bytes too many", rest.len()))
    }
}
