//! Lists the named properties of each message with their names and values: `cargo run --example named_properties -- mail.pst`.

use pstkit::Pst;
use pstkit::ltp::{NAMED_FIRST, NameKind, PropValue};
use std::error::Error;
use std::io::Write;
use std::path::Path;

pub(crate) fn run(file: &Path, out: &mut dyn Write) -> Result<(), Box<dyn Error>> {
    let pst = Pst::open(file)?;
    for message in pst.messages() {
        for property in message.properties().values() {
            let (tag, value) = property?;
            let Some(name) = pst.names().name(tag.id()).filter(|_| tag.id() >= NAMED_FIRST) else { continue };
            let kind = match &name.kind {
                NameKind::Number(n) => format!("{n:#06x}"),
                NameKind::Name(text) => text.to_string(),
            };
            let text = match value {
                None => "(damaged)".to_owned(),
                Some(PropValue::String(text)) => text,
                Some(PropValue::Integer32(n)) => n.to_string(),
                Some(PropValue::Boolean(yes)) => yes.to_string(),
                Some(PropValue::Time(time)) => time.to_string(),
                Some(other) => format!("{other:?}").chars().take(60).collect(),
            };
            writeln!(out, "{:#x} {} {kind} = {text}", message.nid().0, name.set)?;
        }
    }
    Ok(())
}

#[allow(dead_code)]
fn main() -> Result<(), Box<dyn Error>> {
    let file = std::env::args_os().nth(1).ok_or("usage: named_properties FILE")?;
    run(Path::new(&file), &mut std::io::stdout().lock())
}
