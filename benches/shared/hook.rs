//! The webhook that every bench sends: a push of 2 KiB.
//!
//! Requests differ in one number, which stands in the branch's name and thereby in the subject, in
//! the body that a webhook target gets, and in the delivery id.

/// What stands before the number wherever it stands.
pub const MARK: &[u8] = b"build-";
/// Hexadecimal digits of the number.
pub const DIGITS: usize = 16;

const BODY: &str = include_str!("push.json");

/// The body of request `number`.
pub fn body(number: u64) -> Vec<u8> {
    let mut body = BODY.trim_end().as_bytes().to_vec();
    let at = find(&body, MARK).expect("the body has a mark") + MARK.len();
    body[at..at + DIGITS].copy_from_slice(format!("{number:016x}").as_bytes());
    body
}

/// Where something stands in bytes.
pub fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes
        .windows(wanted.len())
        .position(|window| window == wanted)
}
