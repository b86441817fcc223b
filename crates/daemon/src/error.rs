//! What a failure means to whoever started the program.

/// The class of a failure; the program maps each to its documented exit code.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum ExitClass {
    /// Something in the configuration has to be changed (78).
    Configuration,
    /// Credential, consent or permission is refused (77).
    Refused,
    /// It passes by itself; the same command may succeed later (75).
    Temporary,
    /// A service cannot be reached (69).
    Unavailable,
}
