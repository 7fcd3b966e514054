//! The pages in a real browser, with real servers behind them. Every behaviour has a house of its own, one after the
//! other: recognition takes all that a small machine has.

mod captions_run_live;
mod consent_is_said_on_the_join_page;
mod gaps_are_shown_in_their_place;
mod house;
mod links_are_refused;
mod people_join_from_the_browser;
mod voices_are_shown_and_named;
mod voices_are_told_apart_in_the_room;
mod what_is_missing_or_late_is_said;
