//! `pstkit create`: an empty store.

use crate::Context;
use crate::args::{CreateArgs, Encoding, Variety};
use crate::render;
use crate::status::{Failure, Outcome, Status};
use pstkit::format::crypt::CryptMethod;
use pstkit::format::header::FileKind;
use pstkit::format::layout::Variant;
use pstkit::io::{AtomicFile, Existing, ReadAt as _};
use pstkit::messaging::code_page::CodePage;
use pstkit::write::{PstWriter, StoreOptions};
use serde::Serialize;
use std::io::Write;

impl From<Variety> for Variant {
    fn from(v: Variety) -> Self {
        match v {
            Variety::Ansi => Self::Ansi,
            Variety::Unicode => Self::Unicode,
            Variety::Ost4k => Self::Unicode4k,
        }
    }
}

impl From<Encoding> for CryptMethod {
    fn from(e: Encoding) -> Self {
        match e {
            Encoding::None => Self::None,
            Encoding::Permute => Self::Permute,
            Encoding::Cyclic => Self::Cyclic,
        }
    }
}

/// The request of the options.
fn options(args: &CreateArgs) -> Result<StoreOptions, Failure> {
    let mut options = StoreOptions::new(args.to.into());
    if let Some(name) = &args.name {
        options.display_name.clone_from(name);
    }
    if let Some(e) = args.encoding {
        options.ndb.crypt = e.into();
        options.ndb.compress &= matches!(e, Encoding::None);
    }
    if args.ost {
        options.ndb.kind = FileKind::Ost;
    }
    if let Some(page) = args.code_page {
        options.code_page = CodePage(page);
        if !options.code_page.is_known() {
            return Err(Failure::usage(format!("{page} is no known code page")));
        }
    }
    options.password.clone_from(&args.password);
    Ok(options)
}

/// An empty file that was made: `pstkit-created/1`.
#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct Created {
    /// Shape of the document, and its version.
    schema: &'static str,
    /// The file.
    file: String,
    /// Its bytes.
    size: u64,
}

pub(crate) fn run(ctx: &mut Context, args: &CreateArgs) -> Outcome {
    let fail = |e| Failure::of(&args.out, e);
    let options = options(args)?;
    let file = AtomicFile::create(&args.out, Existing::replace_if(args.force)).map_err(fail)?;
    let storage = file.storage().map_err(fail)?;
    PstWriter::create(storage, options).and_then(PstWriter::finish).map_err(fail)?;
    let size = storage.len();
    file.commit().map_err(fail)?;
    if ctx.global.machine() {
        ctx.json(&Created { schema: "pstkit-created/1", file: args.out.display().to_string(), size })?;
    } else if !ctx.global.quiet {
        writeln!(ctx.out, "{}: created, {}", render::name(&args.out), render::size(size))?;
    }
    Ok(Status::DONE)
}
