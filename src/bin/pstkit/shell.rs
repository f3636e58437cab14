//! `pstkit completions` and `pstkit man`: the program's description for a shell and for `man`.

use crate::Context;
use crate::args::{Cli, CompletionsArgs, ManArgs};
use crate::status::{Failure, Outcome, Status};
use clap::CommandFactory;

/// Writes the completions of a shell to standard output.
pub(crate) fn completions(ctx: &mut Context, args: &CompletionsArgs) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "pstkit", &mut script);
    std::io::Write::write_all(&mut ctx.out, &script)?;
    Ok(Status::DONE)
}

/// Writes the manual page to standard output, or one page for each command into a folder.
pub(crate) fn man(ctx: &mut Context, args: &ManArgs) -> Outcome {
    match &args.out {
        None => clap_mangen::Man::new(Cli::command()).render(&mut ctx.out)?,
        Some(folder) => clap_mangen::generate_to(Cli::command(), folder)
            .map_err(|e| Failure::Said(Status::FAILED, format!("{}: the pages cannot be written: {e}", folder.display())))?,
    }
    Ok(Status::DONE)
}
