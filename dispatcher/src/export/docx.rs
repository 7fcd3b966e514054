//! A Word document: title, date, participants, then the turns under bold names with grey times. The archive is written
//! as it grows; what is finished is handed out and forgotten.

use std::io::{self, Write as _};
use std::sync::Arc;

use parking_lot::Mutex;
use store::Segment;
use zip::ZipWriter;
use zip::write::{SimpleFileOptions, StreamWriter};

use super::docx_parts::{DOCUMENT_RELATIONS, RELATIONS, STYLES, TYPES};
use super::text::{clock, escape_markup, one_line};
use super::turns::{Turn, Turns};
use super::{Meeting, Writer};

const DOCUMENT_BEGIN: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body>"#;
/// An A4 page with margins of two centimetres and a half.
const DOCUMENT_END: &str = r#"<w:sectPr><w:pgSz w:w="11906" w:h="16838"/><w:pgMar w:top="1417" w:right="1417" w:bottom="1417" w:left="1417" w:header="708" w:footer="708" w:gutter="0"/></w:sectPr></w:body></w:document>"#;

/// Where the archive writes to; the other handle takes what is there.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub(super) struct Docx {
    meeting: Meeting,
    turns: Turns,
    archive: ZipWriter<StreamWriter<Written>>,
    written: Written,
}

impl Docx {
    pub(super) fn new(meeting: Meeting) -> Self {
        let written = Written::default();
        Self {
            meeting,
            turns: Turns::default(),
            archive: ZipWriter::new_stream(written.clone()),
            written,
        }
    }

    fn part(&mut self, name: &str, content: &str) -> io::Result<()> {
        self.archive.start_file(name, SimpleFileOptions::default())?;
        self.archive.write_all(content.as_bytes())
    }

    fn turn(&mut self, turn: &Turn) -> io::Result<()> {
        let (speaker, time, text) = (
            escape_markup(&turn.speaker),
            clock(turn.start_ms),
            escape_markup(&turn.text),
        );
        write!(
            self.archive,
            r#"<w:p><w:pPr><w:keepNext/><w:spacing w:before="200" w:after="0"/></w:pPr><w:r><w:rPr><w:b/></w:rPr><w:t xml:space="preserve">{speaker}</w:t></w:r><w:r><w:rPr><w:color w:val="7F7F7F"/></w:rPr><w:t xml:space="preserve">  {time}</w:t></w:r></w:p><w:p><w:r><w:t xml:space="preserve">{text}</w:t></w:r></w:p>"#
        )
    }

    fn hand_out(&mut self, out: &mut Vec<u8>) {
        out.append(&mut self.written.0.lock());
    }
}

fn styled(style: &str, text: &str) -> String {
    let text = escape_markup(&one_line(text));
    format!(
        r#"<w:p><w:pPr><w:pStyle w:val="{style}"/></w:pPr><w:r><w:t xml:space="preserve">{text}</w:t></w:r></w:p>"#
    )
}

/// What a file manager shows.
fn properties(meeting: &Meeting) -> String {
    let title = escape_markup(&one_line(&meeting.title));
    let created = meeting.starts_at.format("%Y-%m-%dT%H:%M:%SZ");
    format!(
        r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<cp:coreProperties xmlns:cp="http://schemas.openxmlformats.org/package/2006/metadata/core-properties" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:dcterms="http://purl.org/dc/terms/" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><dc:title>{title}</dc:title><dcterms:created xsi:type="dcterms:W3CDTF">{created}</dcterms:created></cp:coreProperties>"#
    )
}

fn head(meeting: &Meeting) -> String {
    let date = meeting.starts_at.format("%Y-%m-%d %H:%M UTC").to_string();
    let mut head = styled("Title", &meeting.title) + &styled("Subtitle", &date);
    if !meeting.participants.is_empty() {
        let names = format!("Participants: {}", meeting.participants.join(", "));
        head.push_str(&styled("Subtitle", &names));
    }
    head
}

impl Writer for Docx {
    fn begin(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        self.part("[Content_Types].xml", TYPES)?;
        self.part("_rels/.rels", RELATIONS)?;
        self.part("word/_rels/document.xml.rels", DOCUMENT_RELATIONS)?;
        self.part("word/styles.xml", STYLES)?;
        self.part("docProps/core.xml", &properties(&self.meeting))?;
        // Last, because it stays open.
        self.part("word/document.xml", DOCUMENT_BEGIN)?;
        self.archive.write_all(head(&self.meeting).as_bytes())?;
        self.hand_out(out);
        Ok(())
    }

    fn segment(&mut self, segment: Segment, out: &mut Vec<u8>) -> io::Result<()> {
        for turn in self.turns.push(&segment) {
            self.turn(&turn)?;
        }
        self.hand_out(out);
        Ok(())
    }

    fn end(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        if let Some(last) = self.turns.finish() {
            self.turn(&last)?;
        }
        self.archive.write_all(DOCUMENT_END.as_bytes())?;
        // A writer that is finished takes no more; this one is not used again.
        let finished = std::mem::replace(&mut self.archive, ZipWriter::new_stream(Written::default()));
        finished.finish()?;
        self.hand_out(out);
        Ok(())
    }
}

#[cfg(test)]
#[path = "docx_tests.rs"]
mod tests;
