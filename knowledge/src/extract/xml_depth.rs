//! How deep XML nests, told from its bytes as they stream by, before a parser that recurses sees them.

use std::io::Write;

/// Counts open elements. Comments, CDATA and declarations are markup that opens nothing.
pub(super) struct XmlDepth {
    state: State,
    previous: u8,
    open: usize,
    /// The deepest so far.
    pub(super) deepest: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Text,
    /// Right after `<`.
    Less,
    /// Inside a start tag, and inside which quotes.
    Start(Option<u8>),
    /// Inside an end tag, a comment, a declaration: until `>`.
    Other,
}

impl XmlDepth {
    pub(super) fn new() -> Self {
        Self {
            state: State::Text,
            previous: 0,
            open: 0,
            deepest: 0,
        }
    }

    fn step(&mut self, byte: u8) {
        self.state = match (self.state, byte) {
            (State::Text, b'<') => State::Less,
            (State::Text, _) => State::Text,
            (State::Less, b'/') => {
                self.open = self.open.saturating_sub(1);
                State::Other
            }
            (State::Less, b'!' | b'?') => State::Other,
            (State::Less, b'>') => State::Text,
            (State::Less, _) => State::Start(None),
            (State::Start(None), quote @ (b'"' | b'\'')) => State::Start(Some(quote)),
            (State::Start(Some(quote)), byte) if byte == quote => State::Start(None),
            (State::Start(None), b'>') => {
                if self.previous != b'/' {
                    self.open += 1;
                    self.deepest = self.deepest.max(self.open);
                }
                State::Text
            }
            (State::Other, b'>') => State::Text,
            (state, _) => state,
        };
        // UTF-16 has a zero beside every ASCII byte; looking through them reads both encodings alike.
        if byte != 0 {
            self.previous = byte;
        }
    }
}

impl Write for XmlDepth {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        for &byte in bytes.iter().filter(|&&byte| byte != 0) {
            self.step(byte);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn depth(xml: &str) -> usize {
        let mut depth = XmlDepth::new();
        depth.write_all(xml.as_bytes()).unwrap();
        depth.deepest
    }

    #[test]
    fn counts_what_is_open_at_once() {
        assert_eq!(depth("<a><b/><b></b><c x='>' y=\"/\"><d/></c></a>"), 2);
        assert_eq!(depth("<?xml?><!-- <x> --><a>"), 1);
        assert_eq!(depth(&"<a>".repeat(9)), 9);
    }

    #[test]
    fn utf16_counts_alike() {
        let mut counter = XmlDepth::new();
        for unit in "<a><b></b></a>".encode_utf16() {
            counter.write_all(&unit.to_le_bytes()).unwrap();
        }
        assert_eq!(counter.deepest, 2);
    }
}
