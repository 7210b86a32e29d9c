//! The detection of the form of a history's signatures, and the test whether the keys belong to it.

use fm_crypto::SessionKeys;
use fm_eras::Era;
use fm_eras::block::{BlockLayout, decode_block};
use fm_history::{Code, Finding, Place, SessionHeader};

use crate::control::Control;
use crate::error::AuditError;
use crate::source::Origin;

/// Number of signed sessions on which the keys are tried before the whole history is checked.
const KEY_SAMPLES: usize = 8;

/// The keys and the form that signatures are checked with.
#[derive(Default)]
pub(crate) struct Scheme {
    /// The keys with the message form that the history's signatures have; `None` if none of the signatures
    /// verifies.
    pub(crate) keys: Option<SessionKeys>,
    /// The layout that the signatures show, if they have no tag and the request named the tagged twin of this
    /// layout.
    pub(crate) untagged: Option<&'static BlockLayout>,
    /// Why there are no keys although the caller passed some.
    pub(crate) finding: Option<Finding>,
}

impl Scheme {
    fn wrong_keys(message: impl Into<String>) -> Self {
        let finding = Finding::new(Code::WrongKeys, Place::everywhere(), message);
        Self { finding: Some(finding), ..Self::default() }
    }
}

/// Tries the keys on the first signed sessions.
///
/// Only blocks of the broadcast crate can have either form, and their records do not show which one.
pub(crate) fn choose_scheme(
    origin: Origin<'_>,
    layout: &'static BlockLayout,
    keys: Option<&SessionKeys>,
    control: Control<'_>,
) -> Result<Scheme, AuditError> {
    let Some(keys) = keys else { return Ok(Scheme::default()) };
    if layout.tagged && layout.era != Era::B && keys.tag().is_none() {
        return Ok(Scheme::wrong_keys(
            "servers sign sessions with keys that have a parity, and these have none: signatures were not looked at",
        ));
    }
    let forms = match (layout.tagged, layout.era) {
        (false, _) => vec![keys.without_tag()],
        (true, Era::B) => vec![keys.clone(), keys.without_tag()],
        (true, _) => vec![keys.clone()],
    };
    let mut signed = 0;
    for row in origin.rows.scan_prefix(layout.history) {
        let (key, value) = row.map_err(|source| origin.unreadable(source))?;
        control.check()?;
        let (Ok(index), Ok(block)) = (layout.number_of_key(&key), decode_block(&value, layout)) else {
            continue;
        };
        let header = SessionHeader { index, root: block.merkle.root }.to_bytes();
        let verifies = |form: &&SessionKeys| {
            let message = form.message(&header);
            let mut signatures = block.signatures.iter();
            signatures.any(|(peer, signature)| form.verify(*peer, &message, signature).is_ok())
        };
        if let Some(form) = forms.iter().find(verifies) {
            let is_untagged = layout.tagged && form.tag().is_none();
            let twin = || fm_eras::broadcast::LAYOUTS.iter().find(|twin| layout.is_tagged_twin(twin));
            let untagged = if is_untagged { twin() } else { None };
            return Ok(Scheme { keys: Some(form.clone()), untagged, finding: None });
        }
        signed += usize::from(!block.signatures.is_empty());
        if signed >= KEY_SAMPLES {
            break;
        }
    }
    if signed > 1 {
        return Ok(Scheme::wrong_keys(format!(
            "none of the signatures on {signed} sessions verifies: the keys are of another federation, or the database \
             is damaged; signatures were not looked at any further"
        )));
    }
    Ok(Scheme { keys: forms.into_iter().next(), ..Scheme::default() })
}
