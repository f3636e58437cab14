//! Writes generated stores: `generate OUT VARIETY [SEED]`, `generate OUT mail MEBIBYTES`, `generate OUT many` (15,000 small
//! messages), `generate OUT big` (900 with 200 KB attachments), `generate OUT folder MESSAGES` (one folder), `generate OUT folders FOLDERS`, `generate OUT alike FOLDERS MESSAGES ASSOCIATED DEPTH ONE_NAME CLOSE` (folders that are alike), `generate DIR all [SEED]`, and `generate fixtures fixtures`, which makes the files of that folder.

use pstkit::error::Result;
use pstkit::io::{AtomicFile, Existing};
use pstkit::testkit::{Alike, MailShape, VARIETIES, alike, mail, small_to, tiny};
use std::path::Path;

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [out, what, rest @ ..] = args.as_slice() else {
        eprintln!(
            "usage: generate OUT VARIETY [SEED] | generate OUT mail MEBIBYTES | generate OUT many|big | generate OUT folder|folders NUMBER | generate DIR all [SEED] | generate DIR fixtures"
        );
        std::process::exit(16);
    };
    if what == "fixtures" {
        for v in [VARIETIES[0], VARIETIES[3]] {
            std::fs::write(Path::new(out).join(format!("{}.pst", v.name())), tiny(v, 1)?).map_err(pstkit::ErrorKind::Io)?;
        }
        return Ok(());
    }
    let number = rest.first().and_then(|s| s.parse().ok()).unwrap_or(1);
    if what == "all" {
        for v in VARIETIES {
            let file = AtomicFile::create(&Path::new(out).join(format!("{}.pst", v.name())), Existing::Replace)?;
            small_to(file.storage()?, v, number)?;
            file.commit()?;
        }
        return Ok(());
    }
    let file = AtomicFile::create(Path::new(out), Existing::Replace)?;
    if what == "alike" {
        let at = |i: usize| rest.get(i).and_then(|s| s.parse().ok()).unwrap_or(1);
        let (folders, messages, associated, depth) = (at(0), at(1), at(2), at(3));
        alike(file.storage()?, &Alike { folders, messages, associated, depth, one_name: at(4) > 0, close: at(5) > 0 })?;
        return file.commit();
    }
    let shape = match what.as_str() {
        "mail" => Some(MailShape::of_size(number << 20)),
        "many" => Some(MailShape::many_small()),
        "big" => Some(MailShape::attachments()),
        "folder" => Some(MailShape::one_folder(number)),
        "folders" => Some(MailShape::many_folders(number)),
        _ => None,
    };
    let written = if let Some(shape) = shape {
        mail(file.storage()?, &shape)?
    } else {
        let Some(v) = VARIETIES.into_iter().find(|v| v.name() == *what) else {
            eprintln!("no such variety: {what}");
            std::process::exit(16);
        };
        small_to(file.storage()?, v, number)?
    };
    file.commit()?;
    println!("{} nodes, {} blocks, {} bytes", written.nodes, written.blocks, written.header.root.file_eof.0);
    Ok(())
}
