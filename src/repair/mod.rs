//! Repair: the faults of a file are set right, without loss where none is needed, and accounted for.
//!
//! A [`Plan`] says beforehand which actions there are and the cost of each. It is carried out ([`Plan::apply`]) into a new file, and
//! the source is only read, or in place, and an undo file is written first. Both ways only damaged parts are written anew: the objects that
//! the actions concern, and trees, maps and header; everything else stays where it is (`partial`). Where trees and contents are both
//! broken, or most of the file would have to be written, it is written whole from everything that a salvage can read. The result is
//! checked, and repaired again while that makes it better. A file with nothing to repair is copied byte for byte.

mod account;
mod apply;
mod inplace;
mod job;
pub(crate) mod ost;
mod partial;
pub(crate) mod plan;
mod rebuild;
mod rescue;
mod route;
mod scratch;
mod undo;

pub use account::{Account, Count, LeftOut, LostMessage};
pub use apply::{Prediction, Target};
pub use inplace::{commit, repair_in_place};
pub use job::Repair;
pub use ost::{LocalItem, LocalOnly, LocalReason, local_only};
pub use partial::restructure;
pub use plan::{Action, Place, Plan, Policy};
pub(crate) use rebuild::with_lost_folders;
pub use rebuild::{Outcome, repair};
pub use rescue::{RescueOptions, Rescued, rescue};
pub use route::{Route, Way, Why};
pub use undo::{LaterWrites, UndoRecord, in_the_way, take_back_interrupted, undo};
