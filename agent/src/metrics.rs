//! Counters and histograms of the process, as text that Prometheus reads. Ids and words never get here.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::session::coverage::Cover;
use crate::session::outbox::Pressure;
use crate::session::voices::NotHeard;

/// Upper bounds of the delay histograms, milliseconds.
const DELAY_BUCKETS_MS: [u64; 10] = [50, 100, 250, 500, 1_000, 1_500, 2_500, 5_000, 10_000, 30_000];

/// A histogram of delays.
#[derive(Debug, Default)]
pub struct Delays {
    buckets: [AtomicU64; DELAY_BUCKETS_MS.len()],
    count: AtomicU64,
    sum_ms: AtomicU64,
}

impl Delays {
    /// Counts a delay.
    pub fn observe(&self, delay_ms: u64) {
        for (bucket, limit_ms) in self.buckets.iter().zip(DELAY_BUCKETS_MS) {
            if delay_ms <= limit_ms {
                bucket.fetch_add(1, Ordering::Relaxed);
            }
        }
        self.count.fetch_add(1, Ordering::Relaxed);
        self.sum_ms.fetch_add(delay_ms, Ordering::Relaxed);
    }

    fn write(&self, name: &str, help: &str, text: &mut String) {
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} histogram");
        for (bucket, limit_ms) in self.buckets.iter().zip(DELAY_BUCKETS_MS) {
            let limit_s = limit_ms as f64 / 1000.0;
            let _ = writeln!(
                text,
                "{name}_bucket{{le=\"{limit_s}\"}} {}",
                bucket.load(Ordering::Relaxed)
            );
        }
        let count = self.count.load(Ordering::Relaxed);
        let sum_s = self.sum_ms.load(Ordering::Relaxed) as f64 / 1000.0;
        let _ = writeln!(
            text,
            "{name}_bucket{{le=\"+Inf\"}} {count}\n{name}_sum {sum_s}\n{name}_count {count}"
        );
    }
}

/// Everything that is counted.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Sessions that run now.
    pub sessions: AtomicI64,
    /// Sessions that ended in order.
    pub sessions_ended: AtomicU64,
    /// Sessions that another epoch pushed out.
    pub sessions_fenced: AtomicU64,
    /// Sessions that failed.
    pub sessions_failed: AtomicU64,
    /// From a job's assignment to the room being joined and the lease held.
    pub joined: Delays,
    /// Partials sent to rooms.
    pub partials: AtomicU64,
    /// Finals stored.
    pub finals: AtomicU64,
    /// From an utterance's end to its final being stored.
    pub final_delay: Delays,
    /// Finals said and not stored, all sessions together.
    pub finals_waiting: AtomicI64,
    /// Writes that the database could not take at the first attempt.
    pub store_retries: AtomicU64,
    /// Writes that the database refused for good.
    pub store_refusals: AtomicU64,
    /// Recogniser requests that failed or found no place.
    pub recognition_failures: AtomicU64,
    /// Looks at growing utterances that newer ones took the place of before their turn came.
    pub looks_overtaken: AtomicU64,
    /// Finals of all rooms that wait for a place of this process's recogniser, as it was reported last.
    pub recogniser_waiting: AtomicI64,
    /// Recognisers that were rested because they failed, room by room.
    pub recognisers_rested: AtomicU64,
    /// Recognisers that worked again after a rest.
    pub recognisers_back: AtomicU64,
    /// Milliseconds of detected speech by what became of them.
    covered: Mutex<BTreeMap<(&'static str, &'static str), u64>>,
    /// Milliseconds of speech that were heard for voices, or why not.
    voices: Mutex<BTreeMap<Option<NotHeard>, u64>>,
    /// Sessions that leave out partials, and sessions that leave out audio.
    under_load: [AtomicI64; 2],
    /// Messages that a room did not take.
    pub room_send_failures: AtomicU64,
    /// Questions asked.
    pub questions: AtomicU64,
    /// From a question to its answer.
    pub answer_delay: Delays,
    /// Renewals that failed.
    pub renewal_failures: AtomicU64,
    /// Whether the worker is registered.
    pub registered: AtomicI64,
    /// Tasks of the runtime that are not over.
    pub tasks: AtomicI64,
}

