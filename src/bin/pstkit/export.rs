//! `pstkit export`: the mail in forms that other programs read.

use crate::args::ItemsArgs;
use crate::args_export::{ExportArgs, To, Vcard};
use crate::export_manifest::{Manifest, Record, SCHEMA};
use crate::export_place::{Action, Measured, Places, Put, file_name, put};
use crate::items::choose;
use crate::status::{Failure, Outcome, Status};
use crate::{Context, open, render};
use pstkit::error::{Error, ErrorKind, Result};
use pstkit::export::eml::{Exported, Options, Status as Kept, Tally};
use pstkit::export::items::Origin;
use pstkit::export::vcf::Version;
use pstkit::export::{Exporter, LineWriter, MailFlags, NAME_MAX, NameSet, in_order, mail_flags, mbox_from};
use pstkit::format::tags;
use pstkit::format::types::Civil;
use pstkit::format::types::FileTime;
use pstkit::messaging::{Attachment, Message, State};
use pstkit::monitor::Monitor;
use pstkit::recover::Found;
use pstkit::{Nid, NidType, Pst};
use serde::Serialize;
use std::collections::HashMap;
use std::fs;
use std::io::{self, Seek, Write};
use std::path::{Path, PathBuf};

/// Bytes of an MSG file that are kept in memory while it is written.
const SPOOL: usize = 8 << 20;

/// An item that is to be written, and where.
pub(crate) struct Job {
    pub(crate) nid: Nid,
    pub(crate) folder: String,
    pub(crate) origin: Origin,
    dir: PathBuf,
    name: String,
}

/// How many items there are, and the fate of them.
#[derive(Debug, Default, Serialize, schemars::JsonSchema)]
struct Count {
    /// How many the file speaks of.
    expected: u64,
    /// How many were written.
    written: u64,
    /// How many an earlier run had written.
    present: u64,
    /// How many stay as they are, because a file of that name is no export.
    kept: u64,
    /// How many are there in part.
    partial: u64,
    /// Those of which content is missing.
    lossy: u64,
    /// The number that the limit of the page leaves out.
    left_out: u64,
}

/// Everything that a run tells: `pstkit-export/1`.
#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct Told<'a> {
    /// Shape of the document, and its version.
    schema: &'static str,
    /// The file.
    file: String,
    /// The file that was written.
    out: String,
    /// The form.
    to: &'static str,
    /// Messages that are lost or there in part.
    items: &'a Count,
    /// Its attachments.
    attachments: &'a Tally,
    /// Attachments whose data are not in the file, by name.
    elsewhere: &'a [String],
    /// How many bytes.
    bytes: u64,
    /// Exit status, as the bits that `pstkit --help` lists.
    exit: u8,
}

/// The result of a piece of work.
pub(crate) struct Done {
    pub(crate) records: Vec<Record>,
    /// Items that the selection leaves out.
    pub(crate) passed: u64,
}

/// The common input of all pieces.
pub(crate) struct Work<'a> {
    pub(crate) pst: &'a Pst,
    /// How the items were found that no tree lists.
    pub(crate) found: &'a HashMap<Nid, Found>,
    exporter: Exporter<'a>,
    pub(crate) args: &'a ExportArgs,
    pub(crate) root: &'a Path,
    progress: &'a crate::progress::Progress,
    /// Names in folders of Maildir that an earlier run, or a mail program, left: with flags that may have changed since.
    present: HashMap<PathBuf, HashMap<String, PathBuf>>,
}

/// What of an item decides whether it is chosen, and what its file is called.
pub(crate) struct Seen {
    pub(crate) class: Option<String>,
    time: Option<FileTime>,
    subject: String,
}

