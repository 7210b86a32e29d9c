//! The epochs that a guardian of v0.1 still serves, as rows, in the form in which it stores them.
//!
//! Invariants: nothing is proven here, because epochs prove each other only in sequence: the reader has to do
//! it. The number of epochs is fixed when the source is opened.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fm_eras::hbbft::{EpochLayout, epoch_key, epoch_of_key};
use fm_peers::jittered;
use fm_rows::{Keys, Row, RowSource, Rows, SourceError};
use fm_rpc::ClientError;
use futures::{StreamExt, stream};
use serde_json::Value;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio::time::sleep;

use crate::AT_A_TIME;
use crate::guardian::Guardian;
use crate::live::{LiveError, first_at, runtime};

/// How long the guardian may return nothing before a scan ends with an error.
const STALL: Duration = Duration::from_secs(60);
/// How long one request may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// The interval at which a guardian that returned nothing is asked again.
const AGAIN: Duration = Duration::from_secs(1);
/// The number of records that wait for the reader.
const WAITING: usize = 1;

/// The epochs of a guardian of v0.1.
pub struct LiveEpochs {
    guardian: Arc<Guardian>,
    layout: EpochLayout,
    epochs: u64,
    runtime: Runtime,
}

impl LiveEpochs {
    /// Asks the guardian how many epochs it has.
    ///
    /// # Errors
    /// If it does not answer, or is not of v0.1.
    pub fn open(guardian: Guardian, layout: EpochLayout) -> Result<Self, LiveError> {
        let runtime = runtime()?;
        let guardian = Arc::new(guardian.of_epochs());
        let count = guardian.ask_for("fetch_epoch_count", None, &Value::Null, PATIENCE);
        let epochs = runtime.block_on(count)?;
        Ok(Self { guardian, layout, epochs, runtime })
    }

    /// Returns the layout of the records.
    pub fn layout(&self) -> EpochLayout {
        self.layout
    }

    fn range(&self, from: &[u8], to: Option<&[u8]>) -> Range<u64> {
        let first = |key: &[u8]| first_at(key, self.epochs, |epoch| epoch_key(epoch, self.layout.dialect));
        first(from)..to.map_or(self.epochs, first)
    }

    fn fetch(&self, range: Range<u64>) -> mpsc::Receiver<Result<Row, SourceError>> {
        let (sender, receiver) = mpsc::channel(WAITING);
        let (guardian, dialect) = (self.guardian.clone(), self.layout.dialect);
        self.runtime.spawn(async move {
            let ask = |epoch| {
                let guardian = guardian.clone();
                async move { (epoch, record(&guardian, epoch).await) }
            };
            let mut records = std::pin::pin!(stream::iter(range).map(ask).buffered(AT_A_TIME));
            while let Some((epoch, record)) = records.next().await {
                let is_last = record.is_err();
                let row = record.map(|record| (epoch_key(epoch, dialect), record)).map_err(Into::into);
                if sender.send(row).await.is_err() || is_last {
                    return;
                }
            }
        });
        receiver
    }
}

/// Returns the record of an epoch; asks again for a while.
async fn record(guardian: &Guardian, epoch: u64) -> Result<Vec<u8>, LiveError> {
    let start = Instant::now();
    loop {
        match guardian.record(epoch, PATIENCE).await {
            // The room is for one record at a time; the window bounds how many there are.
            Ok((record, _room)) => return Ok(record),
            Err(error @ (ClientError::Unreadable { .. } | ClientError::Unauthorized { .. })) => {
                return Err(error.into());
            }
            Err(error) if start.elapsed() > STALL => return Err(error.into()),
            Err(_) => sleep(jittered(AGAIN)).await,
        }
    }
}

impl RowSource for LiveEpochs {
    fn scan_range<'a>(&'a self, from: &[u8], to: Option<&[u8]>) -> Rows<'a> {
        let range = self.range(from, to);
        let mut rows = (!range.is_empty()).then(|| self.fetch(range));
        Box::new(std::iter::from_fn(move || rows.as_mut()?.blocking_recv()))
    }

    fn keys<'a>(&'a self, from: &[u8], to: Option<&[u8]>) -> Keys<'a> {
        Box::new(self.range(from, to).map(|epoch| Ok(epoch_key(epoch, self.layout.dialect))))
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, SourceError> {
        let dialect = self.layout.dialect;
        // The number alone does not say which table a key is of.
        let is_whole = |epoch: &u64| *epoch < self.epochs && epoch_key(*epoch, dialect) == key;
        let Some(epoch) = epoch_of_key(key, dialect).ok().filter(is_whole) else { return Ok(None) };
        let row = self.fetch(epoch..epoch + 1).blocking_recv();
        row.transpose().map(|row| row.map(|(_, record)| record))
    }
}
