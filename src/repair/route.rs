//! The way in which a plan is carried out: one decision for every target, with the reason.

use super::partial::{self, Planned};
use super::plan::Plan;
use super::scratch::Scratch;
use crate::check::Verdict;
use crate::error::Result;
use crate::io::ReadAt;
use crate::monitor::Monitor;
use crate::rules;
use std::fmt;
use std::sync::Arc;

/// The extent to which a repair writes a file anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "kebab-case"))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub enum Way {
    /// Nothing: the bytes stay as they are.
    Untouched,
    /// Header, maps and trees; every object stays where it is.
    Structure,
    /// Some objects as well, which are appended.
    Appended,
    /// The whole file.
    Rebuilt,
}

/// The reason why a file is written anew as a whole, or why chosen actions cannot be carried out alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "kebab-case"))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub enum Why {
    /// Neither header nor trees can be read.
    NothingReadable,
    /// The file is larger than its format allows, and must not grow.
    TooLarge,
    /// The trees are lost, and contents are damaged too.
    TreesAndContents,
    /// The bytes of the file were moved.
    BytesMoved,
    /// Blocks lie where maps belong.
    MapOverwritten,
    /// Most of the file has to be written anyway.
    MostOfTheFile,
    /// The objects that were found have another layout.
    OtherLayout,
    /// The file cannot grow, or a block that the trees need could not be read again.
    CannotGrow,
    /// The file would be no better.
    NotBetter,
}

impl Why {
    /// The reason in words, behind "because".
    pub const fn text(self) -> &'static str {
        match self {
            Self::NothingReadable => "neither its header nor its trees can be read",
            Self::TooLarge => "it is larger than its format allows and must not grow",
            Self::TreesAndContents => "its trees are lost and contents are damaged too",
            Self::BytesMoved => "its bytes were moved",
            Self::MapOverwritten => "blocks lie where its maps belong",
            Self::MostOfTheFile => "most of it has to be written anyway",
            Self::OtherLayout => "the objects that were found have another layout",
            Self::CannotGrow => "it cannot grow, or a block that its trees need could not be read again",
            Self::NotBetter => "adding to it would make it no better",
        }
    }
}

/// The way of a repair, and its reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Route {
    /// The extent to which the file is written anew.
    pub way: Way,
    /// The number of objects that are appended.
    pub objects: u64,
    /// The reason why adding to the file does not serve.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub why: Option<Why>,
}

impl Route {
    pub(super) const fn untouched(why: Option<Why>) -> Self {
        Self { way: Way::Untouched, objects: 0, why }
    }

    pub(super) const fn rebuilt(why: Why) -> Self {
        Self { way: Way::Rebuilt, objects: 0, why: Some(why) }
    }

    pub(super) const fn appended(objects: u64) -> Self {
        Self { way: if objects == 0 { Way::Structure } else { Way::Appended }, objects, why: None }
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.way {
            Way::Untouched => f.write_str("nothing is written")?,
            Way::Structure => f.write_str("header, maps and trees are written anew, and no object; possible in place")?,
            Way::Appended if self.objects == 1 => f.write_str("one object is written anew and appended; possible in place")?,
            Way::Appended => write!(f, "{} objects are written anew and appended; possible in place", self.objects)?,
            Way::Rebuilt => f.write_str("the whole file is written anew")?,
        }
        match self.why {
            Some(why) => write!(f, ", because {}", why.text()),
            None => Ok(()),
        }
    }
}

/// An attempt to carry a plan out by adding to the file.
pub(super) type Attempt = std::result::Result<Planned, Why>;

/// A plan whose way is decided.
pub(super) enum Routed {
    /// Nothing is to be written; of chosen actions, because they cannot be carried out alone.
    Untouched(Route),
    /// The file as it would be, held over the file as it is.
    Added(Box<Planned>),
    /// The file has to be written anew as a whole.
    Anew(Why),
}

/// The reason why adding to a file is not even tried.
fn beyond(plan: &Plan) -> Option<Why> {
    // where nothing of header and trees is left, a search may still find blocks
    if plan.before.verdict == Verdict::NotPst {
        Some(Why::NothingReadable)
    } else if plan.before.rule(&rules::ANSI_TOO_LARGE).is_some() {
        Some(Why::TooLarge)
    } else if plan.salvage && !plan.is_partial() && !plan.is_structural() {
        // the search for nodes that were lost has brought up the other faults of the file
        Some(Why::TreesAndContents)
    } else {
        None
    }
}

/// Whether adding to the file is worth an attempt.
pub(super) fn may_add(plan: &Plan) -> bool {
    beyond(plan).is_none()
}

/// Whether there is nothing to do.
pub(super) fn is_idle(plan: &Plan) -> bool {
    plan.is_empty() && plan.before.verdict != Verdict::NotPst
}

/// Decides by an attempt that was made, or was not worth one.
pub(super) fn decided(plan: &Plan, attempt: Option<Attempt>) -> Routed {
    match attempt {
        Some(Ok(planned)) => Routed::Added(Box::new(planned)),
        Some(Err(why)) if plan.is_partial() => Routed::Untouched(Route::untouched(Some(why))),
        Some(Err(why)) => Routed::Anew(why),
        None => Routed::Anew(beyond(plan).unwrap_or(Why::NotBetter)),
    }
}

/// Decides the way of a plan.
pub(super) fn route(source: &Arc<dyn ReadAt>, plan: &Plan, scratch: &Scratch, monitor: &dyn Monitor) -> Result<Routed> {
    if is_idle(plan) {
        return Ok(Routed::Untouched(Route::untouched(None)));
    }
    let attempt = if may_add(plan) { Some(partial::plan(source, plan, scratch, monitor)?) } else { None };
    Ok(decided(plan, attempt))
}