impl Work<'_> {
    fn see(message: &Message<'_>) -> Result<Seen> {
        let p = message.properties();
        let mut time = None;
        for tag in [tags::MESSAGE_DELIVERY_TIME, tags::CLIENT_SUBMIT_TIME, tags::CREATION_TIME, tags::LAST_MODIFICATION_TIME] {
            time = time.or(p.time(tag)?.filter(|t| !t.is_unset() && t.civil().year < 10_000));
        }
        Ok(Seen { class: message.class()?, time, subject: message.subject()?.unwrap_or_default() })
    }

    fn is_chosen(&self, seen: &Seen) -> bool {
        let class = seen.class.as_deref().unwrap_or("").to_ascii_lowercase();
        let of_class = |want: &String| {
            let want = want.to_ascii_lowercase();
            class == want || class.strip_prefix(&want).is_some_and(|rest| rest.starts_with('.'))
        };
        let day = seen.time.map(|t| {
            let Civil { year: y, month: m, day: d, .. } = t.civil();
            y.saturating_mul(10_000).saturating_add(m.saturating_mul(100)).saturating_add(d)
        });
        let of_form = match self.args.to {
            To::Vcf if self.args.attachments.is_none() => natural_form(&class) == "vcf",
            To::Ics if self.args.attachments.is_none() => natural_form(&class) == "ics",
            _ => true,
        };
        of_form
            && (self.args.class.is_empty() || self.args.class.iter().any(of_class))
            && self.args.since.is_none_or(|since| day.is_some_and(|day| day >= since))
            && self.args.before.is_none_or(|before| day.is_some_and(|day| day < before))
    }

    /// A message that is chosen; an error is told in its record.
    pub(crate) fn open(&self, job: &Job) -> Result<Option<(Message<'_>, Seen)>> {
        let message = self.pst.message(job.nid)?;
        let seen = Self::see(&message)?;
        Ok(self.is_chosen(&seen).then_some((message, seen)))
    }

    pub(crate) fn record(&self, job: &Job, class: Option<String>, put: Option<(&Path, Put<Exported>)>) -> Record {
        let base = Record {
            schema: SCHEMA,
            nid: job.nid.0,
            folder: job.folder.clone(),
            origin: job.origin,
            class,
            file: None,
            action: None,
            message_id: None,
            sha256: None,
            bytes: 0,
            state: State::Damaged,
            lossy: true,
            attachments: Tally::default(),
            elsewhere: Vec::new(),
            problems: Vec::new(),
        };
        let Some((path, put)) = put else { return base };
        let within = path.strip_prefix(self.root).unwrap_or(path);
        let parts: Vec<_> = within.components().map(|c| c.as_os_str().to_string_lossy().into_owned()).collect();
        let e = put.result;
        Record {
            file: Some(parts.join("/")),
            action: Some(put.action),
            message_id: Some(e.message_id).filter(|id| !id.is_empty()),
            sha256: put.sha256,
            bytes: put.bytes,
            state: e.state,
            lossy: e.is_lossy,
            attachments: e.attachments,
            elsewhere: e.elsewhere,
            problems: e.problems,
            ..base
        }
    }

    /// A record of an item that could not be written; errors of the target end the run.
    pub(crate) fn failed(&self, job: &Job, e: &Error) -> Result<Record> {
        if matches!(e.kind(), ErrorKind::Io(_) | ErrorKind::Cancelled) {
            return Err(match e.kind() {
                ErrorKind::Io(io) => Error::from(ErrorKind::Io(io::Error::new(io.kind(), io.to_string()))),
                _ => ErrorKind::Cancelled.into(),
            });
        }
        Ok(Record { problems: vec![e.to_string()], ..self.record(job, None, None) })
    }

    pub(crate) fn step(&self) -> Result<()> {
        self.progress.advance(1);
        if self.progress.cancelled() { Err(ErrorKind::Cancelled.into()) } else { Ok(()) }
    }

    /// Runs over items, each with its own file or files.
    fn each(&self, jobs: &[Job], write: &dyn Fn(&Job, &Message<'_>, &Seen) -> Result<Record>) -> Result<Done> {
        let mut done = Done { records: Vec::new(), passed: 0 };
        for job in jobs {
            self.step()?;
            match self.open(job) {
                Ok(None) => done.passed = done.passed.saturating_add(1),
                Ok(Some((message, seen))) => done.records.push(match write(job, &message, &seen) {
                    Ok(record) => record,
                    Err(e) => self.failed(job, &e)?,
                }),
                Err(e) => done.records.push(self.failed(job, &e)?),
            }
        }
        Ok(done)
    }

    /// The path of an item's file.
    fn path(&self, job: &Job, seen: &Seen, extension: &str) -> PathBuf {
        let used = job.dir.as_os_str().len().saturating_add(8);
        let room = if self.args.max_path == 0 { 150 } else { self.args.max_path.saturating_sub(used).min(150) };
        job.dir.join(file_name(seen.time, &seen.subject, job.nid, extension, room))
    }

    /// Writes an item in the form that is natural to it, with what that form cannot hold beside it.
    fn natural(&self, job: &Job, message: &Message<'_>, seen: &Seen) -> Result<Record> {
        let form = natural_form(&seen.class.as_deref().unwrap_or("").to_ascii_lowercase());
        if form == "eml" {
            return self.eml(job, message, seen);
        }
        let path = self.path(job, seen, form);
        let version = if self.args.vcard == Vcard::V4 { Version::V4 } else { Version::V3 };
        let write = |out: &mut dyn Write| match form {
            "vcf" => self.exporter.vcf(message, out, version),
            "ics" => self.exporter.ics(message, out),
            _ => self.exporter.text(message, out),
        };
        let mut put = put(&path, seen.time, self.args.manifest.is_some(), &write)?;
        let loose = self.exporter.loose_attachments(message)?;
        self.files(&path.with_extension("files"), loose, &mut put.result)?;
        Ok(self.record(job, seen.class.clone(), Some((&path, put))))
    }

    fn eml(&self, job: &Job, message: &Message<'_>, seen: &Seen) -> Result<Record> {
        let path = self.path(job, seen, "eml");
        let write = |out: &mut dyn Write| self.exporter.eml(message, out, &Options::new());
        let put = put(&path, seen.time, self.args.manifest.is_some(), &write)?;
        Ok(self.record(job, seen.class.clone(), Some((&path, put))))
    }

    fn msg(&self, job: &Job, message: &Message<'_>, seen: &Seen) -> Result<Record> {
        let path = self.path(job, seen, "msg");
        let write = |out: &mut dyn Write| {
            // the form is written back and forth: a small one in memory, a large one in a file without a name
            let mut spool = tempfile::SpooledTempFile::new_in(SPOOL, &job.dir);
            let done = self.exporter.msg(message, &mut spool)?;
            spool.rewind().map_err(ErrorKind::Io)?;
            io::copy(&mut spool, out).map_err(ErrorKind::Io)?;
            Ok(done)
        };
        let put = put(&path, seen.time, self.args.manifest.is_some(), &write)?;
        Ok(self.record(job, seen.class.clone(), Some((&path, put))))
    }

    fn maildir(&self, job: &Job, message: &Message<'_>, seen: &Seen) -> Result<Record> {
        let (seconds, _) = seen.time.map(FileTime::unix).unwrap_or_default();
        let base = format!("{}.{:08x}.pstkit", seconds.max(0), job.nid.0);
        let flags = mail_flags(message).unwrap_or_else(|_| MailFlags::default()).maildir();
        let mark = if cfg!(windows) { ';' } else { ':' };
        let fresh = || job.dir.join("cur").join(format!("{base}{mark}2,{flags}"));
        let path = self.present.get(&job.dir).and_then(|names| names.get(&base)).cloned().unwrap_or_else(fresh);
        let write = |out: &mut dyn Write| {
            let mut lines = LineWriter::new(out);
            let done = self.exporter.eml(message, &mut lines, &Options::new())?;
            lines.finish().map_err(ErrorKind::Io)?;
            Ok(done)
        };
        let put = put(&path, seen.time, self.args.manifest.is_some(), &write)?;
        Ok(self.record(job, seen.class.clone(), Some((&path, put))))
    }

    /// Writes all items of a folder to one file.
    fn mbox(&self, jobs: &[Job]) -> Result<Done> {
        let Some(first) = jobs.first() else { return Ok(Done { records: Vec::new(), passed: 0 }) };
        let path = first.dir.join(format!("{}.mbox", first.name));
        let digest = self.args.manifest.is_some();
        let put = put(&path, None, digest, &|out: &mut dyn Write| self.mbox_content(jobs, out, &path, digest))?;
        let mut done = put.result;
        for record in done.records.iter_mut().filter(|r| r.file.is_some()) {
            record.action = Some(put.action);
        }
        if done.records.is_empty() && put.bytes == 0 && put.action == Action::Written {
            fs::remove_file(&path).map_err(ErrorKind::Io)?;
        }
        Ok(done)
    }

    fn mbox_content(&self, jobs: &[Job], out: &mut dyn Write, path: &Path, digest: bool) -> Result<Done> {
        let out = std::cell::RefCell::new(out);
        self.each(jobs, &|job, message, seen| {
            let mut out = out.borrow_mut();
            let from = mbox_from(message)?;
            out.write_all(from.as_bytes()).map_err(ErrorKind::Io)?;
            let mut measured = Measured::new(&mut **out, digest);
            let mut lines = LineWriter::mboxrd(&mut measured);
            let result = self.exporter.eml(message, &mut lines, &Options::new().status(Kept::Fields));
            // Whatever went wrong, the next message begins on a line of its own.
            lines.finish().map_err(ErrorKind::Io)?;
            let put = Put { action: Action::Written, bytes: measured.bytes, sha256: measured.sha256(), result: result? };
            out.write_all(b"\n").map_err(ErrorKind::Io)?;
            Ok(self.record(job, seen.class.clone(), Some((path, put))))
        })
    }

    /// Writes the attachments of an item into a folder of its own.
    fn attachments(&self, job: &Job, message: &Message<'_>, seen: &Seen) -> Result<Record> {
        let mut all = Exported::default();
        let dir = self.path(job, seen, "files");
        let bytes = self.files(&dir, message.attachments()?, &mut all)?;
        let result = Put { action: Action::Written, bytes, sha256: None, result: all };
        let has_files = result.result.attachments.expected > 0;
        let mut record = self.record(job, seen.class.clone(), Some((&dir, result)));
        record.file = record.file.filter(|_| has_files);
        Ok(record)
    }

    /// Writes attachments into a folder, which is made where there are any; answers how many bytes they have.
    fn files(&self, dir: &Path, attachments: Vec<Attachment<'_>>, all: &mut Exported) -> Result<u64> {
        let mut names = NameSet::default();
        let mut bytes = 0u64;
        for a in attachments {
            fs::create_dir_all(dir).map_err(ErrorKind::Io)?;
            let name = a.name()?.unwrap_or_default();
            let path = |names: &mut NameSet, name: &str| dir.join(names.add(name, NAME_MAX));
            if let Some(inner) = a.embedded().ok().flatten() {
                let path = path(&mut names, &format!("{name}.eml"));
                let done = put(&path, None, false, &|out: &mut dyn Write| self.exporter.eml(&inner, out, &Options::new()))?;
                all.attachments.expected = all.attachments.expected.saturating_add(1);
                all.attachments.written = all.attachments.written.saturating_add(1);
                all.attachments.add(&done.result.attachments);
                all.state = all.state.max(done.result.state.min(State::Partial));
                bytes = bytes.saturating_add(done.bytes);
                continue;
            }
            let path = path(&mut names, if name.is_empty() { "attachment" } else { &name });
            let done = self.exporter.attachment(&a, all, &mut |data| {
                let data = std::cell::RefCell::new(data);
                put(&path, None, false, &|out: &mut dyn Write| {
                    use std::io::Seek;
                    let mut data = data.borrow_mut();
                    data.rewind().map_err(ErrorKind::Io)?;
                    Ok(io::copy(&mut **data, out).map_err(ErrorKind::Io)?)
                })
                .map(|p| p.bytes)
            })?;
            bytes = bytes.saturating_add(done);
        }
        Ok(bytes)
    }
}

