//! The bytes of a backup: a head, then chunks, each with a checksum that covers the one before.

use std::io::{self, Read, Write};

use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use super::{BACKUP_FORMAT, BackupError, CHUNK_BYTES_MAX};

/// The first four bytes of a backup: `NBBK`.
const MAGIC: u32 = u32::from_le_bytes(*b"NBBK");
/// Size of the head of the file, in bytes.
pub const FILE_HEAD_BYTES: usize = 16;
/// The first four bytes of a chunk: `NBCK`.
const CHUNK_MAGIC: u32 = u32::from_le_bytes(*b"NBCK");
/// Size of the head of a chunk, in bytes.
const CHUNK_HEAD_BYTES: usize = 32;
/// Where the checksum stands in it.
const CHECKSUM_AT: usize = 24;
/// Content as it is.
const STORED: u8 = 0;
/// Content as one lz4 block.
const LZ4: u8 = 1;
/// One byte of an lz4 block stands for at most so many bytes; more is a lie about the length.
const LZ4_RATIO_MAX: usize = 255;
/// Bytes read at a time, so that memory is taken for what is there and not for what is claimed.
const READ_BYTES: usize = 1024 * 1024;

/// What a chunk holds. In a backup these numbers never go down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    About = 1,
    Key = 2,
    Frames = 3,
    Bodies = 4,
    Secrets = 5,
    Meta = 6,
    End = 7,
}

impl Kind {
    const ALL: [Kind; 7] = [
        Kind::About,
        Kind::Key,
        Kind::Frames,
        Kind::Bodies,
        Kind::Secrets,
        Kind::Meta,
        Kind::End,
    ];

    fn of(number: u8) -> Option<Self> {
        Kind::ALL.into_iter().find(|kind| *kind as u8 == number)
    }
}

/// A chunk as it is handed from one to the other.
#[derive(Debug)]
pub struct Chunk {
    pub kind: Kind,
    pub entries: u32,
    pub content: Vec<u8>,
}

/// Writes chunks.
pub struct ChunkWriter<W> {
    out: W,
    number: u32,
    before: u64,
    packed: Vec<u8>,
}

impl<W: Write> ChunkWriter<W> {
    pub fn new(mut out: W) -> io::Result<Self> {
        let mut head = [0; FILE_HEAD_BYTES];
        head[..4].copy_from_slice(&MAGIC.to_le_bytes());
        head[4..6].copy_from_slice(&BACKUP_FORMAT.to_le_bytes());
        let sum = xxh3_64(&head[..8]);
        head[8..].copy_from_slice(&sum.to_le_bytes());
        out.write_all(&head)?;
        Ok(Self {
            out,
            number: 0,
            before: sum,
            packed: Vec::new(),
        })
    }

    pub fn write(&mut self, chunk: &Chunk) -> io::Result<()> {
        // What was packed or sealed before does not get smaller.
        let worth = matches!(chunk.kind, Kind::About | Kind::Frames | Kind::Meta);
        let most = lz4_flex::block::get_maximum_output_size(chunk.content.len());
        if worth && self.packed.len() < most {
            self.packed.resize(most, 0);
        }
        let packed = worth
            .then(|| lz4_flex::block::compress_into(&chunk.content, &mut self.packed).ok())
            .flatten()
            .filter(|packed| *packed < chunk.content.len());
        let (packing, stored): (u8, &[u8]) = match packed {
            Some(packed) => (LZ4, &self.packed[..packed]),
            None => (STORED, &chunk.content),
        };
        let mut head = [0; CHUNK_HEAD_BYTES];
        head[..4].copy_from_slice(&CHUNK_MAGIC.to_le_bytes());
        head[4] = chunk.kind as u8;
        head[5] = packing;
        head[8..12].copy_from_slice(&self.number.to_le_bytes());
        head[12..16].copy_from_slice(&chunk.entries.to_le_bytes());
        head[16..20].copy_from_slice(&(chunk.content.len() as u32).to_le_bytes());
        head[20..24].copy_from_slice(&(stored.len() as u32).to_le_bytes());
        let sum = checksum(self.before, &head, stored);
        head[CHECKSUM_AT..].copy_from_slice(&sum.to_le_bytes());
        self.out.write_all(&head)?;
        self.out.write_all(stored)?;
        self.before = sum;
        self.number += 1;
        Ok(())
    }

    pub fn finish(mut self) -> io::Result<W> {
        self.out.flush()?;
        Ok(self.out)
    }
}

/// Reads chunks, and accepts only what [`ChunkWriter`] wrote.
pub struct ChunkReader<R> {
    input: R,
    number: u32,
    before: u64,
    at: u64,
}

