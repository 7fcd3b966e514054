//! WebVTT: <https://www.w3.org/TR/webvtt1/>. Names are voices; speech of two at once has the class `overlapped`.

use std::io::{self, Write as _};

use store::Segment;

use super::Writer;
use super::cue_order::{CueOrder, Spoken};
use super::text::{clock_ms, escape_markup};

#[derive(Debug, Default)]
pub(super) struct Vtt {
    cues: CueOrder,
}

fn write(spoken: Vec<Spoken>, out: &mut Vec<u8>) -> io::Result<()> {
    for Spoken {
        speaker,
        overlapped,
        cue,
    } in spoken
    {
        let (from, to) = (clock_ms(cue.start_ms, '.'), clock_ms(cue.end_ms, '.'));
        // `-->` within a text would begin a cue: without `>` there is none.
        let (speaker, text) = (escape_markup(&speaker), escape_markup(&cue.lines.join("\n")));
        let class = if overlapped { ".overlapped" } else { "" };
        write!(out, "\n{from} --> {to}\n<v{class} {speaker}>{text}\n")?;
    }
    Ok(())
}

impl Writer for Vtt {
    fn begin(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        out.write_all(b"WEBVTT\n")
    }

    fn segment(&mut self, segment: Segment, out: &mut Vec<u8>) -> io::Result<()> {
        write(self.cues.push(&segment), out)
    }

    fn end(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        write(self.cues.finish(), out)
    }
}

#[cfg(test)]
mod tests {
    use super::super::ExportFormat::Vtt;
    use super::super::testing::{by, dialogue, segment, text, voiced};
    use proptest::prelude::*;

    #[test]
    fn names_are_voices_and_nothing_said_is_markup() {
        let said = segment(1, 1_000, 2_600, "Is a < b & c --> d?");
        assert_eq!(
            text(Vtt, &[by("Ann <i> & co", said)]),
            "WEBVTT\n\n00:00:01.000 --> 00:00:02.600\n<v Ann &lt;i&gt; &amp; co>Is a &lt; b &amp; c --&gt; d?\n"
        );
    }

    #[test]
    fn voices_at_one_microphone_have_cues_of_their_own_and_an_overlap_is_marked() {
        let mut said = dialogue();
        said.turns.as_mut().unwrap().0[1].overlapped = true;
        assert_eq!(
            text(Vtt, &[said]),
            "WEBVTT\n\n00:00:01.000 --> 00:00:02.000\n<v Ben>Shall we?\n\n\
             00:00:02.000 --> 00:00:03.000\n<v.overlapped Ann · speaker 2>Yes, please.\n"
        );
    }

    #[test]
    fn a_meeting_without_words_is_a_header() {
        assert_eq!(text(Vtt, &[]), "WEBVTT\n");
    }

    proptest! {
        #[test]
        fn every_block_is_a_cue(segments in voiced()) {
            let file = text(Vtt, &segments);
            let mut blocks = file.split("\n\n");
            prop_assert_eq!(blocks.next().map(str::trim_end), Some("WEBVTT"));
            for block in blocks {
                let lines: Vec<&str> = block.trim_end().split('\n').collect();
                prop_assert!((2..=3).contains(&lines.len()), "{:?}", block);
                prop_assert_eq!(block.matches("-->").count(), 1, "{:?}", block);
                let (voice, said) = lines[1].split_once('>').unwrap();
                prop_assert!((voice.starts_with("<v ") || voice.starts_with("<v.overlapped ")) && voice.matches('<').count() == 1, "{:?}", block);
                prop_assert!(!said.contains(['<', '>']) && !lines[2..].concat().contains(['<', '>']));
            }
        }
    }
}
