//! `pstkit repair`: the plan, or carrying it out.

use crate::args::{Global, RepairArgs};
use crate::finds::{self, Find};
use crate::page_data::{PageData, Seen};
use crate::status::{Failure, Outcome, Status};
use crate::{Context, open, page, render, repair_text, status, stores};
use pstkit::check::{CheckOptions, Report, Verdict, check};
use pstkit::error::{Error, ErrorKind};
use pstkit::finding::{Finding, Loss};
use pstkit::format::header::FileKind;
use pstkit::io::{AtomicFile, Existing, FileId, FileStorage, ReadAt};
use pstkit::messaging::DamagedPart;
use pstkit::monitor::{Monitor as _, Phase};
use pstkit::recover;
use pstkit::repair::{self, Account, LocalOnly, Plan, Policy, Route, Target};
use pstkit::rules::{FixVerb, Severity};
use pstkit::{Nid, OpenOptions, Pst};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// So many messages that are there in part an account names.
const NAMED: usize = 1000;
/// Bytes that are hashed at a time.
const CHUNK: usize = 1 << 20;

/// SHA-256 of the source.
#[derive(Debug, Default, Serialize, schemars::JsonSchema)]
pub(crate) struct Hashes {
    /// As it was.
    pub(crate) before: String,
    /// A check of the result.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) after: Option<String>,
}

/// A message that is gone or there in part, by name.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct Named {
    /// Its node id.
    pub(crate) nid: u32,
    /// Path of its folder.
    pub(crate) folder: String,
    /// Its subject or name.
    pub(crate) subject: String,
    /// The loss.
    pub(crate) loss: Loss,
    /// When it was received or sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) date: Option<String>,
    /// Who sent it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) from: Option<String>,
    /// Which parts of it are damaged, as the source has it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) parts: Vec<DamagedPart>,
    /// Why its parts may not all be its own, where a search joined them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) why: Option<String>,
}

impl Named {
    fn new(nid: u32, folder: String, subject: String, loss: Loss) -> Self {
        Self { nid, folder, subject, loss, date: None, from: None, parts: Vec::new(), why: None }
    }

    /// Fills in the file's word on the message: date, sender, and which parts are damaged.
    fn describe(&mut self, pst: &Pst) {
        if let Some((date, from, subject)) = headline(pst, Nid(self.nid)) {
            self.date = self.date.take().or(date);
            self.from = self.from.take().or(from);
            if self.subject.is_empty() {
                self.subject = subject;
            }
        }
        if self.parts.is_empty() && self.loss < Loss::Item {
            self.parts = pst.message(Nid(self.nid)).and_then(|m| m.damaged_parts()).unwrap_or_default();
        }
    }
}

/// Date, sender and subject of a message.
pub(crate) fn headline(pst: &Pst, nid: Nid) -> Option<(Option<String>, Option<String>, String)> {
    let message = pst.message(nid).ok()?;
    let time = message.received().ok().flatten().or(message.sent().ok().flatten());
    let sender = message.sender().unwrap_or_default();
    Some((time.map(|t| t.to_string()), sender.name.or(sender.address), message.subject().ok().flatten().unwrap_or_default()))
}

/// Everything that a run tells: `pstkit-repair/2`.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct Told<'a> {
    /// Shape of the document, and its version.
    pub(crate) schema: &'static str,
    /// The file.
    pub(crate) file: String,
    /// `plan`, `new-file` or `in-place`.
    pub(crate) mode: &'static str,
    /// The file that was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) out: Option<String>,
    /// The file that takes the repair back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) undo_file: Option<String>,
    /// The policy.
    pub(crate) policy: Policy,
    /// Digests of the bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sha256: Option<Hashes>,
    /// The items that deleting the file would lose; of an OST alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) local_only: Option<LocalOnly>,
    /// As it was.
    pub(crate) before: &'a Report,
    /// The plan.
    pub(crate) plan: &'a Plan,
    /// Whether anything was written.
    pub(crate) changed: bool,
    /// The way in which the plan is carried out; none where the result could not be worked out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) route: Option<Route>,
    /// Rounds that the repair took.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) passes: Option<u32>,
    /// A check of the result.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) after: Option<&'a Report>,
    /// The fate of everything in the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) account: Option<&'a Account>,
    /// The items that are gone or there in part, by name.
    pub(crate) named: Vec<Named>,
    /// Items that no tree listed, or is under Lost and Found, by name, with where it comes from.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) found: Vec<Find>,
    /// The next step, in words.
    pub(crate) next: String,
    /// Exit status, as the bits that `pstkit --help` lists.
    pub(crate) exit: u8,
}

