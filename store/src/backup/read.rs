//! A backup, piece by piece, each checked before it is handed on.

use std::io::Read;

use super::chunk::{Chunk, ChunkReader, Kind};
use super::{ABOUT_BYTES_MAX, BackupError, Totals};
use crate::batch::{BODY_BYTES_MAX, META_KEY_BYTES_MAX, META_VALUE_BYTES_MAX, SECRET_BYTES_MAX};
use crate::frame::{self, FrameError, HEADER_BYTES, PAYLOAD_BYTES_MAX};
use crate::reader::Frames;

/// What a chunk holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// What the writer said of the backup; always first.
    About(Vec<u8>),
    /// The key that goes with it, in the writer's own form.
    Key(Vec<u8>),
    Frames(Frames),
    /// Packed bodies by position.
    Bodies(Vec<(u64, Vec<u8>)>),
    /// Secrets by position and field, as the writer chose to give them.
    Secrets(Vec<(u64, u16, Vec<u8>)>),
    Meta(Vec<(String, Vec<u8>)>),
    /// Everything was read, and it was as much as was written.
    End(Totals),
}

/// A backup being read.
pub struct Backup<R> {
    chunks: ChunkReader<R>,
    last: Option<Kind>,
    seen: Totals,
    /// The newest position of frames, bodies and so on, which only rise.
    newest: (u64, u16),
}

impl<R: Read> Backup<R> {
    pub fn open(input: R) -> Result<Self, BackupError> {
        Ok(Self {
            chunks: ChunkReader::new(input)?,
            last: None,
            seen: Totals::default(),
            newest: (0, 0),
        })
    }

    /// How many bytes were read.
    pub fn bytes_read(&self) -> u64 {
        self.chunks.at()
    }

