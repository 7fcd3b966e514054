//! One behaviour a file, against a real Postgres: `DATABASE_URL` names a superuser's connection.
#![allow(clippy::unwrap_used)] // helpers of tests are tests, which clippy does not see

mod support;

mod answers_are_recorded;
mod capacity_is_kept;
mod captions_reach_the_feed;
mod consent_is_kept;
mod corrections_lie_over_the_record;
mod coverage_is_settled_once;
mod documents_are_claimed_once;
mod documents_become_passages;
mod events_keep_their_order;
mod feeds_admit_their_gaps;
mod heard_voices_keep_their_labels;
mod hostile_questions_find_passages;
mod hostile_text_is_stored;
mod large_indexes_are_searched_by_graph;
mod lease_interleavings_follow_the_model;
mod lease_races_have_one_winner;
mod leases_are_fenced;
mod limits_name_their_field;
mod migrations_run_once;
mod recognisers_are_inherited;
mod rooms_become_due;
mod search_fuses_meaning_and_words;
mod segments_are_appended_once;
mod sequences_have_no_gap;
mod stuck_rows_do_not_hang;
mod tenants_are_apart;
mod transcripts_are_read_by_time;
mod trouble_is_transient;
mod usage_has_its_price;
mod usage_is_summed;
mod vocabulary_is_worth_knowing;
mod voice_policies_are_told;
mod voices_lie_over_the_record;
mod voices_outlive_a_meeting_by_consent;
mod wake_ups_come;
