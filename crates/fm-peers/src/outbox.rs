//! The messages that wait to be sent to a guardian. Invariant: the queue is bounded; a full queue drops its
//! oldest message first.
//!
//! The oldest, because the consensus requests missing messages again, and newer messages are more useful to
//! it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

const MAX_MESSAGES: usize = 4096;
const MAX_BYTES: usize = 16 << 20;

#[derive(Debug, Default)]
pub(crate) struct Outbox {
    queue: Mutex<Queue>,
    filled: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    messages: VecDeque<Arc<[u8]>>,
    bytes: usize,
}

impl Queue {
    fn pop(&mut self) -> Option<Arc<[u8]>> {
        let message = self.messages.pop_front()?;
        self.bytes -= message.len();
        Some(message)
    }
}

impl Outbox {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a message; returns the number of messages dropped for it.
    pub(crate) fn push(&self, message: Arc<[u8]>) -> u64 {
        let (mut queue, mut dropped) = (self.queue(), 0);
        while queue.messages.len() >= MAX_MESSAGES || queue.bytes + message.len() > MAX_BYTES {
            if queue.pop().is_none() {
                break;
            }
            dropped += 1;
        }
        queue.bytes += message.len();
        queue.messages.push_back(message);
        self.filled.notify_one();
        dropped
    }

    /// Waits for the oldest message and returns it. Only one task may take messages.
    pub(crate) async fn take(&self) -> Arc<[u8]> {
        loop {
            if let Some(message) = self.try_take() {
                return message;
            }
            self.filled.notified().await;
        }
    }

    /// Returns the oldest message, if there is one.
    pub(crate) fn try_take(&self) -> Option<Arc<[u8]>> {
        self.queue().pop()
    }

    pub(crate) fn len(&self) -> usize {
        self.queue().messages.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_full_queue_drops_its_oldest() {
        let outbox = Outbox::default();
        let message = |n: usize| Arc::from(n.to_le_bytes().as_slice());
        let dropped: u64 = (0..MAX_MESSAGES + 3).map(|n| outbox.push(message(n))).sum();
        assert_eq!((dropped, outbox.len()), (3, MAX_MESSAGES));
        assert_eq!(outbox.take().await, message(3));
        let half: Arc<[u8]> = Arc::from(vec![0; MAX_BYTES / 2]);
        outbox.push(half.clone());
        outbox.push(half.clone());
        assert_eq!(outbox.len(), 2);
        assert_eq!(outbox.push(half), 1);
    }
}
