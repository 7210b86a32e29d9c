//! An archive that is an object.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use fm_backup::{Draft, Location, ReadSeek, Remote};

use crate::answer::missing;
use crate::client::{Client, Stat};
use crate::read::{Ranged, Window};
use crate::upload::{self, Upload};
use crate::waiting::wait;
use crate::{Address, ObjectError, Settings};

/// The number of small windows that are kept for later readers of the object: header, trailer and the end of
/// the index.
const KEPT: usize = 16;

/// Returns the archive at an address.
///
/// # Errors
/// Fails if the settings do not make a client. No request is sent to the store yet.
pub fn location(address: &Address, settings: &Settings) -> Result<Location, ObjectError> {
    let name = PathBuf::from(format!("s3://{}/{}", address.bucket, address.key));
    let refused =
        || ObjectError::Address { text: name.display().to_string(), what: "no store takes such a key" };
    let path = object_store::path::Path::parse(&address.key).map_err(|_| refused())?;
    let (store, soon) = settings.clients(&address.bucket)?;
    let client = Client {
        store: Arc::new(store),
        soon: Arc::new(soon),
        path,
        most_copied: settings.most_copied()?,
        patience: settings.patience()?,
        knows_no_conditions: Arc::default(),
    };
    Ok(Location::remote(name, Arc::new(Object::new(client))))
}

/// An object, and the known facts about it.
#[derive(Clone)]
pub(crate) struct Object {
    client: Client,
    known: Arc<Known>,
}

/// Facts that all readers of the object share: they see the same version of it.
#[derive(Default)]
pub(crate) struct Known {
    stat: OnceLock<Stat>,
    windows: Mutex<Vec<Window>>,
}

impl Known {
    /// Returns the small window that contains the byte at `place`.
    pub(crate) fn window(&self, place: u64) -> Option<Window> {
        self.lock().iter().find(|window| window.holds(place)).cloned()
    }

    pub(crate) fn keep(&self, window: Window) {
        let mut windows = self.lock();
        if windows.len() == KEPT {
            windows.remove(0);
        }
        windows.push(window);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Window>> {
        self.windows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Object {
    pub(crate) fn new(client: Client) -> Self {
        Self { client, known: Arc::default() }
    }
}

impl Remote for Object {
    fn is_there(&self) -> io::Result<bool> {
        Ok(self.client.stat()?.is_some())
    }

    fn open(&self) -> io::Result<Box<dyn ReadSeek>> {
        let stat = match self.known.stat.get() {
            Some(stat) => stat.clone(),
            None => {
                let found = self.client.stat()?;
                let found = found.ok_or_else(missing)?;
                self.known.stat.get_or_init(|| found).clone()
            }
        };
        Ok(Box::new(Ranged::new(self.client.clone(), stat, Arc::clone(&self.known))))
    }

    fn create(&self, name: &Path, is_ours: fn(&[u8]) -> bool) -> io::Result<Box<dyn Draft>> {
        Ok(Box::new(Upload::create(name, &self.client, is_ours)?))
    }

    fn clear(&self) -> io::Result<()> {
        wait(upload::clear(&self.client))?
    }
}
