//! What the formats share: text that stays on its line, and times.

use store::Segment;

/// Text on one line: whatever is blank or a control character becomes one blank, none at the ends. Neither a name nor a
/// text can then end a line, a cue or a paragraph, and XML can hold every character that is left.
pub(super) fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    let parts = text.split(|c: char| c.is_whitespace() || c.is_control() || is_noncharacter(c));
    for part in parts.filter(|part| !part.is_empty()) {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(part);
    }
    line
}

/// The two that XML refuses.
fn is_noncharacter(c: char) -> bool {
    matches!(c, '\u{fffe}' | '\u{ffff}')
}

/// Under which name the participant of a segment is shown.
pub(super) fn participant(segment: &Segment) -> String {
    [&segment.speaker_name, &segment.identity]
        .into_iter()
        .map(|name| one_line(name))
        .find(|name| !name.is_empty())
        .unwrap_or_else(|| "Unknown".to_owned())
}

/// Text between the tags of XML and of WebVTT.
pub(super) fn escape_markup(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// `hh:mm:ss`; more digits after a hundred hours.
pub(super) fn clock(ms: i64) -> String {
    let seconds = ms.max(0) / 1000;
    format!(
        "{:02}:{:02}:{:02}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    )
}

/// `hh:mm:ss` and milliseconds after `separator`.
pub(super) fn clock_ms(ms: i64, separator: char) -> String {
    format!("{}{separator}{:03}", clock(ms), ms.max(0) % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn times_are_written_as_captions_write_them() {
        assert_eq!(clock(0), "00:00:00");
        assert_eq!(clock(59_999), "00:00:59");
        assert_eq!(clock(3_600_000 + 62_000), "01:01:02");
        assert_eq!(clock_ms(3_599_999, '.'), "00:59:59.999");
        assert_eq!(clock_ms(1_005, ','), "00:00:01,005");
        assert_eq!(clock_ms(100 * 3_600_000, '.'), "100:00:00.000");
        assert_eq!(clock_ms(-5, '.'), "00:00:00.000");
    }

    proptest! {
        #[test]
        fn a_time_is_its_milliseconds(ms in 0..400 * 3_600_000i64) {
            let text = clock_ms(ms, '.');
            let parts: Vec<i64> = text.split([':', '.']).map(|part| part.parse().unwrap()).collect();
            prop_assert_eq!(((parts[0] * 60 + parts[1]) * 60 + parts[2]) * 1000 + parts[3], ms);
            prop_assert!(parts[1] < 60 && parts[2] < 60);
        }

        #[test]
        fn a_line_stays_one_and_keeps_its_words(text in any::<String>()) {
            let line = one_line(&text);
            prop_assert!(line.chars().all(|c| c == ' ' || !c.is_whitespace() && !c.is_control()));
            prop_assert!(!line.contains("  ") && line.trim() == line);
            prop_assert_eq!(one_line(&line), line);
        }
    }

    #[test]
    fn a_participant_without_a_name_has_the_identity() {
        let mut segment = super::super::testing::segment(1, 0, 1000, "Hello.");
        segment.speaker_name = " Ann\n\nMay ".to_owned();
        assert_eq!(participant(&segment), "Ann May");
        segment.speaker_name = "\u{7}".to_owned();
        assert_eq!(participant(&segment), "p-1");
        segment.identity = String::new();
        assert_eq!(participant(&segment), "Unknown");
    }
}