impl<R: Read> ChunkReader<R> {
    pub fn new(mut input: R) -> Result<Self, BackupError> {
        let mut head = [0; FILE_HEAD_BYTES];
        if fill(&mut input, &mut head)? < FILE_HEAD_BYTES {
            return Err(BackupError::NotABackup);
        }
        let [a, b, c, d, low, high, ..] = head;
        if u32::from_le_bytes([a, b, c, d]) != MAGIC {
            return Err(BackupError::NotABackup);
        }
        let sum = number(&head, 8);
        if sum != xxh3_64(&head[..8]) {
            return Err(BackupError::Damaged {
                number: 0,
                at: 0,
                why: "its head does not match its checksum".to_owned(),
            });
        }
        let format = u16::from_le_bytes([low, high]);
        if format > BACKUP_FORMAT {
            return Err(BackupError::Newer { format });
        }
        Ok(Self {
            input,
            number: 0,
            before: sum,
            at: FILE_HEAD_BYTES as u64,
        })
    }

    /// How many bytes were read.
    pub fn at(&self) -> u64 {
        self.at
    }

    pub fn damaged(&self, why: impl Into<String>) -> BackupError {
        BackupError::Damaged {
            number: self.number,
            at: self.at,
            why: why.into(),
        }
    }

    /// The next chunk; there is always one more until the end was read.
    pub fn read(&mut self) -> Result<Chunk, BackupError> {
        let cut = BackupError::Cut {
            chunks: self.number,
            at: self.at,
        };
        let mut head = [0; CHUNK_HEAD_BYTES];
        if fill(&mut self.input, &mut head)? < CHUNK_HEAD_BYTES {
            return Err(cut);
        }
        let word =
            |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        if word(0) != CHUNK_MAGIC {
            return Err(self.damaged("no chunk begins here"));
        }
        let (unpacked, stored) = (word(16) as usize, word(20) as usize);
        if unpacked > CHUNK_BYTES_MAX || stored > CHUNK_BYTES_MAX {
            return Err(self.damaged(format!(
                "it claims {unpacked} bytes in {stored}, more than {CHUNK_BYTES_MAX}"
            )));
        }
        let mut bytes = Vec::new();
        while bytes.len() < stored {
            let from = bytes.len();
            bytes.resize(stored.min(from + READ_BYTES), 0);
            let wanted = bytes.len() - from;
            if fill(&mut self.input, &mut bytes[from..])? < wanted {
                return Err(cut);
            }
        }
        if number(&head, CHECKSUM_AT) != checksum(self.before, &head, &bytes) {
            return Err(self.damaged("it does not match its checksum"));
        }
        if word(8) != self.number {
            return Err(self.damaged(format!("it says that it is chunk {}", word(8))));
        }
        let kind = Kind::of(head[4])
            .filter(|_| head[6..8] == [0, 0])
            .ok_or_else(|| self.damaged(format!("nothing is known of kind {}", head[4])))?;
        let content = match head[5] {
            STORED if unpacked == stored => bytes,
            LZ4 if unpacked <= stored.saturating_mul(LZ4_RATIO_MAX) => {
                let mut content = vec![0; unpacked];
                match lz4_flex::block::decompress_into(&bytes, &mut content) {
                    Ok(written) if written == unpacked => content,
                    Ok(_) | Err(_) => return Err(self.damaged("it cannot be unpacked")),
                }
            }
            _ => return Err(self.damaged("it is packed in an unknown way")),
        };
        self.before = number(&head, CHECKSUM_AT);
        self.at += (CHUNK_HEAD_BYTES + stored) as u64;
        self.number += 1;
        Ok(Chunk {
            kind,
            entries: word(12),
            content,
        })
    }

    /// Nothing may follow the end.
    pub fn ended(&mut self) -> Result<(), BackupError> {
        if fill(&mut self.input, &mut [0])? > 0 {
            return Err(self.damaged("something follows the end"));
        }
        Ok(())
    }
}

fn number(head: &[u8], at: usize) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&head[at..at + 8]);
    u64::from_le_bytes(bytes)
}

fn checksum(before: u64, head: &[u8; CHUNK_HEAD_BYTES], stored: &[u8]) -> u64 {
    let mut hasher = Xxh3::new();
    hasher.update(&before.to_le_bytes());
    hasher.update(&head[..CHECKSUM_AT]);
    hasher.update(stored);
    hasher.digest()
}

/// Reads until `out` is full or the input ends, and says how much there was.
fn fill(input: &mut impl Read, out: &mut [u8]) -> Result<usize, BackupError> {
    let mut there = 0;
    while there < out.len() {
        match input.read(&mut out[there..]) {
            Ok(0) => break,
            Ok(read) => there += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(BackupError::Io(error)),
        }
    }
    Ok(there)
}