/// The form that is natural to items of a class, by the extension of its files.
fn natural_form(class: &str) -> &'static str {
    let is = |name: &str| class == name || class.strip_prefix(name).is_some_and(|rest| rest.starts_with('.'));
    if is("ipm.contact") || is("ipm.distlist") {
        "vcf"
    } else if is("ipm.appointment") || is("ipm.task") {
        "ics"
    } else if is("ipm.stickynote") {
        "txt"
    } else {
        "eml"
    }
}

/// Items of one folder, in the order of the file.
fn groups(jobs: Vec<Job>) -> Vec<Vec<Job>> {
    let mut all: Vec<Vec<Job>> = Vec::new();
    let mut at: HashMap<PathBuf, usize> = HashMap::new();
    for job in jobs {
        match at.get(&job.dir).and_then(|i| all.get_mut(*i)) {
            Some(group) => group.push(job),
            None => {
                at.insert(job.dir.clone(), all.len());
                all.push(vec![job]);
            }
        }
    }
    all
}

/// Makes the folders of a target, and looks what is in those of Maildir.
fn make_folders(jobs: &[Job], maildir: bool) -> io::Result<HashMap<PathBuf, HashMap<String, PathBuf>>> {
    let mut present: HashMap<PathBuf, HashMap<String, PathBuf>> = HashMap::new();
    for job in jobs {
        if present.contains_key(&job.dir) {
            continue;
        }
        let mut names = HashMap::new();
        if maildir {
            for sub in ["tmp", "new", "cur"] {
                let dir = job.dir.join(sub);
                fs::create_dir_all(&dir)?;
                for entry in fs::read_dir(&dir)?.flatten() {
                    let name = entry.file_name().to_string_lossy().into_owned();
                    let base = name.split([':', ';']).next().unwrap_or_default().to_owned();
                    names.insert(base, entry.path());
                }
            }
            if job.dir.file_name().is_some_and(|n| n.to_string_lossy().starts_with('.')) {
                fs::OpenOptions::new().append(true).create(true).open(job.dir.join("maildirfolder"))?;
            }
        } else {
            fs::create_dir_all(&job.dir)?;
        }
        present.insert(job.dir.clone(), names);
    }
    Ok(present)
}

