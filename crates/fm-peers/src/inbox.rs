//! Received messages of guardians that wait to be taken.
//!
//! Invariants: every guardian has its own queue, bounded in messages and bytes; the queues are emptied in
//! turn. If a guardian's queue is full, its link is not read, so only that link fills up.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::frame::MAX_MESSAGE_BYTES;

const MAX_MESSAGES: usize = 1024;
/// The most bytes of messages in a guardian's queue.
const MAX_BYTES: usize = 2 * MAX_MESSAGE_BYTES;

struct Waiting {
    bytes: Vec<u8>,
    _room: OwnedSemaphorePermit,
}

/// The end of a queue that a link fills.
pub(crate) struct Inbox {
    queue: mpsc::Sender<Waiting>,
    room: Arc<Semaphore>,
}

/// Reserved bytes for a message in the queue.
pub(crate) struct Room(OwnedSemaphorePermit);

/// The end of a queue that is emptied.
pub(crate) struct Queue(mpsc::Receiver<Waiting>);

/// Returns both ends of a guardian's queue.
pub(crate) fn inbox() -> (Inbox, Queue) {
    let (queue, taker) = mpsc::channel(MAX_MESSAGES);
    (Inbox { queue, room: Arc::new(Semaphore::new(MAX_BYTES)) }, Queue(taker))
}

impl Inbox {
    /// Waits for room for a message of this many bytes; returns `None` if the other end of the queue is gone.
    pub(crate) async fn room(&self, bytes: u32) -> Option<Room> {
        self.room.clone().acquire_many_owned(bytes).await.ok().map(Room)
    }

    /// Adds a message; returns false if the other end of the queue is gone.
    pub(crate) async fn push(&self, bytes: Vec<u8>, room: Room) -> bool {
        self.queue.send(Waiting { bytes, _room: room.0 }).await.is_ok()
    }
}

/// The messages of all guardians.
#[derive(Debug)]
pub struct Incoming {
    queues: Vec<(u16, mpsc::Receiver<Waiting>)>,
    turn: usize,
}

impl std::fmt::Debug for Waiting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes", self.bytes.len())
    }
}

impl Incoming {
    pub(crate) fn new(queues: Vec<(u16, Queue)>) -> Self {
        Self { queues: queues.into_iter().map(|(peer, queue)| (peer, queue.0)).collect(), turn: 0 }
    }

    /// Returns the next message and its sender, taking guardians in turn; `None` when all links have ended.
    ///
    /// Cancellation-safe: if the future is dropped, no message is lost.
    pub async fn next(&mut self) -> Option<(u16, Vec<u8>)> {
        poll_fn(|context| {
            let (count, mut open) = (self.queues.len(), false);
            for step in 0..count {
                let place = (self.turn + step) % count;
                let (peer, queue) = &mut self.queues[place];
                match queue.poll_recv(context) {
                    Poll::Ready(Some(waiting)) => {
                        self.turn = place + 1;
                        return Poll::Ready(Some((*peer, waiting.bytes)));
                    }
                    Poll::Ready(None) => (),
                    Poll::Pending => open = true,
                }
            }
            if open { Poll::Pending } else { Poll::Ready(None) }
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_flood_takes_turns_with_the_others() {
        let ((loud, loud_queue), (quiet, quiet_queue)) = (inbox(), inbox());
        for _ in 0..100 {
            let room = loud.room(1).await.unwrap();
            assert!(loud.push(vec![0], room).await);
        }
        let room = quiet.room(1).await.unwrap();
        assert!(quiet.push(vec![1], room).await);
        let mut incoming = Incoming::new(vec![(1, loud_queue), (2, quiet_queue)]);
        assert_eq!(incoming.next().await, Some((1, vec![0])));
        assert_eq!(incoming.next().await, Some((2, vec![1])));
        assert_eq!(incoming.next().await, Some((1, vec![0])));
    }

    #[tokio::test]
    async fn a_full_queue_makes_its_sender_wait() {
        let (inbox, _queue) = inbox();
        let most = u32::try_from(MAX_BYTES).unwrap();
        let room = inbox.room(most).await.unwrap();
        let wait = std::time::Duration::from_millis(20);
        assert!(tokio::time::timeout(wait, inbox.room(1)).await.is_err());
        drop(room);
        assert!(inbox.room(1).await.is_some());
    }
}
