//! Inspect, check, repair, salvage and write Outlook data files.
pub mod error;
pub mod finding;
pub mod format;
pub mod io;
pub mod limits;
pub mod messaging;
pub mod monitor;
pub mod ndb;
pub mod rules;
