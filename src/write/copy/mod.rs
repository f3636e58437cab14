//! Copying a store: read tolerantly, written whole.
//!
//! Every object is read as far as it can be and written anew: properties, sub-nodes, tables. Ids of nodes stay, and so does the
//! store's own, so that entry ids go on to be valid. Rows of tables follow from the objects. An unreadable object is accounted for; anything that
//! is there and not understood is copied as it is, unless the target's variant cannot hold it, which is accounted for too.

mod message;
mod nodes;
mod object;
mod some;
mod strays;

pub(crate) use self::some::copy_nodes;

use self::object::named_by;
use super::folder::{Folder, NewFolder};
use super::names::{SeenTypes, can_be_seeded};
use super::ndb::NdbOptions;
use super::props::Props;
use super::store::{IPM_SUBTREE, PstWriter, StoreOptions};
use super::tree::WrittenData;
use crate::check::ItemCount;
use crate::error::{ErrorKind, Result};
use crate::finding::{Finding, Location, Loss};
use crate::format::bytes::wide;
use crate::format::context::EntryId;
use crate::format::crypt::CryptMethod;
use crate::format::header::FileKind;
use crate::format::ids::{Bid, Nid, NidType, PropTag, PropType};
use crate::format::layout::Variant;
use crate::format::tags;
use crate::format::types::{FileTime, Guid};
use crate::io::Storage;
use crate::limits::Allowance;
use crate::ltp::{NAMED_FIRST, NameKind, NameMap, PropertyContext, PropertyName, TableContext};
use crate::messaging::code_page::CodePage;
use crate::messaging::{Missing, Properties, Pst};
use crate::monitor::{Monitor, Phase, step};
use crate::ndb::{DataTree, Ndb};
use crate::rules;
use crate::write::Node as Written;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Values of more bytes are not held in memory, unless they have to be converted.
const STREAM_FROM: u64 = 256 << 10;
/// A block that has so many references gets no more: they are counted in 16 bits.
const REFERENCES_MAX: u16 = 0x8000;
/// Why a node is left out that could be read.
const UNFIT: &str = "does not fit into the copy";
/// Problems and dropped nodes that are listed one by one.
const LISTED_MAX: usize = 1000;
/// The name of the folder under which Outlook shows the contents of a store.
const TOP: &str = "Top of Outlook data file";

/// The folders that a PST's entry ids name, in the order in which they are looked for: the store's property, the folder's name,
/// and the ids that Outlook gives it in every PST and every OST, whatever the language of its name. Another folder of an OST has the PST's
/// id of the first, and a second one is called like it: that of the public folders.
const SPECIAL: [(PropTag, &[&str], Nid, Nid); 3] = [
    (tags::IPM_SUBTREE_ENTRY_ID, &[TOP, "IPM_SUBTREE", "Top of Personal Folders", "Top of Information Store"], IPM_SUBTREE, Nid(0x2142)),
    (tags::IPM_WASTEBASKET_ENTRY_ID, &["Deleted Items"], Nid(0x8062), Nid(0x2162)),
    (tags::FINDER_ENTRY_ID, &["Search Root", "Finder"], Nid(0x8042), Nid(0x20E2)),
];

/// The form of the copy.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CopyOptions {
    /// Layout, kind, encoding, compression of the copy.
    pub ndb: NdbOptions,
    /// Code page of an ANSI copy's texts.
    pub code_page: CodePage,
    /// The name of the store, where its own name cannot be read.
    pub display_name: String,
    /// Whether rows get ids by which Outlook synchronises where they have none.
    pub item_ids: bool,
    /// Whether harmless faults are set right too, such as a search folder that the list of active searches lacks.
    pub mend: bool,
    /// Versions of rows up to this one are given out: for a part of a file that goes back into it.
    pub row_versions: u32,
    /// Whether objects that the source's tables and counts promise and no node gives count as lost: not where the source is a selection of another
    /// store's nodes, or where the caller counts it.
    pub promised: bool,
    /// Names of folders that have none, neither of their own nor in a row, and of those whose properties may be damaged.
    pub folder_names: BTreeMap<Nid, String>,
}

impl CopyOptions {
    setters! {
        ndb: NdbOptions, code_page: CodePage, display_name: String, item_ids: bool, mend: bool, row_versions: u32, promised: bool,
        folder_names: BTreeMap<Nid, String>,
    }

    /// A copy of the same variant, kind and encoding.
    pub fn same(pst: &Pst) -> Self {
        let (layout, header) = (pst.layout(), pst.header());
        let crypt = header.crypt_method().unwrap_or(CryptMethod::Permute);
        let kind = header.kind().unwrap_or(FileKind::Pst);
        let ndb = NdbOptions { kind, crypt, ..NdbOptions::new(layout.variant) };
        Self {
            ndb,
            code_page: pst.default_code_page(),
            display_name: "Outlook Data File".to_owned(),
            item_ids: false,
            mend: false,
            row_versions: 0,
            promised: true,
            folder_names: BTreeMap::new(),
        }
    }

