//! Saves all attachments into a folder: `cargo run --example save_attachments -- mail.pst FOLDER`.

use pstkit::Pst;
use std::error::Error;
use std::fs::File;
use std::io::Write;
use std::path::Path;

/// A file name out of one that comes from mail: a path, or a name that means something to the system, must not get through.
fn safe(name: &str) -> String {
    let safe: String = name.chars().map(|c| if c.is_alphanumeric() || "-_. ".contains(c) { c } else { '_' }).take(100).collect();
    safe.trim_matches(['.', ' ']).to_owned()
}

pub(crate) fn run(file: &Path, folder: &Path, out: &mut dyn Write) -> Result<(), Box<dyn Error>> {
    let pst = Pst::open(file)?;
    for message in pst.messages() {
        for (i, attachment) in message.attachments()?.iter().enumerate() {
            let Some(mut data) = attachment.data()? else { continue };
            let name = format!("{:x}-{i}-{}", message.nid().0, safe(&attachment.name()?.unwrap_or_default()));
            let mut copy = File::create(folder.join(&name))?;
            match std::io::copy(&mut data, &mut copy) {
                Ok(n) => writeln!(out, "{name}: {n} bytes")?,
                // what is left of it was written; a person has to know
                Err(e) if e.kind() == std::io::ErrorKind::InvalidData => writeln!(out, "{name}: {e}")?,
                Err(e) => return Err(e.into()),
            }
        }
    }
    Ok(())
}

#[allow(dead_code)]
fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args_os().skip(1);
    let (Some(file), Some(folder)) = (args.next(), args.next()) else { return Err("usage: save_attachments FILE FOLDER".into()) };
    std::fs::create_dir_all(&folder)?;
    run(Path::new(&file), Path::new(&folder), &mut std::io::stdout().lock())
}
