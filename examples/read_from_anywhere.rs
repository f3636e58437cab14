//! Reads a data file from bytes in memory, from an open file, and from an own source that can be read by position:
//! `cargo run --example read_from_anywhere -- mail.pst`.

use pstkit::io::ReadAt;
use pstkit::{OpenOptions, Pst};
use std::error::Error;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

/// A source in pieces, such as one behind a network: all that is needed is its length and reading at a place.
struct Pieces(Vec<Vec<u8>>);

const PIECE: usize = 1 << 16;

impl ReadAt for Pieces {
    fn len(&self) -> u64 {
        self.0.iter().map(|p| p.len() as u64).sum()
    }
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        let mut at = usize::try_from(offset).map_err(io::Error::other)?;
        for byte in buf {
            let piece = self.0.get(at >> 16).and_then(|p| p.get(at & 0xFFFF));
            *byte = *piece.ok_or(io::ErrorKind::UnexpectedEof)?;
            at = at.saturating_add(1);
        }
        Ok(())
    }
}

pub(crate) fn run(file: &Path, out: &mut dyn Write) -> Result<(), Box<dyn Error>> {
    let bytes = std::fs::read(file)?;
    let pieces = Pieces(bytes.chunks(PIECE).map(<[u8]>::to_vec).collect());
    for (what, pst) in [
        ("an open file", Pst::from_file(File::open(file)?)?),
        ("own source", Pst::from_source(Arc::new(pieces), &OpenOptions::new())?),
        ("bytes", Pst::from_bytes(bytes)?),
    ] {
        writeln!(out, "{what}: {} folders, {} messages", pst.folders().count(), pst.messages().count())?;
    }
    Ok(())
}

#[allow(dead_code)]
fn main() -> Result<(), Box<dyn Error>> {
    let file = std::env::args_os().nth(1).ok_or("usage: read_from_anywhere FILE")?;
    run(Path::new(&file), &mut std::io::stdout().lock())
}
