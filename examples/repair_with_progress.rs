//! Plans a repair, shows what the result will hold, and carries it out, with progress and a way to cancel:
//! `cargo run --example repair_with_progress -- broken.pst repaired.pst`.

use pstkit::OpenOptions;
use pstkit::check::{CheckOptions, check};
use pstkit::monitor::{Monitor, Phase};
use pstkit::repair::{Outcome, Policy, Target};
use std::error::Error;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Tells the phases, and stops when it is told to.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    pub(crate) stop: AtomicBool,
}

impl Monitor for Watch {
    fn phase(&self, phase: Phase, total: Option<u64>) {
        eprintln!("{phase} ({})", total.map_or_else(|| "?".to_owned(), |n| n.to_string()));
    }
    fn cancelled(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

pub(crate) fn run(file: &Path, to: &Path, watch: &Watch, out: &mut dyn Write) -> Result<Outcome, Box<dyn Error>> {
    let source = OpenOptions::new().source(file)?;
    let report = check(Arc::clone(&source), &CheckOptions::default().for_repair(), watch)?;
    let plan = report.plan(&Policy::default());
    for action in plan.actions.iter().filter(|a| a.selected) {
        writeln!(out, "{}: {}", action.id, action.what)?;
    }
    let predicted = plan.predict(&source, watch)?;
    writeln!(out, "the result will hold {:?}", predicted.outcome.account.messages)?;
    let outcome = plan.apply(Target::Path { source, out: to, replace: false }, watch)?;
    writeln!(out, "before: {}\nafter: {}", outcome.before.summary(), outcome.after.summary())?;
    Ok(outcome)
}

#[allow(dead_code)]
fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args_os().skip(1);
    let (Some(file), Some(to)) = (args.next(), args.next()) else { return Err("usage: repair_with_progress FILE OUT".into()) };
    run(Path::new(&file), Path::new(&to), &Watch::default(), &mut std::io::stdout().lock()).map(|_| ())
}
