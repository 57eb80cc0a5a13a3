//! Whether a request comes from who it says: exactly by the configured method.
//!
//! **Invariant:** [`verify`] is the only place that makes a [`Verified`]. Every comparison with a
//! secret takes the same time wherever they differ; an empty secret, header or signature equals
//! nothing; SHA-1 is not known here.

use std::borrow::Cow;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use hmac::{Hmac, KeyInit as _, Mac as _};
use percent_encoding::percent_decode_str;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::{Keys, RawRequest, Unverified, Verified, Webhook};
use crate::domain::spec::{DigestEncoding, HmacSpec, ProviderSpec, Verify};

/// How far a signed time may lie from ours, in seconds, either way.
pub const TIME_TOLERANCE_SECONDS: i64 = 300;

const AUTHORIZATION: &str = "authorization";
const BASIC: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Verifies a request by the method of its provider, or by the kind's default.
pub fn verify<'a>(
    provider: &dyn Webhook,
    spec: &ProviderSpec,
    request: &'a RawRequest<'a>,
    keys: &Keys<'_>,
) -> Result<Verified<'a>, Unverified> {
    let default;
    let method = match &spec.verify {
        Some(method) => method,
        None => {
            default = provider.default_verify();
            &default
        }
    };
    if !provider.accepts(method) {
        return Err(Unverified::MethodNotAccepted);
    }
    match method {
        Verify::None => Ok(()),
        Verify::Signature => usable(keys).and_then(|()| provider.verify_signature(request, keys)),
        Verify::Bearer if provider.takes_any_header() => {
            usable(keys).and_then(|()| any_header(request, keys))
        }
        Verify::Bearer => usable(keys).and_then(|()| bearer(request, keys)),
        Verify::Basic => usable(keys).and_then(|()| basic(request, keys)),
        Verify::Path => usable(keys).and_then(|()| path(request, keys)),
        Verify::Hmac(scheme) => usable(keys).and_then(|()| hmac(scheme, request, keys)),
    }
    .map(|()| Verified(request))
}

fn usable(keys: &Keys<'_>) -> Result<(), Unverified> {
    match keys.secrets.iter().any(|secret| !secret.is_empty()) {
        true => Ok(()),
        false => Err(Unverified::NoSecret),
    }
}

/// The one value of a header that must come exactly once and not empty.
fn only_header<'a>(request: &'a RawRequest<'_>, name: &str) -> Result<&'a str, Unverified> {
    let mut values = request.headers.iter().filter(|(key, _)| *key == name);
    let (_, value) = values
        .next()
        .ok_or_else(|| Unverified::HeaderMissing(name.into()))?;
    if values.next().is_some() {
        return Err(Unverified::HeaderMalformed(
            name.into(),
            "it was sent more than once",
        ));
    }
    let text = std::str::from_utf8(value)
        .map_err(|_| Unverified::HeaderMalformed(name.into(), "it is not text"))?
        .trim_ascii();
    if text.is_empty() {
        return Err(Unverified::HeaderEmpty(name.into()));
    }
    Ok(text)
}

fn bearer(request: &RawRequest<'_>, keys: &Keys<'_>) -> Result<(), Unverified> {
    let token = credentials(only_header(request, AUTHORIZATION)?, "bearer").ok_or_else(|| {
        Unverified::HeaderMalformed(AUTHORIZATION.into(), "`Bearer` and the token are expected")
    })?;
    same_token(token.as_bytes(), keys, AUTHORIZATION)
}

/// Parts of names of headers that carry a token.
const TOKEN_NAMES: [&str; 4] = ["authorization", "key", "token", "secret"];

