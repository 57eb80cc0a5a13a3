//! Packed bodies: one method byte, the length of the original, a checksum, then the bytes.

use xxhash_rust::xxh3::Xxh3;

/// The bytes as they are, without a checksum. Read, and not written any more.
const STORED: u8 = 0;
/// One lz4 block, without a checksum. Read, and not written any more.
const LZ4: u8 = 1;
/// The bytes as they are, behind their checksum.
const STORED_SUMMED: u8 = 2;
/// One lz4 block, behind its checksum.
const LZ4_SUMMED: u8 = 3;
/// Method and length, in bytes.
const HEAD_BYTES: usize = 5;
/// Behind the head: the low 32 bits of xxh3-64 over head and content.
const SUM_BYTES: usize = 4;
/// One byte of an lz4 block stands for at most so many bytes; more is a lie about the length.
const LZ4_RATIO_MAX: usize = 255;

/// Why a packed body could not be unpacked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnpackError {
    #[error("the body has {bytes} bytes unpacked, more than {max_bytes}")]
    TooLarge { bytes: usize, max_bytes: usize },
    #[error("the body cannot be unpacked: {why}")]
    Damaged { why: String },
    #[error("the body is packed by method {method}, which this program does not know")]
    UnknownMethod { method: u8 },
}

/// Packs bytes, at most 4 GiB; bytes that do not shrink are stored as they are.
pub fn pack(bytes: &[u8]) -> Vec<u8> {
    const START: usize = HEAD_BYTES + SUM_BYTES;
    let mut out = vec![0; START + lz4_flex::block::get_maximum_output_size(bytes.len())];
    out[0] = LZ4_SUMMED;
    out[1..HEAD_BYTES].copy_from_slice(&(bytes.len() as u32).to_le_bytes());
    match lz4_flex::block::compress_into(bytes, &mut out[START..]) {
        Ok(packed) if packed < bytes.len() => out.truncate(START + packed),
        Ok(_) | Err(_) => {
            out[0] = STORED_SUMMED;
            out.truncate(START);
            out.extend_from_slice(bytes);
        }
    }
    let sum = checksum(&out[..HEAD_BYTES], &out[START..]);
    out[HEAD_BYTES..START].copy_from_slice(&sum.to_le_bytes());
    out
}

fn checksum(head: &[u8], content: &[u8]) -> u32 {
    let mut hasher = Xxh3::new();
    hasher.update(head);
    hasher.update(content);
    hasher.digest() as u32
}

/// Unpacks what [`pack`] made, never allocating more than `max_bytes`.
pub fn unpack(packed: &[u8], max_bytes: usize) -> Result<Vec<u8>, UnpackError> {
    let damaged = |why: String| UnpackError::Damaged { why };
    let Some((head, content)) = packed.split_first_chunk::<HEAD_BYTES>() else {
        return Err(damaged(format!("{} bytes have no head", packed.len())));
    };
    let [mut method, length @ ..] = *head;
    let mut content = content;
    if matches!(method, STORED_SUMMED | LZ4_SUMMED) {
        let Some((sum, summed)) = content.split_first_chunk::<SUM_BYTES>() else {
            return Err(damaged("its checksum is cut off".to_owned()));
        };
        if u32::from_le_bytes(*sum) != checksum(head, summed) {
            return Err(damaged("it does not match its checksum".to_owned()));
        }
        content = summed;
        method -= STORED_SUMMED - STORED;
    }
    let bytes = u32::from_le_bytes(length) as usize;
    if bytes > max_bytes {
        return Err(UnpackError::TooLarge { bytes, max_bytes });
    }
    match method {
        STORED if content.len() == bytes => Ok(content.to_vec()),
        STORED => Err(damaged(format!(
            "{} bytes are there, {bytes} should be",
            content.len()
        ))),
        LZ4 if bytes > content.len().saturating_mul(LZ4_RATIO_MAX) => Err(damaged(format!(
            "{} bytes cannot hold {bytes}",
            content.len()
        ))),
        LZ4 => {
            let mut out = vec![0; bytes];
            let written = lz4_flex::block::decompress_into(content, &mut out)
                .map_err(|e| damaged(e.to_string()))?;
            if written != bytes {
                return Err(damaged(format!(
                    "{written} bytes came out, {bytes} should have"
                )));
            }
            Ok(out)
        }
        method => Err(UnpackError::UnknownMethod { method }),
    }
}
