//! Progress and Ctrl-C, and the signals by which others ask the program to end.

use crate::args::{Command, Global, ProgressMode};
use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use pstkit::monitor::{Monitor, Phase};
use std::fmt;
use std::io::{self, IsTerminal, StdoutLock, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::time::{Duration, Instant};

static CANCELLED: AtomicBool = AtomicBool::new(false);

/// How often JSON progress is printed at most.
const EVERY: Duration = Duration::from_millis(200);

/// Watches long work: a bar on a terminal, JSON Lines, or nothing. Ctrl-C asks the work to stop; a second one ends the program.
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    json: Option<Mutex<JsonState>>,
    done: AtomicU64,
    overall: Mutex<Overall>,
}

/// How far the whole run has come: a phase counts as much as it usually takes.
#[derive(Debug, Default)]
struct Overall {
    /// Weights of the phases that are expected.
    expected: u64,
    /// What a repair takes more, once it has to search the whole file.
    search: u64,
    /// Weights of the phases that are over.
    over: u64,
    /// Weight and amount of work of the phase at hand.
    weight: u64,
    total: u64,
    /// The last figure: it never goes back.
    percent: u64,
}

impl Overall {
    /// The usual share of a phase, beside the others.
    const fn weight(phase: Phase) -> u64 {
        match phase {
            Phase::Header => 1,
            Phase::Trees | Phase::References | Phase::Maps | Phase::Link | Phase::Plan => 3,
            Phase::Messaging | Phase::Items => 12,
            _ => 10,
        }
    }

    fn begin(&mut self, phase: Phase, total: Option<u64>) {
        if phase == Phase::Scan {
            self.expected = self.expected.saturating_add(std::mem::take(&mut self.search));
        }
        self.over = self.over.saturating_add(self.weight);
        self.weight = Self::weight(phase);
        self.total = total.unwrap_or(0);
    }

    /// Per cent of the whole run, with so much of the phase done. 100 is the end alone.
    fn percent(&mut self, done: u64) -> u64 {
        let part = self.weight.saturating_mul(100).saturating_mul(done.min(self.total)).checked_div(self.total).unwrap_or(0);
        // a run that takes more phases than expected comes nearer to its end ever more slowly
        let all = self.expected.max(self.over.saturating_add(self.weight).saturating_add(2)).max(1);
        let now = self.over.saturating_mul(100).saturating_add(part).checked_div(all).unwrap_or(0).min(99);
        self.percent = self.percent.max(now);
        self.percent
    }
}

struct JsonState {
    phase: Option<Phase>,
    total: Option<u64>,
    said: Instant,
}

impl Progress {
    pub(crate) fn new(global: &Global) -> Self {
        static HANDLER: Once = Once::new();
        HANDLER.call_once(|| {
            // A signal that is to be ignored (nohup) stays so. Without a handler a signal ends the program at once, which is safe too:
            // nothing incomplete has its final name.
            let _ = ctrlc::try_set_handler(|| {
                if CANCELLED.swap(true, Ordering::Relaxed) {
                    std::process::exit(32);
                }
            });
        });
        let is_dumb = std::env::var_os("TERM").is_some_and(|t| t == "dumb");
        let show = global.progress == ProgressMode::Auto && !global.quiet && !is_dumb && io::stderr().is_terminal();
        let bar = show.then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(8));
            bar.set_style(Self::style(false));
            bar
        });
        let json =
            (global.progress == ProgressMode::Json).then(|| Mutex::new(JsonState { phase: None, total: None, said: Instant::now() }));
        Self { bar, json, done: AtomicU64::new(0), overall: Mutex::default() }
    }

    /// Says which command runs: what it usually takes is known.
    pub(crate) fn expect(&self, command: &Command) {
        let (expected, search) = match command {
            Command::Check(a) if a.quick => (7, 0),
            Command::Check(_) => (32, 20),
            Command::Repair(a) if a.all || a.lossless => (45, 150),
            Command::Repair(_) => (34, 150),
            Command::Recover(_) => (70, 0),
            _ => (12, 26),
        };
        let mut overall = self.overall();
        (overall.expected, overall.search) = (expected, search);
    }

    fn overall(&self) -> MutexGuard<'_, Overall> {
        self.overall.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn style(known: bool) -> ProgressStyle {
        let form = if known { "{prefix:>3} %  {msg:24} [{wide_bar}] {left:>5}" } else { "{prefix:>3} %  {msg:24} {spinner} {elapsed}" };
        let left = |state: &ProgressState, text: &mut dyn fmt::Write| {
            // what a phase takes cannot be told from its first moments
            if state.fraction() >= 0.05 {
                let _ = write!(text, "{:#}", HumanDuration(state.eta()));
            }
        };
        let style = ProgressStyle::with_template(form).unwrap_or_else(|_| ProgressStyle::default_bar());
        style.with_key("left", left).progress_chars("=> ")
    }

    /// Standard output, with the bar out of its way while something is written: both may be one terminal.
    pub(crate) fn beside(&self, out: StdoutLock<'static>) -> Shown {
        Shown { bar: self.bar.clone().filter(|_| out.is_terminal()), out, held: Vec::new() }
    }

    /// Runs something that writes to standard error, with the bar out of its way.
    pub(crate) fn suspend(&self, f: impl FnOnce()) {
        match &self.bar {
            Some(bar) => bar.suspend(f),
            None => f(),
        }
    }

    /// Takes the bar away.
    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn say(value: &serde_json::Value) {
        let mut line = Vec::new();
        if crate::plain::json_line(&mut line, value).is_ok() {
            line.push(b'\n');
            let _ = io::stderr().write_all(&line);
        }
    }
}

