//! Plain text: a line a segment, or a voice of it.

use std::io::{self, Write as _};

use store::Segment;

use super::Writer;
use super::said::said;
use super::text::{clock, one_line};

#[derive(Debug)]
pub(super) struct Txt;

impl Writer for Txt {
    fn begin(&mut self, _out: &mut Vec<u8>) -> io::Result<()> {
        Ok(())
    }

    fn segment(&mut self, segment: Segment, out: &mut Vec<u8>) -> io::Result<()> {
        for said in said(&segment) {
            let text = one_line(&said.text);
            if !text.is_empty() {
                writeln!(out, "[{}] {}: {text}", clock(said.start_ms), said.speaker)?;
            }
        }
        Ok(())
    }

    fn end(&mut self, _out: &mut Vec<u8>) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::ExportFormat::Txt;
    use super::super::testing::{by, dialogue, segment, text};

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

    #[test]
    fn each_voice_at_a_microphone_has_a_line() {
        assert_eq!(
            text(Txt, &[dialogue()]),
            "[00:00:01] Ben: Shall we?\n[00:00:02] Ann · speaker 2: Yes, please.\n"
        );
    }
}
