//! A store into a backup, page by page from short read transactions.

use std::io::Write;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use super::chunk::{Chunk, ChunkWriter, Kind};
use super::{CHUNK_FILL_BYTES, CopyError, SECRETS_BYTES_MAX, Totals};
use crate::error::ReadError;
use crate::payload::Payload;
use crate::reader::{PAGE_FRAMES_MAX, Reader};
use crate::tables;

/// Chunks between the thread that reads and the one that writes.
const CHUNKS_WAITING_MAX: usize = 2;
/// How often secrets are read when they change meanwhile.
const SECRETS_TRIES: u32 = 10;

/// A sealed secret: position, field, bytes.
pub type Secret = (u64, u16, Vec<u8>);

/// How far a copy is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Positions of the log that were copied, …
    pub done: u64,
    /// … and up to where.
    pub of: u64,
}

/// What the caller adds to a copy.
pub struct CopyOptions<'a> {
    /// Called once the position up to which is copied is fixed; says of the backup what its reader
    /// is to know first, and gives the bytes of the key that goes with it.
    #[expect(clippy::type_complexity, reason = "it is named once")]
    pub about: &'a mut dyn FnMut(u64, &[Secret]) -> (Vec<u8>, Option<Vec<u8>>),
    /// What becomes of each secret; `None` leaves it out.
    pub secret: &'a mut dyn FnMut(&Secret) -> Option<Vec<u8>>,
    /// Called often; `false` gives the copy up.
    pub progress: &'a mut dyn FnMut(Progress) -> bool,
}

/// Copies a store as it is now. Appends go on meanwhile and are not in the copy; removals of frames
/// must not run, or a family could be copied in part.
pub fn copy<P: Payload, W: Write>(
    reader: &Reader<P>,
    out: W,
    options: CopyOptions<'_>,
) -> Result<(W, Totals), CopyError> {
    let (secrets, through) = steady_secrets(reader)?;
    let (about, key) = (options.about)(through, &secrets);
    let mut writer = ChunkWriter::new(out).map_err(CopyError::Write)?;
    let mut totals = Totals {
        through,
        ..Totals::default()
    };
    for (kind, content) in [(Kind::About, Some(about)), (Kind::Key, key)] {
        if let Some(content) = content {
            let chunk = Chunk {
                kind,
                entries: 1,
                content,
            };
            writer.write(&chunk).map_err(CopyError::Write)?;
        }
    }
    thread::scope(|scope| {
        let (send, receive) = sync_channel(CHUNKS_WAITING_MAX);
        thread::Builder::new()
            .name("backup-read".to_owned())
            .spawn_scoped(scope, move || {
                if let Err(error) = read_all(reader, through, &send) {
                    // The writing side is gone only when it has failed itself.
                    let _gone = send.send(Err(error));
                }
            })
            .map_err(CopyError::Thread)?;
        write_all(&mut writer, receive, &mut totals, options.progress)
    })?;
    let mut chunk = Filling::new(Kind::Secrets);
    for secret in &secrets {
        let Some(bytes) = (options.secret)(secret) else {
            continue;
        };
        let (position, field, _) = secret;
        chunk.content.extend_from_slice(&position.to_le_bytes());
        chunk.content.extend_from_slice(&field.to_le_bytes());
        chunk.entry(&bytes);
        if let Some(full) = chunk.taken_if_full() {
            count(&mut totals, &full);
            writer.write(&full).map_err(CopyError::Write)?;
        }
    }
    let mut rest: Vec<Chunk> = chunk.taken().into_iter().collect();
    let mut chunk = Filling::new(Kind::Meta);
    for (name, value) in reader.meta_all()? {
        if tables::is_reserved(&name) {
            continue;
        }
        chunk
            .content
            .extend_from_slice(&(name.len() as u16).to_le_bytes());
        chunk.content.extend_from_slice(name.as_bytes());
        chunk.entry(&value);
        rest.extend(chunk.taken_if_full());
    }
    rest.extend(chunk.taken());
    for chunk in rest {
        count(&mut totals, &chunk);
        writer.write(&chunk).map_err(CopyError::Write)?;
    }
    writer.write(&end(&totals)).map_err(CopyError::Write)?;
    let out = writer.finish().map_err(CopyError::Write)?;
    Ok((out, totals))
}

/// All secrets as of one moment, and the last position of that moment: they are read before and after
/// the position is looked at, and are the same.
fn steady_secrets<P: Payload>(reader: &Reader<P>) -> Result<(Vec<Secret>, u64), CopyError> {
    let mut before = all_secrets(reader)?;
    for _ in 0..SECRETS_TRIES {
        let through = reader.next_position().saturating_sub(1);
        let after = all_secrets(reader)?;
        if before == after {
            before.retain(|(position, ..)| *position <= through);
            return Ok((before, through));
        }
        before = after;
    }
    Err(CopyError::Unsteady {
        tries: SECRETS_TRIES,
    })
}

fn all_secrets<P: Payload>(reader: &Reader<P>) -> Result<Vec<Secret>, CopyError> {
    let mut all: Vec<Secret> = Vec::new();
    let mut bytes = 0;
    loop {
        let after = all.last().map(|(position, field, _)| (*position, *field));
        let page = reader.secrets_all(after, PAGE_FRAMES_MAX)?;
        if page.is_empty() {
            return Ok(all);
        }
        bytes += page.iter().map(|(.., sealed)| sealed.len()).sum::<usize>();
        if bytes > SECRETS_BYTES_MAX {
            return Err(CopyError::TooManySecrets);
        }
        all.extend(page);
    }
}

