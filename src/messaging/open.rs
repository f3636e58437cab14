//! [`Pst`] and [`OpenOptions`]. The functions that open a file stand above recovery, which they need: in `crate::open`.

use super::code_page::CodePage;
use crate::error::{Error, ErrorKind, Result};
use crate::finding::{Finding, Strict};
use crate::format::bytes::index;
use crate::format::crypt::CryptMethod;
use crate::format::header::{ForeignFile, HEADER_MAX, Header, wip_error};
use crate::format::layout::Layout;
use crate::io::{FileSource, ReadAt};
use crate::limits::Limits;
use crate::ltp::NameMap;
use crate::ndb::Ndb;
use std::fs::File;
use std::path::Path;
use std::sync::{Arc, OnceLock};

/// How to open and read a file.
#[derive(Debug, Clone)]
pub struct OpenOptions {
    pub(crate) strict: bool,
    pub(crate) map: bool,
    pub(crate) limits: Limits,
    pub(crate) code_page: Option<CodePage>,
    pub(crate) salvage: bool,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self { strict: false, map: true, limits: Limits::default(), code_page: None, salvage: true }
    }
}

impl OpenOptions {
    /// Tolerant reading through a memory map.
    pub fn new() -> Self {
        Self::default()
    }

    /// Strict reading: the first violation of a rule is an error with its offset, ids and code. Tolerant reading, the default, gives
    /// every object with its state and its problems.
    #[must_use]
    pub fn strict(mut self, yes: bool) -> Self {
        self.strict = yes;
        self
    }

    /// Whether to map the file (the default, where the feature `mmap` is on) or to read it by position, as is done with a file on another
    /// machine in any case.
    #[must_use]
    pub fn map(mut self, yes: bool) -> Self {
        self.map = yes;
        self
    }

    /// Limits in place of the default ones.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The code page of 8-bit strings that name none, in place of the one that the store's messages suggest.
    #[must_use]
    pub fn code_page(mut self, code_page: CodePage) -> Self {
        self.code_page = Some(code_page);
        self
    }

    /// Whether a file whose header or trees are damaged is searched as a whole for objects that they no longer lead to (the default). With `false`, in
    /// strict reading, and without the feature `recover`, opening such a file is an error.
    #[must_use]
    pub fn salvage(mut self, yes: bool) -> Self {
        self.salvage = yes;
        self
    }

    pub(crate) fn is_strict(&self) -> bool {
        self.strict
    }

    pub(crate) fn salvages(&self) -> bool {
        self.salvage
    }

    #[cfg(feature = "recover")]
    pub(crate) fn reading_limits(&self) -> &Limits {
        &self.limits
    }

    /// The bytes of a file, mapped or read by position as the options say.
    ///
    /// # Errors
    /// Where the file cannot be opened, or another process holds it.
    pub fn source(&self, path: &Path) -> Result<Arc<dyn ReadAt>> {
        let file = File::open(path).map_err(ErrorKind::Io)?;
        let meta = file.metadata().map_err(ErrorKind::Io)?;
        if meta.is_dir() {
            return Err(ErrorKind::NotPst("a directory: give a file inside it".to_owned()).into());
        }
        #[cfg(feature = "mmap")]
        let is_local = crate::io::is_local(&file) && !path.to_string_lossy().starts_with(r"\\");
        #[cfg(feature = "mmap")]
        if self.map && meta.len() > 0 && meta.is_file() && is_local {
            // where a map cannot be had, positioned reads can
            if let Ok(map) = crate::io::MapSource::new(file.try_clone().map_err(ErrorKind::Io)?) {
                return Ok(Arc::new(map));
            }
        }
        Ok(Arc::new(FileSource::new(file)?))
    }
}

/// An opened Outlook data file. `Send + Sync`; reading needs only `&self`.
///
/// ```no_run
/// use pstkit::Pst;
/// let pst = Pst::open("mail.pst")?;
/// for folder in pst.folders() {
///     println!("{} ({} messages)", folder.path(), folder.messages().count());
/// }
/// # Ok::<(), pstkit::Error>(())
/// ```
#[derive(Debug)]
pub struct Pst {
    ndb: Ndb,
    options: OpenOptions,
    problems: Vec<Finding>,
    salvaged: bool,
    pub(crate) names: OnceLock<NameMap>,
    pub(crate) default_code_page: OnceLock<CodePage>,
}

impl Pst {
    /// Reads a source as its header and trees have it, without looking further.
    pub(crate) fn plainly(source: Arc<dyn ReadAt>, name: &str, options: &OpenOptions) -> Result<Self> {
        let mut first = vec![0; index(source.len()).min(HEADER_MAX)];
        source.read_exact_at(&mut first, 0).map_err(|e| Error::io_at(e, 0))?;
        let mut problems = Vec::new();
        let header = match Header::decode(&first, &mut problems) {
            Ok(header) => header,
            Err(error) => {
                return Err(match error.rule() {
                    Some(rule) if std::ptr::eq(rule, &crate::rules::HEADER_MAGIC) || first.len() < 512 => {
                        ErrorKind::NotPst(ForeignFile::of(&first, source.len(), name).text.to_owned()).into()
                    }
                    _ => error,
                });
            }
        };
        if options.strict
            && let Some(f) = problems.iter().find(|f| f.severity >= crate::rules::Severity::Error)
        {
            return Err(Error::damaged(f.clone()));
        }
        let ndb = Ndb::new(source, header, options.limits);
        if options.strict {
            ndb.load_index(&mut Strict)?;
        }
        Ok(Self { problems, ..Self::with_options(ndb, options.clone()) })
    }

    /// Reads through an [`Ndb`] that is at hand, such as one with a salvaged index.
    pub fn from_ndb(ndb: Ndb) -> Self {
        Self::with_options(ndb, OpenOptions::default())
    }

    pub(crate) fn with_options(ndb: Ndb, options: OpenOptions) -> Self {
        Self { ndb, options, problems: Vec::new(), salvaged: false, names: OnceLock::new(), default_code_page: OnceLock::new() }
    }

    /// The same with the faults of header and trees, and whether the whole file had to be searched.
    pub(crate) fn with_problems(self, problems: Vec<Finding>, salvaged: bool) -> Self {
        Self { problems, salvaged, ..self }
    }

    /// The layer of nodes and blocks.
    pub fn ndb(&self) -> &Ndb {
        &self.ndb
    }

    /// The header.
    pub fn header(&self) -> &Header {
        self.ndb.header()
    }

    /// The numbers of the file's variant.
    pub fn layout(&self) -> &'static Layout {
        self.ndb.layout()
    }

    /// The faults of the header and, where the file was [salvaged](Self::is_salvaged), with the trees. The faults of an object are
    /// among its own problems; a [check](Self::check) finds everything.
    pub fn problems(&self) -> &[Finding] {
        &self.problems
    }

    /// Whether header or trees were so damaged that the whole file had to be searched. Then folders and messages are the ones that were
    /// found: [`problems`](Self::problems) says why, and a message whose folder is lost is among [`messages`](Self::messages) alone.
    pub fn is_salvaged(&self) -> bool {
        self.salvaged
    }

    /// Whether reading is strict.
    pub fn is_strict(&self) -> bool {
        self.options.strict
    }

    /// The options it was opened with.
    pub fn options(&self) -> &OpenOptions {
        &self.options
    }

    /// Fails where the contents are encrypted with keys that are not in the file.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] for Windows Information Protection.
    pub fn require_readable(&self) -> Result<()> {
        if self.ndb.crypt() == CryptMethod::Wip { Err(wip_error()) } else { Ok(()) }
    }
}
