//! `pstkit check`: what is wrong with a file, for people and for programs.

use crate::Context;
use crate::args::{CheckArgs, CheckFormat};
use crate::page_data::{PageData, Seen};
use crate::repair::Named;
use crate::status::{Failure, Outcome, Status};
use crate::{check_json, check_scanpst, open, page, render, repair, repair_text, stores};
use pstkit::check::{CheckOptions, ItemCount, Level, Report, RuleCount, Verdict, examine};
use pstkit::finding::{Finding, Fix, Loss, Value};
use pstkit::io::ReadAt;
use pstkit::limits::Limits;
use pstkit::monitor::Monitor as _;
use pstkit::rules::{Rule, Severity};
use pstkit::{OpenOptions, Pst};
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

/// A report with the status that the program gives for it.
#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct WithExit<'r> {
    #[serde(flatten)]
    pub(crate) report: &'r Report,
    /// Exit status, as the bits that `pstkit --help` lists.
    pub(crate) exit: u8,
}

/// Why a file could not be checked.
#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct Failed {
    /// The obstacle.
    message: String,
    /// Exit status, as the bits that `pstkit --help` lists.
    exit: u8,
}

/// A line of `--jsonl`: `finding`, `failed`, or for each file a `summary`.
#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct Event<'r, T: Serialize> {
    /// The subject of the line.
    event: &'static str,
    /// The file.
    file: String,
    /// The thing itself.
    #[serde(flatten)]
    what: &'r T,
}

/// Places of a rule that are printed without `-v`.
const PLACES: usize = 10;

fn options(ctx: &Context, args: &CheckArgs, path: &Path) -> CheckOptions {
    let level = match (args.quick, args.deep) {
        (true, _) => Level::Quick,
        (_, true) => Level::Deep,
        _ => Level::Default,
    };
    let options = CheckOptions::level(level)
        .threads(ctx.global.threads)
        .path(path.display().to_string())
        .max_findings(args.max_findings)
        .limits(ctx.global.limits());
    args.severity.iter().fold(options, |o, (rule, severity)| o.severity(rule, *severity))
}

pub(crate) fn run(ctx: &mut Context, args: &CheckArgs) -> Outcome {
    let mut status = Status::DONE;
    let several = args.files.len() > 1;
    if args.report.as_ref().is_some_and(|to| several || !page::is_report(to)) {
        return Err(Failure::usage("--report takes one file, and a name that ends in .html or .json"));
    }
    let (mut reports, mut failures) = (Vec::new(), Vec::new());
    for path in &args.files {
        let outcome = stores::input(path, &ctx.global).and_then(|s| {
            let limits = Limits::default();
            let outcome = examine(Arc::clone(&s), &options(ctx, args, path), limits, &ctx.progress).map_err(|e| Failure::of(path, e))?;
            Ok((s, outcome))
        });
        let (source, pstkit::check::Examination { report, ndb, .. }) = match outcome {
            Ok(outcome) => outcome,
            Err(e) if several && !ctx.progress.cancelled() => {
                let said = e.message().unwrap_or_default();
                let file = path.display().to_string();
                if ctx.global.jsonl {
                    let what = Failed { message: said.to_owned(), exit: e.status().bits() };
                    ctx.json(&Event { event: "failed", file, what: &what })?;
                } else {
                    failures.push(serde_json::json!({ "file": file, "message": said, "exit": e.status().bits() }));
                }
                ctx.warn(said);
                status |= e.status();
                continue;
            }
            Err(e) => return Err(e),
        };
        status |= Status::from_bits(report.exit_status(args.fail_on));
        open::say_write_log(ctx, path);
        let (pst, named) = by_name(ctx, source, &report, args);
        if let Some(to) = &args.report {
            write_report(to, path, pst.as_ref(), &report, &named)?;
        }
        if report.verdict == Verdict::NotPst {
            let what = open::describe(path, &ctx.global);
            let said = format!("{}: not an Outlook data file: {what}", path.display());
            if !several && !ctx.global.machine() {
                return Err(Failure::Said(Status::FAILED, said));
            }
            ctx.warn(said);
        }
        let exit = report.exit_status(args.fail_on);
        if ctx.global.jsonl {
            let file = || path.display().to_string();
            for finding in &report.findings {
                ctx.json(&Event { event: "finding", file: file(), what: finding })?;
            }
            // The counts are those of the whole report; the findings have been told.
            let mut summary = serde_json::to_value(WithExit { report: &report, exit }).map_err(std::io::Error::from)?;
            if let Some(fields) = summary.as_object_mut() {
                fields.remove("findings");
            }
            ctx.json(&Event { event: "summary", file: file(), what: &summary })?;
        } else if ctx.global.json {
            reports.push((report, exit));
        } else if args.format == CheckFormat::Scanpst {
            check_scanpst::write(&mut ctx.out, path, &report, ndb.as_ref())?;
        } else if several || ctx.global.quiet {
            writeln!(ctx.out, "{}: {}", render::name(path), report.summary())?;
            if ctx.global.verbose {
                findings(ctx, &report)?;
            }
        } else {
            text(ctx, path, &report, &named)?;
        }
    }
    if ctx.global.json {
        ctx.json(&check_json::document(reports, failures).map_err(std::io::Error::from)?)?;
    }
    Ok(status)
}