/// A target belongs to one file: another one's items may have the same names.
fn claim(root: &Path, pst: &Pst, file: &Path, form: &str) -> std::result::Result<(), Failure> {
    let key = pst.store().ok().and_then(|s| s.record_key().ok().flatten()).map(|k| pstkit::export::items::hex(&k));
    let key = key.unwrap_or_else(|| file.file_name().unwrap_or_default().to_string_lossy().into_owned());
    let mark = root.join(".pstkit-export.json");
    let mine = serde_json::json!({ "schema": "pstkit-export-target/1", "store": key, "form": form });
    if let Ok(text) = fs::read_to_string(&mark) {
        let theirs: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        if theirs == mine {
            return Ok(());
        }
        let said = format!("{}: holds the export of another file, or in another form: choose another folder", root.display());
        return Err(Failure::Said(Status::FAILED, said));
    }
    fs::write(&mark, mine.to_string()).map_err(|e| failed(root, e))
}

fn failed(path: &Path, e: io::Error) -> Failure {
    Failure::of(path, ErrorKind::Io(io::Error::new(e.kind(), e.to_string())).into())
}

/// Adds a record to the account.
fn count(items: &mut Count, r: &Record) {
    items.expected = items.expected.saturating_add(1);
    let field = match r.action {
        None if r.state == State::Damaged => &mut items.left_out,
        Some(Action::Kept) => &mut items.kept,
        Some(Action::Present) => &mut items.present,
        _ => &mut items.written,
    };
    *field = field.saturating_add(1);
    if r.action.is_some() && r.state != State::Ok {
        items.partial = items.partial.saturating_add(1);
    }
    items.lossy = items.lossy.saturating_add(r.lossy.into());
}

