//! Kinds of failures: what a program that reports an error needs to know of it.

/// What kind of failure an error is.
///
/// Every error of the libraries above this one returns its kind, so that a program maps kinds to exit statuses and knows
/// no variants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// Something is wrong with what was looked at, or two things differ.
    Findings,
    /// The user asked for something that cannot be done, or named the wrong thing.
    Usage,
    /// Something cannot be read, written or reached.
    CannotLook,
    /// The source or the target is in use.
    Locked,
    /// A password or key is wrong.
    WrongKey,
    /// There is no space left.
    OutOfSpace,
    /// The job was interrupted; the same call continues or starts again.
    Interrupted,
}