/// The token in a header of any name, with `Bearer` before it or without.
fn any_header(request: &RawRequest<'_>, keys: &Keys<'_>) -> Result<(), Unverified> {
    let mut same = subtle::Choice::from(0);
    for (_, value) in &request.headers {
        let value = value.trim_ascii();
        let text = std::str::from_utf8(value).unwrap_or("");
        let token = credentials(text, "bearer").map_or(value, str::as_bytes);
        if !token.is_empty() {
            same |= is_token(token, keys);
        }
    }
    if bool::from(same) {
        return Ok(());
    }
    // Which of them was meant is a guess, and only for who reads why it was refused.
    let meant = request
        .headers
        .iter()
        .find(|(name, _)| TOKEN_NAMES.iter().any(|part| name.contains(part)));
    Err(match meant {
        Some((name, value)) if value.trim_ascii().is_empty() => {
            Unverified::HeaderEmpty((*name).into())
        }
        Some((name, _)) => Unverified::TokenMismatch((*name).into()),
        None => Unverified::HeaderMissing("x-api-key, or another with the secret,".into()),
    })
}

fn basic(request: &RawRequest<'_>, keys: &Keys<'_>) -> Result<(), Unverified> {
    let malformed = || {
        Unverified::HeaderMalformed(
            AUTHORIZATION.into(),
            "`Basic` and base64 of `user:password` are expected",
        )
    };
    let encoded =
        credentials(only_header(request, AUTHORIZATION)?, "basic").ok_or_else(malformed)?;
    let pair = BASIC.decode(encoded).map_err(|_| malformed())?;
    let colon = pair
        .iter()
        .position(|byte| *byte == b':')
        .ok_or_else(malformed)?;
    same_token(&pair[colon + 1..], keys, AUTHORIZATION)
}

/// What follows the scheme of an `Authorization` header, or `None` for another scheme.
fn credentials<'a>(header: &'a str, scheme: &str) -> Option<&'a str> {
    let (given, rest) = header.split_once(' ').unwrap_or((header, ""));
    given
        .eq_ignore_ascii_case(scheme)
        .then(|| rest.trim_ascii())
}

fn path(request: &RawRequest<'_>, keys: &Keys<'_>) -> Result<(), Unverified> {
    let segment = request
        .path_rest
        .trim_end_matches('/')
        .rsplit('/')
        .next()
        .unwrap_or("");
    if segment.is_empty() {
        return Err(Unverified::PathTokenMissing);
    }
    let token: Cow<'_, [u8]> = percent_decode_str(segment).into();
    same_token(&token, keys, "the path")
}

/// Compares digests, so that not even the length of a secret shows in the time it takes.
fn same_token(given: &[u8], keys: &Keys<'_>, place: &str) -> Result<(), Unverified> {
    if given.is_empty() {
        return Err(Unverified::HeaderEmpty(place.into()));
    }
    match bool::from(is_token(given, keys)) {
        true => Ok(()),
        false => Err(Unverified::TokenMismatch(place.into())),
    }
}

fn is_token(given: &[u8], keys: &Keys<'_>) -> subtle::Choice {
    let given = Sha256::digest(given);
    let mut same = subtle::Choice::from(0);
    for secret in keys.secrets.iter().filter(|secret| !secret.is_empty()) {
        same |= given.as_slice().ct_eq(Sha256::digest(secret).as_slice());
    }
    same
}

