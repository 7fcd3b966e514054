//! Sets a machine up, starts the servers, and runs the demo, the tests and the figures. The whole-system tests use the
//! same code to have real servers.
#![allow(clippy::print_stderr, clippy::print_stdout)] // it speaks to whoever typed the command

pub mod api;
pub mod cache;
pub mod commands;
pub mod demo;
pub mod figures;
pub mod interrupt;
pub mod level;
pub mod parts;
pub mod process;
pub mod progress;
pub mod score;
pub mod servers;
pub mod setup;
pub mod toolchain;
pub mod verify;
