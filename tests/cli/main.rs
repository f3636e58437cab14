//! The program, driven as a user drives it: one binary, a module a topic.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects)]
#![allow(clippy::cast_possible_truncation, clippy::string_slice, missing_docs, unreachable_pub)]

mod bad_input;
mod check;
mod export;
mod export_msg;
mod hidden;
mod inspect;
mod reading;
mod repair;
mod report;
mod same;
mod schema;
mod stores;
mod support;
mod usage;
mod write;
