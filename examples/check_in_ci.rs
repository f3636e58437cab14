//! Fails where a file breaks a rule that is not on a list of accepted ones: `cargo run --example check_in_ci -- out.pst PST-M005 …`. For
//! programs that write data files, in their tests.

use pstkit::OpenOptions;
use pstkit::check::{CheckOptions, check};
use pstkit::rules::Severity;
use std::error::Error;
use std::io::Write;
use std::path::Path;

/// Whether all is well.
pub(crate) fn run(file: &Path, accepted: &[String], out: &mut dyn Write) -> Result<bool, Box<dyn Error>> {
    let source = OpenOptions::new().source(file)?;
    let report = check(source, &CheckOptions::default().threads(0), &())?;
    let mut ok = report.is_healthy();
    for count in report.counts.iter().filter(|c| c.severity >= Severity::Warning) {
        let is_accepted = accepted.iter().any(|code| code == count.rule.code);
        ok &= is_accepted;
        let n = count.listed.saturating_add(count.omitted);
        writeln!(out, "{} {} {} ({n} times)", if is_accepted { "accepted" } else { "FAILED" }, count.rule.code, count.rule.message)?;
    }
    for finding in report.findings.iter().filter(|f| f.severity >= Severity::Error).take(10) {
        writeln!(out, "  {finding}")?;
    }
    // nothing may be lost or damaged, whatever the rules say
    let items = &report.items;
    ok &= [items.folders, items.messages, items.attachments].iter().all(|c| c.expected == c.ok);
    writeln!(out, "{}", report.summary())?;
    Ok(ok)
}

#[allow(dead_code)]
fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let file = args.next().ok_or("usage: check_in_ci FILE [ACCEPTED CODE…]")?;
    let accepted: Vec<String> = args.collect();
    if run(Path::new(&file), &accepted, &mut std::io::stdout().lock())? { Ok(()) } else { Err("the file breaks rules".into()) }
}