    /// A copy of another variant, as Outlook would make a file of it.
    pub fn to(pst: &Pst, variant: Variant) -> Self {
        Self { ndb: NdbOptions::new(variant), ..Self::same(pst) }
    }
}

/// The fate of everything.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct CopyReport {
    /// Folders.
    pub folders: ItemCount,
    /// Messages.
    pub messages: ItemCount,
    /// Associated messages.
    pub associated: ItemCount,
    /// Attachments of messages.
    pub attachments: ItemCount,
    /// Values that could not be read, or not wholly.
    pub values_lost: u64,
    /// Texts of which characters are lost, because the target's code page does not have them or the source's bytes are none of its.
    pub texts_lossy: u64,
    /// Objects whose folder is not there; they are in a folder of their own.
    pub rehomed: u64,
    /// Their ids, the first of them.
    pub rehomed_nodes: Vec<Nid>,
    /// Messages that are there in part, the first of them.
    pub partial: Vec<Nid>,
    /// Messages of which nothing could be read, with their folders; the first of them.
    pub lost: Vec<(Nid, Nid)>,
    /// Nodes that are left out, and why; those that are made anew are not among them.
    pub dropped: Vec<(Nid, &'static str)>,
    /// The first faults of the parts that were read.
    pub problems: Vec<Finding>,
    /// Bytes of the copy.
    pub bytes: u64,
}

impl CopyReport {
    /// Whether nothing that a person would miss is missing.
    pub fn is_whole(&self) -> bool {
        let counts = [self.folders, self.messages, self.associated, self.attachments];
        counts.iter().all(|c| c.lost == 0 && c.partial == 0) && self.texts_lossy == 0
    }

    /// Counts promised objects that are not there.
    fn lose(&mut self, missing: &Missing) {
        let counts =
            [(&mut self.folders, missing.folders), (&mut self.messages, missing.messages), (&mut self.associated, missing.associated)];
        for (count, n) in counts {
            (count.expected, count.lost) = (count.expected.saturating_add(n), count.lost.saturating_add(n));
        }
        let messages = missing.listed.iter().filter(|(nid, _)| nid.is_message());
        self.lost.extend(messages.take(LISTED_MAX.saturating_sub(self.lost.len())));
    }

    fn drop_node(&mut self, nid: Nid, why: &'static str) {
        if self.dropped.len() < LISTED_MAX {
            self.dropped.push((nid, why));
        }
    }
}

/// The troubles of an object while it is read.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    findings: Vec<Finding>,
    values: u64,
}

impl Trouble {
    /// A value is not there or not whole.
    fn value(&mut self) {
        self.values = self.values.saturating_add(1);
    }

    /// Adds the troubles of a part; of very many findings only their sum is kept.
    fn absorb(&mut self, mut part: Self) {
        const MOST: usize = 1000;
        let (is_lossy, values) = (part.is_lossy(), part.values);
        self.values = self.values.saturating_add(values);
        if self.findings.len() < MOST {
            self.findings.append(&mut part.findings);
        } else if is_lossy && values == 0 {
            self.value();
        }
    }

    fn is_lossy(&self) -> bool {
        self.is_lossy_since((0, 0))
    }

    /// How much has happened so far.
    fn mark(&self) -> (u64, usize) {
        (self.values, self.findings.len())
    }

    /// Whether something was lost since a mark.
    fn is_lossy_since(&self, (values, findings): (u64, usize)) -> bool {
        let since = self.findings.get(findings..).unwrap_or_default();
        self.values > values || since.iter().any(|f| matches!(f.loss, Loss::Partial | Loss::Item))
    }
}

/// A copy under way.
pub(super) struct Copier<'s, 'w> {
    pst: &'s Pst,
    out: PstWriter<'w>,
    report: CopyReport,
    /// Whether texts change their type, and to which.
    widen: bool,
    narrow: bool,
    code_page: CodePage,
    row_ids: BTreeSet<u32>,
    mend: bool,
    /// The form of the copy.
    kind: FileKind,
    folder_names: BTreeMap<Nid, String>,
    /// The nodes that are wanted, where not all are.
    only: Option<&'s BTreeSet<Nid>>,
    /// Messages whose folder is not there.
    strayed: Vec<Nid>,
    /// Where names of properties are lost: the ids that whole objects have from 0x8000 on, and their types.
    unnamed: Option<SeenTypes>,
    /// Attachments that are still copied.
    attachments: Allowance,
    /// Bytes that the copy may still come to.
    most: u64,
    shared: Shared,
}

