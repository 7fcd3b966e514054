//! Figures of the process in the OpenMetrics text format. Labels are routes, kinds and outcomes: never ids, never words.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// Upper bounds of the delay histograms, in seconds.
const DELAY_BUCKETS_SECONDS: [f64; 12] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0];

/// What a request was and how it ended.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RequestLabels {
    route: String,
    method: String,
    status: u16,
}

/// A kind of something.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct KindLabel {
    kind: &'static str,
}

/// All figures; clones share them.
#[derive(Clone, Debug)]
pub struct Metrics {
    requests: Family<RequestLabels, Histogram>,
    failures: Family<KindLabel, Counter>,
    /// Looks of the reconciler at the schedule.
    pub reconciler_passes: Counter,
    /// Rooms that want an agent and have none, at the last look.
    pub rooms_due: Gauge,
    /// Agents asked for.
    pub dispatches: Counter,
    /// Times that an agent was waited for once more, because a worker had its dispatch.
    pub agents_awaited: Counter,
    /// From seeing a room due to LiveKit having taken the dispatch.
    pub dispatch_delay: Histogram,
    /// Rooms closed after their end.
    pub rooms_ended: Counter,
    documents: Family<KindLabel, Counter>,
    webhooks: Family<KindLabel, Counter>,
    /// Open live captions pages.
    pub caption_viewers: Gauge,
    /// Viewers that were too slow, or a feed with a hole: read again from the database.
    pub caption_resyncs: Counter,
}

fn delays() -> Histogram {
    Histogram::new(DELAY_BUCKETS_SECONDS)
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            requests: Family::new_with_constructor(delays),
            failures: Family::default(),
            reconciler_passes: Counter::default(),
            rooms_due: Gauge::default(),
            dispatches: Counter::default(),
            agents_awaited: Counter::default(),
            dispatch_delay: delays(),
            rooms_ended: Counter::default(),
            documents: Family::default(),
            webhooks: Family::default(),
            caption_viewers: Gauge::default(),
            caption_resyncs: Counter::default(),
        }
    }
}

impl Metrics {
    /// Counts an answered request.
    pub fn request(&self, route: &str, method: &str, status: u16, elapsed: Duration) {
        let labels = RequestLabels {
            route: route.to_owned(),
            method: method.to_owned(),
            status,
        };
        self.requests
            .get_or_create(&labels)
            .observe(elapsed.as_secs_f64());
    }

    /// Counts a failed call of `database` or `livekit`.
    pub fn failure(&self, of: &'static str) {
        self.failures.get_or_create(&KindLabel { kind: of }).inc();
    }

    /// Counts a document by how it ended: `ready`, `failed`, `retried`.
    pub fn document(&self, outcome: &'static str) {
        self.documents.get_or_create(&KindLabel { kind: outcome }).inc();
    }

    /// Counts a webhook by what became of it: `recorded`, `ignored`, `repeated`, `refused`.
    pub fn webhook(&self, outcome: &'static str) {
        self.webhooks.get_or_create(&KindLabel { kind: outcome }).inc();
    }

    /// Everything as text.
    pub fn render(&self) -> String {
        let mut registry = Registry::with_prefix("rapporteur_dispatcher");
        let Self {
            requests,
            failures,
            reconciler_passes,
            rooms_due,
            dispatches,
            agents_awaited,
            dispatch_delay,
            rooms_ended,
            documents,
            webhooks,
            caption_viewers,
            caption_resyncs,
        } = self.clone();
        let help = "Requests by route, method and status, and how long they took";
        registry.register_with_unit("request_duration", help, Unit::Seconds, requests);
        registry.register(
            "failed_calls",
            "Failed calls of the database and of LiveKit",
            failures,
        );
        registry.register("reconciler_passes", "Looks at the schedule", reconciler_passes);
        registry.register("rooms_due", "Rooms that want an agent and have none", rooms_due);
        registry.register("dispatches", "Agents asked for", dispatches);
        let help = "Times that an agent was waited for once more, because a worker had its dispatch";
        registry.register("agents_awaited", help, agents_awaited);
        let help = "From seeing a room due to its dispatch at LiveKit";
        registry.register_with_unit("dispatch_delay", help, Unit::Seconds, dispatch_delay);
        registry.register("rooms_ended", "Rooms closed after their end", rooms_ended);
        registry.register("documents", "Documents read, by how it ended", documents);
        registry.register("webhooks", "LiveKit webhooks, by what became of them", webhooks);
        registry.register("caption_viewers", "Open live captions pages", caption_viewers);
        let help = "Viewers brought up to date from the database";
        registry.register("caption_resyncs", help, caption_resyncs);
        let mut text = String::new();
        // Writing into a String does not fail.
        let _ = encode(&mut text, &registry);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_by_route_and_status() {
        let metrics = Metrics::default();
        metrics.request("/v1/organisations", "POST", 201, Duration::from_millis(30));
        metrics.failure("livekit");
        let text = metrics.render();
        let line =
            r#"request_duration_seconds_count{route="/v1/organisations",method="POST",status="201"} 1"#;
        assert!(text.contains(&format!("rapporteur_dispatcher_{line}")), "{text}");
        assert!(
            text.contains(r#"rapporteur_dispatcher_failed_calls_total{kind="livekit"} 1"#),
            "{text}"
        );
        assert!(text.ends_with("# EOF\n"));
    }
}
