//! Whatever is uploaded ends in text or in an error that says what is wrong and names the limit: no panic, no hang, no
//! memory without end.

mod support;

use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use knowledge::{ExtractError, ExtractLimits, Extracted, Format, FormatError, extract_within};
use proptest::prelude::*;
use support::files::{Pdf, docx, docx_with_body, stream, zip};

/// Far below the real ones, so that reaching them is quick.
const LIMITS: ExtractLimits = ExtractLimits {
    file_bytes: 8 * 1024 * 1024,
    text_bytes: 64 * 1024,
    pages: 20,
    archive_entries: 50,
    unpacked_bytes: 1024 * 1024,
    nesting: 100,
    time_ms: 30_000,
};

/// A process reads few documents at once; the tests of this file take turns, so that none is told to come back later.
static TURN: Mutex<()> = Mutex::new(());

fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

fn read(format: Format, bytes: &[u8]) -> Result<Extracted, ExtractError> {
    let _turn = turn();
    let begin = Instant::now();
    let outcome = extract_within(format, bytes, &LIMITS);
    assert!(
        begin.elapsed() < Duration::from_millis(LIMITS.time_ms + 5_000),
        "it took {:?}",
        begin.elapsed()
    );
    outcome
}

fn said(format: Format, bytes: &[u8]) -> String {
    read(format, bytes).expect_err("an error").to_string()
}

#[test]
fn a_pdf_gives_its_text_with_headings_and_pages() {
    let bytes = Pdf::of_pages(&[
        "# House rules\nThe practice opens at eight.\nIt closes at six.",
        "Parking is behind the house \\(twelve places\\).",
    ])
    .bytes();
    assert_eq!(Format::sniff("rules.pdf", &bytes), Ok(Format::Pdf));
    let document = read(Format::Pdf, &bytes).expect("text");
    assert!(document.text.contains("# House rules"), "{}", document.text);
    assert!(
        document.text.contains("The practice opens at eight."),
        "{}",
        document.text
    );
    let parking = document.text.find("Parking").expect("the second page");
    assert_eq!(
        (document.page_at(0), document.page_at(parking)),
        (Some(1), Some(2))
    );
}

#[test]
fn a_docx_gives_its_text_with_headings() {
    let bytes = docx(&[
        "# Parking",
        "The car park has twelve places &amp; a lift.",
        "Grüße aus Köln.",
    ]);
    assert_eq!(Format::sniff("parking.docx", &bytes), Ok(Format::Docx));
    let document = read(Format::Docx, &bytes).expect("text");
    assert!(document.text.starts_with("# Parking"), "{}", document.text);
    assert!(
        document.text.contains("twelve places & a lift."),
        "{}",
        document.text
    );
    assert!(document.text.contains("Grüße aus Köln."), "{}", document.text);
}

#[test]
fn an_upload_that_is_not_what_its_name_says() {
    let pdf = Pdf::of_pages(&["Hello"]).bytes();
    let word = docx(&["Hello"]);
    let sheet = zip(&[("xl/workbook.xml", b"<workbook/>")]);
    let said = |name: &str, bytes: &[u8]| Format::sniff(name, bytes).expect_err("an error").to_string();
    assert_eq!(
        said("a.docx", &pdf),
        "the file is named as a Word document but holds a PDF"
    );
    assert_eq!(
        said("a.pdf", &word),
        "the file is named as PDF but holds a Word document"
    );
    assert_eq!(
        said("a.md", &word),
        "the file is named as Markdown but holds a Word document"
    );
    assert_eq!(
        said("a.docx", &sheet),
        "the file is named as a Word document but holds a spreadsheet"
    );
}

#[test]
fn passwords() {
    let hidden = "( 0123456789abcdef0123456789abcde)";
    let encrypted = Pdf::of_pages(&["Secret"])
        .with_object(
            format!("<< /Filter /Standard /V 2 /R 3 /Length 128 /P -44 /O {hidden} /U {hidden} >>")
                .as_bytes(),
        )
        .with_trailer(
            "/Encrypt 6 0 R /ID [<00112233445566778899aabbccddeeff> <00112233445566778899aabbccddeeff>]",
        )
        .bytes();
    assert_eq!(said(Format::Pdf, &encrypted), ExtractError::Encrypted.to_string());

    let mut compound = vec![0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1];
    compound.resize(1024, 0);
    compound.extend("EncryptedPackage".encode_utf16().flat_map(u16::to_le_bytes));
    assert_eq!(Format::sniff("a.docx", &compound), Err(FormatError::Encrypted));

    // The flag of an encrypted entry, in its local header and in the directory.
    let mut locked = docx(&["Secret"]);
    for mark in [&b"PK\x03\x04"[..], b"PK\x01\x02"] {
        let flags = if mark[2] == 3 { 6 } else { 8 };
        let places: Vec<usize> = (0..locked.len() - 4)
            .filter(|&at| locked[at..].starts_with(mark))
            .collect();
        for at in places {
            locked[at + flags] |= 1;
        }
    }
    assert_eq!(said(Format::Docx, &locked), ExtractError::Encrypted.to_string());
}

