//! The common part of store, folders, messages and attachments: properties, a state, and problems.

use super::code_page::CodePage;
use super::open::Pst;
use crate::error::{Error, ErrorKind, Result};
use crate::finding::{Finding, Loss, Sink};
use crate::format::context::{ObjectValue, PcRecord};
use crate::format::ids::{Nid, PropTag, PropType};
use crate::format::types::FileTime;
use crate::ltp::stream::Progress;
use crate::ltp::{PropValue, PropertyContext, ValueReader};
use crate::ndb::Node;
use crate::rules::Severity;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// How much of an object could be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "lowercase"))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub enum State {
    /// All of it.
    #[default]
    Ok,
    /// The parts that were read have no fault; some values were not read to their end.
    #[cfg_attr(feature = "serde", serde(rename = "not verified"))]
    NotVerified,
    /// Some values or parts are missing or damaged.
    Partial,
    /// Its properties could not be read at all; the facts about it come from elsewhere, such as its row in the folder.
    Damaged,
}

impl State {
    /// The word used in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::NotVerified => "not verified",
            Self::Partial => "partial",
            Self::Damaged => "damaged",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Takes violations as the file was opened: strictly, or into a list.
#[derive(Debug)]
struct Problems<'l> {
    strict: bool,
    most: usize,
    kept: &'l Mutex<Kept>,
}

/// The first problems, and how much the worst of all matters.
#[derive(Debug, Default)]
struct Kept {
    list: Vec<Finding>,
    worst: Option<Severity>,
}

impl Sink for Problems<'_> {
    fn report(&mut self, finding: Finding) -> Result<()> {
        if self.strict {
            return crate::finding::Strict.report(finding);
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.worst = kept.worst.max(Some(finding.severity));
        if kept.list.len() < self.most && !kept.list.contains(&finding) {
            kept.list.push(finding);
        }
        Ok(())
    }
}

/// The properties of a store, folder, message or attachment, read as they are asked for.
///
/// In tolerant reading a value that is damaged is `None` or the rest of it, and [`problems`](Self::problems) tells why; in strict
/// reading it is the error.
pub struct Properties<'a> {
    pst: &'a Pst,
    node: Node<'a>,
    context: Option<PropertyContext<'a>>,
    problems: Mutex<Kept>,
    /// The state of values that do not come with the properties themselves.
    progress: OnceLock<Arc<Progress>>,
    code_page: OnceLock<CodePage>,
}

impl fmt::Debug for Properties<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Properties").field("node", &self.node.at).finish_non_exhaustive()
    }
}

/// Whether a value lies in blocks that were not read with the properties themselves.
fn is_apart(context: &PropertyContext<'_>, record: &PcRecord) -> bool {
    let t = record.tag.prop_type();
    !t.is_inline() && t.is_known() && context.at_hand(record).is_none()
}

impl<'a> Properties<'a> {
    /// Opens the property context of a node.
    ///
    /// # Errors
    /// In strict reading, the first violation.
    pub fn open(pst: &'a Pst, node: Node<'a>) -> Result<Self> {
        let mut this = Self { pst, node, context: None, problems: Mutex::default(), progress: OnceLock::new(), code_page: OnceLock::new() };
        this.context = this.tolerate(|sink| PropertyContext::open(this.node.clone(), sink))?.flatten();
        Ok(this)
    }

    /// Runs a read with the sink that fits; an error that is not the sink's own becomes a problem in tolerant reading.
    pub(crate) fn tolerate<R>(&self, read: impl FnOnce(&mut dyn Sink) -> Result<R>) -> Result<Option<R>> {
        let mut sink = Problems { strict: self.pst.is_strict(), most: self.pst.ndb().limits().problems, kept: &self.problems };
        match read(&mut sink) {
            Ok(r) => Ok(Some(r)),
            Err(e) if sink.strict || e.is_cancelled() => Err(e),
            Err(e) => {
                let finding = match e.finding() {
                    Some(f) => f.clone(),
                    None if matches!(e.kind(), ErrorKind::Limit { .. }) => {
                        Finding::new(&crate::rules::LIMIT, self.node.at).actual(e.to_string()).loss(Loss::Partial)
                    }
                    None => Finding::new(&crate::rules::UNREADABLE_BLOCK, self.node.at).actual(e.to_string()).loss(Loss::Partial),
                };
                sink.report(finding)?;
                Ok(None)
            }
        }
    }

