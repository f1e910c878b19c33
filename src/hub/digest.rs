//! Digests that a hub lists for its files: SHA-256 of large ones, git's SHA-1 of the others.

use sha1::Sha1;
use sha2::{Digest as _, Sha256};
use std::fmt;

/// What a file's content has to come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Digest {
    /// SHA-256 of the content, as git LFS names it.
    Sha256([u8; 32]),
    /// SHA-1 of `blob`, the length and the content, as git names it.
    Git([u8; 20]),
}

impl Digest {
    /// Reads hexadecimal digits, 64 or 40 of them.
    pub fn parse(text: &str) -> Option<Self> {
        match text.len() {
            64 => Some(Self::Sha256(bytes(text)?)),
            40 => Some(Self::Git(bytes(text)?)),
            _ => None,
        }
    }

    /// For people.
    pub fn method(&self) -> &'static str {
        match self {
            Self::Sha256(_) => "SHA-256",
            Self::Git(_) => "git SHA-1",
        }
    }

    /// Starts to count the content of a file of this length.
    pub(super) fn start(&self, length: u64) -> Hasher {
        match self {
            Self::Sha256(_) => Hasher::Sha256(Sha256::new()),
            Self::Git(_) => {
                let mut hasher = Sha1::new();
                hasher.update(format!("blob {length}\0"));
                Hasher::Git(hasher)
            }
        }
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes: &[u8] = match self {
            Self::Sha256(bytes) => bytes,
            Self::Git(bytes) => bytes,
        };
        bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

fn bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    text.bytes().all(|byte| byte.is_ascii_hexdigit()).then_some(bytes)
}

/// A digest on its way.
#[derive(Clone)]
pub(super) enum Hasher {
    Sha256(Sha256),
    Git(Sha1),
}

impl Hasher {
    pub(super) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(hasher) => hasher.update(bytes),
            Self::Git(hasher) => hasher.update(bytes),
        }
    }

    pub(super) fn finish(self) -> Digest {
        match self {
            Self::Sha256(hasher) => Digest::Sha256(hasher.finalize().into()),
            Self::Git(hasher) => Digest::Git(hasher.finalize().into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_those_of_git_and_lfs() {
        // git hash-object and sha256sum of "hello\n".
        for text in [
            "ce013625030ba8dba906f756967f9e9ca394464a",
            "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03",
        ] {
            let digest = Digest::parse(text).unwrap();
            let mut hasher = digest.start(6);
            hasher.update(b"hel");
            hasher.update(b"lo\n");
            assert_eq!(hasher.finish(), digest);
            assert_eq!(digest.to_string(), text);
        }
        for text in ["", "abc", &"g".repeat(40), &"é".repeat(20), &"+1".repeat(32)] {
            assert_eq!(Digest::parse(text), None, "{text}");
        }
    }
}
