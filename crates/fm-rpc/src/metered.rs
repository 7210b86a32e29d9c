//! A connection whose unread bytes are charged.
//!
//! Invariant: every byte of a request in memory is charged to its sender, from its arrival until the request
//! is answered.

use std::io::{Error, ErrorKind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::budget::{Budget, Charge};

/// The bytes that arrived and are not a whole request yet.
#[derive(Debug, Clone)]
pub(crate) struct Meter {
    budget: Arc<Budget>,
    held: Arc<Mutex<Option<Charge>>>,
}

impl Meter {
    pub(crate) fn new(budget: Arc<Budget>) -> Self {
        Self { budget, held: Arc::default() }
    }

    /// Returns the charge for the bytes that arrived since the last call.
    pub(crate) fn take(&self) -> Option<Charge> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn add(&self, bytes: usize) -> bool {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        match held.as_mut() {
            Some(charge) => charge.grow(bytes),
            None => {
                *held = self.budget.take(bytes);
                held.is_some()
            }
        }
    }
}

/// A stream that ends when there is no room for arriving bytes.
#[derive(Debug)]
pub(crate) struct Metered {
    pub(crate) stream: TcpStream,
    pub(crate) meter: Meter,
}

impl AsyncRead for Metered {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<Result<(), Error>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        if self.meter.add(buffer.filled().len() - before) {
            return Poll::Ready(Ok(()));
        }
        Poll::Ready(Err(Error::new(ErrorKind::QuotaExceeded, "too much waits to be answered")))
    }
}

impl AsyncWrite for Metered {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<Result<usize, Error>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