/// Problems, and attachments that are elsewhere, that are said without `-v`.
const SAID: u64 = 20;

/// The account so far.
struct Account<'a> {
    ctx: &'a Context,
    file: &'a Path,
    items: Count,
    attachments: Tally,
    elsewhere: Vec<String>,
    bytes: u64,
    said: u64,
    manifest: Option<Manifest>,
    broken: Option<io::Error>,
}

impl Account<'_> {
    fn take(&mut self, done: Done) {
        for r in done.records {
            count(&mut self.items, &r);
            self.attachments.add(&r.attachments);
            self.bytes = self.bytes.saturating_add(r.bytes);
            self.elsewhere.extend(r.elsewhere.iter().take(SAID_ELSEWHERE.saturating_sub(self.elsewhere.len())).cloned());
            if r.state != State::Ok || r.action == Some(Action::Kept) {
                self.said = self.said.saturating_add(1);
                if self.said <= SAID || self.ctx.global.verbose {
                    let why = match (r.action, r.problems.first()) {
                        (Some(Action::Kept), _) => "not written: another file has its name",
                        (_, Some(p)) => p.as_str(),
                        _ => "not whole",
                    };
                    self.ctx.warn(format_args!("{}: message {} {}: {why}", self.file.display(), Nid(r.nid), r.state));
                } else if self.said == SAID.saturating_add(1) {
                    self.ctx.warn(format_args!("{}: and more; -v tells all", self.file.display()));
                }
            }
            if let Some(manifest) = self.manifest.as_mut().filter(|_| self.broken.is_none()) {
                self.broken = manifest.add(&r).err();
            }
        }
    }
}