/// A chunk that is being filled.
struct Filling {
    kind: Kind,
    entries: u32,
    content: Vec<u8>,
}

impl Filling {
    fn new(kind: Kind) -> Self {
        Self {
            kind,
            entries: 0,
            content: Vec::new(),
        }
    }

    /// Adds the length and the bytes of an entry whose key stands there already.
    fn entry(&mut self, bytes: &[u8]) {
        self.content
            .extend_from_slice(&(bytes.len() as u32).to_le_bytes());
        self.content.extend_from_slice(bytes);
        self.entries += 1;
    }

    fn taken_if_full(&mut self) -> Option<Chunk> {
        if self.content.len() < CHUNK_FILL_BYTES {
            return None;
        }
        self.taken()
    }

    fn taken(&mut self) -> Option<Chunk> {
        if self.entries == 0 {
            return None;
        }
        Some(Chunk {
            kind: self.kind,
            entries: std::mem::take(&mut self.entries),
            content: std::mem::take(&mut self.content),
        })
    }
}

type Step = Result<(Chunk, u64), CopyError>;

/// Reads frames and bodies up to `through` and hands them on in chunks, each with how far it is.
fn read_all<P: Payload>(
    reader: &Reader<P>,
    through: u64,
    send: &SyncSender<Step>,
) -> Result<(), CopyError> {
    let mut chunk = Filling::new(Kind::Frames);
    let (mut from, mut last) = (1, 0);
    while from <= through {
        chunk
            .content
            .reserve(CHUNK_FILL_BYTES + CHUNK_FILL_BYTES / 4);
        let next = reader.append_frames(
            from,
            through,
            CHUNK_FILL_BYTES,
            &mut chunk.content,
            &mut chunk.entries,
        )?;
        let Some(next) = next else { break };
        (from, last) = (next, next - 1);
        if let Some(full) = chunk.taken_if_full()
            && send.send(Ok((full, last))).is_err()
        {
            return Ok(());
        }
    }
    // The newest frame is never removed, so that a log that ends earlier has lost its end.
    if last < through {
        return Err(CopyError::Short {
            ends: last,
            through,
        });
    }
    if let Some(rest) = chunk.taken()
        && send.send(Ok((rest, last))).is_err()
    {
        return Ok(());
    }
    let mut chunk = Filling::new(Kind::Bodies);
    let mut from = 0;
    loop {
        let sizes = reader.body_sizes(from, PAGE_FRAMES_MAX)?;
        let Some((newest, _)) = sizes.last() else {
            break;
        };
        from = newest.saturating_add(1);
        for (position, _) in sizes
            .into_iter()
            .filter(|(position, _)| *position <= through)
        {
            // Retention may have taken it since.
            let Some(body) = reader.body(position)? else {
                continue;
            };
            chunk.content.extend_from_slice(&position.to_le_bytes());
            chunk.entry(&body);
            if let Some(full) = chunk.taken_if_full()
                && send.send(Ok((full, last))).is_err()
            {
                return Ok(());
            }
        }
        if from > through {
            break;
        }
    }
    if let Some(rest) = chunk.taken() {
        // As above.
        let _gone = send.send(Ok((rest, last)));
    }
    Ok(())
}

fn write_all<W: Write>(
    writer: &mut ChunkWriter<W>,
    steps: Receiver<Step>,
    totals: &mut Totals,
    progress: &mut dyn FnMut(Progress) -> bool,
) -> Result<(), CopyError> {
    for step in steps {
        let (chunk, done) = step?;
        count(totals, &chunk);
        writer.write(&chunk).map_err(CopyError::Write)?;
        let of = totals.through;
        if !progress(Progress { done, of }) {
            return Err(CopyError::Stopped);
        }
    }
    Ok(())
}

fn count(totals: &mut Totals, chunk: &Chunk) {
    let entries = u64::from(chunk.entries);
    totals.bytes += chunk.content.len() as u64;
    match chunk.kind {
        Kind::Frames => totals.frames += entries,
        Kind::Bodies => totals.bodies += entries,
        Kind::Secrets => totals.secrets += entries,
        Kind::Meta => totals.meta += entries,
        Kind::About | Kind::Key | Kind::End => {}
    }
}

fn end(totals: &Totals) -> Chunk {
    let mut content = Vec::with_capacity(48);
    for number in [
        totals.through,
        totals.frames,
        totals.bodies,
        totals.secrets,
        totals.meta,
        totals.bytes,
    ] {
        content.extend_from_slice(&number.to_le_bytes());
    }
    Chunk {
        kind: Kind::End,
        entries: 1,
        content,
    }
}

impl From<CopyError> for std::io::Error {
    fn from(error: CopyError) -> Self {
        std::io::Error::other(error)
    }
}

impl CopyError {
    /// Whether the store itself is what cannot be read.
    pub fn is_damage(&self) -> bool {
        matches!(
            self,
            CopyError::Read(ReadError::Damaged { .. } | ReadError::Payload { .. })
                | CopyError::Short { .. }
        )
    }
}