impl Metrics {
    /// Counts one.
    pub fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a stretch of the coverage ledger that is settled.
    pub fn covered(&self, cover: Cover, ms: u64) {
        let labels = match cover {
            Cover::Transcribed => ("transcribed", ""),
            Cover::Empty => ("empty", ""),
            Cover::Declined => ("declined", ""),
            Cover::Gap(reason) => ("gap", reason.as_str()),
            Cover::Open | Cover::Pending => return,
        };
        *self.lock_covered().entry(labels).or_default() += ms;
    }

    /// Counts speech that was heard for voices, or why it was not.
    pub fn voices_heard(&self, outcome: Option<NotHeard>, ms: u64) {
        *self.lock_voices().entry(outcome).or_default() += ms;
    }

    /// A session's load has changed.
    pub fn pressure(&self, before: Pressure, now: Pressure) {
        for (gauge, step) in self
            .under_load
            .iter()
            .zip([Pressure::NoPartials, Pressure::NoAudio])
        {
            let change = i64::from(now == step) - i64::from(before == step);
            gauge.fetch_add(change, Ordering::Relaxed);
        }
    }

    fn lock_covered(&self) -> MutexGuard<'_, BTreeMap<(&'static str, &'static str), u64>> {
        self.covered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_voices(&self) -> MutexGuard<'_, BTreeMap<Option<NotHeard>, u64>> {
        self.voices.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn render_voices(&self, text: &mut String) {
        let name = "rapporteur_agent_voices_seconds_total";
        let _ = writeln!(
            text,
            "# HELP {name} Speech that was heard for the voices in it, or why it was not.\n# TYPE {name} counter"
        );
        for (outcome, ms) in self.lock_voices().iter() {
            let seconds = *ms as f64 / 1000.0;
            let (state, reason) = outcome.map_or(("heard", ""), |why| ("skipped", why.as_str()));
            let _ = writeln!(text, "{name}{{state=\"{state}\",reason=\"{reason}\"}} {seconds}");
        }
    }

    fn render_coverage(&self, text: &mut String) {
        let name = "rapporteur_agent_speech_seconds_total";
        let _ = writeln!(
            text,
            "# HELP {name} Detected speech and unheard microphones by what became of them.\n# TYPE {name} counter"
        );
        for ((state, reason), ms) in self.lock_covered().iter() {
            let seconds = *ms as f64 / 1000.0;
            let _ = writeln!(text, "{name}{{state=\"{state}\",reason=\"{reason}\"}} {seconds}");
        }
        let name = "rapporteur_agent_sessions_under_load";
        let _ = writeln!(
            text,
            "# HELP {name} Sessions that leave something out.\n# TYPE {name} gauge"
        );
        for (left_out, gauge) in ["partials", "audio"].into_iter().zip(&self.under_load) {
            let value = gauge.load(Ordering::Relaxed);
            let _ = writeln!(text, "{name}{{left_out=\"{left_out}\"}} {value}");
        }
    }

