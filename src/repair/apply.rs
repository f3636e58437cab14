//! Carrying out a plan: into a new file, or in place.

use super::plan::Plan;
use super::rebuild::{Outcome, rebuild, untouched};
use super::route::{Attempt, Route, Routed, Why, decided, is_idle, may_add, route};
use super::scratch::{Scratch, begin_copy, copy_bytes, finish_copy};
use super::undo::UndoRecord;
use super::{inplace, partial};
use crate::check::report::Source;
use crate::error::{ErrorKind, Result};
use crate::io::{AtomicFile, Behind, Existing, FileId, ReadAt, Storage};
use crate::monitor::{Monitor, Quiet};
use std::path::Path;
use std::sync::Arc;

/// Where the result of a repair goes.
#[non_exhaustive]
pub enum Target<'p> {
    /// Into a storage, which is overwritten. The source is only read.
    NewFile {
        /// The file that the plan is for.
        source: Arc<dyn ReadAt>,
        /// The storage that is written.
        target: Arc<dyn Storage>,
    },
    /// Into a file that gets its name when it is complete. The source is only read.
    Path {
        /// The file that the plan is for.
        source: Arc<dyn ReadAt>,
        /// Name of the file that is written.
        out: &'p Path,
        /// Whether a file of that name is replaced; otherwise it is an error.
        replace: bool,
    },
    /// A storage itself, changed in the order that a crash cannot hurt. Only changes by adding to the file are made.
    Storage {
        /// The file that the plan is for; nobody else may change it meanwhile.
        target: Arc<dyn Storage>,
        /// Takes the record that [`UndoRecord::apply`] puts back, before anything is overwritten, and must have it on the medium when it returns.
        keep: &'p mut dyn FnMut(&UndoRecord) -> Result<()>,
    },
    /// The file itself. An undo file is written first; [`undo`](super::undo()) restores the file byte for byte from it.
    InPlace {
        /// The file that the plan is for.
        path: &'p Path,
        /// Name of the undo file; it must not exist.
        undo: &'p Path,
    },
}

/// The result that a repair would have.
#[non_exhaustive]
pub struct Prediction {
    /// The outcome: the faults of the result, and the account.
    pub outcome: Outcome,
    /// The file that the repair would write.
    pub result: Arc<dyn ReadAt>,
}

impl std::fmt::Debug for Prediction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Prediction").field("outcome", &self.outcome).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Target<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NewFile { .. } => f.debug_struct("NewFile").finish_non_exhaustive(),
            Self::Path { out, replace, .. } => f.debug_struct("Path").field("out", out).field("replace", replace).finish_non_exhaustive(),
            Self::Storage { .. } => f.debug_struct("Storage").finish_non_exhaustive(),
            Self::InPlace { path, undo } => f.debug_struct("InPlace").field("path", path).field("undo", undo).finish(),
        }
    }
}

impl Plan {
    /// Carries the plan out and checks the result.
    ///
    /// **An action that is left out.** Header, trees, reference counts and maps ([`FixVerb::is_structural`](crate::rules::FixVerb::is_structural)) are one: they are written
    /// anew whenever anything is, and nothing is lost by that. Of the other actions, those that are selected are carried out on the objects
    /// that they concern; all other objects stay as they are, damaged ones too, and the outcome's `after` says the rest of them. Where
    /// so much is wrong that most would have to be written anew, a plan with every action selected writes the whole file.
    ///
    /// ```
    /// use pstkit::check::{CheckOptions, check};
    /// use pstkit::repair::{Policy, Target};
    /// use pstkit::rules::FixVerb;
    /// use std::sync::Arc;
    ///
    /// # fn main() -> Result<(), pstkit::Error> {
    /// # let mut bytes = pstkit::testkit::tiny(pstkit::testkit::VARIETIES[0], 1)?;
    /// # bytes[4] ^= 1;
    /// let source: Arc<dyn pstkit::io::ReadAt> = Arc::new(bytes);
    /// let report = check(Arc::clone(&source), &CheckOptions::default().for_repair(), &())?;
    /// let mut plan = report.plan(&Policy::default());
    /// for action in &plan.actions {
    ///     println!("{}: {} ({} violations)", action.id, action.what, action.violations);
    /// }
    /// plan.select(FixVerb::ResetIndex, false);
    /// let target = Arc::new(pstkit::io::MemoryStorage::default());
    /// let outcome = plan.apply(Target::NewFile { source, target: target.clone() }, &())?;
    /// assert!(outcome.after.is_healthy());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::PlanStale`] where the plan is another file's or the file has changed since; [`ErrorKind::TargetExists`];
    /// [`ErrorKind::NeedsConsent`] where something readable would be left out without consent; [`ErrorKind::NotPst`] where nothing in the
    /// source is part of such a file, [`ErrorKind::Unsupported`] where it is encrypted; [`ErrorKind::Locked`] where another process holds a
    /// file that is to be changed; errors of the media; cancellation. A new file has no name then, a new storage holds no header, and a file or a storage in place is as it was, unless
    /// the error says that it could not be put back: then the undo record does that.
    pub fn apply(&self, target: Target<'_>, monitor: &dyn Monitor) -> Result<Outcome> {
        match target {
            Target::NewFile { source, target } => self.write_to(&source, &target, &Scratch::anywhere(), monitor),
            Target::Path { source, out, replace } => {
                let is_source = |f: &std::fs::File| FileId::of(f).is_some_and(|a| FileId::of_path(out).is_some_and(|b| a.is_same(b)));
                if source.file().is_some_and(is_source) {
                    return Err(ErrorKind::Usage(format!("{} is the source itself, if by another name", out.display())).into());
                }
                let file = AtomicFile::create(out, Existing::replace_if(replace))?;
                source.file().and_then(|f| f.metadata().ok()).iter().for_each(|old| file.hide_as(old));
                let behind = Behind::new(file.shared()?);
                let storage: Arc<dyn Storage> = behind.clone();
                let outcome = self.write_to(&source, &storage, &Scratch::beside(out), monitor)?;
                behind.finish()?;
                drop((storage, behind));
                source.intact().map_err(ErrorKind::Io)?;
                file.commit()?;
                Ok(outcome)
            }
            Target::Storage { target, keep } => inplace::apply_to_storage(self, &target, keep, monitor),
            Target::InPlace { path, undo } => inplace::apply(self, path, undo, monitor),
        }
    }

