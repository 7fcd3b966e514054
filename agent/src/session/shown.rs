//! What of an utterance the room has seen so far. Partials of one utterance are at least a little apart, only
//! go out when they say something new, and the newest replaces the one that waits.

/// Between two partials of one utterance.
pub const PARTIAL_INTERVAL_MS: u64 = 200;

/// One utterance's caption as the room knows it.
#[derive(Clone, Debug, Default)]
pub struct Shown {
    text: String,
    next: Option<String>,
    not_before_ms: u64,
}

impl Shown {
    /// There is a new text; returns it if it may go out now.
    pub fn update(&mut self, text: String, now_ms: u64) -> Option<String> {
        self.next = (text != self.text && !text.is_empty()).then_some(text);
        self.due(now_ms)
    }

    /// The text that waits, if its time has come.
    pub fn due(&mut self, now_ms: u64) -> Option<String> {
        if now_ms < self.not_before_ms {
            return None;
        }
        let text = self.next.take()?;
        self.not_before_ms = now_ms + PARTIAL_INTERVAL_MS;
        self.text.clone_from(&text);
        Some(text)
    }

    /// When [`Shown::due`] has something.
    pub fn next_tick_ms(&self) -> Option<u64> {
        self.next.as_ref().map(|_| self.not_before_ms)
    }

    /// What the room sees now.
    pub fn text(&self) -> &str {
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn updates_are_spaced_and_the_newest_wins() {
        let mut shown = Shown::default();
        assert_eq!(shown.update("one".to_owned(), 1_000).as_deref(), Some("one"));
        assert_eq!(shown.update("one two".to_owned(), 1_050), None);
        assert_eq!(shown.update("one two three".to_owned(), 1_100), None);
        assert_eq!(shown.next_tick_ms(), Some(1_200));
        assert_eq!(shown.due(1_200).as_deref(), Some("one two three"));
        assert_eq!(shown.update("one two three".to_owned(), 1_500), None);
        assert_eq!(shown.next_tick_ms(), None);
    }

    #[test]
    fn going_back_to_what_is_shown_cancels_what_waits() {
        let mut shown = Shown::default();
        shown.update("one".to_owned(), 0);
        shown.update("one too".to_owned(), 10);
        assert_eq!(shown.update("one".to_owned(), 20), None);
        assert_eq!(shown.due(1_000), None);
    }
}
