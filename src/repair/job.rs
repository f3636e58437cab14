//! [`Repair`]: the short way to repair a file by its name.

use super::apply::{Prediction, Target};
use super::plan::{Plan, Policy};
use super::rebuild::Outcome;
use crate::check::{CheckOptions, Report, check};
use crate::error::Result;
use crate::io::{Existing, ReadAt};
use crate::messaging::OpenOptions;
use crate::monitor::Monitor;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A file that was checked, and the plan of its repair. The file is only read until [`in_place`](Self::in_place) is called.
///
/// ```no_run
/// use pstkit::repair::Repair;
/// let repair = Repair::open("broken.pst", &())?;
/// println!("{}", repair.report().summary());
/// let outcome = repair.write("repaired.pst", &())?;
/// println!("{} messages lost", outcome.account.messages.lost);
/// # Ok::<(), pstkit::Error>(())
/// ```
///
/// The longer way ([`check`](crate::check::check()), [`Report::plan`], [`Plan::apply`]) serves sources and targets that are no files.
pub struct Repair {
    source: Arc<dyn ReadAt>,
    path: PathBuf,
    plan: Plan,
}

impl Repair {
    /// Opens a file, checks it and plans its repair by the default [`Policy`].
    ///
    /// # Errors
    /// As [`OpenOptions::source`]; cancellation.
    pub fn open(path: impl AsRef<Path>, monitor: &dyn Monitor) -> Result<Self> {
        Self::open_with(path, &Policy::default(), monitor)
    }

    /// The same by another policy.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_with(path: impl AsRef<Path>, policy: &Policy, monitor: &dyn Monitor) -> Result<Self> {
        let path = path.as_ref();
        let source = OpenOptions::new().map(policy.map).limits(policy.limits).source(path)?;
        let options = CheckOptions::default().threads(policy.threads).limits(policy.limits).for_repair();
        let report = check(Arc::clone(&source), &options, monitor)?;
        Ok(Self { source, path: path.to_owned(), plan: report.plan(policy) })
    }

    /// The report of the check.
    pub fn report(&self) -> &Report {
        &self.plan.before
    }

    /// The plan.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The plan, to take actions out of it ([`Plan::select_id`]).
    pub fn plan_mut(&mut self) -> &mut Plan {
        &mut self.plan
    }

    /// The result of the repair without a file that is left: its account, and the result itself to be read.
    ///
    /// # Errors
    /// As [`Plan::predict`].
    pub fn predict(&self, monitor: &dyn Monitor) -> Result<Prediction> {
        self.plan.predict(&self.source, monitor)
    }

    /// Writes the repaired file under a name that must not exist.
    ///
    /// # Errors
    /// As [`Plan::apply`].
    pub fn write(&self, out: impl AsRef<Path>, monitor: &dyn Monitor) -> Result<Outcome> {
        self.write_to(out.as_ref(), Existing::Refuse, monitor)
    }

    /// Writes the repaired file; a file of that name is replaced when the new one is complete.
    ///
    /// # Errors
    /// As [`Plan::apply`].
    pub fn replace(&self, out: impl AsRef<Path>, monitor: &dyn Monitor) -> Result<Outcome> {
        self.write_to(out.as_ref(), Existing::Replace, monitor)
    }

    fn write_to(&self, out: &Path, existing: Existing, monitor: &dyn Monitor) -> Result<Outcome> {
        let replace = existing == Existing::Replace;
        self.plan.apply(Target::Path { source: Arc::clone(&self.source), out, replace }, monitor)
    }

    /// Repairs the file itself. The undo file is written first and must not exist; [`undo`](super::undo()) takes the repair back.
    ///
    /// # Errors
    /// As [`Plan::apply`].
    pub fn in_place(self, undo: impl AsRef<Path>, monitor: &dyn Monitor) -> Result<Outcome> {
        let Self { source, path, plan } = self;
        // a shared lock of this process would be in the way of the exclusive one
        drop(source);
        plan.apply(Target::InPlace { path: &path, undo: undo.as_ref() }, monitor)
    }
}

impl std::fmt::Debug for Repair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Repair").field("path", &self.path).field("plan", &self.plan).finish_non_exhaustive()
    }
}
