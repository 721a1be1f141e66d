//! A text that must not be seen: a stream key, a passphrase.
//!
//! It cannot be printed, logged, compared or serialised by accident, and is wiped when it is dropped.

use zeroize::Zeroizing;

/// The text, behind a door with a name.
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes a text over.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text itself, for the one place that writes it where a person asked to have it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}