/// How much is to be done.
fn policy(args: &RepairArgs, global: &Global) -> Policy {
    Policy::default()
        .lossy(!args.lossless)
        .allow_loss(args.allow_loss)
        .notices(args.notices)
        .passes(args.max_passes)
        .threads(global.threads)
        .map(!global.no_mmap)
        .limits(global.limits())
}

/// The undo file of a repair in place.
fn undo_file(args: &RepairArgs) -> PathBuf {
    args.undo_file.clone().unwrap_or_else(|| {
        let mut name = args.file.clone().into_os_string();
        name.push(".undo");
        name.into()
    })
}

/// SHA-256 of a source.
pub(crate) fn hash(ctx: &Context, path: &Path, source: &dyn ReadAt) -> Result<String, Failure> {
    let fail = |e: Error| Failure::of(path, e);
    ctx.progress.phase(Phase::Hash, Some(source.len()));
    let mut hasher = Sha256::new();
    let (mut at, end) = (0, source.len());
    while at < end {
        let bytes = open::read_up_to(source, at, CHUNK).map_err(fail)?;
        hasher.update(&bytes);
        let n = u64::try_from(bytes.len()).unwrap_or(0).max(1);
        at = at.saturating_add(n);
        ctx.progress.advance(n);
        if ctx.progress.cancelled() {
            return Err(fail(ErrorKind::Cancelled.into()));
        }
    }
    Ok(pstkit::export::items::hex(&hasher.finalize()))
}

/// The items that deleting an OST would lose; nothing for other files.
fn local_only(ctx: &Context, path: &Path, source: &Arc<dyn ReadAt>, before: &Report) -> Option<LocalOnly> {
    let kind = before.format.and_then(|f| f.kind);
    if kind.is_some_and(|kind| kind != FileKind::Ost) {
        return None;
    }
    let recovered = recover::open(Arc::clone(source), &recover::Options::default(), &ctx.progress).ok()?;
    // where the header does not tell, its contents do, or its name
    let is_named = || path.extension().is_some_and(|e| e.eq_ignore_ascii_case("ost") || e.eq_ignore_ascii_case("nst"));
    if kind.is_none() && recovered.ndb.header().kind() != Some(FileKind::Ost) && !is_named() {
        return None;
    }
    repair::local_only(&Pst::from_ndb(recovered.ndb), &ctx.progress).ok()
}

/// The plan that the command line asks for.
fn planned(args: &RepairArgs, global: &Global, before: &Report) -> Result<Plan, Failure> {
    let mut plan = before.plan(&policy(args, global));
    let unknown = |word: &str, plan: &Plan| {
        let ids: Vec<&str> = plan.actions.iter().map(|a| a.id.as_str()).collect();
        let known = if FixVerb::from_word(word).is_some() { "is not in the plan for this file" } else { "is no action" };
        Failure::usage(format!("{word} {known}; the plan has: {}", if ids.is_empty() { "nothing".to_owned() } else { ids.join(", ") }))
    };
    if !args.only.is_empty() {
        plan.actions.iter_mut().for_each(|a| a.selected = false);
    }
    for (words, selected) in [(&args.only, true), (&args.skip, false)] {
        for word in words {
            if !plan.select_id(word, selected) {
                return Err(unknown(word, &plan));
            }
        }
    }
    // what needs consent is not chosen by its name alone, nor what gives something up under -p
    for a in plan.actions.iter_mut().filter(|a| a.selected) {
        a.selected = (!a.needs_consent || args.allow_loss) && (a.lossless || !args.lossless);
    }
    Ok(plan)
}