    /// The text that Prometheus reads.
    pub fn render(&self) -> String {
        let mut text = String::new();
        let gauges = [
            (
                "rapporteur_agent_sessions",
                "Sessions that run now.",
                &self.sessions,
            ),
            (
                "rapporteur_agent_finals_waiting",
                "Finals said and not stored.",
                &self.finals_waiting,
            ),
            (
                "rapporteur_agent_recogniser_waiting",
                "Finals of all rooms that wait for a place of this process's recogniser.",
                &self.recogniser_waiting,
            ),
            (
                "rapporteur_agent_registered",
                "Whether the worker is registered at LiveKit.",
                &self.registered,
            ),
            (
                "rapporteur_agent_tasks",
                "Tasks of the runtime that are not over.",
                &self.tasks,
            ),
        ];
        for (name, help, value) in gauges {
            let value = value.load(Ordering::Relaxed);
            let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}");
        }
        let counters = [
            (
                "rapporteur_agent_sessions_ended_total",
                "Sessions that ended in order.",
                &self.sessions_ended,
            ),
            (
                "rapporteur_agent_sessions_fenced_total",
                "Sessions pushed out by a newer epoch.",
                &self.sessions_fenced,
            ),
            (
                "rapporteur_agent_sessions_failed_total",
                "Sessions that failed.",
                &self.sessions_failed,
            ),
            (
                "rapporteur_agent_partials_total",
                "Partial captions sent to rooms.",
                &self.partials,
            ),
            ("rapporteur_agent_finals_total", "Finals stored.", &self.finals),
            (
                "rapporteur_agent_store_retries_total",
                "Writes that had to be tried again.",
                &self.store_retries,
            ),
            (
                "rapporteur_agent_store_refusals_total",
                "Writes refused for good.",
                &self.store_refusals,
            ),
            (
                "rapporteur_agent_recognition_failures_total",
                "Recognitions that failed.",
                &self.recognition_failures,
            ),
            (
                "rapporteur_agent_looks_overtaken_total",
                "Looks at growing utterances that newer ones took the place of before their turn came.",
                &self.looks_overtaken,
            ),
            (
                "rapporteur_agent_recognisers_rested_total",
                "Recognisers rested because they failed.",
                &self.recognisers_rested,
            ),
            (
                "rapporteur_agent_recognisers_back_total",
                "Recognisers that worked again after a rest.",
                &self.recognisers_back,
            ),
            (
                "rapporteur_agent_room_send_failures_total",
                "Messages a room did not take.",
                &self.room_send_failures,
            ),
            (
                "rapporteur_agent_questions_total",
                "Questions asked.",
                &self.questions,
            ),
            (
                "rapporteur_agent_renewal_failures_total",
                "Lease renewals that failed.",
                &self.renewal_failures,
            ),
        ];
        for (name, help, value) in counters {
            let value = value.load(Ordering::Relaxed);
            let _ = writeln!(
                text,
                "# HELP {name} {help}\n# TYPE {name} counter\n{name} {value}"
            );
        }
        self.render_coverage(&mut text);
        self.render_voices(&mut text);
        self.joined.write(
            "rapporteur_agent_join_seconds",
            "From assignment to hearing.",
            &mut text,
        );
        self.final_delay.write(
            "rapporteur_agent_final_delay_seconds",
            "From end of speech to stored.",
            &mut text,
        );
        self.answer_delay.write(
            "rapporteur_agent_answer_delay_seconds",
            "From question to answer.",
            &mut text,
        );
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::coverage::GapReason;

    #[test]
    fn speech_is_counted_by_what_became_of_it() {
        let metrics = Metrics::default();
        metrics.covered(Cover::Transcribed, 1_500);
        metrics.covered(Cover::Gap(GapReason::NoAgent), 250);
        metrics.covered(Cover::Gap(GapReason::NoAgent), 250);
        metrics.voices_heard(None, 3_000);
        metrics.voices_heard(Some(NotHeard::QueueFull), 2_500);
        metrics.pressure(Pressure::None, Pressure::NoPartials);
        metrics.pressure(Pressure::NoPartials, Pressure::NoAudio);
        let text = metrics.render();
        for line in [
            "rapporteur_agent_speech_seconds_total{state=\"transcribed\",reason=\"\"} 1.5\n",
            "rapporteur_agent_speech_seconds_total{state=\"gap\",reason=\"no_agent\"} 0.5\n",
            "rapporteur_agent_voices_seconds_total{state=\"heard\",reason=\"\"} 3\n",
            "rapporteur_agent_voices_seconds_total{state=\"skipped\",reason=\"queue_full\"} 2.5\n",
            "rapporteur_agent_sessions_under_load{left_out=\"partials\"} 0\n",
            "rapporteur_agent_sessions_under_load{left_out=\"audio\"} 1\n",
        ] {
            assert!(text.contains(line), "{line}{text}");
        }
    }

    #[test]
    fn delays_fall_into_cumulative_buckets() {
        let metrics = Metrics::default();
        metrics.final_delay.observe(70);
        metrics.final_delay.observe(60_000);
        let text = metrics.render();
        assert!(text.contains("rapporteur_agent_final_delay_seconds_bucket{le=\"0.05\"} 0\n"));
        assert!(text.contains("rapporteur_agent_final_delay_seconds_bucket{le=\"0.1\"} 1\n"));
        assert!(text.contains("rapporteur_agent_final_delay_seconds_bucket{le=\"30\"} 1\n"));
        assert!(text.contains("rapporteur_agent_final_delay_seconds_bucket{le=\"+Inf\"} 2\n"));
    }
}