fn text(ctx: &mut Context, path: &Path, report: &Report, named: &[Named]) -> Result<(), Failure> {
    write!(ctx.out, "{}", render::name(path))?;
    if let Some(f) = &report.format {
        let kind = f.kind.map_or_else(|| "data file".to_owned(), |k| k.to_string());
        write!(ctx.out, ": {kind}, {}, encoding {}, {}", f.variant, f.crypt, render::size(report.source.size))?;
    }
    writeln!(ctx.out)?;
    let phases: Vec<Vec<String>> =
        report.phases.iter().map(|p| vec![p.phase.title().to_owned(), format!("{} checked", render::grouped(p.objects))]).collect();
    render::table(&mut ctx.out, 2, &[1], &phases)?;
    findings(ctx, report)?;
    account(ctx, report)?;
    repair_text::names(ctx, named)?;
    writeln!(ctx.out, "\nverdict: {}", report.summary())?;
    writeln!(ctx.out, "{}", advice(report, path))?;
    Ok(())
}

/// The file as it can be read, and what is lost or in part by name, where a person or a report wants to know.
fn by_name(ctx: &Context, source: Arc<dyn ReadAt>, report: &Report, args: &CheckArgs) -> (Option<Pst>, Vec<Named>) {
    let is_hurt = report.findings.iter().any(|f| f.loss >= Loss::Partial);
    let for_people = is_hurt && !ctx.global.machine() && args.files.len() == 1 && !ctx.global.quiet && args.format == CheckFormat::Text;
    if !for_people && args.report.is_none() {
        return (None, Vec::new());
    }
    let opened = Pst::from_source_with(source, &OpenOptions::new(), &ctx.progress).ok();
    let named = repair::named(&report.findings, &[], None, opened.as_ref(), opened.as_ref());
    (opened, named)
}

/// Writes the picture of a file.
fn write_report(to: &Path, path: &Path, pst: Option<&Pst>, report: &Report, named: &[Named]) -> Result<(), Failure> {
    let lost = named.iter().filter(|n| n.loss == Loss::Item).count();
    let verdict = format!("{}: {lost} messages are lost, {} are there in part.", report.summary(), named.len().saturating_sub(lost));
    let seen = Seen { title: "the file as it is".to_owned(), pst, report, named, account: None };
    let mut data = PageData::new(render::name(path), verdict, advice(report, path), &seen, None);
    page::write(to, &mut data)
}

/// The findings, rule by rule, the worst first.
fn findings(ctx: &mut Context, report: &Report) -> Result<(), Failure> {
    let mut counts: Vec<_> = report.counts.iter().filter(|c| c.listed > 0 || c.omitted > 0).collect();
    let follows = |c: &RuleCount| report.findings.iter().filter(|f| std::ptr::eq(f.rule, c.rule)).all(|f| f.root.is_some());
    counts.sort_by_key(|c| (follows(c), std::cmp::Reverse(c.severity), c.rule.code));
    let mut followers: BTreeMap<&str, u64> = BTreeMap::new();
    for c in counts {
        let places: Vec<&Finding> = report.findings.iter().filter(|f| std::ptr::eq(f.rule, c.rule)).collect();
        // What follows from another finding is not explained again.
        if let Some(root) = places.first().and_then(|f| f.root).and_then(|i| report.findings.get(i))
            && places.iter().all(|f| f.root.is_some())
            && !ctx.global.verbose
        {
            let n = followers.entry(root.rule.code).or_insert(0u64);
            *n = n.saturating_add(c.listed).saturating_add(c.omitted);
            continue;
        }
        let times = c.listed.saturating_add(c.omitted);
        let times = if times == 1 { String::new() } else { format!(" ({} times)", render::grouped(times)) };
        writeln!(ctx.out, "\n{} {} {}: {}{times}", c.severity, c.rule.code, c.rule.name, c.rule.message)?;
        let fix = places.iter().map(|f| f.fix()).max().unwrap_or(Fix::None);
        let lost = places.iter().any(|f| f.loss >= Loss::Partial);
        writeln!(ctx.out, "  {} {}", c.rule.meaning, remedy(c.rule, fix, lost))?;
        let most = match (ctx.global.verbose, c.severity) {
            (true, _) => usize::MAX,
            (false, Severity::Info | Severity::Notice) => 1,
            (false, _) => PLACES,
        };
        for f in places.iter().take(most) {
            writeln!(ctx.out, "    {}", place(f))?;
        }
        let left = places.len().saturating_sub(most);
        if left > 0 {
            writeln!(ctx.out, "    … and {} (-v)", render::count(u64::try_from(left).unwrap_or(0), "more", "more"))?;
        }
        if c.omitted > 0 {
            writeln!(ctx.out, "    … and {} more that are not listed (--max-findings)", render::grouped(c.omitted))?;
        }
    }
    for (code, n) in followers {
        let problems = render::count(n, "problem that follows", "problems that follow");
        writeln!(ctx.out, "\nand {problems} from {code} (-v lists them)")?;
    }
    Ok(())
}

