//! The life of a question: it waits its turn, is looked up, answered or given up. Few at a time, bounded in
//! number and time; a question always gets some reply.

use std::collections::VecDeque;

use uuid::Uuid;

use super::types::{AgentState, Question};

/// Questions that may wait; the next one is told to come back.
pub const WAITING_MAX: usize = 8;
/// Questions that are looked up at the same time.
pub const RUNNING_MAX: usize = 2;
/// A lookup that takes longer is given up.
pub const ANSWER_LIMIT_MS: u64 = 30_000;

/// The questions of a session.
#[derive(Debug, Default)]
pub struct Questions {
    waiting: VecDeque<Question>,
    running: Vec<(Question, u64)>,
    giving: usize,
}

/// The session has as many questions as it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooMany;

impl Questions {
    /// A question came.
    ///
    /// # Errors
    /// [`WAITING_MAX`] of them wait already.
    pub fn ask(&mut self, question: Question) -> Result<(), TooMany> {
        if self.waiting.len() >= WAITING_MAX {
            return Err(TooMany);
        }
        self.waiting.push_back(question);
        Ok(())
    }

    /// The next question to look up, if there is one and a place for it.
    pub fn next(&mut self, now_ms: u64) -> Option<Question> {
        if self.running.len() >= RUNNING_MAX {
            return None;
        }
        let question = self.waiting.pop_front()?;
        self.running.push((question.clone(), now_ms + ANSWER_LIMIT_MS));
        Some(question)
    }

    /// The lookup of a question ended. `None` when it was given up before.
    pub fn looked_up(&mut self, id: Uuid) -> Option<Question> {
        let index = self.running.iter().position(|(question, _)| question.id == id)?;
        Some(self.running.swap_remove(index).0)
    }

    /// Questions whose time is up.
    pub fn expired(&mut self, now_ms: u64) -> Vec<Question> {
        let (late, running) = std::mem::take(&mut self.running)
            .into_iter()
            .partition(|(_, until_ms)| *until_ms <= now_ms);
        self.running = running;
        let late: Vec<(Question, u64)> = late;
        late.into_iter().map(|(question, _)| question).collect()
    }

    /// An answer is on its way to the room.
    pub fn giving(&mut self) {
        self.giving += 1;
    }

    /// An answer has reached the room, or never will.
    pub fn given(&mut self) {
        self.giving = self.giving.saturating_sub(1);
    }

    /// Drops what has not begun and returns it.
    pub fn abandon_waiting(&mut self) -> Vec<Question> {
        self.waiting.drain(..).collect()
    }

    /// What participants should see.
    pub fn state(&self) -> AgentState {
        if self.giving > 0 {
            AgentState::Speaking
        } else if self.running.is_empty() && self.waiting.is_empty() {
            AgentState::Listening
        } else {
            AgentState::Thinking
        }
    }

    /// Whether nothing is left to do.
    pub fn is_idle(&self) -> bool {
        self.state() == AgentState::Listening
    }

    /// When [`Questions::expired`] has something.
    pub fn next_tick_ms(&self) -> Option<u64> {
        self.running.iter().map(|(_, until_ms)| *until_ms).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::types::Via;

    fn question(number: u128) -> Question {
        Question {
            id: Uuid::from_u128(number),
            asked_by: "p-1".to_owned(),
            via: Via::Chat,
            text: "?".to_owned(),
            asked_ms: 0,
        }
    }

    #[test]
    fn two_are_looked_up_eight_wait_and_the_next_is_refused() {
        let mut questions = Questions::default();
        for number in 0..2 {
            questions.ask(question(number)).unwrap();
            assert!(questions.next(0).is_some());
        }
        for number in 2..10 {
            questions.ask(question(number)).unwrap();
            assert!(questions.next(0).is_none());
        }
        assert_eq!(questions.ask(question(10)), Err(TooMany));
        assert_eq!(questions.looked_up(Uuid::from_u128(0)), Some(question(0)));
        assert_eq!(questions.next(5), Some(question(2)));
    }

    #[test]
    fn a_lookup_that_takes_too_long_is_given_up_and_its_answer_ignored() {
        let mut questions = Questions::default();
        questions.ask(question(1)).unwrap();
        questions.next(100).unwrap();
        assert_eq!(questions.state(), AgentState::Thinking);
        assert!(questions.expired(100 + ANSWER_LIMIT_MS - 1).is_empty());
        assert_eq!(questions.expired(100 + ANSWER_LIMIT_MS), [question(1)]);
        assert_eq!(questions.looked_up(Uuid::from_u128(1)), None);
        assert!(questions.is_idle());
    }

    #[test]
    fn the_state_follows_the_questions() {
        let mut questions = Questions::default();
        assert_eq!(questions.state(), AgentState::Listening);
        questions.ask(question(1)).unwrap();
        assert_eq!(questions.state(), AgentState::Thinking);
        questions.next(0);
        questions.looked_up(Uuid::from_u128(1));
        questions.giving();
        assert_eq!(questions.state(), AgentState::Speaking);
        questions.given();
        assert_eq!(questions.state(), AgentState::Listening);
    }
}
