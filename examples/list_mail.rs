//! Lists the mail of a file: `cargo run --example list_mail -- mail.pst`. Works on broken files, too, and says what is damaged.

use pstkit::Pst;
use std::error::Error;
use std::io::Write;
use std::path::Path;

pub(crate) fn run(file: &Path, out: &mut dyn Write) -> Result<(), Box<dyn Error>> {
    let pst = Pst::open(file)?;
    if pst.is_salvaged() {
        writeln!(out, "The index of this file is damaged; this is what a search of the whole file found.")?;
    }
    let paths = pst.folder_paths();
    for message in pst.messages().filter(|m| !m.is_associated()) {
        let date = message.received()?.or(message.sent()?).map(|t| t.to_string()).unwrap_or_default();
        let sender = message.sender()?;
        let folder = paths.get(&message.parent()).map_or("(unknown folder)", String::as_str);
        writeln!(
            out,
            "{date}  {}  {}  in {folder}",
            sender.name.or(sender.address).unwrap_or_default(),
            message.subject()?.unwrap_or_default()
        )?;
        for part in message.damaged_parts()? {
            writeln!(out, "    damaged: {part}")?;
        }
    }
    Ok(())
}

#[allow(dead_code)]
fn main() -> Result<(), Box<dyn Error>> {
    let file = std::env::args_os().nth(1).ok_or("usage: list_mail FILE")?;
    run(Path::new(&file), &mut std::io::stdout().lock())
}
