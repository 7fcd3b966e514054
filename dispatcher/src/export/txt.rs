//! Plain text: a line a segment.

use std::io::{self, Write as _};

use store::Segment;

use super::Writer;
use super::text::{clock, one_line, speaker};

#[derive(Debug)]
pub(super) struct Txt;

impl Writer for Txt {
    fn begin(&mut self, _out: &mut Vec<u8>) -> io::Result<()> {
        Ok(())
    }

    fn segment(&mut self, segment: Segment, out: &mut Vec<u8>) -> io::Result<()> {
        let text = one_line(&segment.text);
        if text.is_empty() {
            return Ok(());
        }
        writeln!(out, "[{}] {}: {text}", clock(segment.start_ms), speaker(&segment))
    }

    fn end(&mut self, _out: &mut Vec<u8>) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::ExportFormat::Txt;
    use super::super::testing::{by, segment, text};

    #[test]
    fn a_segment_is_a_line_whatever_it_holds() {
        let segments = [
            segment(1, 1_999, 2_500, "Good\nmorning."),
            segment(2, 3_000, 3_100, "\u{7}"),
            by("Ben\r\n[00:00:00] Eve", segment(3, 3_661_000, 3_662_000, "Yes.")),
        ];
        assert_eq!(
            text(Txt, &segments),
            "[00:00:01] Ann: Good morning.\n[01:01:01] Ben [00:00:00] Eve: Yes.\n"
        );
        assert_eq!(text(Txt, &[]), "");
    }
}
