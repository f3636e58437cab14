//! What `pstkit repair` says to a person.

use crate::args::RepairArgs;
use crate::repair::{Named, Told};
use crate::status::Failure;
use crate::{Context, check, finds, render};
use pstkit::check::Report;
use pstkit::finding::Loss;
use pstkit::repair::{Account, LeftOut, LocalOnly, Outcome, Plan, Way};
use pstkit::rules::Severity;
use std::io::Write;
use std::path::Path;

/// Names that are printed without `-v`.
const NAMES: usize = 20;
/// Places of an action that are printed without `-v`.
const PLACES: usize = 3;

fn wide(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

/// The items that deleting an OST would lose.
pub(crate) fn local(ctx: &mut Context, path: &Path, local: &LocalOnly) -> Result<(), Failure> {
    let (file, quoted) = (render::name(path), render::quoted(path));
    writeln!(ctx.out, "{file} is an offline cache: Outlook makes a new one from the server when it is deleted.")?;
    if local.items.is_empty() {
        writeln!(ctx.out, "Nothing was found that exists only here.")?;
    } else {
        let n = render::count(wide(local.items.len()), "message", "messages");
        writeln!(ctx.out, "Deleting it may lose {n} that may exist only here:")?;
        let most = if ctx.global.verbose { usize::MAX } else { 5 };
        for (reason, n) in local.counts() {
            writeln!(ctx.out, "  {}: {}", reason.as_str(), render::grouped(n))?;
            // of each, so that a hundred logs do not hide one draft
            for i in local.items.iter().filter(|i| i.reason == reason).take(most) {
                let subject = render::cut(i.subject.as_deref().unwrap_or(""), 60);
                let place = if i.folder.is_empty() { "no folder" } else { &i.folder };
                writeln!(ctx.out, "    \"{subject}\" in {}", render::clean(place))?;
            }
            let left = n.saturating_sub(wide(most));
            if left > 0 {
                writeln!(ctx.out, "    … and {} more (-v)", render::grouped(left))?;
            }
        }
        if !local.folders.is_empty() {
            let some: Vec<String> = local.folders.iter().take(most).map(|f| render::cut(f, 60)).collect();
            let more = if local.folders.len() > some.len() { ", … (-v)" } else { "" };
            writeln!(ctx.out, "  folders that are not synchronised: {}{more}", some.join(", "))?;
        }
        writeln!(ctx.out, "`pstkit convert {quoted} -o local.pst --to unicode --local-only` saves them.")?;
    }
    if !local.sync_known {
        writeln!(ctx.out, "This file does not say which folders are synchronised: folders of this computer alone could not be told.")?;
    }
    writeln!(ctx.out)?;
    Ok(())
}

fn actions(ctx: &mut Context, plan: &Plan) -> Result<(), Failure> {
    for (i, a) in plan.actions.iter().enumerate() {
        let mark = match (a.selected, a.needs_consent) {
            (true, _) => "",
            (false, true) => "  [left out: needs --allow-loss]",
            (false, false) => "  [left out]",
        };
        let n = render::count(a.violations, "problem", "problems");
        writeln!(ctx.out, "  {}. {}{mark}", i.saturating_add(1), a.id)?;
        writeln!(ctx.out, "     {}", a.what)?;
        let rules = if ctx.global.verbose { format!(" ({})", a.rules.join(" ")) } else { String::new() };
        writeln!(ctx.out, "     fixes {n}{rules}")?;
        let loss = if a.lossless { "none" } else { a.may_lose };
        writeln!(ctx.out, "     effect: {}; loss: {loss}", a.restores)?;
        let most = if ctx.global.verbose { usize::MAX } else { PLACES };
        let mut told = 0usize;
        for p in a.places.iter().filter(|p| p.subject.is_some() || p.folder.is_some() || ctx.global.verbose).take(most) {
            let subject = p.subject.as_deref().map(|s| format!(" \"{}\"", render::cut(s, 60))).unwrap_or_default();
            let folder = p.folder.as_deref().map(|f| format!(" in {}", render::clean(f))).unwrap_or_default();
            writeln!(ctx.out, "       {} {}{subject}{folder}", p.rule, p.at)?;
            told = told.saturating_add(1);
        }
        let rest = a.violations.saturating_sub(wide(told));
        if told > 0 && rest > 0 {
            let how = if ctx.global.verbose { "" } else { " (-v)" };
            writeln!(ctx.out, "       … and {} more{how}", render::grouped(rest))?;
        }
    }
    for (code, n) in &plan.beyond {
        writeln!(ctx.out, "  - {code}: cannot be repaired ({n} occurrences)")?;
    }
    Ok(())
}

/// The text before anything is written.
pub(crate) fn begin(ctx: &mut Context, path: &Path, before: &Report, plan: &Plan) -> Result<(), Failure> {
    writeln!(ctx.out, "{}", render::name(path))?;
    writeln!(ctx.out, "before: {}", before.summary())?;
    if !plan.actions.is_empty() {
        writeln!(ctx.out, "plan:")?;
        actions(ctx, plan)?;
    }
    ctx.out.flush()?;
    Ok(())
}

/// The plan alone.
pub(crate) fn plan(ctx: &mut Context, told: &Told<'_>) -> Result<(), Failure> {
    writeln!(ctx.out, "{}", render::clean(&told.file))?;
    hashes(ctx, told)?;
    writeln!(ctx.out, "before: {}", told.before.summary())?;
    if told.plan.actions.is_empty() && told.plan.beyond.is_empty() {
        writeln!(ctx.out, "plan: nothing is to be done")?;
    } else if told.plan.is_empty() && told.before.is_healthy() {
        writeln!(ctx.out, "plan: nothing has to be done; these could be with --notices, and Outlook does not mind them:")?;
        actions(ctx, told.plan)?;
    } else {
        writeln!(ctx.out, "plan:")?;
        actions(ctx, told.plan)?;
        if told.plan.salvage {
            writeln!(ctx.out, "  The whole file is searched for what the trees do not reach any more.")?;
        }
        way(ctx, told)?;
    }
    match told.account {
        // without anything to do, the result is the file as it is
        Some(a) => {
            writeln!(ctx.out, "\n{}", if told.plan.is_empty() { "The file holds:" } else { "The result would hold:" })?;
            account(ctx, a)?;
        }
        None => check::account(ctx, told.before)?,
    }
    names(ctx, &told.named)?;
    writeln!(ctx.out, "\n{}", told.next)?;
    Ok(())
}

/// The way of the repair, where there is anything to say of it.
fn way(ctx: &mut Context, told: &Told<'_>) -> Result<(), Failure> {
    if let Some(route) = told.route.filter(|r| r.way != Way::Untouched || r.why.is_some()) {
        writeln!(ctx.out, "  way: {route}")?;
    }
    Ok(())
}

fn hashes(ctx: &mut Context, told: &Told<'_>) -> Result<(), Failure> {
    if let Some(h) = &told.sha256 {
        writeln!(ctx.out, "sha256 of the source before: {}", h.before)?;
        if let Some(after) = &h.after {
            writeln!(ctx.out, "sha256 of the source after:  {after}")?;
        }
    }
    Ok(())
}

/// The work that was done, and the rest.
pub(crate) fn done(ctx: &mut Context, told: &Told<'_>) -> Result<(), Failure> {
    hashes(ctx, told)?;
    let passes = match told.passes {
        Some(n) if n > 1 => format!(" in {n} passes"),
        _ => String::new(),
    };
    let (out, undo) = (told.out.as_deref().map(render::clean), told.undo_file.as_deref().map(render::clean));
    let done = match (told.changed, &out, &undo) {
        (true, Some(out), _) => format!("repaired into {out}{passes}"),
        (true, None, Some(undo)) => format!("repaired in place{passes}; {undo} undoes it"),
        (true, None, None) => format!("repaired in place{passes}"),
        (false, Some(out), _) => format!("nothing was changed; {out} is the same, byte for byte"),
        (false, None, _) => "nothing was changed".to_owned(),
    };
    writeln!(ctx.out, "done: {done}")?;
    way(ctx, told)?;
    if let Some(after) = told.after {
        writeln!(ctx.out, "after: {}", after.summary())?;
        left(ctx, after)?;
        if told.changed && after.count(Severity::Error) > told.before.count(Severity::Error) {
            writeln!(ctx.out, "  More errors than before, because the repaired index reaches more objects, and these are checked too.")?;
        }
    }
    if let Some(a) = told.account {
        account(ctx, a)?;
    }
    names(ctx, &told.named)?;
    if !told.found.is_empty() {
        writeln!(ctx.out, "\nfound though no tree lists it, or its folder is gone:")?;
        finds::list(ctx, &told.found)?;
    }
    writeln!(ctx.out, "\n{}", told.next)?;
    Ok(())
}

/// The rest, in short.
pub(crate) fn left(ctx: &mut Context, after: &Report) -> Result<(), Failure> {
    for c in after.counts.iter().filter(|c| c.severity >= Severity::Warning && c.listed > 0) {
        let n = c.listed.saturating_add(c.omitted);
        writeln!(ctx.out, "  left: {} {} {} ({n} times)", c.severity, c.rule.code, c.rule.message)?;
    }
    Ok(())
}

/// The account of items.
pub(crate) fn account(ctx: &mut Context, a: &Account) -> Result<(), Failure> {
    let mut rows = vec![["", "expected", "whole", "in part", "of these, found again", "lost"].map(str::to_owned).to_vec()];
    for (name, c) in
        [("folders", a.folders), ("messages", a.messages), ("associated messages", a.associated), ("attachments", a.attachments)]
    {
        // where nothing was written anew, these are counted among the messages
        if name == "associated messages" && c.expected == 0 {
            continue;
        }
        let cells = [c.expected, c.ok, c.partial, c.recovered, c.lost].map(render::grouped);
        rows.push(std::iter::once(name.to_owned()).chain(cells).collect());
    }
    writeln!(ctx.out)?;
    render::table(&mut ctx.out, 2, &[1, 2, 3, 4, 5], &rows)?;
    if a.apart_bytes > 0 {
        let n = render::size(a.apart_bytes);
        writeln!(ctx.out, "  {n} are another data file's (PST-H026); nothing of it is in the result.")?;
    }
    if a.missing_bytes > 0 {
        let n = render::size(a.missing_bytes);
        writeln!(
            ctx.out,
            "  {n} that were in use are missing at the end or the beginning of the file, and the trees are damaged: nothing says what was there."
        )?;
    }
    if a.unexplained_bytes > 0 {
        let n = render::size(a.unexplained_bytes);
        writeln!(ctx.out, "  {n} that were in use hold nothing recognisable, and the trees are damaged: nothing says what was there.")?;
    }
    if a.rehomed > 0 {
        let n = render::count(a.rehomed, "object is", "objects are");
        writeln!(ctx.out, "  {n} under Lost and Found: nothing tells which folder they were in, or it is not there any more")?;
    }
    if a.values_lost > 0 {
        writeln!(ctx.out, "  {} missing or incomplete", render::count(a.values_lost, "property value is", "property values are"))?;
    }
    for LeftOut { nid, why, .. } in a.left_out.iter().take(NAMES) {
        writeln!(ctx.out, "  left out: node {nid:#x}: {why}")?;
    }
    Ok(())
}

/// The items that are gone or there in part, by name.
pub(crate) fn names(ctx: &mut Context, named: &[Named]) -> Result<(), Failure> {
    for (loss, head) in [(Loss::Item, "lost:"), (Loss::Partial, "there in part:")] {
        let some: Vec<&Named> = named.iter().filter(|n| n.loss == loss).collect();
        if some.is_empty() {
            continue;
        }
        let most = if ctx.global.verbose { usize::MAX } else { NAMES };
        writeln!(ctx.out, "\n{head}")?;
        for n in some.iter().take(most) {
            let subject = render::cut(&n.subject, 60);
            let place = if n.folder.is_empty() { String::new() } else { format!(" in {}", render::clean(&n.folder)) };
            let subject = if subject.is_empty() { "without a subject".to_owned() } else { format!("\"{subject}\"") };
            let date = n.date.as_deref().map(|d| format!("{} ", d.get(..10).unwrap_or(d))).unwrap_or_default();
            let from = n.from.as_deref().map(|f| format!(" from {}", render::cut(f, 40))).unwrap_or_default();
            writeln!(ctx.out, "  {date}{subject}{from}{place}  ({:#x})", n.nid)?;
            if let Some(why) = &n.why {
                writeln!(ctx.out, "      {}", render::cut(why, 200))?;
            }
            for part in n.parts.iter().take(PLACES) {
                writeln!(ctx.out, "      {}", render::cut(&part.to_string(), 150))?;
            }
            if n.parts.len() > PLACES {
                writeln!(ctx.out, "      … and {} more parts", render::grouped(wide(n.parts.len().saturating_sub(PLACES))))?;
            }
        }
        let rest = some.len().saturating_sub(most);
        if rest > 0 {
            writeln!(ctx.out, "  … and {} more (-v)", render::grouped(wide(rest)))?;
        }
    }
    Ok(())
}

/// The next step after a plan.
pub(crate) fn next_of_plan(args: &RepairArgs, before: &Report, plan: &Plan) -> String {
    let file = render::quoted(&args.file);
    if plan.is_empty() {
        return match (before.is_healthy(), plan.actions.is_empty()) {
            (true, _) => "Nothing has to be done.".to_owned(),
            (false, true) => "Nothing can mend what was found; what can be read is not touched by it.".to_owned(),
            (false, false) => "No action is selected. Select the actions marked [left out] with --only, or use -y.".to_owned(),
        };
    }
    let chosen = chosen(args);
    let what = if chosen.is_empty() { "all of it" } else { "this" };
    let all = format!("`pstkit repair -y{chosen} {file} -o repaired.pst` does {what} into a new file");
    let lossless = if plan.is_lossless() { "" } else { "; use -p for the lossless actions only" };
    format!("Nothing was written. Next: {all}{lossless}. --only and --skip choose single actions.")
}

/// What of the command line says which actions there are and which are carried out.
fn chosen(args: &RepairArgs) -> String {
    let mut out = String::new();
    for (set, word) in [(args.allow_loss, " --allow-loss"), (args.notices, " --notices")] {
        out.push_str(if set { word } else { "" });
    }
    for (words, option) in [(&args.only, "--only"), (&args.skip, "--skip")] {
        if !words.is_empty() {
            out.push_str(&format!(" {option} {}", words.join(",")));
        }
    }
    out
}

/// The next step after a repair.
pub(crate) fn next(args: &RepairArgs, outcome: &Outcome, result: &Path) -> String {
    let (file, result) = (render::quoted(&args.file), render::quoted(result));
    if !outcome.changed {
        return if outcome.plan.is_empty() && !outcome.before.is_healthy() {
            "Nothing was chosen, or nothing can mend what was found: the problems are left.".to_owned()
        } else if outcome.plan.is_empty() {
            "Nothing had to be done.".to_owned()
        } else {
            format!(
                "The selected actions alone do not improve the file; nothing was changed. `pstkit repair -y {file} -o repaired.pst` applies all actions."
            )
        };
    }
    let keep = if args.in_place { "the undo file" } else { "the damaged file" };
    if !outcome.after.is_healthy() {
        return format!("Problems are left: `pstkit check {result}` lists them. Keep {keep}.");
    }
    let a = &outcome.account;
    let is_lost =
        [a.folders, a.messages, a.associated, a.attachments].iter().any(|c| c.lost > 0) || a.missing_bytes > 0 || a.unexplained_bytes > 0;
    let is_empty = a.messages.ok.saturating_add(a.messages.partial) == 0 && outcome.before.items.messages.ok == 0;
    let lost = if is_lost && is_empty && a.messages.lost > 0 {
        " No message was found; the new file is empty. Look for a backup."
    } else if is_lost {
        " What is lost may be in a backup, or among what was deleted: `pstkit recover` looks for that too."
    } else {
        ""
    };
    format!("Next: open {result} in Outlook, and keep {keep} until you have seen that nothing is missing.{lost}")
}
