//! Datagrams that wait to be written to a stream. A stream delivers everything, however late; who speaks over it wants what
//! UDP does: what could not be sent in time is lost, and what comes next is on time. So there is a bound to how many wait, and
//! one to how long; the oldest give way.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::Notify;

/// How many wait.
const MAX_WAITING: usize = 256;
/// Older ones are passed over: sound that comes later is played by no jitter buffer.
pub(super) const MAX_AGE: Duration = Duration::from_millis(500);

/// The end at which datagrams come in. When it is gone, what waits is still written.
pub(super) struct Waiting(Arc<Shared>);

/// The end at which they are taken to be written.
pub(super) struct Writes(Arc<Shared>);

struct Shared {
    queue: Mutex<Queue>,
    changed: Notify,
    /// What waits however long it takes.
    is_patient: fn(&[u8]) -> bool,
}

#[derive(Default)]
struct Queue {
    datagrams: VecDeque<(Instant, Bytes)>,
    no_more_come: bool,
}

/// A queue to a stream.
pub(super) fn queue(is_patient: fn(&[u8]) -> bool) -> (Waiting, Writes) {
    let shared = Arc::new(Shared {
        queue: Mutex::default(),
        changed: Notify::new(),
        is_patient,
    });
    (Waiting(Arc::clone(&shared)), Writes(shared))
}

impl Waiting {
    pub(super) fn push(&self, datagram: Bytes) {
        self.push_since(Instant::now(), datagram);
    }

    fn push_since(&self, since: Instant, datagram: Bytes) {
        let mut queue = self.0.queue.lock();
        let waiting = &mut queue.datagrams;
        if waiting.len() >= MAX_WAITING {
            let oldest = waiting
                .iter()
                .position(|(_, datagram)| !(self.0.is_patient)(datagram));
            waiting.remove(oldest.unwrap_or(0));
        }
        waiting.push_back((since, datagram));
        drop(queue);
        self.0.changed.notify_one();
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.queue.lock().no_more_come = true;
        self.0.changed.notify_one();
    }
}

impl Writes {
    /// The next one that is still worth writing; none when no more will come.
    pub(super) async fn next(&mut self) -> Option<Bytes> {
        loop {
            let next = {
                let mut queue = self.0.queue.lock();
                let is_patient = self.0.is_patient;
                let worth =
                    |(since, datagram): &(Instant, Bytes)| since.elapsed() <= MAX_AGE || is_patient(datagram);
                while queue.datagrams.front().is_some_and(|datagram| !worth(datagram)) {
                    queue.datagrams.pop_front();
                }
                match queue.datagrams.pop_front() {
                    None if queue.no_more_come => return None,
                    next => next,
                }
            };
            match next {
                Some((_, datagram)) => return Some(datagram),
                None => self.0.changed.notified().await,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patient(datagram: &[u8]) -> bool {
        datagram == b"patient"
    }

    #[tokio::test]
    async fn what_waited_too_long_is_passed_over() {
        let (waiting, mut writes) = queue(patient);
        let old = Instant::now()
            .checked_sub(MAX_AGE + Duration::from_millis(1))
            .expect("a moment after the start of the machine");
        for datagram in ["old", "patient", "old"] {
            waiting.push_since(old, datagram.into());
        }
        waiting.push("new".into());
        assert_eq!(writes.next().await.as_deref(), Some(&b"patient"[..]));
        assert_eq!(writes.next().await.as_deref(), Some(&b"new"[..]));
        drop(waiting);
        assert_eq!(writes.next().await, None);
    }

    #[tokio::test]
    async fn of_too_many_the_oldest_give_way_but_not_the_patient() {
        let (waiting, mut writes) = queue(patient);
        waiting.push("patient".into());
        for number in 0..1_000_u32 {
            waiting.push(Bytes::copy_from_slice(&number.to_be_bytes()));
        }
        drop(waiting);
        assert_eq!(writes.next().await.as_deref(), Some(&b"patient"[..]));
        let mut left = Vec::new();
        while let Some(datagram) = writes.next().await {
            left.push(u32::from_be_bytes(datagram[..].try_into().expect("four bytes")));
        }
        let expected: Vec<u32> = (1_000 - (MAX_WAITING as u32 - 1)..1_000).collect();
        assert_eq!(left, expected);
    }

    #[tokio::test]
    async fn who_waits_for_one_is_woken() {
        let (waiting, mut writes) = queue(|_| false);
        let writer = tokio::spawn(async move { (writes.next().await, writes.next().await) });
        tokio::task::yield_now().await;
        waiting.push("first".into());
        tokio::task::yield_now().await;
        drop(waiting);
        let written = writer.await.expect("no panic");
        assert_eq!((written.0.as_deref(), written.1), (Some(&b"first"[..]), None));
    }
}
