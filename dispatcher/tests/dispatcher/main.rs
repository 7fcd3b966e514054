//! The dispatcher against a real database: one behaviour a file. LiveKit is played by a small server that speaks its
//! API, so that it can also be away, refuse, and be asked what it was asked.
#![allow(clippy::unwrap_used)] // helpers of tests are tests, which clippy does not see

mod harness;

mod anonymous_callers_are_refused;
mod answers_are_shown_but_not_private_ones;
mod bodies_are_limited;
mod capacity_is_enforced;
mod captions_are_corrected;
mod captions_resume_without_loss_or_double;
mod documents_are_read_and_found;
mod due_rooms_get_one_agent;
mod errors_name_the_field;
mod links_are_bound_and_expire;
mod livekit_away_heals;
mod lost_agents_are_replaced;
mod openapi_is_committed;
mod organisations_are_apart;
mod pages_are_strict;
mod people_join_by_link;
mod readiness_says_what_is_missing;
mod recognisers_are_chosen;
mod rooms_are_changed;
mod rooms_past_their_end_are_closed;
mod slow_agents_are_waited_for;
mod transcripts_are_exported;
mod uploads_are_what_they_say;
mod voices_are_told_apart;
mod webhooks_become_events;