fn hmac(scheme: &HmacSpec, request: &RawRequest<'_>, keys: &Keys<'_>) -> Result<(), Unverified> {
    let name = scheme.header.to_ascii_lowercase();
    let value = only_header(request, &name)?;
    let digits = value.strip_prefix(scheme.prefix.as_str()).ok_or_else(|| {
        Unverified::HeaderMalformed(name.clone(), "it does not start with the configured prefix")
    })?;
    if digits.is_empty() {
        return Err(Unverified::HeaderEmpty(name));
    }
    let signature = match scheme.encoding {
        DigestEncoding::Hex => decode_hex(digits).ok_or("64 hex digits are expected"),
        DigestEncoding::Base64 => BASIC
            .decode(digits)
            .ok()
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or("base64 of 32 bytes is expected"),
    }
    .map_err(|why| Unverified::HeaderMalformed(name.clone(), why))?;
    let Some(time_header) = &scheme.timestamp else {
        return match Digests::of(keys, &[request.body]).contain(&signature) {
            true => Ok(()),
            false => Err(Unverified::SignatureMismatch(name)),
        };
    };
    let time_name = time_header.to_ascii_lowercase();
    let time = only_header(request, &time_name)?;
    let signed = [time.as_bytes(), b".", request.body];
    if !Digests::of(keys, &signed).contain(&signature) {
        return Err(Unverified::SignatureMismatch(name));
    }
    // Only now: that the time is off is worth saying when the sender did sign it.
    let seconds: i64 = time.parse().map_err(|_| {
        Unverified::HeaderMalformed(time_name.clone(), "seconds since 1970 are expected")
    })?;
    match keys.now_seconds.abs_diff(seconds) <= TIME_TOLERANCE_SECONDS.unsigned_abs() {
        true => Ok(()),
        false => Err(Unverified::TooOld(time_name)),
    }
}

/// The HMAC-SHA256 of these bytes, taken together, by each secret.
struct Digests(Vec<[u8; 32]>);

impl Digests {
    fn of(keys: &Keys<'_>, parts: &[&[u8]]) -> Self {
        let digest = |secret: &&[u8]| {
            let mut mac = Hmac::<Sha256>::new_from_slice(secret).ok()?;
            for part in parts {
                mac.update(part);
            }
            Some(mac.finalize().into_bytes().into())
        };
        let secrets = keys.secrets.iter().filter(|secret| !secret.is_empty());
        Digests(secrets.filter_map(digest).collect())
    }

    /// Every digest is compared, so that the time does not tell which secret it was.
    fn contain(&self, signature: &[u8; 32]) -> bool {
        self.0
            .iter()
            .fold(subtle::Choice::from(0), |same, digest| {
                same | digest.ct_eq(signature)
            })
            .into()
    }
}

/// A header in which a forge sends a signature.
pub(super) struct SignatureHeader {
    pub name: &'static str,
    pub prefix: &'static str,
    /// Whether this header alone is enough. The others only have to agree where they are present.
    pub sufficient: bool,
}

/// Checks every signature header a forge sends. Each that says something has to be right; one that
/// is sufficient has to be there.
pub(super) fn signature_headers(
    known: &[SignatureHeader],
    request: &RawRequest<'_>,
    signed: &[u8],
    keys: &Keys<'_>,
) -> Result<(), Unverified> {
    let mut proven = false;
    let mut empty = None;
    let mut digests = None;
    for expected in known {
        let values = request
            .headers
            .iter()
            .filter(|(key, _)| *key == expected.name);
        for (_, value) in values {
            let name = || expected.name.to_owned();
            let value = value.trim_ascii();
            if value.is_empty() || value == expected.prefix.as_bytes() {
                empty.get_or_insert_with(name);
                continue;
            }
            let signature = value
                .strip_prefix(expected.prefix.as_bytes())
                .and_then(|digits| std::str::from_utf8(digits).ok())
                .and_then(decode_hex)
                .ok_or_else(|| {
                    let form = match expected.prefix.is_empty() {
                        true => "64 hex digits are expected",
                        false => "`sha256=` and 64 hex digits are expected",
                    };
                    Unverified::HeaderMalformed(name(), form)
                })?;
            let digests = digests.get_or_insert_with(|| Digests::of(keys, &[signed]));
            if !digests.contain(&signature) {
                return Err(Unverified::SignatureMismatch(name()));
            }
            proven |= expected.sufficient;
        }
    }
    if proven {
        return Ok(());
    }
    Err(match empty {
        Some(name) => Unverified::HeaderEmpty(name),
        None => {
            let main = known.iter().find(|header| header.sufficient);
            Unverified::HeaderMissing(main.map_or("", |header| header.name).into())
        }
    })
}

fn decode_hex(digits: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    hex::decode_to_slice(digits, &mut bytes).ok()?;
    Some(bytes)
}