    /// The file.
    pub fn pst(&self) -> &'a Pst {
        self.pst
    }

    /// The node whose properties they are.
    pub fn node(&self) -> &Node<'a> {
        self.context.as_ref().and_then(PropertyContext::node).unwrap_or(&self.node)
    }

    /// The property context, where it could be read.
    pub fn context(&self) -> Option<&PropertyContext<'a>> {
        self.context.as_ref()
    }

    /// The faults of the parts that have been read so far.
    pub fn problems(&self) -> Vec<Finding> {
        let mut all = self.problems.lock().unwrap_or_else(PoisonError::into_inner).list.clone();
        for f in self.progress.get().map(|p| p.problems()).unwrap_or_default() {
            if !all.contains(&f) {
                all.push(f);
            }
        }
        all
    }

    /// How much could be read so far: [`NotVerified`](State::NotVerified) while a value that lies in blocks of its own was not read to its end,
    /// which [`verify`](Self::verify) does.
    pub fn state(&self) -> State {
        let Some(context) = &self.context else { return State::Damaged };
        let of_streams = self.progress.get().map(|p| p.problems()).unwrap_or_default();
        let worst = self.problems.lock().unwrap_or_else(PoisonError::into_inner).worst;
        if worst.max(of_streams.iter().map(|f| f.severity).max()) >= Some(Severity::Error) {
            State::Partial
        } else if context.records().iter().any(|r| is_apart(context, r) && !self.is_read(r.tag.id())) {
            State::NotVerified
        } else {
            State::Ok
        }
    }

    /// Reads every value to its end that was not, so that [`state`](Self::state) is known.
    ///
    /// # Errors
    /// In strict reading, the first violation.
    pub fn verify(&self) -> Result<State> {
        self.verify_within(&mut |_| true)?;
        Ok(self.state())
    }

    /// The same as long as `may_read` allows so many bytes more.
    pub(crate) fn verify_within(&self, may_read: &mut dyn FnMut(u64) -> bool) -> Result<()> {
        let Some(context) = &self.context else { return Ok(()) };
        for record in context.records().iter().filter(|r| is_apart(context, r) && !self.is_read(r.tag.id())) {
            let Some(reader) = self.stream(record.tag)? else { continue };
            if !may_read(reader.len()) {
                break;
            }
            std::io::copy(&mut reader.lossy(), &mut std::io::sink()).map_err(ErrorKind::Io)?;
        }
        Ok(())
    }

    fn is_read(&self, id: u16) -> bool {
        self.progress.get().is_some_and(|p| p.has(id))
    }

    fn progress(&self) -> &Arc<Progress> {
        self.progress.get_or_init(Arc::default)
    }

    /// The tags, sorted by id.
    pub fn tags(&self) -> impl Iterator<Item = PropTag> + '_ {
        self.context.iter().flat_map(|c| c.tags())
    }

    /// Whether there is a property with this id, of whatever type.
    pub fn has(&self, tag: PropTag) -> bool {
        self.context.as_ref().is_some_and(|c| c.has(tag.id()))
    }

    /// The property with this tag's id, of whatever type.
    ///
    /// # Errors
    /// In strict reading, the first violation.
    pub fn get(&self, tag: PropTag) -> Result<Option<PropValue>> {
        let Some(context) = &self.context else { return Ok(None) };
        match context.get(tag.id()) {
            Some(record) => self.value_of(context, record),
            None => Ok(None),
        }
    }

    /// Every property with its value, sorted by id; `None` where the value cannot be read, which is a problem.
    ///
    /// ```no_run
    /// # fn f(message: &pstkit::messaging::Message<'_>) -> pstkit::error::Result<()> {
    /// for property in message.properties().values() {
    ///     let (tag, value) = property?;
    ///     println!("{tag}: {value:?}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// In strict reading each item that breaks a rule is an error.
    pub fn values(&self) -> impl Iterator<Item = Result<(PropTag, Option<PropValue>)>> {
        let all = self.context.iter().flat_map(|c| c.records().iter().map(move |r| (c, r)));
        all.map(|(context, record)| Ok((record.tag, self.value_of(context, record)?)))
    }

    fn value_of(&self, context: &PropertyContext<'a>, record: &PcRecord) -> Result<Option<PropValue>> {
        let ansi = matches!(record.tag.prop_type(), PropType::STRING8 | PropType::MULTI_STRING8);
        let page = if ansi { self.code_page() } else { CodePage::default() };
        let decode = |bytes: &[u8]| page.decode(bytes).0.into_owned();
        let value = self.tolerate(|sink| context.value_of(record, &decode, sink))?;
        if value.is_some() && is_apart(context, record) {
            self.progress().add(record.tag.id(), &[]);
        }
        Ok(value.flatten())
    }

    /// A string.
    ///
    /// # Errors
    /// In strict reading, the first violation.
    pub fn string(&self, tag: PropTag) -> Result<Option<String>> {
        Ok(match self.get(tag)? {
            Some(PropValue::String(s)) => Some(s),
            _ => None,
        })
    }

    /// A 16- or 32-bit number.
    ///
    /// # Errors
    /// In strict reading, the first violation.
    pub fn i32(&self, tag: PropTag) -> Result<Option<i32>> {
        Ok(match self.get(tag)? {
            Some(PropValue::Integer32(v)) => Some(v),
            Some(PropValue::Integer16(v)) => Some(v.into()),
            _ => None,
        })
    }

    /// A whole number of any width, as 64 bits.
    ///
    /// # Errors
    /// In strict reading, the first violation.
    pub fn i64(&self, tag: PropTag) -> Result<Option<i64>> {
        Ok(match self.get(tag)? {
            Some(PropValue::Integer64(v) | PropValue::Currency(v)) => Some(v),
            Some(PropValue::Integer32(v)) => Some(v.into()),
            Some(PropValue::Integer16(v)) => Some(v.into()),
            _ => None,
        })
    }

    /// A truth value.
    ///
    /// # Errors
    /// In strict reading, the first violation.
    pub fn bool(&self, tag: PropTag) -> Result<Option<bool>> {
        Ok(match self.get(tag)? {
            Some(PropValue::Boolean(v)) => Some(v),
            _ => None,
        })
    }

    /// A time.
    ///
    /// # Errors
    /// In strict reading, the first violation.
    pub fn time(&self, tag: PropTag) -> Result<Option<FileTime>> {
        Ok(match self.get(tag)? {
            Some(PropValue::Time(v)) => Some(v),
            _ => None,
        })
    }

    /// Bytes, in memory; larger values than the limits allow have to be [streamed](Self::stream).
    ///
    /// # Errors
    /// In strict reading, the first violation.
    pub fn binary(&self, tag: PropTag) -> Result<Option<Vec<u8>>> {
        Ok(match self.get(tag)? {
            Some(PropValue::Binary(v)) => Some(v),
            _ => None,
        })
    }

    /// An object's sub-node and size.
    ///
    /// # Errors
    /// In strict reading, the first violation.
    pub fn object(&self, tag: PropTag) -> Result<Option<ObjectValue>> {
        Ok(match self.get(tag)? {
            Some(PropValue::Object(v)) => Some(v),
            _ => None,
        })
    }

    /// The stored bytes of a value as a stream, which ends with an error where some of them are damaged; see [`ValueReader`].
    ///
    /// # Errors
    /// In strict reading, the first violation.
    pub fn stream(&self, tag: PropTag) -> Result<Option<ValueReader<'a>>> {
        let Some(context) = &self.context else { return Ok(None) };
        let reader = self.tolerate(|sink| context.open_value(tag.id(), sink))?.flatten();
        Ok(reader.map(|r| r.reporting(Arc::clone(self.progress()), tag.id())))
    }

    /// The data of the sub-node that an object property names, such as an OLE storage, as a stream; see [`stream`](Self::stream).
    ///
    /// # Errors
    /// In strict reading, the first violation.
    pub fn object_stream(&self, tag: PropTag) -> Result<Option<ValueReader<'a>>> {
        let Some(context) = &self.context else { return Ok(None) };
        let reader = self.tolerate(|sink| context.open_object(tag.id(), sink))?.flatten();
        Ok(reader.map(|r| r.reporting(Arc::clone(self.progress()), tag.id())))
    }

    /// The code page of 8-bit strings: the object's own, or the store's.
    pub fn code_page(&self) -> CodePage {
        *self.code_page.get_or_init(|| {
            if let Some(forced) = self.pst.options().code_page {
                return forced;
            }
            self.own_code_page().unwrap_or_else(|| self.pst.default_code_page())
        })
    }

    /// The code page that the object itself names.
    pub(crate) fn own_code_page(&self) -> Option<CodePage> {
        use crate::format::tags;
        let number = |tag| u32::try_from(self.i32(tag).ok()??).ok();
        let message = number(tags::MESSAGE_CODEPAGE).map(CodePage).filter(|c| c.is_known() && c.is_ascii_based());
        message.or_else(|| number(tags::INTERNET_CODEPAGE).and_then(|n| CodePage(n).ansi()))
    }

    /// The error of an object that is not there.
    pub(crate) fn missing(nid: Nid, what: &str) -> Error {
        Error::new(ErrorKind::NotFound(format!("{what} {nid}")))
    }
}
