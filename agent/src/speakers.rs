//! The one place of the process where voices are heard. It is cheap, and it can wait: one utterance at a time, on a thread
//! that nobody else waits for, and not while complete utterances wait for their words.

use std::sync::Arc;
use std::time::{Duration, Instant};

use speech::{Audio, Diariser, NumberedRun, SpeakerModel, Turns, VoiceEvent};
use tokio::sync::Semaphore;

/// While finals wait for the recogniser, an utterance's voices wait so long at most: a machine that never rests still tells
/// voices apart, with a small part of its time.
const YIELD_MAX: Duration = Duration::from_secs(10);
/// Between two looks whether finals wait.
const YIELD_STEP: Duration = Duration::from_millis(100);

/// The networks, and the place.
#[derive(Clone, Debug)]
pub struct Speakers {
    model: SpeakerModel,
    place: Place,
}

/// What one utterance's voices are, and the voices so far.
#[derive(Debug)]
pub struct Heard {
    /// Of the utterance's participant, for the next one.
    pub diariser: Diariser,
    /// Who speaks when.
    pub turns: Turns,
    /// What has become known.
    pub events: Vec<VoiceEvent>,
    /// How long that took.
    pub compute_ms: u64,
}

impl Speakers {
    /// With the networks of the process.
    pub fn new(model: SpeakerModel) -> Self {
        Self {
            model,
            place: Place::new(YIELD_MAX),
        }
    }

    /// For a participant who was not heard yet.
    pub fn diariser(&self) -> Diariser {
        Diariser::new(self.model.clone())
    }

    /// Hears an utterance when there is a place; `runs`: what its recogniser says of who speaks. Nothing when the networks broke off; then the voices so far are lost.
    pub async fn hear(
        &self,
        mut diariser: Diariser,
        utterance: u64,
        audio: Audio,
        runs: Vec<NumberedRun>,
        finals_wait: impl Fn() -> bool,
    ) -> Option<Heard> {
        let hear = move || {
            let (begun, audio) = (Instant::now(), audio.to_vec());
            let (turns, events) = if runs.is_empty() {
                diariser.hear(utterance, &audio)
            } else {
                diariser.hear_numbered(utterance, &audio, &runs)
            };
            Heard {
                diariser,
                turns,
                events,
                compute_ms: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
            }
        };
        self.place.work(finals_wait, hear).await
    }
}

/// Where one works at a time.
#[derive(Clone, Debug)]
struct Place {
    free: Arc<Semaphore>,
    yield_max: Duration,
}

impl Place {
    fn new(yield_max: Duration) -> Self {
        Self {
            free: Arc::new(Semaphore::new(1)),
            yield_max,
        }
    }

    /// Does `work` when it is its turn and nothing more urgent waits. Nothing when it broke off.
    async fn work<T: Send + 'static>(
        &self,
        urgent: impl Fn() -> bool,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let place = self.free.clone().acquire_owned().await.ok()?;
        let until = Instant::now() + self.yield_max;
        while urgent() && Instant::now() < until {
            tokio::time::sleep(YIELD_STEP).await;
        }
        let working = tokio::task::spawn_blocking(move || {
            // Kept to the end, also when nobody waits for it any more.
            let _place = place;
            work()
        });
        match working.await {
            Ok(done) => Some(done),
            Err(error) => {
                tracing::error!(%error, "hearing voices broke off");
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn one_works_at_a_time_also_when_nobody_waits_for_it_any_more() {
        let place = Place::new(YIELD_MAX);
        let (begun, first) = mpsc::channel();
        let (finish, finished) = mpsc::channel::<()>();
        let abandoned = tokio::spawn({
            let place = place.clone();
            async move {
                let work = move || {
                    begun.send(()).unwrap();
                    finished.recv().unwrap();
                };
                place.work(|| false, work).await
            }
        });
        tokio::task::spawn_blocking(move || first.recv().unwrap())
            .await
            .unwrap();
        abandoned.abort();
        assert!(abandoned.await.is_err());
        let mut second = std::pin::pin!(place.work(|| false, || 2));
        tokio::select! {
            biased;
            _ = &mut second => panic!("two at once"),
            () = tokio::task::yield_now() => {}
        }
        assert_eq!(place.free.available_permits(), 0);
        finish.send(()).unwrap();
        assert_eq!(second.await, Some(2));
    }

    #[tokio::test]
    async fn what_breaks_off_gives_its_place_back() {
        let place = Place::new(YIELD_MAX);
        assert_eq!(place.work(|| false, || -> u32 { panic!("broken") }).await, None);
        assert_eq!(place.work(|| false, || 3).await, Some(3));
    }

    #[tokio::test]
    async fn urgent_work_goes_first_and_not_for_ever() {
        let looks = AtomicUsize::new(0);
        let busy_at_first = || looks.fetch_add(1, Ordering::Relaxed) < 3;
        assert_eq!(Place::new(YIELD_MAX).work(busy_at_first, || 1).await, Some(1));
        assert_eq!(looks.load(Ordering::Relaxed), 4);
        let patience = YIELD_STEP / 2;
        assert_eq!(Place::new(patience).work(|| true, || 2).await, Some(2));
    }
}
