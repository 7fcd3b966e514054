//! A callback that the program may set, replace or remove at any time, also from within itself.

use parking_lot::Mutex;

/// Holds at most one callback.
pub(crate) struct Callback<F>(Mutex<Slot<F>>);

struct Slot<F> {
    callback: Option<F>,
    /// Counts what was set, so that a callback that replaced itself is not put back.
    generation: u64,
    /// Nobody will call any more.
    ended: bool,
}

impl<F> Default for Callback<F> {
    fn default() -> Self {
        Self(Mutex::new(Slot {
            callback: None,
            generation: 0,
            ended: false,
        }))
    }
}

impl<F> Callback<F> {
    pub(crate) fn set(&self, callback: Option<F>) {
        let mut slot = self.0.lock();
        slot.generation += 1;
        // Kept after the end it would keep what it holds, often the very handle that keeps it.
        let dropped = if slot.ended {
            callback
        } else {
            std::mem::replace(&mut slot.callback, callback)
        };
        drop(slot);
        // What the callback holds may do anything when dropped: not under the lock.
        drop(dropped);
    }

    /// Lets go of the callback, and of all that are set from now on.
    pub(crate) fn end(&self) {
        let mut slot = self.0.lock();
        slot.ended = true;
        slot.generation += 1;
        let dropped = slot.callback.take();
        drop(slot);
        drop(dropped);
    }

    /// Calls it, without any lock held. Only the driver calls, one call at a time.
    pub(crate) fn call(&self, with: impl FnOnce(&mut F)) {
        let (taken, generation) = {
            let mut slot = self.0.lock();
            (slot.callback.take(), slot.generation)
        };
        let Some(mut callback) = taken else { return };
        with(&mut callback);
        let mut slot = self.0.lock();
        if slot.generation == generation {
            slot.callback = Some(callback);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    };

    use super::Callback;

    type Boxed = Box<dyn FnMut() + Send>;

    #[test]
    fn a_callback_may_replace_itself() {
        let slot: Arc<Callback<Boxed>> = Arc::default();
        let (first, second) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
        let (inner_slot, inner_first, inner_second) = (slot.clone(), first.clone(), second.clone());
        slot.set(Some(Box::new(move || {
            inner_first.fetch_add(1, Ordering::Relaxed);
            let counted = inner_second.clone();
            inner_slot.set(Some(Box::new(move || {
                counted.fetch_add(1, Ordering::Relaxed);
            })));
        })));
        for _ in 0..3 {
            slot.call(|callback| callback());
        }
        assert_eq!(
            (first.load(Ordering::Relaxed), second.load(Ordering::Relaxed)),
            (1, 2)
        );
        slot.set(None);
        slot.call(|_| panic!("nothing is set"));
    }

    #[test]
    fn nothing_that_is_set_after_the_end_is_kept() {
        let slot: Callback<Boxed> = Callback::default();
        let held = Arc::new(());
        let callback = || {
            let holds = held.clone();
            let callback: Boxed = Box::new(move || drop(holds.clone()));
            Some(callback)
        };
        slot.set(callback());
        slot.end();
        slot.set(callback());
        assert_eq!(Arc::strong_count(&held), 1);
        slot.call(|_| panic!("nothing is set"));
    }
}