/// Names of attachments elsewhere that the JSON account holds.
const SAID_ELSEWHERE: usize = 1000;

pub(crate) fn run(ctx: &mut Context, args: &ExportArgs) -> Outcome {
    let (root, form) = match (&args.out, &args.attachments) {
        (_, Some(dir)) => (dir, "attachments"),
        (Some(dir), None) => (dir, form_name(args.to)),
        (None, None) => return Err(Failure::usage("-o DIR or --attachments DIR is needed")),
    };
    let deleted = args.origin.iter().any(|o| matches!(o, crate::args::OriginArg::Deleted | crate::args::OriginArg::Carved));
    let readable = open::readable_with(&args.file, ctx, deleted, false)?;
    let mut status = open::say_damage(ctx, &args.file, &readable);
    let paths = readable.pst.folder_paths();
    let select = ItemsArgs { file: args.file.clone(), folder: args.folder.clone(), origin: args.origin.clone(), versions: false };
    let chosen = choose(ctx, &select, &readable, &paths)?;
    let (maildir, is_file) = (form == "maildir", form == "jsonl");
    if !is_file {
        fs::create_dir_all(root).map_err(|e| failed(root, e))?;
        claim(root, &readable.pst, &args.file, form)?;
    } else if root.is_dir() {
        return Err(Failure::usage("--to jsonl writes one file: -o FILE"));
    }
    let mut places = Places::new(&readable.pst, root, maildir);
    let chosen = chosen.into_iter().filter(|(nid, ..)| args.associated || nid.nid_type() != NidType::ASSOC_MESSAGE);
    let jobs: Vec<Job> = chosen
        .map(|(nid, path, origin)| {
            let parent = readable.pst.ndb().index().node(nid).map_or(Nid(0), |n| n.parent);
            let (dir, name) = places.of(parent, path, origin);
            Job { nid, folder: path.to_owned(), origin, dir, name }
        })
        .collect();
    let present = if is_file { HashMap::new() } else { make_folders(&jobs, maildir).map_err(|e| failed(root, e))? };
    let manifest = match &args.manifest {
        Some(path) => Some(Manifest::create(path).map_err(|e| failed(path, e))?),
        None => None,
    };
    let exporter = Exporter::new(&readable.pst);
    let work = Work { pst: &readable.pst, found: &readable.found, exporter, args, root, progress: &ctx.progress, present };
    let mut account = Account {
        ctx,
        file: &args.file,
        items: Count::default(),
        attachments: Tally::default(),
        elsewhere: Vec::new(),
        bytes: 0,
        said: 0,
        manifest,
        broken: None,
    };
    carry_out(&work, jobs, form, ctx.global.threads(), &mut account).map_err(|e| match e.kind() {
        ErrorKind::Cancelled => Failure::of(&args.file, e),
        _ => Failure::of(root, e),
    })?;
    if let Some(e) = account.broken.take() {
        return Err(failed(args.manifest.as_deref().unwrap_or(root), e));
    }
    if let Some(manifest) = account.manifest.take() {
        manifest.finish().map_err(|e| failed(args.manifest.as_deref().unwrap_or(root), e))?;
    }
    let Account { items, attachments, elsewhere, bytes, .. } = account;
    if items.partial > 0 || items.left_out > 0 || items.kept > 0 || attachments.partial > 0 || attachments.left_out > 0 {
        status |= Status::LEFT;
    }
    if items.lossy > 0 || items.left_out > 0 || attachments.partial > 0 || attachments.left_out > 0 {
        status |= Status::from_bits(64);
    }
    let told = Told {
        schema: "pstkit-export/1",
        file: args.file.display().to_string(),
        out: root.display().to_string(),
        to: form,
        items: &items,
        attachments: &attachments,
        elsewhere: &elsewhere,
        bytes,
        exit: status.bits(),
    };
    if ctx.global.machine() {
        ctx.json(&told)?;
    } else if !ctx.global.quiet {
        say(ctx, &args.file, root, &told)?;
    }
    Ok(status)
}