/// What a report and an account know by name: gone, or there in part. `result` is the file as it is now, if there is one, and `after` what
/// is wrong with it.
///
/// Which parts are damaged is read from `source`: in a result the rest of them is whole.
pub(crate) fn named(
    findings: &[Finding],
    after: &[Finding],
    account: Option<&Account>,
    result: Option<&Pst>,
    source: Option<&Pst>,
) -> Vec<Named> {
    let hurt = |f: &&Finding| f.loss >= Loss::Partial;
    let left: HashSet<Nid> = after.iter().filter(hurt).filter_map(|f| f.at.nid).collect();
    // the account does not name more than so many
    let is_whole = |nid: u32| account.is_some_and(|a| a.partial.len() < NAMED) && !left.contains(&Nid(nid));
    let paths = result.map(Pst::folder_paths).unwrap_or_default();
    let path = |nid: Nid| paths.get(&nid).cloned().unwrap_or_default();
    let mut out: BTreeMap<u32, Named> = BTreeMap::new();
    for l in account.iter().flat_map(|a| &a.lost) {
        out.insert(l.nid, Named::new(l.nid, path(Nid(l.folder)), l.subject.clone(), Loss::Item));
    }
    // how the result has a message counts more than what a finding says
    let now = |nid: u32| {
        let pst = result?;
        let parent = pst.ndb().index().node(Nid(nid))?.parent;
        let subject = pst.message(Nid(nid)).ok()?.subject().ok().flatten().unwrap_or_default();
        Some(Named::new(nid, path(parent), subject, Loss::Partial))
    };
    let partial = account.into_iter().flat_map(|a| a.partial.iter().copied());
    for nid in partial {
        if let Some(named) = now(nid) {
            out.insert(nid, named);
        }
    }
    // of a message that the result lacks nothing could be read
    let lost = account.is_some_and(|a| a.messages.lost.saturating_add(a.associated.lost) > 0);
    let gone = |loss: Loss| if lost && result.is_some() { Loss::Item } else { loss };
    for f in findings.iter().chain(after).filter(hurt) {
        let Some(nid) = f.at.nid.filter(|n| n.is_message()).map(|n| n.0) else { continue };
        if let Some(known) = out.get_mut(&nid) {
            known.loss = if now(nid).is_some() { known.loss } else { known.loss.max(gone(f.loss)) };
            continue;
        }
        let text = |t: &Option<Arc<str>>| t.as_deref().unwrap_or_default().to_owned();
        let told = || Named::new(nid, text(&f.folder), text(&f.subject), gone(f.loss));
        match now(nid) {
            // whole again
            Some(_) if is_whole(nid) => {}
            Some(named) => drop(out.insert(nid, named)),
            None => drop(out.insert(nid, told())),
        }
    }
    let mut out: Vec<Named> = out.into_values().collect();
    let doubts: HashMap<u32, &str> = doubts_of(account);
    for named in out.iter_mut().take(NAMED) {
        named.why = doubts.get(&named.nid).map(|why| (*why).to_owned());
        [source, result].into_iter().flatten().for_each(|pst| named.describe(pst));
    }
    out.sort_by(|a, b| (std::cmp::Reverse(a.loss), &a.folder, a.nid).cmp(&(std::cmp::Reverse(b.loss), &b.folder, b.nid)));
    out
}

/// The reasons for which finds are not called whole.
fn doubts_of(account: Option<&Account>) -> HashMap<u32, &str> {
    let found = account.into_iter().flat_map(|a| &a.found);
    found.filter_map(|f| Some((f.nid, f.doubt.as_ref()?.why.as_str()))).collect()
}

