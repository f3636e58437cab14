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
    for tag in p.tags().collect::<Vec<_>>() {
        if p.get(tag).ok().flatten().is_some() {
            seen.values += 1;
        }
    }
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
        if m.is_associated() {
            seen.associated += 1;
        } else {
            seen.messages += 1;
        }
        message(m, &mut seen);
    }
    seen
}