/// The blocks that objects of the source share, and those of the copy share again.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// Large data, by the root of its tree, with its faults.
    data: HashMap<Bid, (WrittenData, Vec<Finding>)>,
    /// Sub-nodes that nobody knows, by the roots of their two trees, and whether something of them was lost.
    nodes: HashMap<(Bid, Bid), (Written, bool)>,
}

/// Copies a store.
///
/// ```no_run
/// use pstkit::Pst;
/// use pstkit::io::{AtomicFile, Existing};
/// use pstkit::write::{CopyOptions, copy};
///
/// let pst = Pst::open("old.pst")?;
/// let file = AtomicFile::create("compact.pst".as_ref(), Existing::Refuse)?;
/// let report = copy(&pst, file.storage()?, &CopyOptions::same(&pst), &())?;
/// if report.is_whole() {
///     file.commit()?;
/// }
/// # Ok::<(), pstkit::Error>(())
/// ```
///
/// # Errors
/// [`ErrorKind::Unsupported`] where the source is encrypted, [`ErrorKind::TooLarge`] where the variant cannot hold so much; errors of
/// the medium; cancellation. The storage then holds no header.
pub fn copy(pst: &Pst, storage: &dyn Storage, options: &CopyOptions, monitor: &dyn Monitor) -> Result<CopyReport> {
    let (mut report, _) = copy_some(pst, storage, options, None, monitor)?;
    if options.promised {
        report.lose(&pst.missing());
    }
    Ok(report)
}

/// Copies all nodes or some; also answers which messages have changed their folder, because their own is not there.
fn copy_some(
    pst: &Pst,
    storage: &dyn Storage,
    options: &CopyOptions,
    only: Option<&BTreeSet<Nid>>,
    monitor: &dyn Monitor,
) -> Result<(CopyReport, Vec<Nid>)> {
    if pst.header().crypt_method() == Some(CryptMethod::Wip) {
        return Err(ErrorKind::Unsupported("a file that is encrypted for Windows Information Protection".to_owned()).into());
    }
    let mut trouble = Trouble::default();
    let context =
        |nid, trouble: &mut Trouble| pst.ndb().node(nid).and_then(|node| PropertyContext::open(node, &mut trouble.findings).ok().flatten());
    let store = context(Nid::MESSAGE_STORE, &mut trouble);
    let binary = |tag: PropTag| store.as_ref().and_then(|pc| pc.binary(tag.id(), &mut Vec::new()).ok().flatten());
    // Any of the store's own entry ids tells its key where the key itself is lost.
    let own = binary(tags::RECORD_KEY).and_then(|b| Guid::decode(&b));
    let ids = [tags::IPM_SUBTREE_ENTRY_ID, tags::IPM_WASTEBASKET_ENTRY_ID, tags::FINDER_ENTRY_ID, tags::COMMON_VIEWS_ENTRY_ID];
    let told: Vec<Guid> = ids.into_iter().filter_map(|t| binary(t).and_then(|b| EntryId::decode(&b))).map(|id| id.uid).collect();
    // a key that differs from the one that two or more entry ids bear is damaged itself
    let votes = |k: &Guid| told.iter().filter(|t| *t == k).count();
    let agreed = told.iter().copied().max_by_key(votes).filter(|k| votes(k) > 1);
    let key = if trouble.findings.is_empty() { own } else { agreed.or(own) }.or(told.first().copied());
    let seed = key.map(|k| crate::format::bytes::le64(&k.0, 0) ^ crate::format::bytes::le64(&k.0, 8));
    let (from_ansi, to_ansi) = (pst.layout().is_ansi(), options.ndb.layout.is_ansi());
    let out = PstWriter::create(
        storage,
        StoreOptions {
            ndb: options.ndb.clone(),
            display_name: options.display_name.clone(),
            record_key: key,
            code_page: options.code_page,
            seed: Some(seed.unwrap_or(1)),
            time: Some(FileTime(0)),
            item_ids: options.item_ids,
            folders: false,
            verbatim: true,
            ..StoreOptions::new(options.ndb.layout.variant)
        },
    )?;
    let content = pst.ndb().content();
    let mut copier = Copier {
        pst,
        out,
        report: CopyReport::default(),
        widen: from_ansi && !to_ansi,
        narrow: to_ansi && !from_ansi,
        code_page: options.code_page,
        row_ids: BTreeSet::new(),
        mend: options.mend,
        kind: options.ndb.kind,
        folder_names: options.folder_names.clone(),
        only,
        strayed: Vec::new(),
        unnamed: None,
        attachments: Allowance::of_objects(content, pst.ndb().limits()),
        most: Allowance::of_bytes(content, pst.ndb().limits()).left(),
        shared: Shared::default(),
    };
    let before = trouble.findings.len();
    let names = context(Nid::NAME_TO_ID_MAP, &mut trouble).and_then(|pc| NameMap::read(&pc, &mut trouble.findings).ok());
    // an empty map makes readers refuse the file
    let names = names.filter(|names| !names.is_empty());
    if names.is_none() || trouble.findings.len() > before || (only.is_some() && copier.wants(Nid::NAME_TO_ID_MAP)) {
        copier.unnamed = Some(SeenTypes::default());
    }
    let has_names = names.is_some();
    names.into_iter().for_each(|names| copier.out.set_names(names));
    copier.keep_counters();
    copier.out.ndb().use_unique(options.row_versions);
    if let Some(store) = &store {
        copier.copy_store(store, &mut trouble)?;
    }
    if copier.wants(Nid::MESSAGE_STORE) {
        copier.settle(trouble);
    }
    monitor.phase(Phase::Write, Some(wide(pst.ndb().index().nodes().len())));
    copier.copy_folders(monitor)?;
    copier.copy_messages(monitor)?;
    copier.copy_other_nodes(monitor)?;
    copier.complete_names(has_names)?;
    copier.complete_store(options)?;
    let Copier { out, mut report, strayed, .. } = copier;
    report.texts_lossy = report.texts_lossy.saturating_add(out.characters_lost());
    report.bytes = out.finish()?.header.root.file_eof.0;
    Ok((report, strayed))
}