#[test]
fn a_file_that_is_cut_off_at_any_place() {
    for bytes in [
        Pdf::of_pages(&["# Title\nOne line of text.", "Another page."]).bytes(),
        docx(&["One", "Two"]),
    ] {
        let format = if bytes.starts_with(b"%PDF") {
            Format::Pdf
        } else {
            Format::Docx
        };
        for part in 1..32 {
            let cut = &bytes[..bytes.len() * part / 32];
            match read(format, cut) {
                // A PDF is read as far as it goes.
                Ok(document) => assert!(format == Format::Pdf && !document.text.is_empty()),
                Err(ExtractError::Damaged { .. } | ExtractError::NoText) => {}
                Err(other) => panic!("{part}/32: {other}"),
            }
        }
    }
}

#[test]
fn a_zip_bomb() {
    let bomb = docx_with_body(b"", &[("word/media/image1.bin", &vec![0; 4 * 1024 * 1024])]);
    assert!(bomb.len() < 16 * 1024);
    assert_eq!(
        said(Format::Docx, &bomb),
        "the document unpacks to more than 1048576 bytes, the limit"
    );
}

#[test]
fn a_zip_bomb_that_lies_about_its_size() {
    let mut bomb = docx_with_body(b"", &[("word/media/image1.bin", &vec![0; 4 * 1024 * 1024])]);
    let size = (4u32 * 1024 * 1024).to_le_bytes();
    let places: Vec<usize> = (0..bomb.len() - 4)
        .filter(|&at| bomb[at..].starts_with(&size))
        .collect();
    assert!(!places.is_empty());
    for at in places {
        bomb[at..at + 4].copy_from_slice(&100u32.to_le_bytes());
    }
    let outcome = read(Format::Docx, &bomb);
    assert!(
        matches!(
            outcome,
            Err(ExtractError::UnpacksTooLarge { .. } | ExtractError::Damaged { .. })
        ),
        "{outcome:?}"
    );
}

#[test]
fn too_many_files_inside() {
    let names: Vec<String> = (0..60).map(|n| format!("word/media/{n}.txt")).collect();
    let more: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &b"x"[..])).collect();
    assert_eq!(
        said(Format::Docx, &docx_with_body(b"", &more)),
        "the document holds 65 files; the limit is 50"
    );
}

#[test]
fn xml_that_nests_without_end() {
    let levels = 20_000;
    let body = format!(
        "{}<w:p><w:r><w:t>deep</w:t></w:r></w:p>{}",
        "<w:tbl><w:tr><w:tc>".repeat(levels),
        "</w:tc></w:tr></w:tbl>".repeat(levels)
    );
    let bytes = docx_with_body(body.as_bytes(), &[]);
    assert_eq!(
        said(Format::Docx, &bytes),
        "the document nests deeper than 100 levels, the limit"
    );
}

#[test]
fn as_deep_as_the_real_limit_allows() {
    let levels = ExtractLimits::default().nesting / 3 - 4;
    let body = format!(
        "{}<w:p><w:r><w:t>deep</w:t></w:r></w:p>{}",
        "<w:tbl><w:tr><w:tc>".repeat(levels),
        "</w:tc></w:tr></w:tbl>".repeat(levels)
    );
    let bytes = docx_with_body(body.as_bytes(), &[]);
    let _turn = turn();
    let outcome = extract_within(Format::Docx, &bytes, &ExtractLimits::default());
    // The parser may leave out what lies so deep; the stack has to carry it.
    assert!(
        matches!(outcome, Ok(_) | Err(ExtractError::NoText)),
        "{outcome:?}"
    );
}

#[test]
fn word_documents_that_are_none() {
    for (bytes, why) in [
        (
            docx_with_body(b"<w:p><w:r><w:t>caf\xe9</w:t></w:r></w:p>", &[]),
            "not UTF-8",
        ),
        (docx_with_body(b"<w:p><w:r><w:t>open", &[]), "XML without end"),
        (zip(&[("word/document.xml", b"")]), "nothing but an empty part"),
        (zip(&[("word/other.xml", b"<a/>")]), "no main part"),
        (docx(&[]), "no paragraphs"),
        (b"PK\x03\x04 and then nothing that fits".to_vec(), "no archive"),
    ] {
        match read(Format::Docx, &bytes) {
            Err(ExtractError::Damaged { .. } | ExtractError::NoText) => {}
            // What can be read of it may be read.
            Ok(document) if why == "not UTF-8" => assert!(document.text.contains("caf")),
            other => panic!("{why}: {other:?}"),
        }
    }
}

