//! The files that pages need: one style sheet and one script, each with its content in its address.
//!
//! The address changes with the content, so the answer may be kept for ever
//! ([`CACHE_CONTROL`]); an address with another hash is not found.

/// What every page is served with: nothing but our own files, and no page may frame ours.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
     img-src 'self' data:; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// What the files are served with.
pub const CACHE_CONTROL: &str = "public, max-age=31536000, immutable";

/// Where the files are, below the root of the listener.
pub const PREFIX: &str = "/assets/";

/// All icons; part of every page.
pub(crate) const ICONS: &str = include_str!("../assets/icons.svg");

/// A file as it is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asset {
    stem: &'static str,
    extension: &'static str,
    pub content_type: &'static str,
    pub body: &'static str,
    pub hash: u64,
}

pub const STYLE: Asset = Asset::new(
    "style",
    "css",
    "text/css; charset=utf-8",
    include_str!("../assets/style.css"),
);

pub const SCRIPT: Asset = Asset::new(
    "live",
    "js",
    "text/javascript; charset=utf-8",
    include_str!("../assets/live.js"),
);

/// Everything below [`PREFIX`].
pub const ALL: [Asset; 2] = [STYLE, SCRIPT];

impl Asset {
    const fn new(
        stem: &'static str,
        extension: &'static str,
        content_type: &'static str,
        body: &'static str,
    ) -> Self {
        Asset {
            stem,
            extension,
            content_type,
            body,
            hash: content_hash(body.as_bytes()),
        }
    }

    /// `style.0123456789abcdef.css`.
    pub fn file_name(&self) -> String {
        format!("{}.{:016x}.{}", self.stem, self.hash, self.extension)
    }

    pub fn path(&self) -> String {
        format!("{PREFIX}{}", self.file_name())
    }
}

/// The file of this name; `None` also for a known one with another hash.
pub fn find(file_name: &str) -> Option<&'static Asset> {
    ALL.iter().find(|asset| asset.file_name() == file_name)
}

/// FNV-1a with 64 bits: it tells versions of our own files apart, nothing more.
const fn content_hash(bytes: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325;
    let mut index = 0;
    while index < bytes.len() {
        hash = (hash ^ bytes[index] as u64).wrapping_mul(0x0000_0100_0000_01b3);
        index += 1;
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_found_by_its_content_only() {
        assert_eq!(content_hash(b"foobar"), 0x8594_4171_f739_67e8);
        for asset in ALL {
            assert_eq!(find(&asset.file_name()), Some(&asset));
        }
        assert_eq!(find("style.0000000000000000.css"), None);
        assert_eq!(find("style.css"), None);
    }
}
