//! `pstkit export --to jsonl`: one record an item, as `items --jsonl` prints them, in one file.

use crate::export::{Done, Job, Work};
use crate::export_manifest::Record;
use crate::export_place::{Measured, Put, put};
use crate::items;
use pstkit::error::{ErrorKind, Result};
use pstkit::export::eml::{Exported, Tally};
use pstkit::export::in_order;
use pstkit::export::items::{Item, Reading};
use pstkit::messaging::{AttachMethod, State};
use std::io::Write;
use std::path::Path;

impl Work<'_> {
    /// Writes the records of all items to one file.
    pub(crate) fn jsonl(&self, jobs: &[Job], threads: usize) -> Result<Done> {
        let digest = self.args.manifest.is_some();
        let put = put(self.root, None, digest, &|out: &mut dyn Write| self.lines(jobs, threads, out))?;
        let mut done = put.result;
        for record in done.records.iter_mut().filter(|r| r.file.is_some()) {
            record.action = Some(put.action);
        }
        Ok(done)
    }

    fn lines(&self, jobs: &[Job], threads: usize, out: &mut dyn Write) -> Result<Done> {
        let reading = Reading::of(self.pst);
        let mut all = Done { records: Vec::new(), passed: 0 };
        let mut ended = Ok(());
        let pieces: Vec<&[Job]> = jobs.chunks(16).collect();
        let read = |piece: &&[Job]| piece.iter().map(|job| self.line(job, &reading)).collect::<Result<Vec<_>>>();
        in_order(threads, &pieces, &read, &mut |lines: Vec<Option<(Vec<u8>, Record)>>| {
            for line in lines {
                let Some((line, record)) = line else {
                    all.passed = all.passed.saturating_add(1);
                    continue;
                };
                if ended.is_ok() {
                    ended = out.write_all(&line);
                }
                all.records.push(record);
            }
        })?;
        ended.map_err(ErrorKind::Io)?;
        Ok(all)
    }

    /// The line of an item, empty where it could not be read, and its record; `None` where the item is not chosen.
    fn line(&self, job: &Job, reading: &Reading) -> Result<Option<(Vec<u8>, Record)>> {
        self.step()?;
        let made = || -> Result<Option<(Vec<u8>, Record)>> {
            let Some((message, seen)) = self.open(job)? else { return Ok(None) };
            let mut item = Item::read_with(reading, &message, &job.folder, job.origin)?;
            let mut bytes = Vec::new();
            items::record(&mut bytes, &mut item, self.found.get(&job.nid)).map_err(ErrorKind::Io)?;
            bytes.push(b'\n');
            let mut measured = Measured::new(std::io::sink(), self.args.manifest.is_some());
            measured.write_all(&bytes).map_err(ErrorKind::Io)?;
            let put =
                Put { action: crate::export_place::Action::Written, bytes: measured.bytes, sha256: measured.sha256(), result: told(item) };
            let name = self.root.file_name().map_or(Path::new(""), Path::new);
            Ok(Some((bytes, self.record(job, seen.class, Some((name, put))))))
        };
        made().or_else(|e| Ok(Some((Vec::new(), self.failed(job, &e)?))))
    }
}

/// The account of an item that was read.
fn told(item: Item) -> Exported {
    let mut done = Exported::default();
    done.message_id = item.message_id.clone().unwrap_or_default();
    done.state = item.state;
    done.is_lossy = item.state >= State::Partial;
    done.problems = item.problems.clone();
    let mut tally = Tally::default();
    let mut pending = vec![item];
    while let Some(item) = pending.pop() {
        for a in item.attachments {
            let method = AttachMethod::from_number(a.method);
            let is_reference = matches!(
                method,
                AttachMethod::ByReference | AttachMethod::ByReferenceResolve | AttachMethod::ByReferenceOnly | AttachMethod::ByWebReference
            );
            tally.expected = tally.expected.saturating_add(1);
            let count = if is_reference && a.sha256.is_none() {
                done.elsewhere.push(a.name.unwrap_or_default());
                &mut tally.elsewhere
            } else if a.state >= State::Partial {
                &mut tally.partial
            } else {
                &mut tally.written
            };
            *count = count.saturating_add(1);
            pending.extend(a.embedded.map(|inner| *inner));
        }
    }
    done.attachments = tally;
    done
}
