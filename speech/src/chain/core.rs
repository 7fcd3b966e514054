//! Who is asked for a request, for how long, and what follows from the answer. Sans-IO.

use std::collections::VecDeque;

use super::breaker::{Asked, Breaker};
use super::{ChainLimits, LINKS_MAX};
use crate::{RecogniseError, Recognised, RequestKind, StreamId};

/// Utterances of which is remembered who shall not be asked for them again; the oldest are forgotten.
const MARKED_MAX: usize = 1_024;

/// A set of links, one bit each.
type Links = u8;
const _: () = assert!(LINKS_MAX <= Links::BITS as usize);

/// What a request is to the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) stream: StreamId,
    pub(super) utterance: u64,
    pub(super) kind: RequestKind,
    pub(super) audio_ms: u64,
}

/// One request on its way through the chain.
#[derive(Debug)]
pub(super) struct Course {
    wanted: Wanted,
    tried: Links,
    asked: Option<(usize, Asked)>,
    error: RecogniseError,
}

/// What to do next for a request.
#[derive(Debug, PartialEq)]
pub(super) enum Step {
    /// Ask this link, and come back with its answer, or with [`RecogniseError::Late`] after so long.
    Ask { link: usize, patience_ms: u64 },
    /// This is the answer.
    Answer(Recognised),
}

/// A link's state has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Rested {
        link: usize,
        error: RecogniseError,
        rest_ms: u64,
    },
    Back {
        link: usize,
    },
}

#[derive(Debug)]
struct Link {
    breaker: Breaker,
    gives_partials: bool,
}

/// The links of a chain.
#[derive(Debug)]
pub(super) struct Core {
    links: Vec<Link>,
    limits: ChainLimits,
    /// Links that failed an utterance, or rested when it came: they get the next one, not the rest of this one.
    marked: VecDeque<(StreamId, u64, Links)>,
    pub(super) changes: Vec<Change>,
}

impl Core {
    /// One entry a link: whether it gives partials.
    pub(super) fn new(links: impl IntoIterator<Item = bool>, limits: ChainLimits) -> Self {
        let link = |gives_partials| Link {
            breaker: Breaker::new(),
            gives_partials,
        };
        Self {
            links: links.into_iter().map(link).collect(),
            limits,
            marked: VecDeque::new(),
            changes: Vec::new(),
        }
    }

    /// A request comes in.
    pub(super) fn begin(&mut self, wanted: Wanted, now_ms: u64) -> (Course, Step) {
        let gives_any = self.links.iter().any(|link| link.gives_partials);
        let is_hopeless = wanted.kind != RequestKind::Final && !gives_any;
        let mut course = Course {
            wanted,
            tried: 0,
            asked: None,
            error: if is_hopeless {
                RecogniseError::NoPartials
            } else {
                RecogniseError::Failed
            },
        };
        let step = self.ask(&mut course, now_ms);
        (course, step)
    }

    /// The link that was asked has answered, or its time is over.
    pub(super) fn answered(&mut self, course: &mut Course, result: Recognised, now_ms: u64) -> Step {
        let Some((link, asked)) = course.asked.take() else {
            return Step::Answer(result);
        };
        let breaker = &mut self.links[link].breaker;
        match result {
            Ok(mut hypothesis) => {
                if breaker.succeeded(asked) {
                    self.changes.push(Change::Back { link });
                }
                // A partial of a stand-in must not become the record in place of the final of another.
                if course.wanted.kind != RequestKind::Final {
                    hypothesis.is_whole &= self.ready_for(&course.wanted, true, now_ms).next() == Some(link);
                }
                return Step::Answer(Ok(hypothesis));
            }
            // What is wrong is the request, and only with partials.
            Err(error @ (RecogniseError::Overtaken | RecogniseError::Astray))
                if course.wanted.kind != RequestKind::Final =>
            {
                breaker.abandoned(asked, now_ms);
                return Step::Answer(Err(error));
            }
            Err(
                error @ (RecogniseError::Overtaken
                | RecogniseError::Astray
                | RecogniseError::Overloaded
                | RecogniseError::NoPartials),
            ) => {
                breaker.abandoned(asked, now_ms);
                course.error = error;
            }
            Err(error) => {
                if let Some(rest_ms) = breaker.failed(asked, error, &self.limits, now_ms) {
                    self.changes.push(Change::Rested { link, error, rest_ms });
                }
                course.error = error;
                self.mark(&course.wanted, 1 << link);
            }
        }
        self.ask(course, now_ms)
    }