const fn form_name(to: To) -> &'static str {
    match to {
        To::Auto => "auto",
        To::Vcf => "vcf",
        To::Ics => "ics",
        To::Eml => "eml",
        To::Mbox => "mbox",
        To::Maildir => "maildir",
        To::Msg => "msg",
        To::Jsonl => "jsonl",
    }
}

/// Does the work, on as many threads as there are to be.
fn carry_out(work: &Work<'_>, jobs: Vec<Job>, form: &str, threads: usize, account: &mut Account<'_>) -> Result<()> {
    let take = &mut |done| account.take(done);
    match form {
        "jsonl" => {
            take(work.jsonl(&jobs, threads)?);
            Ok(())
        }
        "mbox" => in_order(threads, &groups(jobs), &|group: &Vec<Job>| work.mbox(group), take),
        _ => {
            let pieces: Vec<&[Job]> = jobs.chunks(16).collect();
            let run = |piece: &&[Job]| match form {
                "auto" | "vcf" | "ics" => work.each(piece, &|job, message, seen| work.natural(job, message, seen)),
                "msg" => work.each(piece, &|job, message, seen| work.msg(job, message, seen)),
                "maildir" => work.each(piece, &|job, message, seen| work.maildir(job, message, seen)),
                "attachments" => work.each(piece, &|job, message, seen| work.attachments(job, message, seen)),
                _ => work.each(piece, &|job, message, seen| work.eml(job, message, seen)),
            };
            in_order(threads, &pieces, &run, take)
        }
    }
}

/// The account for a person.
fn say(ctx: &mut Context, file: &Path, root: &Path, told: &Told<'_>) -> Outcome {
    let (i, a) = (told.items, told.attachments);
    let n = render::grouped;
    writeln!(ctx.out, "{}: exported to {}", render::name(file), render::name(root))?;
    let rows = [
        vec!["".to_owned(), "expected".to_owned(), "written".to_owned(), "present".to_owned(), "in part".to_owned(), "left out".to_owned()],
        vec!["items".to_owned(), n(i.expected), n(i.written), n(i.present), n(i.partial), n(i.left_out.saturating_add(i.kept))],
        vec!["attachments".to_owned(), n(a.expected), n(a.written), String::new(), n(a.partial), n(a.left_out)],
    ];
    render::table(&mut ctx.out, 2, &[1, 2, 3, 4, 5], &rows)?;
    if a.elsewhere > 0 {
        writeln!(ctx.out, "  {} elsewhere; a reference was written:", render::count(a.elsewhere, "attachment is", "attachments are"))?;
        let most = if ctx.global.verbose { usize::MAX } else { 20 };
        for name in told.elsewhere.iter().take(most) {
            writeln!(ctx.out, "    {}", render::clean(name))?;
        }
    }
    Ok(Status::DONE)
}
