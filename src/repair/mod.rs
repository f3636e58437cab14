//! Repair: what is wrong with a file is set right, without loss where none is needed, and accounted for.
//!
//! A [`Plan`] says beforehand what would be done and what each action may cost. It is applied to a new file ([`repair`]; the source is
//! only read): everything that is readable is read, from a salvage where header or trees are broken, and written whole. The result is
//! checked, and repaired again while that makes it better. A file with nothing to repair is copied byte for byte.

mod account;
mod inplace;
pub mod ost;
pub mod plan;
mod rebuild;
mod rescue;
mod undo;

pub use account::{Account, Count, LostMessage};
pub use inplace::{commit, repair_in_place, restructure};
pub use ost::{LocalItem, LocalOnly, LocalReason, local_only};
pub use plan::{Action, Plan, Policy};
pub use rebuild::{Outcome, repair};
pub use rescue::{Rescued, rescue};
pub use undo::{UndoRecord, undo};
