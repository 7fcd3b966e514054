//! What a worker says about its load. LiveKit skips workers at or above its target (.7 unless configured), so
//! "full" has to mean exactly that, and the figure has to be about us: a busy neighbour on the same machine
//! must not make meetings go unattended, and a full recogniser must.

/// LiveKit's default `agents.target_load`: at or above it a worker gets no job.
pub const TARGET_LOAD: f32 = 0.7;

/// What the load is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Measured {
    /// Jobs that run.
    pub jobs: usize,
    /// Jobs that may run.
    pub slots: usize,
    /// Finals that wait for a recogniser.
    pub finals_waiting: usize,
    /// Finals that may wait before captions come noticeably late.
    pub finals_tolerated: usize,
}

impl Measured {
    /// The load to report: the larger of the share of slots in use and the share of the tolerated recogniser
    /// queue, scaled so that all of either is [`TARGET_LOAD`].
    pub fn load(&self) -> f32 {
        let slots = share(self.jobs, self.slots);
        let recogniser = share(self.finals_waiting, self.finals_tolerated);
        (slots.max(recogniser) * TARGET_LOAD).clamp(0.0, 1.0)
    }
}

fn share(used: usize, available: usize) -> f32 {
    if available == 0 {
        1.0
    } else {
        used as f32 / available as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_means_the_target_and_idle_means_zero() {
        let idle = Measured {
            slots: 10,
            finals_tolerated: 8,
            ..Measured::default()
        };
        assert!(idle.load().abs() < f32::EPSILON);
        assert!(Measured { jobs: 9, ..idle }.load() < TARGET_LOAD);
        assert!(Measured { jobs: 10, ..idle }.load() >= TARGET_LOAD);
    }

    #[test]
    fn a_full_recogniser_closes_the_door_before_the_slots_do() {
        let busy = Measured {
            jobs: 1,
            slots: 10,
            finals_waiting: 8,
            finals_tolerated: 8,
        };
        assert!(busy.load() >= TARGET_LOAD);
        assert!(
            Measured {
                finals_waiting: 4,
                ..busy
            }
            .load()
                < TARGET_LOAD
        );
    }
}
