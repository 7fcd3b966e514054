//! Live captions for the pages: one feed from the database a process, one bounded channel a room, one task a viewer.
//! Finals and answers are read from their tables, so a viewer sees each exactly once and in order, whatever was lost on
//! the way; partials are passed on and may be lost.

mod hub;
mod item;
mod pages;
mod viewer;
mod whose;

pub use hub::{CaptionHub, Subscription, TooManyViewers, VIEWERS_MAX, run};
pub use item::Item;
pub use viewer::watch;
pub use whose::{Whose, tell};
