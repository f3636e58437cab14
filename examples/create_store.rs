//! Makes a data file that Outlook opens, with a folder, a mail and an attachment: `cargo run --example create_store -- new.pst`.

use pstkit::Pst;
use pstkit::io::{AtomicFile, Existing, Storage};
use pstkit::write::{IPM_SUBTREE, NewAttachment, NewMessage, PstWriter, StoreOptions};
use std::error::Error;
use std::io::Write;
use std::path::Path;

pub(crate) fn run(file: &Path, out: &mut dyn Write) -> Result<(), Box<dyn Error>> {
    // the file gets its name when it is complete, and replaces nothing
    let new = AtomicFile::create(file, Existing::Refuse)?;
    let storage = new.shared()?;
    let mut pst = PstWriter::create(storage.as_ref(), StoreOptions::default())?;
    let inbox = pst.add_folder(IPM_SUBTREE, "Inbox")?;
    let mail = NewMessage::note("Minutes", "As agreed.\r\n").from("Ann Example", "ann@example.com").to("Bob Example", "bob@example.com");
    pst.add_message(inbox, mail.attach(NewAttachment::file("minutes.txt", b"1. Welcome\n".to_vec()).mime("text/plain")))?;
    pst.finish()?;
    storage.sync()?;
    drop(storage);
    new.commit()?;
    writeln!(out, "{} messages", Pst::open(file)?.messages().count())?;
    Ok(())
}

#[allow(dead_code)]
fn main() -> Result<(), Box<dyn Error>> {
    let file = std::env::args_os().nth(1).ok_or("usage: create_store FILE")?;
    run(Path::new(&file), &mut std::io::stdout().lock())
}