    /// Works out the result of [`apply`](Self::apply): the repair is carried out, and its output goes to memory or, where
    /// that is much, to a file without a name. Takes as long as a repair without the copying; `apply` does not need it.
    ///
    /// # Errors
    /// As [`apply`](Self::apply).
    pub fn predict(&self, source: &Arc<dyn ReadAt>, monitor: &dyn Monitor) -> Result<Prediction> {
        self.fits(source.as_ref())?;
        let scratch = Scratch::anywhere();
        let why = match route(source, self, &scratch, monitor)? {
            Routed::Untouched(route) => {
                return Ok(Prediction { outcome: untouched(self, route), result: Arc::clone(source) });
            }
            Routed::Added(planned) => {
                let result: Arc<dyn ReadAt> = planned.view.clone();
                return Ok(Prediction { outcome: planned.outcome(self), result });
            }
            Routed::Anew(why) => why,
        };
        let target = scratch.room(source.len().saturating_mul(2))?;
        let outcome = rebuild(source, &target, self, &scratch, why, monitor)?;
        Ok(Prediction { outcome, result: self.policy.reading(target)? })
    }

    fn write_to(&self, source: &Arc<dyn ReadAt>, target: &Arc<dyn Storage>, scratch: &Scratch, monitor: &dyn Monitor) -> Result<Outcome> {
        self.fits(source.as_ref())?;
        if is_idle(self) {
            copy_bytes(source.as_ref(), target.as_ref(), monitor)?;
            return Ok(untouched(self, Route::untouched(None)));
        }
        let (attempt, begun) = if may_add(self) { self.plan_and_copy(source, target, scratch, monitor) } else { (Ok(None), None) };
        let (view, outcome) = match decided(self, attempt?) {
            Routed::Anew(why) => return rebuild(source, target, self, scratch, why, monitor),
            Routed::Untouched(route) => (None, untouched(self, route)),
            Routed::Added(planned) => (Some(Arc::clone(&planned.view)), planned.outcome(self)),
        };
        let begun = begun.unwrap_or_else(|| begin_copy(source.as_ref(), target.as_ref(), monitor));
        match begun.and_then(|()| finish_copy(source.as_ref(), view.as_deref(), target.as_ref(), monitor)) {
            Ok(()) => Ok(outcome),
            // nobody may have need of bytes that cannot be read
            Err(e) if e.is_cancelled() || self.is_partial() => Err(e),
            Err(_) => rebuild(source, target, self, scratch, Why::CannotGrow, monitor),
        }
    }

    /// Finds the changes; where the system copies, it does so meanwhile, and the result of that is answered too.
    #[allow(clippy::type_complexity)]
    fn plan_and_copy(
        &self,
        source: &Arc<dyn ReadAt>,
        target: &Arc<dyn Storage>,
        scratch: &Scratch,
        monitor: &dyn Monitor,
    ) -> (Result<Option<Attempt>>, Option<Result<()>>) {
        if source.file().is_none() || target.file().is_none() {
            return (partial::plan(source, self, scratch, monitor).map(Some), None);
        }
        std::thread::scope(|scope| {
            let copying = scope.spawn(|| begin_copy(source.as_ref(), target.as_ref(), &Quiet(monitor)));
            let planned = partial::plan(source, self, scratch, monitor);
            let begun = copying.join().unwrap_or_else(|_| Err(ErrorKind::Io(std::io::Error::other("the thread ended early")).into()));
            (planned.map(Some), Some(begun))
        })
    }

    /// Whether a source is the file that the plan was made for, and as it was then.
    pub(super) fn fits(&self, source: &dyn ReadAt) -> Result<()> {
        let (now, then) = (Source::of(None, source), &self.before.source);
        if (now.size, now.stamp) == (then.size, then.stamp) {
            return Ok(());
        }
        Err(ErrorKind::PlanStale.into())
    }
}
