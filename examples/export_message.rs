//! Exports a message as EML, with everything in it: `cargo run --features export --example export_message -- mail.pst 200024 out.eml`.

use pstkit::export::eml;
use pstkit::{Nid, Pst};
use std::error::Error;
use std::io::Write;
use std::path::Path;

/// What is damaged of the message is said on `out`.
pub(crate) fn run(file: &Path, nid: Nid, mail: &mut impl Write, out: &mut dyn Write) -> Result<(), Box<dyn Error>> {
    let pst = Pst::open(file)?;
    let message = pst.message(nid)?;
    let exported = eml::write(&message, mail, &eml::Options::new())?;
    writeln!(out, "{} {}", exported.message_id, exported.state)?;
    for part in message.damaged_parts()? {
        writeln!(out, "damaged: {part}")?;
    }
    Ok(())
}

#[allow(dead_code)]
fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [file, nid, to] = args.as_slice() else { return Err("usage: export_message FILE NODE OUT".into()) };
    let nid = Nid(u32::from_str_radix(nid.trim_start_matches("0x"), 16)?);
    run(Path::new(file), nid, &mut std::fs::File::create(to)?, &mut std::io::stdout().lock())
}
