//! Brings one agent into every meeting that is due, and closes meetings that are past their end. It takes no input but
//! the database: whatever was killed between any two steps, the next look finds the rows and goes on from there.
//!
//! [`plan`] decides and is pure; `bring` and `close` act on one room; [`actor`] looks and runs them.

pub mod actor;
mod bring;
mod close;
pub mod plan;
