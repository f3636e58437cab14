//! Integration tests: one binary, a module a topic.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects)]
#![allow(clippy::cast_possible_truncation, clippy::string_slice, missing_docs, unreachable_pub)]

mod acceptance;
mod account;
mod append;
mod budgets;
mod check_corpus;
mod check_damage;
mod corpus;
mod crash;
mod damage;
mod demands;
mod empty;
mod examples;
mod exchanged;
mod fixes;
mod foreign;
mod front;
mod hostile;
mod invariants;
mod limits;
mod lost_objects;
mod ltp;
mod ndb;
mod places;
mod random_store;
mod read;
mod readers;
mod recipes;
mod recover;
mod repair;
mod salvage;
mod shared;
mod strangers;
mod strays;
mod support;
mod sweep;
mod undo;
mod write;
