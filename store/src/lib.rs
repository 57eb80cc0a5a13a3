//! An append-only event log in one redb file, generic over what an event says.
//!
//! Read in this order: [`Payload`] and [`Recorded`] (what an event is), [`Batch`] (what one commit
//! holds), [`Log`] (the one writer), [`Reader`] (many readers), [`body`] and [`snapshot`] (bytes
//! that lie beside the log), [`backup`], [`verify`] and [`salvage`] (what to do before and after a loss). `README.md` of this crate describes the bytes on disk.
//!
//! **Invariant:** positions start at 1 and grow by one; a batch is durable as a whole or absent.
//!
//! **Invariant:** no read transaction outlives one page ([`PAGE_FRAMES_MAX`] frames or
//! [`PAGE_BYTES_MAX`] bytes), because a pinned reader makes the file grow.
//!
//! **Invariant:** nothing here asks for the time, the environment or randomness, and nothing here
//! knows what an event means.
//!
//! **Invariant:** bytes read from disk never panic the caller: redb's own panics on an altered
//! file are caught and become `Damaged` errors.

mod payload;

mod batch;

mod frame;

mod tables;

mod segment;

mod error;

mod backend;

mod folder;

mod shared;

mod encode;

mod log;

mod open;

mod reader;

pub mod backup;

pub mod body;

pub mod snapshot;

pub mod verify;

pub mod salvage;

#[doc(hidden)]
pub mod testing;

pub use batch::{
    BATCH_BYTES_MAX, BATCH_EVENTS_MAX, BODY_BYTES_MAX, Batch, META_KEY_BYTES_MAX,
    META_VALUE_BYTES_MAX, REMOVAL_MAX, ROW_BYTES_MAX, Refused, Removal, SECRET_BYTES_MAX,
    SecretChange,
};
pub use error::{AppendError, Newer, OpenError, ReadError};
pub use folder::{FolderLock, free_bytes};
pub use frame::{FRAME_FORMAT, HEADER_BYTES, Header, PAYLOAD_BYTES_MAX};
pub use log::{Log, Removed};
pub use open::{
    CACHE_BYTES, MIN_FREE_BYTES, Options, RepairProgress, open_read_only, open_read_only_with,
};
pub use payload::{DecodeError, Payload, Recorded, Stream};
pub use reader::{Frames, PAGE_BYTES_MAX, PAGE_FRAMES_MAX, Reader};
pub use segment::{SEGMENT_POSITIONS, SegmentCheck};
pub use tables::STORE_FORMAT;
