//! What the log stores: an event's envelope, and the trait its content implements.

/// The stream an event belongs to. A stream is named by the position of the event that founded it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// No stream: the event is found by its position only.
    None,
    /// The event founds a stream; its own position is the stream's name.
    Founds,
    /// The event is a later member of the stream founded at this position.
    Of(u64),
}

/// The content of an event. The log knows a payload only by these five questions.
pub trait Payload: Sized + Send + 'static {
    /// The number of the kind of event; never reused.
    fn kind(&self) -> u16;
    /// The revision of the bytes of that kind.
    fn revision(&self) -> u16;
    /// Appends the payload's bytes to `out` and touches nothing that is there already.
    fn encode(&self, out: &mut Vec<u8>);
    /// Reads exactly `bytes`; left-over bytes are an error, never ignored.
    fn decode(kind: u16, revision: u16, bytes: &[u8]) -> Result<Self, DecodeError>;
    /// The stream this event belongs to.
    fn stream(&self) -> Stream;
}

/// Why payload bytes could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    #[error("event kind {kind} is unknown to this program")]
    UnknownKind { kind: u16 },
    #[error("revision {revision} of event kind {kind} is unknown to this program")]
    UnknownRevision { kind: u16, revision: u16 },
    #[error("event kind {kind} revision {revision} cannot be read: {why}")]
    Malformed {
        kind: u16,
        revision: u16,
        why: String,
    },
}

/// One event with its envelope, as it stands in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded<P> {
    /// Place in the log, from 1.
    pub position: u64,
    /// Wall clock when it was recorded, in microseconds since 1970; may step back.
    pub recorded_at: i64,
    /// The owner of the event.
    pub space: u32,
    /// The position of the event that caused this one; 0 for none.
    pub causation: u64,
    /// The id that also stands in the log lines of the dispatch.
    pub correlation: [u8; 16],
    pub payload: P,
}
