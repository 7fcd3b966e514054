use std::io::{Cursor, Read as _};

use proptest::prelude::*;
use quick_xml::Reader;
use quick_xml::events::Event;

use super::super::ExportFormat;
use super::super::testing::{by, file, hostile, meeting, segment, segments};
use super::*;

/// The parts of the archive with their names.
fn parts(file: &[u8]) -> Vec<(String, String)> {
    let mut archive = zip::ZipArchive::new(Cursor::new(file)).unwrap();
    (0..archive.len())
        .map(|index| {
            let mut entry = archive.by_index(index).unwrap();
            let name = entry.name().unwrap().into_owned();
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            (name, text)
        })
        .collect()
}

/// The texts of a well-formed XML document, one an element; every character is one that XML 1.0 allows.
fn texts(xml: &str) -> Vec<String> {
    let allowed =
        |c| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    assert!(xml.chars().all(allowed), "{xml:?}");
    let mut reader = Reader::from_str(xml);
    let (mut texts, mut open, mut current) = (Vec::new(), 0, String::new());
    loop {
        match reader.read_event().unwrap() {
            Event::Start(_) => open += 1,
            Event::End(_) => {
                open -= 1;
                if !current.is_empty() {
                    texts.push(std::mem::take(&mut current));
                }
            }
            Event::Text(text) => {
                assert!(!text.contains("]]>"), "only the end of CDATA may be written so");
                current.push_str(text.trim_matches('\n'));
            }
            Event::GeneralRef(name) => current.push_str(match &*name {
                "amp" => "&",
                "lt" => "<",
                "gt" => ">",
                other => panic!("&{other};"),
            }),
            Event::Empty(_) | Event::Decl(_) => {}
            Event::Eof => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(open, 0);
    texts
}

fn document(segments: &[Segment]) -> Vec<String> {
    let parts = parts(&file(ExportFormat::Docx, meeting(), segments));
    texts(&parts.last().unwrap().1)
}

#[test]
fn turns_follow_the_head() {
    let segments = [
        segment(1, 1_000, 2_000, "Salt & pepper?"),
        segment(2, 3_000, 4_000, "Or <none>?"),
        by("Ben", segment(3, 5_000, 6_000, "]]> Yes.")),
    ];
    assert_eq!(
        document(&segments),
        [
            "Visit",
            "2026-01-01 10:00 UTC",
            "Participants: Ann, Ben",
            "Ann",
            "  00:00:01",
            "Salt & pepper? Or <none>?",
            "Ben",
            "  00:00:05",
            "]]> Yes.",
        ]
    );
}

#[test]
fn a_meeting_without_words_is_its_head() {
    let nobody = Meeting {
        participants: vec![],
        ..meeting()
    };
    let parts = parts(&file(ExportFormat::Docx, nobody, &[]));
    assert_eq!(texts(&parts[5].1), ["Visit", "2026-01-01 10:00 UTC"]);
}

/// The reader of uploaded documents, which is not ours, reads it as a person would.
#[test]
fn the_reader_of_uploads_reads_it() {
    let said = segment(1, 1_000, 2_000, "We keep them for ninety days.");
    let file = file(ExportFormat::Docx, meeting(), &[said]);
    let format = knowledge::Format::sniff("visit.docx", &file).unwrap();
    assert_eq!(format, knowledge::Format::Docx);
    let read = knowledge::extract(format, &file).unwrap().text;
    for expected in [
        "Visit",
        "Participants: Ann, Ben",
        "**Ann**",
        "00:00:01",
        "We keep them for ninety days.",
    ] {
        assert!(read.contains(expected), "{expected}: {read}");
    }
}

#[test]
fn what_is_finished_is_handed_out_and_forgotten() {
    let mut writer = Docx::new(meeting());
    let mut out = Vec::new();
    writer.begin(&mut out).unwrap();
    // Words that do not compress, by different speakers, so that every segment ends a turn.
    for sequence in 1..2_000u32 {
        let name = format!("{:x}", sequence.wrapping_mul(2_654_435_761));
        let said = by(&name, segment(sequence.into(), 0, 1_000, &name.repeat(3)));
        writer.segment(said, &mut out).unwrap();
        assert!(writer.written.0.lock().is_empty());
    }
    assert!(out.len() > 10_000, "{} bytes before the end", out.len());
    writer.end(&mut out).unwrap();
    assert_eq!(texts(&parts(&out)[5].1).len(), 3 + 1_999 * 3);
}

proptest! {
    #[test]
    fn every_part_is_xml_and_what_people_said_is_text(
        title in hostile(), name in hostile(), segments in segments(),
    ) {
        let participants = vec![name.clone()];
        let one = Meeting { title: title.clone(), participants, ..meeting() };
        let parts = parts(&file(ExportFormat::Docx, one, &segments));
        prop_assert_eq!(parts.len(), 6);
        for (name, text) in &parts {
            texts(text);
            prop_assert!(name.ends_with(".xml") || name.ends_with(".rels"));
        }
        let read = texts(&parts[5].1).concat().replace(' ', "");
        let said: Vec<String> = segments.iter().map(|segment| one_line(&segment.text).replace(' ', "")).collect();
        let mut rest = read.as_str();
        for said in said {
            let (_, later) = rest.split_once(&said).unwrap();
            rest = later;
        }
        let title = one_line(&title);
        prop_assert!(read.starts_with(&title.replace(' ', "")));
    }
}