    /// The link that a new final would be asked of.
    pub(super) fn serving(&self, now_ms: u64) -> usize {
        let ready = |link: &Link| link.breaker.is_ready(now_ms);
        self.links.iter().position(ready).unwrap_or(0)
    }

    /// Nobody waits for the request any more.
    pub(super) fn abandoned(&mut self, course: &mut Course, now_ms: u64) {
        if let Some((link, asked)) = course.asked.take() {
            self.links[link].breaker.abandoned(asked, now_ms);
        }
    }

    fn ask(&mut self, course: &mut Course, now_ms: u64) -> Step {
        let wanted = course.wanted;
        let is_final = wanted.kind == RequestKind::Final;
        let is_left = |link: &usize| course.tried & (1 << link) == 0;
        let mut ready = self.ready_for(&wanted, is_final, now_ms).filter(is_left);
        let (first, second) = (ready.next(), ready.next());
        drop(ready);
        // A final is worth a try with whoever is left, the soonest to be ready first; a partial is not.
        let chosen = first.or_else(|| {
            let left = (0..self.links.len()).filter(is_left).filter(|_| is_final);
            left.min_by_key(|&link| self.links[link].breaker.ready_ms())
        });
        let Some(link) = chosen else {
            return Step::Answer(Err(course.error));
        };
        course.tried |= 1 << link;
        let others_are_left = if is_final {
            usize::try_from(course.tried.count_ones()).is_ok_and(|tried| tried < self.links.len())
        } else {
            second.is_some()
        };
        let patience_ms = match (wanted.kind, others_are_left) {
            (RequestKind::Partial | RequestKind::Pause, true) => self.limits.partial_ms,
            (RequestKind::Partial | RequestKind::Pause, false) => self.limits.last_partial_ms,
            (RequestKind::Final, true) => self.limits.final_ms + wanted.audio_ms,
            (RequestKind::Final, false) => self.limits.last_final_ms,
        };
        let passed_over = (0..link)
            .filter(|&before| self.links[before].gives_partials || is_final)
            .fold(0, |links, before| links | (1 << before));
        if passed_over != 0 {
            self.mark(&wanted, passed_over);
        }
        course.asked = Some((link, self.links[link].breaker.asked()));
        Step::Ask { link, patience_ms }
    }

    /// The links that may be asked for an utterance, in order.
    fn ready_for(&self, wanted: &Wanted, is_final: bool, now_ms: u64) -> impl Iterator<Item = usize> {
        let marked = self.marks(wanted);
        self.links
            .iter()
            .enumerate()
            .filter(move |(link, state)| {
                (is_final || state.gives_partials)
                    && marked & (1 << link) == 0
                    && state.breaker.is_ready(now_ms)
            })
            .map(|(link, _)| link)
    }

    fn marks(&self, wanted: &Wanted) -> Links {
        self.marked
            .iter()
            .find(|(stream, utterance, _)| (*stream, *utterance) == (wanted.stream, wanted.utterance))
            .map_or(0, |(_, _, links)| *links)
    }

    fn mark(&mut self, wanted: &Wanted, links: Links) {
        let same = |(stream, utterance, _): &&mut (StreamId, u64, Links)| {
            (*stream, *utterance) == (wanted.stream, wanted.utterance)
        };
        if let Some((_, _, marked)) = self.marked.iter_mut().find(same) {
            *marked |= links;
            return;
        }
        if self.marked.len() >= MARKED_MAX {
            self.marked.pop_front();
        }
        self.marked.push_back((wanted.stream, wanted.utterance, links));
    }
}

#[cfg(test)]
mod tests;