pub(crate) fn run(ctx: &mut Context, args: &RepairArgs) -> Outcome {
    let writes = args.lossless || args.all;
    if writes && args.out.is_none() && !args.in_place {
        return Err(Failure::usage("-p and -y need -o OUT (the source is not touched) or --in-place"));
    }
    if args.in_place && (ctx.global.store.is_some() || ctx.global.offset.is_some()) {
        return Err(Failure::usage("a store of an image cannot be repaired in place: write it to a file of its own with -o OUT"));
    }
    if args.report.as_ref().is_some_and(|to| !page::is_report(to)) {
        return Err(Failure::usage("--report takes a name that ends in .html or .json"));
    }
    if args.in_place && !writes {
        return Err(Failure::usage("--in-place writes: say how much, with -p (what gives nothing up) or -y (all of it)"));
    }
    if let (Some(out), true) = (&args.out, writes) {
        same_file(&args.file, out)?;
        // what keeps the result from being written is told before anything else is done
        name_left_over(ctx, &AtomicFile::create(out, Existing::replace_if(args.force)).map_err(|e| Failure::of(out, e))?);
    }
    if args.in_place && writes {
        can_be_changed(&args.file)?;
        // and nobody else may have the file; what else is wrong with it is told where it is read
        if let Err(e) = FileStorage::open_exclusive(&args.file)
            && matches!(e.kind(), ErrorKind::Locked)
        {
            return Err(Failure::of(&args.file, e));
        }
        if repair::take_back_interrupted(&args.file, &undo_file(args)).map_err(|e| Failure::of(&args.file, e))? {
            ctx.note("an earlier repair was interrupted; the file is as it was before it");
        }
    }
    let path = &args.file;
    let source = if args.in_place { stores::only(path, &ctx.global)? } else { stores::input(path, &ctx.global)? };
    let sha256 = if args.hash { Some(Hashes { before: hash(ctx, path, &*source)?, after: None }) } else { None };
    let options =
        CheckOptions::default().threads(ctx.global.threads).path(path.display().to_string()).limits(ctx.global.limits()).for_repair();
    let before = check(Arc::clone(&source), &options, &ctx.progress).map_err(|e| Failure::of(path, e))?;
    match before.verdict {
        Verdict::NotPst => {
            if let Err(e) = recover::open(Arc::clone(&source), &recover::Options::default(), &ctx.progress) {
                return Err(refused(ctx, args, e));
            }
            if args.in_place {
                let why = "nothing of its header and trees is left; what a search finds can be written to a new file: -o OUT";
                return Err(Failure::Said(Status::FAILED, format!("{}: {why}", render::name(path))));
            }
            ctx.note("nothing of the header and the trees is left; what a search of the whole file finds is kept");
        }
        Verdict::Unsupported => return Err(Failure::Said(Status::FAILED, format!("{}: its contents are encrypted", render::name(path)))),
        _ => {}
    }
    let plan = planned(args, &ctx.global, &before)?;
    // What only this file has is told before anything is done.
    let local = local_only(ctx, path, &source, &before);
    if let Some(local) = &local
        && !ctx.global.machine()
    {
        repair_text::local(ctx, path, local)?;
    }
    if !writes {
        return show_plan(ctx, args, &before, &plan, sha256, local, source);
    }
    if args.in_place && !plan.is_empty() {
        undo_can_be_written(args)?;
    }
    if !ctx.global.machine() {
        repair_text::begin(ctx, path, &before, &plan)?;
    }
    // which parts are damaged is known before a repair alone
    let is_hurt = args.report.is_some() || before.findings.iter().any(|f| f.loss >= Loss::Partial);
    let now = if is_hurt { opened(&source, ctx) } else { None };
    let named_before = named(&before.findings, &[], None, now.as_ref(), None);
    // the lock of reading would keep a repair in place out
    let now = now.filter(|_| !args.in_place);
    let (outcome, mode, undo) = if args.in_place {
        let undo = undo_file(args);
        // The lock of reading would keep the repair out.
        drop(source);
        let outcome = plan.apply(Target::InPlace { path, undo: &undo }, &ctx.progress).map_err(|e| refused(ctx, args, e))?;
        let undo = outcome.changed.then(|| undo.display().to_string());
        (outcome, "in-place", undo)
    } else {
        let Some(out) = &args.out else { return Err(Failure::usage("-o OUT is missing")) };
        let target = Target::Path { source: Arc::clone(&source), out, replace: args.force };
        (plan.apply(target, &ctx.progress).map_err(|e| refused(ctx, args, e))?, "new-file", None)
    };
    let sha256 = match sha256 {
        Some(h) => {
            let source = open::source(&args.file, &ctx.global)?;
            Some(Hashes { after: Some(hash(ctx, &args.file, &*source)?), ..h })
        }
        None => None,
    };
    let result = args.out.as_ref().unwrap_or(&args.file);
    let pst = Pst::from_source(open::source(result, &ctx.global)?, &OpenOptions::new()).ok();
    let exit = outcome.exit_status();
    // they are told with their names
    let mut account = outcome.account.clone();
    let found = std::mem::take(&mut account.found);
    let told = Told {
        schema: "pstkit-repair/2",
        file: args.file.display().to_string(),
        mode,
        out: args.out.as_ref().map(|p| p.display().to_string()),
        undo_file: undo,
        policy: policy(args, &ctx.global),
        sha256,
        local_only: local,
        before: &outcome.before,
        plan: &outcome.plan,
        changed: outcome.changed,
        route: Some(outcome.route),
        passes: Some(outcome.passes),
        after: Some(&outcome.after),
        account: Some(&account),
        named: with_parts(named(&outcome.before.findings, &outcome.after.findings, Some(&account), pst.as_ref(), None), named_before),
        found: pst.as_ref().map(|pst| finds::named(pst, &found)).unwrap_or_default(),
        next: repair_text::next(args, &outcome, result),
        exit,
    };
    if let Some(to) = &args.report {
        write_report(to, &told, now.as_ref(), pst.as_ref())?;
    }
    if ctx.global.machine() {
        ctx.json(&told)?;
    } else {
        repair_text::done(ctx, &told)?;
    }
    Ok(Status::from_bits(exit))
}