/// The action of a repair.
fn remedy(rule: &Rule, fix: Fix, lost: bool) -> String {
    let words = rule.fix.what();
    match fix {
        Fix::None => String::new(),
        Fix::Safe if lost => format!("Repair: {words}."),
        Fix::Safe => format!("Repair: {words}, without loss."),
        Fix::Lossy => format!("Repair: {words}; the plan says what that gives up."),
        _ => format!("Repair: {words}; a person has to decide."),
    }
}

/// Where a finding is, whose mail it is about, and the values.
pub(crate) fn place(f: &Finding) -> String {
    let mut out = String::new();
    match (&f.folder, &f.subject) {
        (Some(folder), Some(subject)) => out.push_str(&format!("in {}, \"{}\": ", render::clean(folder), render::cut(subject, 60))),
        (Some(folder), None) => out.push_str(&format!("in {}: ", render::clean(folder))),
        (None, Some(subject)) => out.push_str(&format!("\"{}\": ", render::cut(subject, 60))),
        (None, None) => {}
    }
    if let Some(page) = f.at.page {
        out.push_str(&format!("{page} page: "));
    }
    out.push_str(&f.at.to_string());
    match (&f.actual, &f.expected) {
        (Value::None, Value::None) => {}
        (Value::None, e) => out.push_str(&format!(", must be {e}")),
        (a, Value::None) => out.push_str(&format!(", is {a}")),
        (a, e) => out.push_str(&format!(", is {a}, must be {e}")),
    }
    match f.loss {
        Loss::Metadata => out.push_str(", costs metadata"),
        Loss::Partial => out.push_str(", costs part of an item"),
        Loss::Item => out.push_str(", the item cannot be shown until it is repaired"),
        _ => {}
    }
    if f.consequences > 0 {
        out.push_str(&format!(", and {} that follow from it", render::grouped(f.consequences)));
    }
    render::clean(&out)
}

/// Folders, messages and attachments: what can be read of them.
pub(crate) fn account(ctx: &mut Context, report: &Report) -> Result<(), Failure> {
    let items = &report.items;
    let all = [("folders", items.folders), ("messages", items.messages), ("attachments", items.attachments)];
    if all.iter().all(|(_, c)| *c == ItemCount::default()) {
        if report.format.is_some() && report.level > Level::Quick && !items.complete {
            writeln!(ctx.out, "\n  Folders and messages cannot be counted: the tree that leads to them is lost.")?;
        }
        return Ok(());
    }
    let head = ["", "expected", "whole", "in part", "lost"].map(str::to_owned).to_vec();
    let mut rows = vec![head];
    for (name, c) in all {
        rows.push(vec![
            name.to_owned(),
            render::grouped(c.expected),
            render::grouped(c.ok),
            render::grouped(c.partial),
            render::grouped(c.lost),
        ]);
    }
    writeln!(ctx.out)?;
    render::table(&mut ctx.out, 2, &[1, 2, 3, 4], &rows)?;
    if !items.complete {
        writeln!(ctx.out, "  The trees are not whole: more may be there than is counted here, and more may be lost.")?;
    }
    Ok(())
}

/// The next step.
fn advice(report: &Report, path: &Path) -> String {
    let file = render::quoted(path);
    match report.verdict {
        Verdict::Clean => "Nothing has to be done.".to_owned(),
        Verdict::Minor if report.worst() >= Some(Severity::Warning) => {
            format!("No mail is touched, and Outlook opens such files. `pstkit repair -n {file}` shows what would be set right.")
        }
        Verdict::Minor => "Nothing has to be done: files that Outlook wrote are like this.".to_owned(),
        Verdict::Errors => {
            format!("Next: `pstkit repair -n {file}` shows what a repair would do; it changes nothing. Keep the file as it is until then.")
        }
        Verdict::Fatal => format!(
            "Outlook cannot open it as it is. Next: `pstkit repair -n {file}` shows what can be put back; it changes nothing. Keep the file as it is until then."
        ),
        Verdict::Unsupported => {
            "The contents are encrypted with keys that are not in the file: remove the protection on a machine that holds them.".to_owned()
        }
        _ => "Nothing can be checked.".to_owned(),
    }
}
