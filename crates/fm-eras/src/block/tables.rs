//! Tables as data: prefix, name, form of keys and values, and the versions that know them.

pub use fm_modules::Version;

/// The form of a key after its prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyForm {
    /// Nothing.
    Nothing,
    /// A 64-bit number.
    Number,
    /// Two 64-bit numbers.
    TwoNumbers,
    /// A guardian's number.
    Peer,
    /// This many bytes.
    Bytes(usize),
    /// Nothing, or a module's id (255: the server itself).
    Version,
    /// A module's id, and the module's own key.
    Module,
}

/// The form of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueForm {
    /// A finished block or session.
    Block,
    /// An accepted item.
    AcceptedItem,
    /// An empty value.
    Nothing,
    /// A 64-bit number.
    Number,
    /// A byte string.
    ByteString,
    /// This many bytes.
    Bytes(usize),
    /// A list of module ids.
    ModuleIds,
    /// Two texts.
    TwoTexts,
    /// A text, a number and a Schnorr signature.
    Announcement,
    /// A byte string and a Schnorr signature.
    Metadata,
    /// A time and a byte string.
    Backup,
    /// Any bytes that the module stores.
    Module,
}

/// A table.
#[derive(Clone, Copy, Debug)]
pub struct TableFact {
    /// First byte of its keys.
    pub prefix: u8,
    /// Its name in reports and manifests.
    pub name: &'static str,
    /// Form of its keys.
    pub key: KeyForm,
    /// Form of its values.
    pub value: ValueForm,
    /// The first released version that knows the prefix in this meaning.
    pub since: Version,
}