/// Standard output beside a bar: whole lines, as the bar stands on one of its own.
pub(crate) struct Shown {
    out: StdoutLock<'static>,
    bar: Option<ProgressBar>,
    /// A line that is not complete yet.
    held: Vec<u8>,
}

impl Shown {
    /// Writes the held bytes, up to a length.
    fn let_go(&mut self, len: usize) -> io::Result<()> {
        let Self { out, bar: Some(bar), held } = self else { return Ok(()) };
        let written = bar.suspend(|| {
            out.write_all(held.get(..len).unwrap_or(held))?;
            out.flush()
        });
        held.drain(..len.min(held.len()));
        written
    }
}

impl Write for Shown {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bar.is_none() {
            return self.out.write(bytes);
        }
        self.held.extend_from_slice(bytes);
        if let Some(end) = self.held.iter().rposition(|b| *b == b'\n') {
            self.let_go(end.saturating_add(1))?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if !self.held.is_empty() {
            self.let_go(self.held.len())?;
        }
        self.out.flush()
    }
}

impl Monitor for Progress {
    fn phase(&self, phase: Phase, total: Option<u64>) {
        self.done.store(0, Ordering::Relaxed);
        let percent = {
            let mut overall = self.overall();
            overall.begin(phase, total);
            overall.percent(0)
        };
        if let Some(bar) = &self.bar {
            bar.set_style(Self::style(total.is_some()));
            bar.set_length(total.unwrap_or(0));
            bar.set_position(0);
            bar.set_message(phase.title());
            bar.set_prefix(percent.to_string());
            bar.reset_eta();
        }
        if let Some(json) = &self.json {
            let mut state = json.lock().unwrap_or_else(PoisonError::into_inner);
            *state = JsonState { phase: Some(phase), total, said: Instant::now() };
            Self::say(&serde_json::json!({ "event": "phase", "phase": phase, "total": total, "percent": percent }));
        }
    }

    fn advance(&self, by: u64) {
        let done = self.done.fetch_add(by, Ordering::Relaxed).saturating_add(by);
        if let Some(bar) = &self.bar {
            bar.set_position(done);
            bar.set_prefix(self.overall().percent(done).to_string());
        }
        if let Some(json) = &self.json {
            let mut state = json.lock().unwrap_or_else(PoisonError::into_inner);
            if state.said.elapsed() >= EVERY {
                state.said = Instant::now();
                Self::say(
                    &serde_json::json!({ "event": "progress", "phase": state.phase, "done": done, "total": state.total, "percent": self.overall().percent(done) }),
                );
            }
        }
    }

    fn cancelled(&self) -> bool {
        CANCELLED.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_overall_percentage_never_goes_back_and_never_says_that_all_is_done() {
        let mut overall = Overall { expected: 32, ..Overall::default() };
        let mut last = 0;
        for phase in
            [Phase::Header, Phase::Trees, Phase::Sweep, Phase::References, Phase::Messaging, Phase::Maps, Phase::Scan, Phase::Write]
        {
            overall.begin(phase, Some(10));
            for done in 0..=10 {
                let percent = overall.percent(done);
                assert!((last..100).contains(&percent), "{phase} {done}: {percent} after {last}");
                last = percent;
            }
        }
        assert!(last > 75, "{last}");
    }
}
