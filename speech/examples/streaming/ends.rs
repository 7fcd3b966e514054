//! Where the time of finals goes, counted as the figures of `captions-load` do: from the end of a stretch of speech by loudness
//! until the final that has its last word.

use crate::clips::Track;
use crate::heard::{Heard, Shown, Way};

/// A word's end may lie a little behind that of the loud part.
const WITHIN_MS: u64 = 100;

pub(crate) fn lines(tracks: &[Track], heard: &Heard) {
    let mut found: Vec<(u64, &Shown, &Way)> = Vec::new();
    for (number, track) in tracks.iter().enumerate() {
        let own = || {
            heard
                .shown
                .iter()
                .filter(move |shown| shown.track == number && shown.is_final)
        };
        for &end_ms in &track.ends_ms {
            let last = own()
                .filter(|shown| !shown.words.is_empty() && shown.from_ms + WITHIN_MS < end_ms)
                .max_by_key(|shown| shown.from_ms);
            found.extend(last.and_then(|shown| Some((end_ms, shown, shown.way.as_ref()?))));
        }
    }
    let median = |part: &dyn Fn(&(u64, &Shown, &Way)) -> i64, share: usize| {
        let mut values: Vec<i64> = found.iter().map(part).collect();
        values.sort_unstable();
        values
            .get(values.len().saturating_sub(1) * share / 100)
            .copied()
            .unwrap_or_default()
    };
    let between = |from_ms: u64, to_ms: u64| to_ms as i64 - from_ms as i64;
    let total = |one: &(u64, &Shown, &Way)| between(one.0, one.1.at_ms);
    println!(
        "  by loudness: {} finals after {}/{} ms; to the voice's end {}, until asked {}, waited {}, computed {}, then {}",
        found.len(),
        median(&total, 50),
        median(&total, 90),
        median(&|(end_ms, _, way)| between(*end_ms, way.voice_end_ms), 50),
        median(&|(_, _, way)| between(way.voice_end_ms, way.asked_ms), 50),
        median(&|(_, _, way)| between(way.asked_ms, way.begun_ms), 50),
        median(&|(_, _, way)| between(way.begun_ms, way.done_ms), 50),
        median(&|(_, shown, way)| between(way.done_ms, shown.at_ms), 50),
    );
    for (end_ms, shown, way) in &found {
        let last = shown.words.last().map_or("", |word| word.text.as_str());
        println!(
            "    {} {end_ms}: {:>5} = {:>4} voice {:>4} asked {:>4} waited {:>4} computed {:>4} then; over after {:>4} {} of {} ms, {last}",
            shown.track,
            between(*end_ms, shown.at_ms),
            between(*end_ms, way.voice_end_ms),
            between(way.voice_end_ms, way.asked_ms),
            between(way.asked_ms, way.begun_ms),
            between(way.begun_ms, way.done_ms),
            between(way.done_ms, shown.at_ms),
            between(way.voice_end_ms, way.over_ms),
            if way.is_look { "look" } else { "final" },
            shown.to_ms - shown.from_ms,
        );
    }
}
