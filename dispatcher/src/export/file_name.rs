//! The name under which a browser saves the file: RFC 6266 with the encoding of RFC 8187 (once RFC 5987).

use std::fmt::Write as _;

use chrono::{DateTime, Utc};

use super::ExportFormat;
use super::text::one_line;

/// File systems take 255 bytes a name; date, extension and a browser's "(1)" need some.
const TITLE_MAX_BYTES: usize = 180;

/// The value of `Content-Disposition`: ASCII, whatever the title holds.
pub fn content_disposition(title: &str, starts_at: DateTime<Utc>, format: ExportFormat) -> String {
    let date = starts_at.format("%Y-%m-%d");
    let extension = format.extension();
    let plain = plain(title);
    let full = encoded(&format!("{} {date}.{extension}", full(title)));
    format!(r#"attachment; filename="{plain}-{date}.{extension}"; filename*=UTF-8''{full}"#)
}

/// For clients that know only ASCII: letters and digits, everything else between them is one dash.
fn plain(title: &str) -> String {
    let words = title
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty());
    let mut plain = words.collect::<Vec<_>>().join("-");
    plain.truncate(TITLE_MAX_BYTES);
    or_transcript(plain)
}

/// The title without what means something in a path or turns the direction of writing.
fn full(title: &str) -> String {
    let meaningful = |c: char| {
        matches!(c, '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|')
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let title = one_line(&title.replace(meaningful, " "));
    let mut end = title.len().min(TITLE_MAX_BYTES);
    while !title.is_char_boundary(end) {
        end -= 1;
    }
    // A dot in front would hide the file.
    or_transcript(title[..end].trim_matches([' ', '.']).to_owned())
}

fn or_transcript(name: String) -> String {
    if name.is_empty() {
        "transcript".to_owned()
    } else {
        name
    }
}

fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::super::testing::hostile;
    use super::*;
    use proptest::prelude::*;

    fn named(title: &str) -> String {
        content_disposition(
            title,
            DateTime::from_timestamp(1_767_261_600, 0).unwrap(),
            ExportFormat::Vtt,
        )
    }

    #[test]
    fn both_names_are_given() {
        assert_eq!(
            named("Visit: Zoë & co"),
            "attachment; filename=\"Visit-Zo-co-2026-01-01.vtt\"; \
             filename*=UTF-8''Visit%20Zo%C3%AB%20%26%20co%202026-01-01.vtt"
        );
    }

    #[test]
    fn a_title_without_a_letter_is_a_transcript() {
        for title in ["../..", "", "\u{202e}", "\"\r\n"] {
            assert_eq!(
                named(title),
                "attachment; filename=\"transcript-2026-01-01.vtt\"; filename*=UTF-8''transcript%202026-01-01.vtt"
            );
        }
    }

    proptest! {
        #[test]
        fn no_title_breaks_the_header(title in hostile(), more in "\\PC{0,200}") {
            let header = named(&(title + &more));
            prop_assert!(header.chars().all(|c| c == ' ' || c.is_ascii_graphic()));
            prop_assert_eq!(header.matches('"').count(), 2);
            prop_assert!(axum::http::HeaderValue::from_str(&header).is_ok());
            let plain = header.split('"').nth(1).unwrap();
            prop_assert!(plain.len() <= 200 && !plain.starts_with('.'));
            let full = header.split_once("UTF-8''").unwrap().1;
            prop_assert!(!full.contains("%2F") && !full.contains("%5C") && !full.starts_with('.'));
        }
    }
}