    /// The next piece; `None` after the end.
    #[expect(
        clippy::should_implement_trait,
        reason = "an iterator would go on after an error"
    )]
    pub fn next(&mut self) -> Result<Option<Piece>, BackupError> {
        if self.last == Some(Kind::End) {
            return Ok(None);
        }
        let chunk = self.chunks.read()?;
        let in_order = match self.last {
            None => chunk.kind == Kind::About,
            Some(last @ (Kind::About | Kind::Key)) => chunk.kind > last,
            Some(last) => chunk.kind >= last,
        };
        if !in_order {
            return Err(self.chunks.damaged("its chunks are out of order"));
        }
        if self.last != Some(chunk.kind) {
            self.newest = (0, 0);
        }
        self.last = Some(chunk.kind);
        let (entries, bytes) = (u64::from(chunk.entries), chunk.content.len() as u64);
        let kind = chunk.kind;
        let piece = self.piece(chunk).map_err(|why| self.chunks.damaged(why))?;
        match kind {
            Kind::Frames => self.seen.frames += entries,
            Kind::Bodies => self.seen.bodies += entries,
            Kind::Secrets => self.seen.secrets += entries,
            Kind::Meta => self.seen.meta += entries,
            Kind::About | Kind::Key | Kind::End => return Ok(Some(self.ended(piece)?)),
        }
        self.seen.bytes += bytes;
        Ok(Some(piece))
    }

    /// At the end, compares what there was with what should have been.
    fn ended(&mut self, piece: Piece) -> Result<Piece, BackupError> {
        if let Piece::End(totals) = &piece {
            if *totals != self.seen {
                return Err(self
                    .chunks
                    .damaged("it does not hold as much as its end says"));
            }
            self.chunks.ended()?;
        }
        Ok(piece)
    }

    fn piece(&mut self, chunk: Chunk) -> Result<Piece, String> {
        let mut rest = Rest(&chunk.content);
        let entries = chunk.entries as usize;
        let piece = match chunk.kind {
            Kind::About | Kind::Key => {
                if chunk.content.len() > ABOUT_BYTES_MAX {
                    return Err(format!("it has more than {ABOUT_BYTES_MAX} bytes"));
                }
                return Ok(match chunk.kind {
                    Kind::Key => Piece::Key(chunk.content),
                    _about => Piece::About(chunk.content),
                });
            }
            Kind::Frames => {
                let mut frames = Frames::default();
                for _ in 0..entries {
                    self.frame(&mut rest, &mut frames)?;
                }
                Piece::Frames(frames)
            }
            Kind::Bodies => {
                let mut bodies = Vec::new();
                for _ in 0..entries {
                    let position = rest.u64()?;
                    self.rise((position, 0))?;
                    bodies.push((position, rest.sized(BODY_BYTES_MAX)?.to_vec()));
                }
                Piece::Bodies(bodies)
            }
            Kind::Secrets => {
                let mut secrets = Vec::new();
                for _ in 0..entries {
                    let (position, field) = (rest.u64()?, rest.u16()?);
                    if self.seen.secrets > 0 || !secrets.is_empty() {
                        self.rise((position, field))?;
                    }
                    self.newest = (position, field);
                    secrets.push((position, field, rest.sized(SECRET_BYTES_MAX)?.to_vec()));
                }
                Piece::Secrets(secrets)
            }
            Kind::Meta => {
                let mut meta = Vec::new();
                for _ in 0..entries {
                    let length = usize::from(rest.u16()?);
                    if length > META_KEY_BYTES_MAX {
                        return Err("a name of meta is too long".to_owned());
                    }
                    let name = String::from_utf8(rest.bytes(length)?.to_vec())
                        .map_err(|_| "a name of meta is not text")?;
                    meta.push((name, rest.sized(META_VALUE_BYTES_MAX)?.to_vec()));
                }
                Piece::Meta(meta)
            }
            Kind::End => Piece::End(Totals {
                through: rest.u64()?,
                frames: rest.u64()?,
                bodies: rest.u64()?,
                secrets: rest.u64()?,
                meta: rest.u64()?,
                bytes: rest.u64()?,
            }),
        };
        if !rest.0.is_empty() {
            return Err(format!("{} bytes are left over", rest.0.len()));
        }
        Ok(piece)
    }

    fn frame(&mut self, rest: &mut Rest<'_>, frames: &mut Frames) -> Result<(), String> {
        let head = rest.0.get(..HEADER_BYTES).ok_or(SHORT)?;
        let length = u32::from_le_bytes([head[12], head[13], head[14], head[15]]) as usize;
        if length > PAYLOAD_BYTES_MAX {
            return Err(format!("a frame of {length} bytes is over the bound"));
        }
        let mut position = [0; 8];
        position.copy_from_slice(&head[16..24]);
        let position = u64::from_le_bytes(position);
        let bytes = rest.bytes(HEADER_BYTES + length)?;
        let (header, payload) = frame::decode(position, bytes).map_err(|error| match error {
            FrameError::Damaged(why) => format!("position {position}: {why}"),
            FrameError::NewerFormat(format) => {
                format!("position {position} has frame format {format}, which is newer than this program")
            }
        })?;
        self.rise((position, 0))?;
        frames.push(&header, payload);
        self.seen.through = position;
        Ok(())
    }

    fn rise(&mut self, key: (u64, u16)) -> Result<(), String> {
        if key <= self.newest {
            return Err(format!("position {} is out of order", key.0));
        }
        self.newest = key;
        Ok(())
    }
}

const SHORT: &str = "an entry is cut off";

/// What is left of a chunk's content.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn bytes(&mut self, length: usize) -> Result<&'a [u8], String> {
        let (bytes, rest) = self.0.split_at_checked(length).ok_or(SHORT)?;
        self.0 = rest;
        Ok(bytes)
    }

    fn sized(&mut self, most: usize) -> Result<&'a [u8], String> {
        let length = self.bytes(4)?;
        let length = u32::from_le_bytes([length[0], length[1], length[2], length[3]]) as usize;
        if length > most {
            return Err(format!(
                "an entry of {length} bytes is over the bound of {most}"
            ));
        }
        self.bytes(length)
    }

    fn u64(&mut self) -> Result<u64, String> {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(self.bytes(8)?);
        Ok(u64::from_le_bytes(bytes))
    }

    fn u16(&mut self) -> Result<u16, String> {
        let bytes = self.bytes(2)?;
        Ok(u16::from_le_bytes([bytes[0], bytes[1]]))
    }
}
