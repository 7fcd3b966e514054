//! A hundred rooms that are due in the same second, one system after the other.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use chrono::{DateTime, Utc};

use super::super::figure::{Figure, percentile};
use super::super::observer::Observer;
use super::super::peer::AGENT_NAME;
use super::{LEAD, System, unix_ms};
use crate::api::Api;

/// So many at once.
const ROOMS: usize = 100;
/// All of ours are heard by then.
const AIM_MS: f64 = 10_000.0;
/// Who has no agent by then is counted as without one.
const LIMIT: Duration = Duration::from_secs(60);
/// A hundred people are in their rooms by then.
const UNTIL_DUE: Duration = Duration::from_secs(20);
const ENTER_LIMIT: Duration = Duration::from_secs(60);
/// People who enter at the same time.
const ENTER_AT_ONCE: usize = 10;
const LEAVE_LIMIT: Duration = Duration::from_secs(30);

/// What came of it.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Hundred {
    /// From the moment that all were due, for those to which an agent came.
    pub joins_ms: Vec<f64>,
}

/// Takes the measurement.
///
/// # Errors
/// The people cannot enter.
pub(super) async fn take(
    system: System,
    api: &Api,
    organisation: &str,
    visitors: &mut Observer,
) -> Result<Hundred> {
    let (mut rooms, mut ids) = (Vec::new(), Vec::new());
    let mut due = Utc::now() + UNTIL_DUE;
    for number in 0..ROOMS {
        match system {
            System::Ours => {
                let scheduled = api.schedule(organisation, "Join", due + LEAD).await?;
                let person = api
                    .invite(organisation, &scheduled.id, "Observer", "client")
                    .await?;
                rooms.push((scheduled.livekit_room, Some(person.token)));
                ids.push(scheduled.id);
            }
            System::LivekitAgents => rooms.push((format!("join-{}-{number}", due.timestamp_millis()), None)),
        }
    }
    for some in rooms.chunks(ENTER_AT_ONCE) {
        for (room, token) in some {
            visitors.enter(room, token.as_deref())?;
        }
        let entered = visitors.all("published", some.len(), ENTER_LIMIT).await?.len();
        ensure!(
            entered == some.len(),
            "{entered} of {} people could enter; see visitors.log",
            some.len()
        );
    }
    match system {
        System::Ours if Utc::now() > due => {
            bail!("{ROOMS} people were late: they took more than {UNTIL_DUE:?} to publish")
        }
        System::Ours => {}
        System::LivekitAgents => {
            due = due.max(Utc::now() + Duration::from_secs(1));
            for (room, _) in &rooms {
                visitors.dispatch_at(room, AGENT_NAME, unix_ms(due))?;
            }
        }
    }
    let limit = LIMIT + (due - Utc::now()).to_std().unwrap_or_default();
    let heard = visitors.all("subscribed", ROOMS, limit).await?;
    for id in &ids {
        api.room(organisation, id).cancel().await?;
    }
    for (room, _) in &rooms {
        if matches!(system, System::LivekitAgents) {
            visitors.close(room)?;
        }
        visitors.leave(room)?;
    }
    visitors.all("out", ROOMS, LEAVE_LIMIT).await?;
    Ok(since(due, &heard))
}

fn since(due: DateTime<Utc>, heard: &HashMap<String, f64>) -> Hundred {
    let mut joins_ms: Vec<f64> = heard
        .values()
        .map(|at_unix_ms| at_unix_ms - unix_ms(due))
        .collect();
    joins_ms.sort_by(f64::total_cmp);
    Hundred { joins_ms }
}

/// The figures of each system.
pub(super) fn figures(systems: &[(&str, &Hundred, bool)]) -> Vec<Figure> {
    let mut figures = Vec::new();
    let setting = format!("{ROOMS} rooms due at once, one silent microphone in each");
    let mut add = |figure, system: &str, value, unit, aim| {
        figures.push(Figure {
            figure,
            system: system.to_owned(),
            setting: setting.clone(),
            value,
            unit,
            aim,
        });
    };
    for (system, taken, ours) in systems {
        let without = (ROOMS - taken.joins_ms.len().min(ROOMS)) as f64;
        add(
            "rooms_without_agent",
            system,
            without,
            "rooms",
            ours.then_some(0.0),
        );
    }
    let shares = [("join_ms_p50", 0.5), ("join_ms_p90", 0.9), ("join_ms_max", 1.0)];
    for (figure, share) in shares {
        for (system, taken, ours) in systems {
            if let Some(value) = percentile(&taken.joins_ms, share) {
                let aim = (*ours && figure == "join_ms_max").then_some(AIM_MS);
                add(figure, system, value, "ms", aim);
            }
        }
    }
    figures
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rooms_without_an_agent_are_counted_and_not_in_the_delays() {
        let due = DateTime::from_timestamp_millis(1_000_000).unwrap();
        let heard = HashMap::from([("a".to_owned(), 1_000_300.0), ("b".to_owned(), 1_000_100.0)]);
        let taken = since(due, &heard);
        assert_eq!(taken.joins_ms, [100.0, 300.0]);
        let all = Hundred {
            joins_ms: (1..=100).map(f64::from).collect(),
        };
        let figures = figures(&[("ours", &all, true), ("theirs", &taken, false)]);
        let values: Vec<_> = figures
            .iter()
            .map(|figure| (figure.figure, figure.system.as_str(), figure.value, figure.aim))
            .collect();
        assert_eq!(
            values,
            [
                ("rooms_without_agent", "ours", 0.0, Some(0.0)),
                ("rooms_without_agent", "theirs", 98.0, None),
                ("join_ms_p50", "ours", 50.0, None),
                ("join_ms_p50", "theirs", 100.0, None),
                ("join_ms_p90", "ours", 90.0, None),
                ("join_ms_p90", "theirs", 300.0, None),
                ("join_ms_max", "ours", 100.0, Some(AIM_MS)),
                ("join_ms_max", "theirs", 300.0, None),
            ]
        );
    }
}