#[test]
fn pdf_limits_are_named() {
    let many = vec!["a page"; 21];
    assert_eq!(
        said(Format::Pdf, &Pdf::of_pages(&many).bytes()),
        "the document has 21 pages; the limit is 20"
    );

    let line = "All work and no play makes a long document. ".repeat(100);
    let page = vec![line.as_str(); 60].join("\n");
    let long = vec![page.as_str(); 20];
    assert_eq!(
        said(Format::Pdf, &Pdf::of_pages(&long).bytes()),
        "the document has more than 65536 bytes of text, the limit; split it"
    );
}

#[test]
fn a_pdf_of_pictures() {
    let picture = stream(
        "/Type /XObject /Subtype /Image /Width 8 /Height 8 /ColorSpace /DeviceGray /BitsPerComponent 8",
        &[128; 64],
    );
    let page = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << /XObject << /I 5 0 R >> >> /Contents 4 0 R >>".to_vec();
    let bytes = Pdf::new(
        "3 0 R",
        1,
        vec![page, stream("", b"q 595 0 0 842 0 0 cm /I Do Q"), picture],
    )
    .bytes();
    assert_eq!(said(Format::Pdf, &bytes), ExtractError::Scanned.to_string());
}

#[test]
fn pdfs_that_turn_in_circles() {
    let itself = Pdf::new("2 0 R", 1, vec![]).bytes();
    let each_other = Pdf::new(
        "3 0 R",
        2,
        vec![b"<< /Type /Pages /Kids [2 0 R 3 0 R] /Count 2 >>".to_vec()],
    )
    .bytes();
    let mut previous = Pdf::of_pages(&["Hello"]).bytes();
    let text = String::from_utf8_lossy(&previous).into_owned();
    let xref: String = text
        .rsplit("startxref\n")
        .next()
        .expect("a table")
        .chars()
        .take_while(char::is_ascii_digit)
        .collect();
    previous = Pdf::of_pages(&["Hello"])
        .with_trailer(&format!("/Prev {xref}"))
        .bytes();
    let form = Pdf::new(
        "3 0 R",
        1,
        vec![
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] /Resources << /XObject << /X 5 0 R >> >> /Contents 4 0 R >>".to_vec(),
            stream("", b"/X Do"),
            stream("/Type /XObject /Subtype /Form /BBox [0 0 9 9] /Resources << /XObject << /X 5 0 R >> >>", b"/X Do /X Do"),
        ],
    )
    .bytes();
    for bytes in [itself, each_other, previous, form] {
        match read(Format::Pdf, &bytes) {
            Ok(document) => assert!(document.text.contains("Hello")),
            Err(ExtractError::Damaged { .. } | ExtractError::NoText | ExtractError::Scanned) => {}
            Err(other) => panic!("{other}"),
        }
    }
}

#[test]
fn pdf_structures_that_nest_without_end() {
    let levels = 200_000;
    let open = Pdf::new("3 0 R", 1, vec![])
        .with_object("[".repeat(levels).as_bytes())
        .bytes();
    assert_eq!(
        said(Format::Pdf, &open),
        "the document nests deeper than 100 levels, the limit"
    );
    let dictionaries = Pdf::new("3 0 R", 1, vec![])
        .with_object("<< /A ".repeat(levels).as_bytes())
        .bytes();
    assert_eq!(
        said(Format::Pdf, &dictionaries),
        "the document nests deeper than 100 levels, the limit"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_damaged_pdf_ends_in_text_or_an_error(
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..40),
    ) {
        let mut bytes = Pdf::of_pages(&["# Title\nSome text (here).", "More text."]).bytes();
        for (place, byte) in damage {
            let at = place.index(bytes.len());
            bytes[at] = byte;
        }
        let _ = read(Format::Pdf, &bytes);
    }

    #[test]
    fn a_damaged_docx_ends_in_text_or_an_error(
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..40),
    ) {
        let mut bytes = docx(&["# Title", "Some text."]);
        for (place, byte) in damage {
            let at = place.index(bytes.len());
            bytes[at] = byte;
        }
        let _ = read(Format::Docx, &bytes);
    }

    #[test]
    fn any_bytes_have_a_verdict(bytes in proptest::collection::vec(any::<u8>(), 0..300), name in "[a-z]{0,3}\\.(pdf|docx|md|txt|exe)") {
        if let Ok(format) = Format::sniff(&name, &bytes) {
            let _ = read(format, &bytes);
        }
    }
}
