//! Figures of a meeting.

use runner::score::{WordErrors, normal_words, word_errors};
use speech::Word;

use crate::clips::{Clip, Track};
use crate::heard::{Heard, Shown};

pub(crate) fn heading(clips: &[Clip]) {
    for clip in clips {
        let errors = clip
            .truth
            .as_ref()
            .map(|truth| word_errors(truth, &clip.off_line).rate());
        println!(
            "{}: {:.1} s, {} words, off line {errors:.3?}",
            clip.name,
            clip.samples.len() as f64 / 16e3,
            clip.words.len()
        );
    }
}

pub(crate) fn line(clips: &[Clip], tracks: &[Track], heard: &Heard) {
    let (mut shown, mut committed, mut words) = (Vec::new(), Vec::new(), 0);
    let mut errors = [WordErrors::default(); 3];
    for (number, track) in tracks.iter().enumerate() {
        words += track.words.len();
        let mut first = vec![[None::<u64>; 2]; track.words.len()];
        for caption in heard.shown.iter().filter(|shown| shown.track == number) {
            let is_in = |word: &Word| {
                let middle = (word.start_ms + word.end_ms) / 2;
                (caption.from_ms.saturating_sub(200)..caption.to_ms + 200).contains(&middle)
            };
            let inside: Vec<usize> = (0..track.words.len())
                .filter(|&index| is_in(&track.words[index]))
                .collect();
            let said: Vec<&Word> = inside.iter().map(|&index| &track.words[index]).collect();
            let all: Vec<&Word> = caption.words.iter().collect();
            for (kind, part) in [&all[..], &all[..caption.committed]].into_iter().enumerate() {
                for index in same(&said, part) {
                    first[inside[index]][kind].get_or_insert(caption.at_ms);
                }
            }
        }
        for (word, first) in track.words.iter().zip(&first) {
            let delay = |at: Option<u64>| at.map(|at| at as i64 - word.end_ms as i64);
            shown.extend(delay(first[0]));
            committed.extend(delay(first[1]));
        }
        for (index, from_ms) in &track.clips {
            let clip = &clips[*index];
            let to_ms = from_ms + clip.samples.len() as u64 / 16 + 700;
            let is_in = |shown: &&Shown| shown.from_ms + 700 > *from_ms && shown.from_ms < to_ms;
            let text: String = heard
                .shown
                .iter()
                .filter(|shown| shown.track == number && shown.is_final)
                .filter(is_in)
                .flat_map(|shown| shown.words.iter().map(|word| word.text.clone() + " "))
                .collect();
            if let Some(truth) = &clip.truth {
                errors[0] = errors[0].plus(word_errors(truth, &text));
                errors[1] = errors[1].plus(word_errors(truth, &clip.off_line));
            } else {
                errors[2] = errors[2].plus(word_errors(&clip.off_line, &text));
            }
        }
    }
    let mut finals: Vec<i64> = heard
        .shown
        .iter()
        .filter_map(|shown| shown.after_speech_ms)
        .map(|ms| ms as i64)
        .collect();
    let audio_ms: f64 = tracks
        .iter()
        .flat_map(|track| &track.clips)
        .map(|(index, _)| clips[*index].samples.len() as f64 / 16.0)
        .sum();
    let spent: f64 = heard.listening_ms + heard.spent.iter().map(|(ms, _)| ms).sum::<f64>();
    let kinds: Vec<String> = ["partial", "pause", "final"]
        .iter()
        .zip(&heard.spent)
        .map(|(name, (ms, count))| {
            format!(
                "{name} {:.3} ({count} of {:.0} ms)",
                ms / audio_ms,
                ms / f64::from((*count).max(1))
            )
        })
        .collect();
    println!(
        "{} speakers: shown {}, committed {} of {words}; final {} of {}, over 2 s {}; words wrong {:.3}, off line {:.3}, unlike off line {:.3}; \
         core-s per audio-s {:.3}: {}, listening {:.3}; astray {}, overtaken {}",
        tracks.len(),
        quantiles(&mut shown),
        quantiles(&mut committed),
        quantiles(&mut finals),
        finals.len(),
        finals.iter().filter(|ms| **ms > 2_000).count(),
        errors[0].rate(),
        errors[1].rate(),
        errors[2].rate(),
        spent / audio_ms,
        kinds.join(", "),
        heard.listening_ms / audio_ms,
        heard.astray,
        heard.overtaken,
    );
}

fn quantiles(values: &mut [i64]) -> String {
    values.sort_unstable();
    let at = |share: usize| {
        values
            .get(values.len().saturating_sub(1) * share / 100)
            .copied()
            .unwrap_or_default()
    };
    format!("{}/{} ms", at(50), at(90))
}

/// The words of the first text that are in the second one in the same order (longest common subsequence).
fn same(said: &[&Word], heard: &[&Word]) -> Vec<usize> {
    let normal =
        |words: &[&Word]| -> Vec<Vec<String>> { words.iter().map(|word| normal_words(&word.text)).collect() };
    let (said, heard) = (normal(said), normal(heard));
    let mut longest = vec![vec![0u32; heard.len() + 1]; said.len() + 1];
    for i in (0..said.len()).rev() {
        for j in (0..heard.len()).rev() {
            longest[i][j] = if said[i] == heard[j] {
                longest[i + 1][j + 1] + 1
            } else {
                longest[i + 1][j].max(longest[i][j + 1])
            };
        }
    }
    let (mut i, mut j, mut both) = (0, 0, Vec::new());
    while i < said.len() && j < heard.len() {
        if said[i] == heard[j] && longest[i][j] == longest[i + 1][j + 1] + 1 {
            both.push(i);
            (i, j) = (i + 1, j + 1);
        } else if longest[i + 1][j] >= longest[i][j + 1] {
            i += 1;
        } else {
            j += 1;
        }
    }
    both
}
