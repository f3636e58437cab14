//! Inspect, check, repair, salvage and write Outlook data files.
pub mod format;
pub mod messaging;
