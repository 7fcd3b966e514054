//! When to connect and to hang up, and what goes out.

use super::super::rate;
use super::{Line, Link, Output, Stage};
use crate::Audio;

impl Line {
    pub(super) fn go_on(&mut self, now_ms: u64) {
        let may_connect = match self.link {
            Link::Down => true,
            Link::Waiting { until_ms } => now_ms >= until_ms,
            Link::Opening { .. } => false,
            Link::Open => {
                self.send(now_ms);
                if !self.is_wanted() && now_ms >= self.end_ms() {
                    self.link = Link::Down;
                    self.out.push(Output::Disconnect);
                }
                return;
            }
        };
        if may_connect && self.is_wanted() {
            self.link = Link::Opening {
                until_ms: now_ms + self.limits.connect_ms,
            };
            self.out.push(Output::Connect);
        }
    }

    fn send(&mut self, now_ms: u64) {
        if !self.is_committed() {
            self.silent_since_ms = now_ms;
        }
        for last in &mut self.finals {
            if last.stage != Stage::Waiting {
                continue;
            }
            let to = rate::len(last.request.audio.len());
            append(&mut self.out, &last.request.audio, &mut last.sent, to);
            last.stage = Stage::Committed;
            self.out.push(Output::Commit(last.ticket));
        }
        if let Some(growing) = &mut self.growing {
            let to = rate::settled(growing.request.audio.len());
            append(&mut self.out, &growing.request.audio, &mut growing.sent, to);
        }
    }
}

fn append(out: &mut Vec<Output>, audio: &Audio, sent: &mut usize, to: usize) {
    if *sent < to {
        out.push(Output::Append {
            audio: audio.clone(),
            from: *sent,
            to,
        });
        *sent = to;
    }
}
