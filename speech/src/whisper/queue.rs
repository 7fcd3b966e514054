//! What waits for a worker: finals first, then what may become one, then partials; of each stream only the newest. Sans-IO.

use std::collections::VecDeque;

use crate::{RecogniseError, Request, RequestKind, StreamId};

/// Finals that may wait. At 20 s each this is 160 MB of audio at most.
pub(super) const FINALS_LIMIT: usize = 256;

/// Requests with something that waits for their answer.
#[derive(Debug)]
pub struct Queue<T> {
    finals: VecDeque<(Request, T)>,
    /// At most one of each stream, in the order of the streams' turns.
    partials: VecDeque<(Request, T)>,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self {
            finals: VecDeque::new(),
            partials: VecDeque::new(),
        }
    }
}

impl<T> Queue<T> {
    /// Takes a request in. What comes back is refused and has to be told so.
    pub fn push(&mut self, request: Request, answer: T) -> Option<(T, RecogniseError)> {
        let same = |(waiting, _): &(Request, T)| waiting.stream == request.stream;
        let stale = self.partials.iter().position(same);
        match request.kind {
            RequestKind::Final if self.finals.len() >= FINALS_LIMIT => {
                Some((answer, RecogniseError::Overloaded))
            }
            RequestKind::Final => {
                let overtaken = stale.and_then(|index| self.partials.remove(index));
                self.finals.push_back((request, answer));
                overtaken.map(|(_, answer)| (answer, RecogniseError::Overtaken))
            }
            RequestKind::Partial | RequestKind::Pause => match stale {
                // The newer one keeps the older one's turn: a stream that speaks fast does not starve itself.
                Some(index) => {
                    let (_, overtaken) = std::mem::replace(&mut self.partials[index], (request, answer));
                    Some((overtaken, RecogniseError::Overtaken))
                }
                None => {
                    self.partials.push_back((request, answer));
                    None
                }
            },
        }
    }

    /// The pause in an utterance is over, and was too short to end it: a look at it that waits is a partial.
    pub fn pause_over(&mut self, stream: StreamId, utterance: u64) {
        if let Some(at) = self.look_at(stream, utterance) {
            self.partials[at].0.kind = RequestKind::Partial;
        }
    }

    /// An utterance is over, and its record is a look that waits: it is a final from now on.
    pub fn awaited(&mut self, stream: StreamId, utterance: u64) {
        let has_room = self.finals.len() < FINALS_LIMIT;
        let at = self.look_at(stream, utterance).filter(|_| has_room);
        self.finals.extend(at.and_then(|at| self.partials.remove(at)));
    }

    /// Where the look at an utterance's pause waits; a stream has one request there at most.
    fn look_at(&self, stream: StreamId, utterance: u64) -> Option<usize> {
        let look = (stream, utterance, RequestKind::Pause);
        let mut partials = self.partials.iter();
        partials.position(|(waiting, _)| (waiting.stream, waiting.utterance, waiting.kind) == look)
    }

    /// The next request to work on.
    pub fn pop(&mut self) -> Option<(Request, T)> {
        self.finals.pop_front().or_else(|| {
            let pause = |(waiting, _): &(Request, T)| waiting.kind == RequestKind::Pause;
            let first = self.partials.iter().position(pause).unwrap_or(0);
            self.partials.remove(first)
        })
    }

    /// Waiting finals and partials.
    pub fn len(&self) -> (usize, usize) {
        (self.finals.len(), self.partials.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Audio, StreamId};

    fn request(stream: u64, utterance: u64, kind: RequestKind) -> Request {
        Request {
            stream: StreamId(stream),
            utterance,
            kind,
            audio: Audio::from([]),
            start_ms: 0,
            prompt: String::new(),
            settled: Vec::new(),
        }
    }

    /// The answers as they are worked on.
    fn order(mut queue: Queue<&'static str>) -> Vec<&'static str> {
        std::iter::from_fn(|| queue.pop())
            .map(|(_, answer)| answer)
            .collect()
    }

    #[test]
    fn finals_go_first_and_only_the_newest_partial_of_a_stream_waits() {
        let mut queue = Queue::default();
        assert_eq!(queue.push(request(1, 0, RequestKind::Partial), "a"), None);
        assert_eq!(queue.push(request(2, 0, RequestKind::Partial), "b"), None);
        assert_eq!(
            queue.push(request(1, 0, RequestKind::Partial), "c"),
            Some(("a", RecogniseError::Overtaken))
        );
        assert_eq!(queue.push(request(3, 7, RequestKind::Final), "d"), None);
        assert_eq!(order(queue), ["d", "c", "b"]);
    }

    #[test]
    fn what_may_become_a_record_goes_before_what_cannot() {
        let mut queue = Queue::default();
        queue.push(request(1, 0, RequestKind::Partial), "partial");
        queue.push(request(2, 0, RequestKind::Pause), "pause");
        queue.push(request(3, 0, RequestKind::Final), "final");
        assert_eq!(order(queue), ["final", "pause", "partial"]);
    }

    #[test]
    fn a_look_at_a_pause_that_is_over_is_a_partial() {
        let mut queue = Queue::default();
        queue.push(request(1, 0, RequestKind::Partial), "partial");
        queue.push(request(2, 0, RequestKind::Pause), "over");
        queue.push(request(3, 0, RequestKind::Pause), "pause");
        queue.pause_over(StreamId(2), 0);
        queue.pause_over(StreamId(3), 7);
        let order: Vec<_> = std::iter::from_fn(|| queue.pop())
            .map(|(request, answer)| (request.kind, answer))
            .collect();
        let partial = |answer| (RequestKind::Partial, answer);
        assert_eq!(
            order,
            [(RequestKind::Pause, "pause"), partial("partial"), partial("over")]
        );
    }

    #[test]
    fn a_look_that_a_final_waits_for_goes_with_the_finals() {
        let mut queue = Queue::default();
        queue.push(request(1, 0, RequestKind::Pause), "pause");
        queue.push(request(2, 4, RequestKind::Pause), "awaited");
        queue.push(request(3, 0, RequestKind::Final), "final");
        queue.awaited(StreamId(2), 4);
        queue.awaited(StreamId(1), 7);
        let newer = queue.push(request(2, 5, RequestKind::Partial), "newer");
        assert_eq!(newer, None, "the next utterance does not overtake it");
        assert_eq!(queue.len(), (2, 2));
        assert_eq!(order(queue), ["final", "awaited", "pause", "newer"]);
    }

    #[test]
    fn a_final_makes_the_streams_own_partial_pointless() {
        let mut queue = Queue::default();
        queue.push(request(1, 0, RequestKind::Partial), "partial");
        let overtaken = queue.push(request(1, 0, RequestKind::Final), "final");
        assert_eq!(overtaken, Some(("partial", RecogniseError::Overtaken)));
        assert_eq!(queue.len(), (1, 0));
    }

    #[test]
    fn the_limit_of_finals_is_said_and_nothing_waiting_is_dropped() {
        let mut queue = Queue::default();
        for number in 0..FINALS_LIMIT as u64 {
            assert!(
                queue
                    .push(request(number, 0, RequestKind::Final), number)
                    .is_none()
            );
        }
        let refused = queue.push(request(9999, 0, RequestKind::Final), 9999);
        assert_eq!(refused, Some((9999, RecogniseError::Overloaded)));
        assert_eq!(queue.len(), (FINALS_LIMIT, 0));
    }
}