/// The plan alone.
fn show_plan(
    ctx: &mut Context,
    args: &RepairArgs,
    before: &Report,
    plan: &Plan,
    sha256: Option<Hashes>,
    local_only: Option<LocalOnly>,
    source: Arc<dyn ReadAt>,
) -> Outcome {
    let to_do = !plan.is_empty() || !before.is_healthy();
    // the repair is carried out, and its result is thrown away
    let predicted = match plan.predict(&source, &ctx.progress) {
        Ok(predicted) => Some(predicted),
        Err(e) if matches!(e.kind(), ErrorKind::NeedsConsent { .. }) => {
            ctx.note(format_args!("{e}: --allow-loss"));
            None
        }
        Err(e) => return Err(refused(ctx, args, e)),
    };
    let account = predicted.as_ref().map(|p| p.outcome.account.clone());
    let lost = account.as_ref().map_or(before.exit_status(Severity::Fatal) & 64, |a| if a.has_loss() { 64 } else { 0 });
    let exit = if to_do { 4 } else { 0 } | lost;
    let result = predicted.as_ref().and_then(|p| opened(&p.result, ctx));
    let now = opened(&source, ctx);
    let after = predicted.as_ref().map_or(&[][..], |p| &p.outcome.after.findings);
    let found = account.as_ref().zip(result.as_ref()).map(|(a, pst)| finds::named(pst, &a.found)).unwrap_or_default();
    let told = Told {
        schema: "pstkit-repair/2",
        file: args.file.display().to_string(),
        mode: "plan",
        out: None,
        undo_file: None,
        policy: policy(args, &ctx.global),
        sha256,
        local_only,
        before,
        plan,
        changed: false,
        route: predicted.as_ref().map(|p| p.outcome.route),
        passes: None,
        after: predicted.as_ref().map(|p| &p.outcome.after),
        account: account.as_ref(),
        named: named(&before.findings, after, account.as_ref(), result.as_ref().or(now.as_ref()), now.as_ref()),
        found,
        next: repair_text::next_of_plan(args, before, plan),
        exit,
    };
    if let Some(to) = &args.report {
        write_report(to, &told, now.as_ref(), result.as_ref())?;
    }
    if ctx.global.machine() {
        ctx.json(&told)?;
    } else {
        repair_text::plan(ctx, &told)?;
    }
    Ok(Status::from_bits(exit))
}

