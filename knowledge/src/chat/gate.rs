//! What may come in from a chat endpoint: an event stream of bounded lines of JSON, bounded in all. The first line that is
//! anything else ends it.
//!
//! It stands in front of the client library, which would keep whatever comes and would write what it cannot read into the
//! log: replies have no business there.

use bytes::Bytes;
use serde::de::IgnoredAny;

/// The longest line of an event stream.
const MAX_LINE_BYTES: usize = 64 * 1024;

/// Why the stream ended early.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum GateError {
    /// A line is no event of JSON.
    #[error("the endpoint sent something that is no event")]
    Rubbish,
    /// A line or all lines together are longer than the limit.
    #[error("the endpoint sent more than the limit")]
    TooLong,
}

/// Lets whole, good lines through. Bytes go in as they come, lines come out.
pub(super) struct Gate {
    line: Vec<u8>,
    left_bytes: usize,
    /// The mark that ends every complete stream has come.
    pub(super) done: bool,
}

impl Gate {
    pub(super) fn new(limit_bytes: usize) -> Self {
        Self {
            line: Vec::new(),
            left_bytes: limit_bytes,
            done: false,
        }
    }

    /// The lines that are complete with these bytes.
    pub(super) fn pass(&mut self, bytes: &[u8]) -> Result<Bytes, GateError> {
        self.left_bytes = self
            .left_bytes
            .checked_sub(bytes.len())
            .ok_or(GateError::TooLong)?;
        let mut out = Vec::new();
        for &byte in bytes {
            self.line.push(byte);
            if byte == b'\n' {
                match kind(&self.line) {
                    Line::Event => {}
                    Line::Done => self.done = true,
                    Line::Rubbish => return Err(GateError::Rubbish),
                }
                out.append(&mut self.line);
            } else if self.line.len() > MAX_LINE_BYTES {
                return Err(GateError::TooLong);
            }
        }
        Ok(out.into())
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Line {
    Event,
    Done,
    Rubbish,
}

/// A blank line, a comment, a field other than data, data that is JSON; or the end; or none of these.
fn kind(line: &[u8]) -> Line {
    let Ok(line) = std::str::from_utf8(line) else {
        return Line::Rubbish;
    };
    let line = line.trim_start_matches('\u{feff}').trim_end_matches(['\n', '\r']);
    if line.is_empty() || line.starts_with(':') {
        return Line::Event;
    }
    match line.split_once(':') {
        Some(("data", data)) if data.trim() == "[DONE]" => Line::Done,
        Some(("data", data)) if serde_json::from_str::<IgnoredAny>(data.trim()).is_ok() => Line::Event,
        Some(("event" | "id" | "retry", _)) => Line::Event,
        _ => Line::Rubbish,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GOOD: &str = ": hello\r\nevent: x\ndata: {\"a\": 1}\n\ndata: [DONE]\n\n";

    #[test]
    fn rubbish_ends_it() {
        for bad in ["data: {\"a\": \n", "<html>\n", "data\n", "data: \u{1}\n"] {
            assert_eq!(
                Gate::new(1000).pass(bad.as_bytes()),
                Err(GateError::Rubbish),
                "{bad}"
            );
        }
        assert_eq!(Gate::new(1000).pass(b"data: \xff\n"), Err(GateError::Rubbish));
    }

    #[test]
    fn too_much_ends_it() {
        assert_eq!(Gate::new(10).pass(GOOD.as_bytes()), Err(GateError::TooLong));
        let endless = vec![b'x'; MAX_LINE_BYTES + 1];
        assert_eq!(Gate::new(usize::MAX).pass(&endless), Err(GateError::TooLong));
    }

    proptest! {
        #[test]
        fn a_good_stream_comes_through_however_it_is_cut(cuts in proptest::collection::vec(0..GOOD.len(), 0..8)) {
            let mut cuts = cuts;
            cuts.extend([0, GOOD.len()]);
            cuts.sort_unstable();
            let mut gate = Gate::new(GOOD.len());
            let mut out = Vec::new();
            for pair in cuts.windows(2) {
                out.extend(gate.pass(&GOOD.as_bytes()[pair[0]..pair[1]]).unwrap());
            }
            prop_assert_eq!(out, GOOD.as_bytes());
            prop_assert!(gate.done);
        }
    }
}
