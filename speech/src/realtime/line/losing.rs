//! When to give up, and what is left then.

use super::{Final, Line, Link, Output, Stage};
use crate::RecogniseError;

impl Line {
    /// What has taken too long.
    pub(super) fn give_up(&mut self, now_ms: u64) {
        match self.link {
            Link::Opening { until_ms } if now_ms >= until_ms => {
                self.out.push(Output::Disconnect);
                self.lost(now_ms);
            }
            Link::Open if self.is_committed() && now_ms >= self.silent_since_ms + self.limits.stall_ms => {
                self.out.push(Output::Disconnect);
                self.lost(now_ms);
            }
            _ => {}
        }
        // A commit without a name would leave its name to the next one: that session is of no use any more.
        let is_late = |last: &Final| now_ms >= last.deadline_ms;
        if self
            .finals
            .iter()
            .any(|last| is_late(last) && last.stage == Stage::Committed)
        {
            self.out.push(Output::Disconnect);
            self.lost(now_ms);
        }
        while let Some(last) = self.take(is_late) {
            if last.sent > 0 && last.stage == Stage::Waiting && self.link == Link::Open {
                self.out.push(Output::Clear);
            }
            self.answer(last.ticket, Err(RecogniseError::Late));
        }
        let asked = self.growing.as_ref().and_then(|growing| growing.asked);
        if asked.is_some_and(|(_, until_ms)| now_ms >= until_ms) {
            self.tell_anyway();
        }
    }

    /// The connection is gone: what was not transcribed is sent again on the next one.
    pub(super) fn lost(&mut self, now_ms: u64) {
        let (first_ms, longest_ms) = self.limits.reconnect_ms;
        let wait_ms = (first_ms << self.failures.min(10)).min(longest_ms);
        self.failures += 1;
        self.begin_anew();
        self.link = Link::Waiting {
            until_ms: now_ms + wait_ms,
        };
    }

    pub(super) fn begin_anew(&mut self) {
        self.items.clear();
        self.orphans.clear();
        if let Some(growing) = &mut self.growing {
            (growing.sent, growing.told_bytes) = (0, 0);
        }
        for last in &mut self.finals {
            if last.stage != Stage::Waiting {
                last.lives -= 1;
            }
            (last.stage, last.sent) = (Stage::Waiting, 0);
        }
        while self.finals.iter().any(|last| last.lives == 0) {
            self.fail(|last| last.lives == 0);
        }
    }

    /// The service does not want to be asked like this.
    pub(super) fn refuse(&mut self, error: RecogniseError) {
        self.out.push(Output::Disconnect);
        self.link = Link::Down;
        self.items.clear();
        while let Some(last) = self.finals.pop_front() {
            self.answer(last.ticket, Err(error));
        }
        if let Some((ticket, _)) = self.growing.take().and_then(|growing| growing.asked) {
            self.answer(ticket, Err(error));
        }
    }
}