/// A file as it can be read, salvaged where that is needed; `None` where nothing of it can.
fn opened(source: &Arc<dyn ReadAt>, ctx: &Context) -> Option<Pst> {
    Pst::from_source_with(Arc::clone(source), &OpenOptions::new(), &ctx.progress).ok()
}

/// Writes the picture of a file before and after.
fn write_report(to: &Path, told: &Told<'_>, before: Option<&Pst>, result: Option<&Pst>) -> Result<(), Failure> {
    let lost = told.named.iter().filter(|n| n.loss == Loss::Item).count();
    let (is, was) = (told.after.map_or_else(String::new, Report::summary), told.before.summary());
    let would = if told.mode == "plan" { "would be" } else { "is" };
    let partial = told.named.len().saturating_sub(lost);
    let verdict = format!("Before: {was}. The result {would} {is}: {lost} messages are lost, {partial} are there in part.");
    let title = if told.mode == "plan" { "after the repair, as predicted" } else { "after the repair" };
    let seen = Seen { title: "before".to_owned(), pst: before, report: told.before, named: &told.named, account: None };
    let after = told.after.map(|report| Seen { title: title.to_owned(), pst: result, report, named: &told.named, account: told.account });
    let mut data = PageData::new(render::clean(&told.file), verdict, told.next.clone(), &seen, after.as_ref());
    page::write(to, &mut data)
}

/// Messages of a result with the parts that were damaged in the source.
fn with_parts(mut named: Vec<Named>, before: Vec<Named>) -> Vec<Named> {
    let mut known: BTreeMap<u32, Named> = before.into_iter().map(|n| (n.nid, n)).collect();
    for n in &mut named {
        if let Some(b) = known.remove(&n.nid) {
            n.parts = b.parts;
            n.date = n.date.take().or(b.date);
            n.from = n.from.take().or(b.from);
        }
    }
    named
}

/// What would keep a repair in place from being done is told before anything else is.
fn can_be_changed(path: &Path) -> Result<(), Failure> {
    match std::fs::OpenOptions::new().read(true).write(true).open(path) {
        Err(e) if matches!(e.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem) => Err(Failure::Said(
            Status::FAILED,
            format!("{}: it may not be written: make it writable, or repair into a new file with -o", render::name(path)),
        )),
        // everything else is told where the file is read
        _ => Ok(()),
    }
}

/// The same of the undo file.
fn undo_can_be_written(args: &RepairArgs) -> Result<(), Failure> {
    let undo = undo_file(args);
    if let Some(e) = repair::in_the_way(&args.file, &undo) {
        return Err(in_the_way(args, &undo, e));
    }
    match AtomicFile::create(&undo, Existing::Refuse) {
        Ok(_) => Ok(()),
        Err(e) => {
            let e = status::explain(&e);
            Err(Failure::Said(Status::FAILED, format!("{}: the undo file cannot be written: {e} (--undo-file)", undo.display())))
        }
    }
}

