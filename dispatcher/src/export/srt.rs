//! SubRip, which no standard describes: numbered cues with the name before the words.

use std::io::{self, Write as _};

use store::Segment;

use super::Writer;
use super::cue_order::{CueOrder, Spoken};
use super::text::clock_ms;

#[derive(Debug, Default)]
pub(super) struct Srt {
    cues: CueOrder,
    number: u64,
}

impl Srt {
    fn write(&mut self, spoken: Vec<Spoken>, out: &mut Vec<u8>) -> io::Result<()> {
        for Spoken { speaker, cue, .. } in spoken {
            self.number += 1;
            let (number, from, to) = (
                self.number,
                clock_ms(cue.start_ms, ','),
                clock_ms(cue.end_ms, ','),
            );
            // There is no escape, and some readers look for the arrow on any line.
            let text = format!("{speaker}: {}", cue.lines.join("\n")).replace("-->", "→");
            write!(out, "{number}\n{from} --> {to}\n{text}\n\n")?;
        }
        Ok(())
    }
}

impl Writer for Srt {
    fn begin(&mut self, _out: &mut Vec<u8>) -> io::Result<()> {
        Ok(())
    }

    fn segment(&mut self, segment: Segment, out: &mut Vec<u8>) -> io::Result<()> {
        let spoken = self.cues.push(&segment);
        self.write(spoken, out)
    }

    fn end(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        let spoken = self.cues.finish();
        self.write(spoken, out)
    }
}

#[cfg(test)]
mod tests {
    use super::super::ExportFormat::Srt;
    use super::super::testing::{by, dialogue, segment, text, voiced};
    use proptest::prelude::*;

    #[test]
    fn cues_are_numbered_and_begin_with_the_name() {
        let answer = by("Ben", segment(2, 3_000, 5_250, "Yes --> no."));
        assert_eq!(
            text(Srt, &[segment(1, 1_000, 2_500, "Good morning."), answer]),
            "1\n00:00:01,000 --> 00:00:02,500\nAnn: Good morning.\n\n\
             2\n00:00:03,000 --> 00:00:05,250\nBen: Yes → no.\n\n"
        );
    }

    #[test]
    fn voices_at_one_microphone_have_cues_of_their_own() {
        assert_eq!(
            text(Srt, &[dialogue()]),
            "1\n00:00:01,000 --> 00:00:02,000\nBen: Shall we?\n\n\
             2\n00:00:02,000 --> 00:00:03,000\nAnn · speaker 2: Yes, please.\n\n"
        );
    }

    #[test]
    fn a_meeting_without_words_is_empty() {
        assert_eq!(text(Srt, &[]), "");
    }

    proptest! {
        #[test]
        fn every_block_is_a_cue_with_the_next_number(segments in voiced()) {
            let file = text(Srt, &segments);
            for (block, number) in file.split_terminator("\n\n").zip(1..) {
                let lines: Vec<&str> = block.split('\n').collect();
                prop_assert!((3..=4).contains(&lines.len()), "{:?}", block);
                prop_assert_eq!(lines[0].parse(), Ok(number));
                prop_assert_eq!(block.matches("-->").count(), 1, "{:?}", block);
                prop_assert!(lines[2].contains(": "));
            }
        }
    }
}
