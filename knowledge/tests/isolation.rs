//! Documents that exhaust stack or memory end the child process that parses them, and this one goes on.
//!
//! A program of its own instead of a list of tests: it starts itself again as the child.

#![allow(clippy::print_stdout, reason = "a test's report")]

mod support;

use std::time::{Duration, Instant};

use knowledge::{ExtractError, ExtractLimits, Extracted, Format, extract_within, isolate_extraction};
use support::files::{Pdf, docx, stream};

fn main() {
    isolate_extraction();
    for (name, check) in [
        (
            "documents_come_through_the_child",
            documents_come_through_the_child as fn(),
        ),
        ("errors_come_through_the_child", errors_come_through_the_child),
        (
            "a_tower_of_arrays_behind_a_filter",
            a_tower_of_arrays_behind_a_filter,
        ),
        (
            "a_stream_that_unpacks_without_end",
            a_stream_that_unpacks_without_end,
        ),
        (
            "a_child_that_is_too_slow_is_ended",
            a_child_that_is_too_slow_is_ended,
        ),
    ] {
        check();
        println!("test {name} ... ok");
    }
}

fn read(format: Format, bytes: &[u8]) -> Result<Extracted, ExtractError> {
    extract_within(format, bytes, &ExtractLimits::default())
}

fn documents_come_through_the_child() {
    let document = read(
        Format::Pdf,
        &Pdf::of_pages(&["# Title\nGrave words.", "More."]).bytes(),
    )
    .expect("text");
    assert!(document.text.contains("# Title") && document.text.contains("Grave words."));
    assert_eq!(document.pages.len(), 2);
    let document = read(Format::Docx, &docx(&["# Käse", "„Ja“ \u{1f600}"])).expect("text");
    assert_eq!(document.text.trim(), "# Käse\n\n„Ja“ \u{1f600}");
}

fn errors_come_through_the_child() {
    let limits = ExtractLimits {
        pages: 1,
        ..ExtractLimits::default()
    };
    let error = extract_within(Format::Pdf, &Pdf::of_pages(&["a", "b"]).bytes(), &limits)
        .expect_err("too many pages");
    assert_eq!(
        error,
        ExtractError::TooManyPages {
            pages: 2,
            limit_pages: 1
        }
    );
    assert!(matches!(
        read(Format::Docx, b"PK\x03\x04"),
        Err(ExtractError::Damaged { .. })
    ));
}

/// What the bytes do not show: an object stream that unpacks to a tower of arrays, on which the parser recurses.
fn a_tower_of_arrays_behind_a_filter() {
    let levels = 3_000_000;
    let header = "4 0 ";
    let hex = format!("{}{}>", "34203020", "5b".repeat(levels));
    let entries = format!(
        "/Type /ObjStm /N 1 /First {} /Filter /ASCIIHexDecode",
        header.len()
    );
    let objects = [
        b"<< /Type /Catalog /Pages 4 0 R >>".to_vec(),
        b"<< /Type /Pages /Kids [4 0 R] /Count 1 >>".to_vec(),
        stream(&entries, hex.as_bytes()),
    ];
    let mut out = b"%PDF-1.7\n".to_vec();
    let mut offsets = Vec::new();
    for object in objects {
        offsets.push(out.len() as u32);
        out.extend_from_slice(format!("{} 0 obj\n", offsets.len()).as_bytes());
        out.extend_from_slice(&object);
        out.extend_from_slice(b"\nendobj\n");
    }
    // A cross-reference stream: kind, place, index. Object 4 is the first of object stream 3.
    let xref = out.len() as u32;
    let mut table = vec![0; 6];
    let mut row = |kind: u8, place: u32| {
        table.push(kind);
        table.extend_from_slice(&place.to_be_bytes());
        table.push(0);
    };
    offsets.iter().for_each(|&offset| row(1, offset));
    row(2, 3);
    row(1, xref);
    out.extend_from_slice(b"5 0 obj\n");
    out.extend_from_slice(&stream("/Type /XRef /Size 6 /W [1 4 1] /Root 1 0 R", &table));
    out.extend_from_slice(format!("\nendobj\nstartxref\n{xref}\n%%EOF\n").as_bytes());

    let error = read(Format::Pdf, &out).expect_err("no document");
    assert_eq!(
        error.to_string(),
        "reading the document broke off: it is damaged or needs more than 1073741824 bytes of memory, the limit"
    );
}

/// Four stages of run lengths, each 64 times the one before: 1 KB to 17 GB.
fn a_stream_that_unpacks_without_end() {
    let filters = "/Filter [/RunLengthDecode /RunLengthDecode /RunLengthDecode /RunLengthDecode]";
    let page =
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << >> /Contents 4 0 R >>".to_vec();
    let bytes = Pdf::new("3 0 R", 1, vec![page, stream(filters, &[129; 1024])]).bytes();
    let error = read(Format::Pdf, &bytes).expect_err("no document");
    assert!(
        matches!(error, ExtractError::Exhausted { .. } | ExtractError::NoText),
        "{error}"
    );
}

fn a_child_that_is_too_slow_is_ended() {
    let line = "All work and no play makes a long document. ".repeat(20);
    let page = vec![line.as_str(); 50].join("\n");
    let bytes = Pdf::of_pages(&vec![page.as_str(); 400]).bytes();
    let limits = ExtractLimits {
        time_ms: 1,
        file_bytes: bytes.len(),
        ..ExtractLimits::default()
    };
    let begin = Instant::now();
    let outcome = extract_within(Format::Pdf, &bytes, &limits);
    assert_eq!(outcome, Err(ExtractError::TooSlow { limit_ms: 1 }));
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
}