/// The failure of a repair in place whose undo file's name is taken, with what goes on.
fn in_the_way(args: &RepairArgs, undo: &Path, e: Error) -> Failure {
    let much = if args.lossless { "-p" } else { "-y" };
    let other = undo.with_extension("undo-2");
    let file = render::quoted(&args.file);
    match e.kind() {
        ErrorKind::TargetExists(_) => Failure::usage(format!(
            "{} exists from an earlier repair: take that back (`pstkit undo`), give another name with --undo-file, or remove it",
            undo.display()
        )),
        ErrorKind::Unfit { what, .. } => Failure::Said(
            Status::FAILED,
            format!(
                "{what}. Nothing was changed. `pstkit repair {much} --in-place --undo-file {} {file}` leaves it alone, and `pstkit undo {} {file}` applies it where it fits",
                render::quoted(&other),
                render::quoted(undo)
            ),
        ),
        _ => Failure::of(undo, e),
    }
}

/// Names the files beside an output that may be left by runs that were killed, and are not surely that.
pub(crate) fn name_left_over(ctx: &Context, file: &AtomicFile) {
    for part in file.left_over() {
        ctx.note(format_args!("{}: in use, another user's, or no ordinary file: it was left as it is", render::name(part)));
    }
}

/// Refuses to write a file onto its own source, by whatever path that is reached.
pub(crate) fn same_file(source: &Path, out: &Path) -> Result<(), Failure> {
    let is_same = |a: FileId| FileId::of_path(out).is_some_and(|b| a.is_same(b));
    if FileId::of_path(source).is_some_and(is_same) {
        return Err(Failure::usage(format!(
            "{}: the source itself, if by another name; give the name of another file (`repair` can work --in-place)",
            render::name(out)
        )));
    }
    match (source.canonicalize(), out.canonicalize()) {
        (Ok(a), Ok(b)) if a == b => {
            Err(Failure::usage(format!("{}: the source itself; give another name (`repair` can work --in-place)", render::name(out))))
        }
        _ => Ok(()),
    }
}

/// The reason that keeps a repair from being done.
fn refused(ctx: &Context, args: &RepairArgs, e: Error) -> Failure {
    match e.kind() {
        ErrorKind::NotPst(_) => {
            let what = open::describe_searched(&args.file, &ctx.global);
            Failure::Said(Status::FAILED, format!("{}: not an Outlook data file: {what}", args.file.display()))
        }
        ErrorKind::Unfit { .. } => in_the_way(args, &undo_file(args), e),
        ErrorKind::NeedsConsent { .. } => {
            Failure::Said(Status::LEFT, format!("{}: nothing was written: {e} (--allow-loss)", args.file.display()))
        }
        // the medium that is written to
        ErrorKind::Io(io) if io.kind() == io::ErrorKind::StorageFull && args.in_place => {
            let why = "the disk is full: the file is as it was; make room, or repair into a new file on another disk with -o";
            Failure::Said(Status::FAILED, format!("{}: {why}", args.file.display()))
        }
        ErrorKind::Io(io) if io.kind() == io::ErrorKind::StorageFull => Failure::of(args.out.as_ref().unwrap_or(&args.file), e),
        _ => Failure::of(&args.file, e),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use pstkit::messaging::Origin;
    use pstkit::recover::{Doubt, Found};

    #[test]
    fn a_message_in_part_tells_why_its_parts_may_be_anothers() {
        let pst = Pst::from_bytes(pstkit::testkit::tiny(pstkit::testkit::VARIETIES[0], 1).unwrap()).unwrap();
        let mut ids = pst.messages().map(|m| m.nid());
        let (doubted, damaged) = (ids.next().unwrap(), ids.next().unwrap());
        let mut account = Account::default();
        account.partial = vec![doubted.0, damaged.0];
        let mut found = Found::of(doubted, Origin::Orphan);
        found.doubt = Some(Doubt::new("its sub-nodes were found by nearness alone"));
        account.found.push(found);
        let all = named(&[], &[], Some(&account), Some(&pst), None);
        let why = |nid: Nid| all.iter().find(|n| n.nid == nid.0).unwrap().why.as_deref();
        assert_eq!(why(doubted), Some("its sub-nodes were found by nearness alone"));
        assert_eq!(why(damaged), None);
    }
}
