//! Inspect, check, repair, salvage and write Outlook data files.
#![cfg_attr(
    test,
    allow(
        clippy::arithmetic_side_effects,
        clippy::cast_possible_truncation,
        clippy::indexing_slicing,
        clippy::string_slice,
        clippy::unwrap_used
    )
)]

pub mod check;
pub mod error;
pub mod finding;
pub mod format;
pub mod io;
pub mod limits;
pub mod ltp;
pub mod messaging;
pub mod monitor;
pub mod ndb;
pub mod recover;
pub mod rules;
#[cfg(any(test, feature = "testkit"))]
#[doc(hidden)]
pub mod testkit;
pub mod write;