impl<'s> Copier<'s, '_> {
    /// Ids that the source has given out are not given out again.
    fn keep_counters(&mut self) {
        let header = self.pst.header();
        for t in 0..32u8 {
            // A damaged counter must not use up all ids.
            let index = header.high_water(NidType(t));
            if index < 1 << 26 {
                self.out.ndb().use_nid(Nid::new(NidType(t), index));
            }
        }
        let nids: Vec<Nid> = self.pst.ndb().index().nodes().iter().map(|n| n.nid).collect();
        nids.into_iter().for_each(|nid| self.out.ndb().use_nid(nid));
        if header.unique < 1 << 30 {
            self.out.ndb().use_unique(header.unique);
        }
    }

    fn copy_store(&mut self, store: &PropertyContext<'_>, trouble: &mut Trouble) -> Result<()> {
        let page = self.page_of(store);
        let props = self.read_props(store, page, trouble)?;
        let own: Vec<PropTag> = self.out.store_props().iter().map(|(t, _)| t).collect();
        let replaced = self.out.store_props();
        for (tag, data) in props.iter() {
            replaced.put(tag, data.clone());
        }
        let key = self.out.record_key();
        self.out.store_props().set(tags::RECORD_KEY, key.0);
        let replaced = self.out.store_props();
        // Objects of new stores alone are not added to a store that lives without them.
        for tag in own {
            let needed = matches!(tag.id(), 0x0FF9 | 0x3001 | 0x67FF);
            if !props.has(tag.id()) && !needed {
                replaced.remove(tag.id());
            }
        }
        Ok(())
    }

    /// Folders, each after its parent. One whose parent is not there, or that is its own ancestor, goes to a folder of its own.
    fn copy_folders(&mut self, monitor: &dyn Monitor) -> Result<()> {
        let mut children: BTreeMap<Nid, Vec<Nid>> = BTreeMap::new();
        let mut waiting: BTreeSet<Nid> = BTreeSet::new();
        for n in self.pst.ndb().index().nodes().iter().filter(|n| n.nid.is_folder()) {
            waiting.insert(n.nid);
            if n.nid != Nid::ROOT_FOLDER {
                children.entry(n.parent).or_default().push(n.nid);
            }
        }
        let mut pending = vec![(Nid::ROOT_FOLDER, Nid::ROOT_FOLDER)];
        if !waiting.contains(&Nid::ROOT_FOLDER) {
            let new = NewFolder { nid: Some(Nid::ROOT_FOLDER), ..NewFolder::default() };
            self.out.add_folder_with(Nid::ROOT_FOLDER, "", new)?;
            pending = children.get(&Nid::ROOT_FOLDER).into_iter().flatten().rev().map(|c| (*c, Nid::ROOT_FOLDER)).collect();
        }
        loop {
            while let Some((nid, parent)) = pending.pop() {
                step(monitor, 1)?;
                // an object in a search, or in a folder that could not be copied, hangs from nothing
                let has_parent = nid == parent || self.out.folders.get(&parent).is_some_and(|f| !f.is_search());
                if !has_parent || !waiting.remove(&nid) {
                    continue;
                }
                let copied = self.copy_folder(nid, parent);
                if self.goes_on(copied)?.is_none() {
                    self.report.folders.lost = self.report.folders.lost.saturating_add(1);
                    self.report.drop_node(nid, UNFIT);
                    if nid == Nid::ROOT_FOLDER {
                        let new = NewFolder { nid: Some(nid), ..NewFolder::default() };
                        self.out.add_folder_with(nid, "", new)?;
                    }
                }
                pending.extend(children.get(&nid).into_iter().flatten().rev().map(|c| (*c, nid)));
            }
            // the rest hangs from nothing
            let parent_of = |n: &Nid| self.pst.ndb().index().node(*n).map_or(Nid::NONE, |n| n.parent);
            let normal = || waiting.iter().filter(|n| n.nid_type() == NidType::NORMAL_FOLDER);
            // the highest of a branch; where each has its parent, they go round in a circle
            let top = normal().find(|n| !waiting.contains(&parent_of(n))).or_else(|| normal().next());
            // before all others the one that Lost and Found will be in
            let usual = self.usual_top();
            if waiting.contains(&usual) {
                pending.push((usual, Nid::ROOT_FOLDER));
                continue;
            }
            let Some(lost) = top.or_else(|| waiting.first()).copied() else { return Ok(()) };
            let parent = parent_of(&lost);
            if parent == IPM_SUBTREE && self.kind == FileKind::Pst && !self.is_from_ost() {
                // the folder that every store has under this id is made anew, and this one is where it was
                let home = self.top_folder()?;
                pending.push((lost, home));
                continue;
            }
            self.rehome(lost);
            let home = self.lost_and_found()?;
            pending.push((lost, home));
        }
    }

    /// The result of an object: none where it cannot be read or written and the others can. A full file ends the run, as the medium does.
    fn goes_on<T>(&mut self, done: Result<T>) -> Result<Option<T>> {
        match done {
            Ok(done) => Ok(Some(done)),
            Err(e) if e.is_of_object() && !self.out.ndb().is_full() => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Counts a message that is not copied.
    fn pass_over(&mut self, nid: Nid, folder: Nid) -> Result<()> {
        let counts = self.counts_of(nid);
        counts.expected = counts.expected.saturating_add(1);
        self.lose_message(nid, folder);
        Ok(())
    }

    /// The count that a message is in.
    fn counts_of(&mut self, nid: Nid) -> &mut ItemCount {
        if nid.nid_type() == NidType::ASSOC_MESSAGE { &mut self.report.associated } else { &mut self.report.messages }
    }

    /// Counts a message of which nothing is in the copy; it has been counted as expected.
    fn lose_message(&mut self, nid: Nid, folder: Nid) {
        let counts = self.counts_of(nid);
        counts.lost = counts.lost.saturating_add(1);
        if self.report.lost.len() < LISTED_MAX {
            self.report.lost.push((nid, folder));
        }
    }

    /// Counts an object whose folder is not there.
    fn rehome(&mut self, nid: Nid) {
        self.report.rehomed = self.report.rehomed.saturating_add(1);
        if self.report.rehomed_nodes.len() < LISTED_MAX {
            self.report.rehomed_nodes.push(nid);
        }
    }

    /// The folder under which Outlook shows the contents of a store. Called when all folders that can be reached are there.
    fn top_folder(&mut self) -> Result<Nid> {
        if let Some(nid) = self.special_folder(0, None) {
            return Ok(nid);
        }
        // in an OST that becomes a PST the usual id is another folder's
        let name = if self.kind == FileKind::Pst { TOP } else { "IPM_SUBTREE" };
        let is_usual = self.is_from_ost() == (self.kind != FileKind::Pst);
        let usual = Some(self.usual_top()).filter(|nid| is_usual && !self.out.folders.contains_key(nid));
        let usual = usual.filter(|nid| self.pst.ndb().index().node(*nid).is_none());
        self.out.add_folder_with(Nid::ROOT_FOLDER, name, NewFolder { nid: usual, ..NewFolder::default() })
    }

    /// The id that Outlook gives the top folder in files like the source.
    fn usual_top(&self) -> Nid {
        let [(_, _, in_pst, in_ost), ..] = SPECIAL;
        if self.is_from_ost() { in_ost } else { in_pst }
    }

    fn is_from_ost(&self) -> bool {
        self.pst.header().kind() == Some(FileKind::Ost)
    }

    /// The folder that the store names, else the one that has the usual id in its usual place, else the one that is called like it;
    /// `top` is the first of them, once that is known.
    fn special_folder(&mut self, which: usize, top: Option<Nid>) -> Option<Nid> {
        let (tag, names, in_pst, in_ost) = SPECIAL.get(which).copied()?;
        let told = self.out.store_props().bytes(tag).and_then(EntryId::decode).map(|id| id.nid);
        let folder = |nid: Nid| self.out.folders.get(&nid).filter(|f| f.nid.nid_type() == NidType::NORMAL_FOLDER);
        let parent = |nid: Nid| folder(nid).map(|f| f.parent);
        let fits = |f: &Folder| match (tag, top) {
            (tags::IPM_WASTEBASKET_ENTRY_ID, Some(top)) => f.parent == top,
            (_, Some(top)) => Some(f.parent) == parent(top),
            // an OST has a folder of the mailbox above it
            (_, None) => f.parent == Nid::ROOT_FOLDER || (self.is_from_ost() && parent(f.parent) == Some(Nid::ROOT_FOLDER)),
        };
        let usual = if self.is_from_ost() { in_ost } else { in_pst };
        let named = |f: &&Folder| {
            f.nid.nid_type() == NidType::NORMAL_FOLDER && f.name(self.code_page).is_some_and(|name| names.contains(&name.as_str()))
        };
        // of several, the one in the usual place and with most in it
        let by_name = || self.out.folders.values().filter(named).max_by_key(|f| (fits(f), f.children.len(), std::cmp::Reverse(f.nid)));
        let found = told.and_then(folder).or_else(|| folder(usual).filter(|f| fits(f))).or_else(by_name);
        found.map(|f| f.nid)
    }

    /// The folder for items that have lost their own.
    fn lost_and_found(&mut self) -> Result<Nid> {
        const NAME: &str = "Lost and Found";
        let known = self.out.folders.iter().find(|(_, f)| f.is_lost_and_found).map(|(nid, _)| *nid);
        if let Some(nid) = known {
            return Ok(nid);
        }
        let parent = self.top_folder()?;
        let nid = self.out.add_folder(parent, NAME)?;
        if let Some(f) = self.out.folders.get_mut(&nid) {
            f.is_lost_and_found = true;
        }
        Ok(nid)
    }

    fn copy_folder(&mut self, nid: Nid, parent: Nid) -> Result<()> {
        let mut trouble = Trouble::default();
        let ndb = self.pst.ndb();
        let Some(node) = ndb.node(nid) else { return Ok(()) };
        let context = PropertyContext::open(node, &mut trouble.findings).ok().flatten();
        let mut new = NewFolder { nid: Some(nid), verbatim: true, ..NewFolder::default() };
        if let Some(pc) = &context {
            let page = self.page_of(pc);
            new.props = self.read_props(pc, page, &mut trouble)?;
            new.subnodes = self.copy_unknown_subnodes(pc.node(), &named_by(pc), &[], &mut trouble)?;
        } else {
            trouble.value();
        }
        let is_damaged = trouble.is_lossy();
        // its row tells its name if it cannot any more, and values that only the row has
        let (mut of_table, mut has_row) = (Vec::new(), false);
        let table = ndb.node(parent.with_type(NidType::HIERARCHY_TABLE)).and_then(|n| TableContext::open(n, &mut of_table).ok().flatten());
        if let Some(table) = &table
            && let Ok(Some(row)) = table.row_by_id(nid.0, &mut of_table)
        {
            let cells = self.read_row(table, &row, &mut trouble)?;
            has_row = of_table.is_empty();
            new.row_only = object::row_only(&cells);
            if nid.nid_type() == NidType::SEARCH_FOLDER {
                // searches are not synchronised
                new.row_only.clear();
            }
            let cells = object::without_row_only(cells);
            if context.is_none() {
                new.props = cells;
            } else {
                // a name that is damaged in the folder itself
                for tag in [tags::DISPLAY_NAME, tags::CONTAINER_CLASS] {
                    if let Some((t, data)) = cells.get(tag.id()).filter(|_| (is_damaged && has_row) || !new.props.has(tag.id())) {
                        new.props.put(t, data.clone());
                    }
                }
            }
        }
        if let Some(name) = self.folder_names.get(&nid).filter(|_| is_damaged && !has_row) {
            new.props.set_str(tags::DISPLAY_NAME, name);
        }
        let columns = |this: &mut Self, t| this.extra_columns(nid.with_type(t));
        new.hierarchy_columns = columns(self, NidType::HIERARCHY_TABLE);
        new.contents_columns = columns(self, NidType::CONTENTS_TABLE);
        new.associated_columns = columns(self, NidType::ASSOC_CONTENTS_TABLE);
        let name = self.folder_names.get(&nid).cloned().unwrap_or_else(|| format!("Folder {nid}"));
        self.out.add_folder_with(parent, &name, new)?;
        let lists = self.lists_all_of(nid);
        if let Some(f) = self.out.folders.get_mut(&nid) {
            f.is_counted = lists;
        }
        if !self.wants(nid) {
            // read because of others that name it
            return Ok(());
        }
        self.report.folders.expected = self.report.folders.expected.saturating_add(1);
        Self::count(&mut self.report.folders, context.is_some(), &trouble);
        self.settle(trouble);
        Ok(())
    }

    /// Columns of a table beyond those of the template, in the order in which they were created.
    fn extra_columns(&self, nid: Nid) -> Vec<PropTag> {
        let table = self.pst.ndb().node(nid).and_then(|n| TableContext::open(n, &mut Vec::new()).ok().flatten());
        let Some(table) = table else { return Vec::new() };
        let mut columns: Vec<_> = table.columns().to_vec();
        columns.sort_by_key(|c| c.bit);
        columns.iter().map(|c| self.fit_tag(c.tag)).filter(|t| t.prop_type().is_stored()).collect()
    }

    fn copy_messages(&mut self, monitor: &dyn Monitor) -> Result<()> {
        let mut by_folder: BTreeMap<Nid, Vec<Nid>> = BTreeMap::new();
        for n in self.pst.ndb().index().nodes().iter().filter(|n| n.nid.is_message()) {
            by_folder.entry(n.parent).or_default().push(n.nid);
        }
        for (parent, messages) in by_folder {
            let known = self.out.folders.get(&parent).is_some_and(|f| !f.is_search());
            let folder = if known { parent } else { self.lost_and_found()? };
            let lists = self.lists_all_of(folder);
            let rows = self.table_rows(parent)?;
            for nid in messages {
                step(monitor, 1)?;
                if !known {
                    self.rehome(nid);
                    self.strayed.push(nid);
                } else if !self.wants(nid) {
                    if lists {
                        self.copy_row(nid, folder, &rows)?;
                    }
                    continue;
                }
                let copied = if self.is_spent() { self.pass_over(nid, folder) } else { self.copy_message(nid, folder, &rows) };
                if self.goes_on(copied)?.is_none() {
                    self.lose_message(nid, folder);
                }
            }
            if !self.out.folders.get(&folder).is_some_and(|f| f.is_lost_and_found) {
                self.out.close_folder(folder)?;
            }
        }
        Ok(())
    }

    /// A folder's two tables, where each row can be looked up, and whether nothing is wrong with them.
    fn table_rows(&self, folder: Nid) -> Result<[Option<(TableContext<'s>, bool)>; 2]> {
        let pst = self.pst;
        let open = |t| {
            let mut problems = Vec::new();
            let table = TableContext::open(pst.ndb().node(folder.with_type(t))?, &mut problems).ok().flatten()?;
            Some((table, problems.is_empty()))
        };
        Ok([open(NidType::CONTENTS_TABLE), open(NidType::ASSOC_CONTENTS_TABLE)])
    }

    /// Names that are lost are not made up: properties that have an id whose name is unknown keep it to themselves. Only where all are lost
    /// and the others agree with the names that Outlook gives a new store, these come back.
    fn complete_names(&mut self, has_names: bool) -> Result<()> {
        if let Some(mut unnamed) = self.unnamed.take() {
            if self.only.is_some() {
                let all = self.pst.ndb().index().nodes().iter().filter(|n| n.nid.is_message() || n.nid.is_folder());
                for n in all.filter(|n| !self.wants(n.nid)) {
                    let mut problems = Vec::new();
                    let node = self.pst.ndb().node(n.nid);
                    let context = node.and_then(|node| PropertyContext::open(node, &mut problems).ok().flatten());
                    for record in context.iter().flat_map(|pc| pc.records()) {
                        if record.tag.id() >= NAMED_FIRST {
                            unnamed.see(record.tag, problems.is_empty());
                        }
                    }
                }
            }
            // an OST's ids are given out in the order in which a server's messages came
            if !has_names && (self.is_from_ost() || !can_be_seeded(&unnamed)) {
                self.out.set_names(NameMap::default());
            }
            if let Some(id) = unnamed.last() {
                self.out.names().keep_ids(id);
            }
        }
        // readers do not take a map that lacks any of the three streams
        let map = self.out.names().map();
        let has = |is: &dyn Fn(&PropertyName) -> bool| map.iter().any(|(_, n)| is(n));
        let has_text = has(&|n| matches!(n.kind, NameKind::Name(_)));
        if !has_text || !has(&|n| n.set != Guid::PS_MAPI && n.set != Guid::PS_PUBLIC_STRINGS) {
            self.out.names().add(&PropertyName::name(Guid::PS_INTERNET_HEADERS, "content-class"))?;
        }
        Ok(())
    }

    /// The folders that every store must have and this one lacks: folders that a PST's entry ids name.
    fn complete_store(&mut self, options: &CopyOptions) -> Result<()> {
        if options.ndb.kind != FileKind::Pst {
            return Ok(());
        }
        let mut top = None;
        for (which, (tag, names, _, _)) in SPECIAL.into_iter().enumerate() {
            let id = self.out.store_props().bytes(tag).and_then(EntryId::decode);
            let own = id.as_ref().is_some_and(|id| id.uid == self.out.record_key());
            let stored = id.map(|id| id.nid);
            let nid = match self.special_folder(which, top) {
                Some(nid) => nid,
                None => {
                    let parent = top.filter(|_| tag == tags::IPM_WASTEBASKET_ENTRY_ID).unwrap_or(Nid::ROOT_FOLDER);
                    self.out.add_folder_with(parent, names.first().copied().unwrap_or_default(), NewFolder::default())?
                }
            };
            if stored != Some(nid) || !own {
                let id = self.out.entry_id(nid);
                self.out.store_props().set(tag, id);
            }
            top = top.or(Some(nid));
        }
        self.complete_views(top.unwrap_or(Nid::ROOT_FOLDER))?;
        let store = self.out.store_props();
        if !store.has(tags::VALID_FOLDER_MASK.id()) {
            store.set_i32(tags::VALID_FOLDER_MASK, 0x89);
        }
        Ok(())
    }

    /// Folders that entry ids of the store name and that are not there: each is made under its own id, as Outlook would, so that the entry
    /// ids stay valid.
    fn complete_views(&mut self, top: Nid) -> Result<()> {
        for (id, name, in_top) in [
            (0x35E2, "Outbox", true),
            (0x35E4, "Sent Items", true),
            (0x35E5, "IPM_VIEWS", false),
            (tags::COMMON_VIEWS_ENTRY_ID.id(), "IPM_COMMON_VIEWS", false),
        ] {
            let tag = PropTag::new(id, PropType::BINARY);
            let Some(entry) = self.out.store_props().bytes(tag).and_then(EntryId::decode) else { continue };
            let nid = entry.nid;
            let can_be = nid.nid_type() == NidType::NORMAL_FOLDER && nid.index() >= Nid::ROOT_FOLDER.index();
            if self.out.folders.contains_key(&nid) {
                continue;
            }
            if entry.uid == self.out.record_key() && can_be {
                let parent = if in_top { top } else { Nid::ROOT_FOLDER };
                self.out.add_folder_with(parent, name, NewFolder { nid: Some(nid), ..NewFolder::default() })?;
            } else {
                self.out.store_props().remove(id);
            }
        }
        Ok(())
    }

    fn count(count: &mut ItemCount, readable: bool, trouble: &Trouble) {
        let slot = if !readable || trouble.is_lossy() { &mut count.partial } else { &mut count.ok };
        *slot = slot.saturating_add(1);
    }

    /// Takes over the faults of an object.
    fn settle(&mut self, trouble: Trouble) {
        self.report.values_lost = self.report.values_lost.saturating_add(trouble.values);
        let room = LISTED_MAX.saturating_sub(self.report.problems.len());
        self.report.problems.extend(trouble.findings.into_iter().take(room));
    }

    /// The code page of an object's texts.
    fn page_of(&self, pc: &PropertyContext<'_>) -> CodePage {
        let node = pc.node().cloned();
        node.and_then(|n| Properties::open(self.pst, n).ok()).map_or(self.code_page, |p| p.code_page())
    }

    /// A tag as the copy has it.
    fn fit_tag(&self, tag: PropTag) -> PropTag {
        match tag.prop_type() {
            PropType::STRING8 if self.widen => tag.with_type(PropType::STRING),
            PropType::MULTI_STRING8 if self.widen => tag.with_type(PropType::MULTI_STRING),
            PropType::STRING if self.narrow => tag.with_type(PropType::STRING8),
            PropType::MULTI_STRING if self.narrow => tag.with_type(PropType::MULTI_STRING8),
            _ => tag,
        }
    }

    /// Makes texts such as the copy has them.
    fn fit_props(&mut self, props: &mut Props, page: CodePage) {
        let lossy = match (self.widen, self.narrow) {
            (true, _) => props.widen(page),
            (_, true) => props.narrow(self.code_page),
            _ => return,
        };
        self.report.texts_lossy = self.report.texts_lossy.saturating_add(wide(lossy.len()));
    }

    /// Whether nothing more is copied: objects that name the same blocks have copies of their own of some, and a file in which very many do
    /// would come to far more than is in it. Objects that are left out are counted, and said once.
    fn is_spent(&mut self) -> bool {
        let is_spent = self.out.ndb().bytes() > self.most;
        if is_spent && !self.report.problems.iter().any(|f| std::ptr::eq(f.rule, &rules::LIMIT)) {
            let why = "not all is copied, because objects of this file name the same blocks too often";
            self.report.problems.push(Finding::new(&rules::LIMIT, Location::NONE).actual(why).loss(Loss::Item));
        }
        is_spent
    }

    /// Writes data as it is, shared data but once. Tells its faults.
    fn write_tree(&mut self, ndb: &Ndb, tree: DataTree) -> Result<(WrittenData, Vec<Finding>)> {
        let (root, is_large) = (tree.root(), tree.len() > STREAM_FROM);
        if let Some((written, problems)) = self.shared.data.get(&root).filter(|_| is_large)
            && self.out.ndb().references(written.bid) < REFERENCES_MAX
        {
            return Ok((*written, problems.clone()));
        }
        let mut reader = tree.reader(ndb);
        let written = self.out.copy_reader(&mut reader)?;
        let problems = reader.problems().to_vec();
        if is_large {
            self.shared.data.insert(root, (written, problems.clone()));
        }
        Ok((written, problems))
    }
}
