//! Reads everything that a file holds: every folder, message, recipient and attachment with all property values, embedded messages too,
//! and every attachment's data through.

use std::io::BufRead;

use pstkit::messaging::{Message, Properties, Pst, State};

/// What a walk has seen.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Seen {
    pub folders: u64,
    pub messages: u64,
    pub associated: u64,
    pub embedded: u64,
    pub recipients: u64,
    pub attachments: u64,
    pub attachment_bytes: u64,
    pub values: u64,
    pub not_ok: u64,
}

fn values(p: &Properties<'_>, seen: &mut Seen) {
    seen.values += p.values().flatten().filter(|(_, value)| value.is_some()).count() as u64;
}

fn message(m: Message<'_>, seen: &mut Seen) {
    let mut pending = vec![m];
    while let Some(m) = pending.pop() {
        values(m.properties(), seen);
        seen.recipients += m.recipients().map_or(0, |r| r.len()) as u64;
        for a in m.attachments().unwrap_or_default() {
            seen.attachments += 1;
            let data_tag = pstkit::format::tags::ATTACH_DATA_BINARY.id();
            for tag in a.properties().tags().filter(|t| t.id() != data_tag).collect::<Vec<_>>() {
                if a.properties().get(tag).ok().flatten().is_some() {
                    seen.values += 1;
                }
            }
            if let Ok(Some(mut data)) = a.data() {
                while let Ok(chunk) = data.fill_buf() {
                    let n = chunk.len();
                    if n == 0 {
                        break;
                    }
                    seen.attachment_bytes += n as u64;
                    data.consume(n);
                }
            }
            if let Ok(Some(inner)) = a.embedded() {
                seen.embedded += 1;
                pending.push(inner);
            }
            seen.not_ok += u64::from(a.state() != State::Ok);
        }
        seen.not_ok += u64::from(m.state() != State::Ok);
    }
}

/// Reads everything.
pub fn everything(pst: &Pst) -> Seen {
    let mut seen = Seen::default();
    if let Ok(store) = pst.store() {
        values(store.properties(), &mut seen);
    }
    for folder in pst.folders() {
        seen.folders += 1;
        values(folder.properties(), &mut seen);
        seen.not_ok += u64::from(folder.state() != State::Ok);
    }
    for m in pst.messages() {
        one(m, &mut seen);
    }
    seen
}

fn one(m: Message<'_>, seen: &mut Seen) {
    if m.is_associated() {
        seen.associated += 1;
    } else {
        seen.messages += 1;
    }
    message(m, seen);
}

/// Reads every message on several threads; how many there are.
#[allow(dead_code, reason = "the bench asks for it")]
pub fn messages_on(pst: &Pst, threads: usize) -> u64 {
    let ids: Vec<_> = pst.ndb().index().nodes().iter().map(|n| n.nid).filter(|n| n.is_message()).collect();
    std::thread::scope(|scope| {
        let work = ids.chunks(ids.len().div_ceil(threads).max(1)).map(|part| {
            scope.spawn(move || {
                let mut seen = Seen::default();
                part.iter().filter_map(|n| pst.message(*n).ok()).for_each(|m| one(m, &mut seen));
                seen.messages + seen.associated
            })
        });
        let running: Vec<_> = work.collect();
        running.into_iter().map(|t| t.join().unwrap()).sum()
    })
}
