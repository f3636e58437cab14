//! The `pstkit` program: a thin layer over the library.
//!
//! Results go to standard output, progress and messages to standard error. No command writes to the file it is given, except
//! `repair --in-place` and `undo`. The exit status is a sum ([`status::Status`]).

mod args;
mod args_export;
mod args_write;
mod check;
mod check_json;
mod check_scanpst;
mod copy;
mod create;
mod explain;
mod export;
mod export_lines;
mod export_manifest;
mod export_place;
mod finds;
mod info;
mod items;
mod ls;
mod open;
mod page;
mod page_data;
mod plain;
mod progress;
mod recover;
mod render;
mod repair;
mod repair_text;
mod schema;
mod shell;
mod show;
mod show_block;
mod show_ltp;
mod status;
mod stores;
mod undo;
mod view;
mod write_log;

use args::{Cli, Command};
use clap::Parser;
use progress::{Progress, Shown};
use status::{Failure, Outcome, Status};
use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

/// The input of every command: the global options, standard output, and the watcher of long work.
pub(crate) struct Context {
    pub(crate) global: args::Global,
    pub(crate) out: BufWriter<Shown>,
    pub(crate) progress: Progress,
}

impl Context {
    /// Writes a JSON document: on several lines for `--json`, on one for `--jsonl`.
    pub(crate) fn json(&mut self, value: &impl serde::Serialize) -> Result<(), Failure> {
        if self.global.jsonl {
            plain::json_line(&mut self.out, value)?;
        } else {
            plain::json_lines(&mut self.out, value)?;
        }
        self.out.write_all(b"\n")?;
        Ok(())
    }

    /// Says something on standard error, unless `-q` is given.
    pub(crate) fn note(&self, text: impl std::fmt::Display) {
        if !self.global.quiet {
            self.warn(text);
        }
    }

    /// Says something on standard error that must be said even with `-q`.
    pub(crate) fn warn(&self, text: impl std::fmt::Display) {
        self.progress.suspend(|| {
            // Nobody is left to tell where standard error cannot be written.
            let _ = writeln!(io::stderr(), "pstkit: {}", render::clean_lines(&text.to_string()));
        });
    }
}

fn run(cli: Cli) -> (Outcome, Context) {
    let progress = Progress::new(&cli.global);
    progress.expect(&cli.command);
    let out = BufWriter::with_capacity(64 << 10, progress.beside(io::stdout().lock()));
    let mut ctx = Context { global: cli.global, out, progress };
    // Copies read every byte but once: reading by position costs them nothing, and is no risk where the file is cut meanwhile.
    ctx.global.no_mmap |= matches!(cli.command, Command::Compact(_) | Command::Convert(_));
    // Nothing is to be said where that does not work: the program is then as it would be without.
    #[cfg(feature = "mmap")]
    let _ = pstkit::io::survive_shrinking_files();
    let outcome = match cli.command {
        Command::Info(a) => info::run(&mut ctx, &a),
        Command::Ls(a) => ls::run(&mut ctx, &a),
        Command::Items(a) => items::run(&mut ctx, &a),
        Command::Export(a) => export::run(&mut ctx, &a),
        Command::Check(a) => check::run(&mut ctx, &a),
        Command::Show(a) => show::run(&mut ctx, &a),
        Command::Repair(a) => repair::run(&mut ctx, &a),
        Command::Undo(a) => undo::run(&mut ctx, &a),
        Command::Recover(a) => recover::run(&mut ctx, &a),
        Command::Compact(a) => copy::compact(&mut ctx, &a),
        Command::Convert(a) => copy::convert(&mut ctx, &a),
        Command::Create(a) => create::run(&mut ctx, &a),
        Command::Explain(a) => explain::run(&mut ctx, &a),
        Command::Completions(a) => shell::completions(&mut ctx, &a),
        Command::Man(a) => shell::man(&mut ctx, &a),
        Command::Schema(a) => schema::run(&mut ctx, &a),
    };
    let outcome = outcome.and_then(|status| open::all_intact().map(|()| status));
    let flushed = ctx.out.flush().map_err(Failure::from);
    ctx.progress.finish();
    let outcome = match flushed {
        Ok(()) => outcome,
        Err(e) => outcome.and(Err(e)),
    };
    (outcome, ctx)
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(e) => {
            let wrong = e.use_stderr();
            // `--help | head` may close the pipe early; that is no failure of ours.
            let text = e.render().to_string();
            let _ = match wrong && text.chars().any(|c| c != '\n' && plain::is_hidden(c)) {
                true => write!(io::stderr(), "{}", render::clean_lines(&text)),
                false => e.print(),
            };
            return if wrong { Status::USAGE.into() } else { Status::DONE.into() };
        }
    };
    let (outcome, ctx) = run(cli);
    match outcome {
        Ok(status) => stores::with_others(status).into(),
        Err(failure) => {
            if let Some(message) = failure.message() {
                ctx.warn(message);
            }
            // What is buffered belongs to a pipe that is closed, or to a run that failed: it has been flushed as far as it could be.
            let (_, _) = ctx.out.into_parts();
            failure.status().into()
        }
    }
}
