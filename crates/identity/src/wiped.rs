//! Bytes that are overwritten when they are done with.

use std::ops::{Deref, DerefMut};

use zeroize::Zeroize;

/// As `Zeroizing<Vec<u8>>`, all at once instead of byte by byte, which is a thirtieth of what a token with a certificate
/// takes. Whoever lets it grow leaves a copy behind; whoever shortens it leaves the rest.
#[derive(Default)]
pub(crate) struct Wiped(pub(crate) Vec<u8>);

impl Drop for Wiped {
    fn drop(&mut self) {
        self.0.as_mut_slice().zeroize();
    }
}

impl AsRef<[u8]> for Wiped {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Deref for Wiped {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.0
    }
}

impl DerefMut for Wiped {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }
}
