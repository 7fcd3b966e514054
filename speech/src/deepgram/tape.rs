//! What was sent on one connection, and which utterance each part of it belongs to.
//!
//! The service counts samples since the connection's beginning and knows nothing of utterances. Pauses are not sent, so
//! its time is not the track's: only the tape can tell where a word belongs.

/// A part of an utterance on the tape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Piece {
    /// Where on the tape.
    begin: usize,
    len: usize,
    /// Whose it is.
    key: u64,
    /// Where in the utterance.
    offset: usize,
}

impl Piece {
    fn end(&self) -> usize {
        self.begin + self.len
    }
}

/// A place in an utterance, in samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) key: u64,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// One connection's tape. Positions are samples since its beginning.
#[derive(Debug, Default)]
pub(super) struct Tape {
    pieces: Vec<Piece>,
    /// How much was sent.
    end: usize,
    /// Up to where the words are settled.
    pub(super) settled: usize,
}

/// Pieces that are kept. What is older belongs to utterances that are long over.
const PIECES_MAX: usize = 256;

impl Tape {
    /// How much was sent.
    pub(super) fn end(&self) -> usize {
        self.end
    }

    /// Whose audio was sent last.
    pub(super) fn last_key(&self) -> Option<u64> {
        self.pieces.last().map(|piece| piece.key)
    }

    /// `len` samples of an utterance, from `offset` on, were sent.
    pub(super) fn sent(&mut self, key: u64, offset: usize, len: usize) {
        match self.pieces.last_mut() {
            Some(last) if last.key == key && last.offset + last.len == offset => last.len += len,
            _ => self.pieces.push(Piece {
                begin: self.end,
                len,
                key,
                offset,
            }),
        }
        self.end += len;
        let surplus = self.pieces.len().saturating_sub(PIECES_MAX);
        self.pieces.drain(..surplus);
    }

    /// From `offset` on, what was sent of an utterance belongs to another one, which begins there.
    pub(super) fn give(&mut self, key: u64, offset: usize, to: u64) {
        let mut pieces = Vec::with_capacity(self.pieces.len() + 1);
        for piece in self.pieces.drain(..) {
            if piece.key != key || piece.offset + piece.len <= offset {
                pieces.push(piece);
                continue;
            }
            let kept = offset.saturating_sub(piece.offset);
            if kept > 0 {
                pieces.push(Piece { len: kept, ..piece });
            }
            pieces.push(Piece {
                begin: piece.begin + kept,
                len: piece.len - kept,
                key: to,
                offset: piece.offset + kept - offset,
            });
        }
        self.pieces = pieces;
    }

    /// Where a word belongs: to the piece in which its middle is.
    pub(super) fn place(&self, start: usize, end: usize) -> Option<Place> {
        let middle = start + end.saturating_sub(start) / 2;
        let piece = self
            .pieces
            .iter()
            .rev()
            .find(|piece| (piece.begin..piece.end()).contains(&middle))?;
        let inside = |position: usize| position.clamp(piece.begin, piece.end()) - piece.begin + piece.offset;
        Some(Place {
            key: piece.key,
            start: inside(start),
            end: inside(end),
        })
    }

    /// How far into an utterance the tape goes up to `position`; `None` if nothing of it is there.
    pub(super) fn reach(&self, key: u64, position: usize) -> Option<usize> {
        self.pieces
            .iter()
            .filter(|piece| piece.key == key && piece.begin < position)
            .map(|piece| piece.offset + (position - piece.begin).min(piece.len))
            .max()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_belongs_to_the_utterance_in_which_its_middle_is() {
        let mut tape = Tape::default();
        tape.sent(1, 0, 1_000);
        tape.sent(1, 1_000, 500);
        tape.sent(2, 0, 800);
        tape.sent(1, 1_500, 100);
        let place = |key, start, end| Some(Place { key, start, end });
        assert_eq!(tape.place(900, 1_100), place(1, 900, 1_100));
        assert_eq!(tape.place(1_400, 1_590), place(1, 1_400, 1_500));
        assert_eq!(tape.place(1_450, 1_600), place(2, 0, 100));
        assert_eq!(tape.place(2_350, 2_390), place(1, 1_550, 1_590));
        assert_eq!(tape.place(2_400, 2_500), None);
        assert_eq!(tape.reach(1, 1_200), Some(1_200));
        assert_eq!(tape.reach(1, 2_000), Some(1_500));
        assert_eq!(tape.reach(2, 1_500), None);
        assert_eq!(tape.end(), 2_400);
    }

    #[test]
    fn an_utterance_that_is_cut_gives_its_tail_to_the_next_one() {
        let mut tape = Tape::default();
        tape.sent(1, 0, 1_000);
        tape.give(1, 600, 2);
        assert_eq!(tape.last_key(), Some(2));
        tape.sent(2, 400, 100);
        assert_eq!(tape.reach(1, 1_100), Some(600));
        assert_eq!(tape.reach(2, 1_100), Some(500));
        assert_eq!(tape.place(590, 700).unwrap().key, 2);
        assert_eq!(tape.place(590, 700).unwrap().start, 0);
    }
}
