//! Markdown: title, date, participants, then a paragraph a turn. Whatever people wrote or said is text in it.

use std::io::{self, Write as _};

use store::Segment;

use super::text::{clock, one_line};
use super::turns::{Turn, Turns};
use super::{Meeting, Writer};

#[derive(Debug)]
pub(super) struct Markdown {
    meeting: Meeting,
    turns: Turns,
}

impl Markdown {
    pub(super) fn new(meeting: Meeting) -> Self {
        Self {
            meeting,
            turns: Turns::default(),
        }
    }
}

/// Text on one line that follows something else on that line: what means something only where a line begins needs no
/// escape. `$` and `~` are those of GitHub.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in one_line(text).chars() {
        if matches!(
            c,
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '&' | '~' | '|' | '$' | '#'
        ) {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

fn write(turns: impl IntoIterator<Item = Turn>, out: &mut Vec<u8>) -> io::Result<()> {
    for turn in turns {
        let (speaker, text) = (escape(&turn.speaker), escape(&turn.text));
        writeln!(out, "\n**{speaker}** ({}): {text}", clock(turn.start_ms))?;
    }
    Ok(())
}

impl Writer for Markdown {
    fn begin(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        let Meeting {
            title,
            starts_at,
            participants,
            ..
        } = &self.meeting;
        writeln!(out, "# {}\n", escape(title))?;
        writeln!(out, "- Date: {}", starts_at.format("%Y-%m-%d %H:%M UTC"))?;
        if !participants.is_empty() {
            let names: Vec<String> = participants.iter().map(|name| escape(name)).collect();
            writeln!(out, "- Participants: {}", names.join(", "))?;
        }
        Ok(())
    }

    fn segment(&mut self, segment: Segment, out: &mut Vec<u8>) -> io::Result<()> {
        write(self.turns.push(&segment), out)
    }

    fn end(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        write(self.turns.finish(), out)
    }
}

#[cfg(test)]
mod tests {
    use super::super::ExportFormat::Md;
    use super::super::testing::{by, file, hostile, meeting, segment, text};
    use super::*;
    use proptest::prelude::*;
    use pulldown_cmark::{Event, Options, Parser, Tag};

    #[test]
    fn turns_follow_the_head() {
        let segments = [
            segment(1, 1_000, 2_000, "It is *not* 5 < 4."),
            segment(2, 3_000, 4_000, "1. Never"),
            by("Ben_B", segment(3, 5_000, 6_000, "# Yes")),
        ];
        assert_eq!(
            text(Md, &segments),
            "# Visit\n\n- Date: 2026-01-01 10:00 UTC\n- Participants: Ann, Ben\n\n\
             **Ann** (00:00:01): It is \\*not\\* 5 \\< 4. 1. Never\n\n**Ben\\_B** (00:00:05): \\# Yes\n"
        );
    }

    #[test]
    fn a_meeting_without_words_is_its_head() {
        let nobody = Meeting {
            participants: vec![],
            ..meeting()
        };
        let file = file(Md, nobody, &[]);
        assert_eq!(
            String::from_utf8(file).unwrap(),
            "# Visit\n\n- Date: 2026-01-01 10:00 UTC\n"
        );
    }

    /// The text of a document as a reader sees it, its structure, and what should not be there.
    fn rendered(source: &str) -> (String, usize, Vec<String>) {
        let (mut text, mut paragraphs, mut others) = (String::new(), 0, Vec::new());
        let github = Options::ENABLE_GFM
            | Options::ENABLE_TABLES
            | Options::ENABLE_FOOTNOTES
            | Options::ENABLE_STRIKETHROUGH
            | Options::ENABLE_TASKLISTS
            | Options::ENABLE_MATH;
        for event in Parser::new_ext(source, github) {
            match event {
                Event::Text(part) => text.push_str(&part),
                Event::Start(Tag::Paragraph) => paragraphs += 1,
                Event::Start(Tag::Heading { .. } | Tag::List(None) | Tag::Item | Tag::Strong)
                | Event::End(_) => {}
                other => others.push(format!("{other:?}")),
            }
        }
        (text, paragraphs, others)
    }

    proptest! {
        #[test]
        fn what_people_said_is_text(title in hostile(), name in hostile(), said in hostile()) {
            let name = format!("N{name}");
            let said = by(&name, segment(1, 0, 1_000, &said));
            let one = Meeting { title: title.clone(), participants: vec![name.clone()], ..meeting() };
            let file = file(Md, one, std::slice::from_ref(&said));
            let (text, paragraphs, others) = rendered(std::str::from_utf8(&file).unwrap());
            prop_assert_eq!(others, Vec::<String>::new());
            let words = one_line(&said.text);
            let mut expected = format!("{}Date: 2026-01-01 10:00 UTCParticipants: {}", one_line(&title), one_line(&name));
            if !words.is_empty() {
                expected.push_str(&format!("{} (00:00:00): {words}", super::super::text::participant(&said)));
            }
            prop_assert_eq!(text, expected);
            prop_assert_eq!(paragraphs, usize::from(!words.is_empty()));
        }
    }
}
