//! `pstkit check --format scanpst`: findings in the wording of scanpst.exe's log, for people who have scripts that read it.
//!
//! The words of each rule, with scanpst's class, are a column of the table of rules: a template with named places. What scanpst has no
//! words for is not told here; the verdict counts it.

use crate::render;
use pstkit::check::{Report, Verdict};
use pstkit::finding::{Finding, Value};
use pstkit::format::block::BlockTrailer;
use pstkit::format::crc::crc;
use pstkit::format::ids::{Bid, Nid, NidType};
use pstkit::format::layout::signature;
use pstkit::format::page::PageType;
use pstkit::ndb::Ndb;
use pstkit::rules::{self, Layer, Rule, Severity};
use std::io::{self, Write};
use std::path::Path;

/// A phase of scanpst's, in the order of its log: depth, title, whether it belongs to it what is wrong with this, and whether it is told of
/// only then.
struct Phase(usize, &'static str, fn(&Finding) -> bool, bool);

const PHASES: &[Phase] = &[
    Phase(0, "Beginning NDB recovery", |_| false, false),
    Phase(1, "Attempting to open database", |_| false, false),
    Phase(1, "Attempting to validate header", |f| f.rule.layer == Layer::Header && !is_counter(f), false),
    Phase(1, "Attempting to validate AMap", |f| f.rule.layer == Layer::Allocation, false),
    Phase(1, "Attempting to validate BBT", |f| layer(f) == Layer::BlockTree && !is_count(f) || f.rule.layer == Layer::Data, false),
    Phase(1, "Attempting to validate NBT", |f| layer(f) == Layer::NodeTree, false),
    Phase(1, "Attempting to validate BBT refcounts", is_count, false),
    Phase(1, "Attempting to validate header NID high-water marks", is_counter, true),
    Phase(0, "Beginning PST/OST recovery", |_| false, false),
    Phase(
        1,
        "Attempting to recover all top-level objects",
        |f| matches!(f.rule.layer, Layer::Property | Layer::Table | Layer::Store | Layer::Index),
        false,
    ),
    Phase(
        1,
        "Attempting to walk the folder hierarchy",
        |f| matches!(f.rule.layer, Layer::Folder | Layer::Message | Layer::Recipient) && !is_orphan(f),
        false,
    ),
    Phase(1, "Attempting to locate orphaned folders and messages", |f| is_orphan(f) || f.rule.layer == Layer::Carving, false),
];

/// Names of properties in scanpst's words.
const NAMES: &[(u16, &str)] = &[
    (0x001A, "PR_MESSAGE_CLASS"),
    (0x0FF9, "PR_RECORD_KEY"),
    (0x3001, "PR_DISPLAY_NAME"),
    (0x3007, "PR_CREATION_TIME"),
    (0x3008, "PR_LAST_MODIFICATION_TIME"),
    (0x300B, "PR_SEARCH_KEY"),
    (0x35E0, "PR_IPM_SUBTREE_ENTRYID"),
    (0x35E2, "PR_IPM_OUTBOX_ENTRYID"),
    (0x35E3, "PR_IPM_WASTEBASKET_ENTRYID"),
    (0x35E4, "PR_IPM_SENTMAIL_ENTRYID"),
    (0x35E5, "PR_VIEWS_ENTRYID"),
    (0x35E6, "PR_COMMON_VIEWS_ENTRYID"),
    (0x35E7, "PR_FINDER_ENTRYID"),
    (0x3602, "PR_CONTENT_COUNT"),
    (0x3603, "PR_CONTENT_UNREAD"),
    (0x360A, "PR_SUBFOLDERS"),
    (0x67FF, "PR_PST_PASSWORD"),
];

fn is(f: &Finding, rules: &[&'static Rule]) -> bool {
    rules.iter().any(|r| std::ptr::eq(*r, f.rule))
}

fn is_counter(f: &Finding) -> bool {
    is(f, &[&rules::NID_HIGH_WATER])
}

fn is_count(f: &Finding) -> bool {
    is(f, &[&rules::REF_COUNT, &rules::ORPHAN_BLOCK])
}

fn is_orphan(f: &Finding) -> bool {
    is(f, &[&rules::MESSAGE_NOT_LISTED, &rules::FOLDER_NOT_LISTED])
}

/// The layer in whose phase a finding is told: rules of pages are the same for both trees.
fn layer(f: &Finding) -> Layer {
    if f.at.page == Some(PageType::NBT) { Layer::NodeTree } else { f.rule.layer }
}

/// A message of the log: the class, the first line, and the reasons below it.
struct Entry {
    class: &'static str,
    head: String,
    reasons: Vec<String>,
}

/// scanpst's words for a rule, for people: an ellipsis for each id or value.
pub(crate) fn form(words: &str) -> String {
    fill(words, &|_| "…".to_owned()).replace('|', " ")
}

/// The report as a log.
pub(crate) fn write(out: &mut impl Write, path: &Path, report: &Report, ndb: Option<&Ndb>) -> io::Result<()> {
    writeln!(out, "File: {}", render::name(path))?;
    let mut fatal = false;
    let mut broken = false;
    let mut questionable = false;
    for Phase(depth, title, belongs, optional) in PHASES {
        let mut of_phase: Vec<&Finding> = report.findings.iter().filter(|f| belongs(f)).collect();
        if *optional && of_phase.is_empty() {
            continue;
        }
        writeln!(out, "{:1$}**{title}", "", depth.saturating_mul(2))?;
        // an object is looked at before the row that stands for it
        of_phase.sort_by_key(|f| is(f, &[&rules::FOLDER_ROW, &rules::MESSAGE_ROW, &rules::ROW_SIZE, &rules::ATTACH_ROW]));
        for entry in entries(&of_phase, ndb) {
            broken |= entry.class == "!!";
            questionable |= entry.class == "??";
            if entry.head.starts_with("Fatal Error") {
                fatal = true;
                writeln!(out, "{}", entry.head)?;
                continue;
            }
            writeln!(out, "  {}{}", entry.class, render::clean(&entry.head))?;
            for reason in &entry.reasons {
                writeln!(out, "    {}", render::clean(reason))?;
            }
        }
        if fatal {
            break;
        }
    }
    writeln!(out, "{}", verdict(report, fatal, broken, questionable, path))
}

/// The text with which scanpst ends.
fn verdict(report: &Report, fatal: bool, broken: bool, questionable: bool, path: &Path) -> String {
    match report.verdict {
        Verdict::NotPst => format!("The Inbox Repair Tool does not recognize the file {}.", render::name(path)),
        Verdict::Unsupported => "The file cannot be checked.".to_owned(),
        _ if fatal => {
            "An error has occurred which caused the scan to be stopped. No changes have been made to the scanned file.".to_owned()
        }
        // what it has no words for is wrong all the same
        Verdict::Errors | Verdict::Fatal => errors(),
        _ if broken => errors(),
        Verdict::Minor if questionable || report.count(Severity::Warning) > 0 || report.findings.iter().any(is_silent) => {
            "Only minor inconsistencies were found in this file. Repairing the file is optional.".to_owned()
        }
        _ if questionable => "Only minor inconsistencies were found in this file. Repairing the file is optional.".to_owned(),
        _ => "No errors were found in this file.".to_owned(),
    }
}

fn errors() -> String {
    "Errors were found in this file. To repair these errors, click Repair.".to_owned()
}

/// The findings that scanpst counts as a minor inconsistency without a line in its log.
fn is_silent(f: &Finding) -> bool {
    let silent = [
        &rules::TC_ROW_VER,
        &rules::ROW_ONLY_CELLS,
        &rules::ID_MAP,
        &rules::ID_MAP_ROW,
        &rules::NOT_INDEXED,
        &rules::INDEX_QUEUE,
        &rules::CONVERSATION,
    ];
    f.severity >= Severity::Notice && is(f, &silent)
}

/// The messages of a phase. Reasons about one block or page stand below one line, properties that one object lacks in one list.
fn entries(findings: &[&Finding], ndb: Option<&Ndb>) -> Vec<Entry> {
    let mut out: Vec<Entry> = Vec::new();
    for f in findings {
        let Some(entry) = entry(f, ndb) else { continue };
        let last = out.iter_mut().find(|e| e.head == entry.head && !entry.reasons.is_empty());
        if let Some(last) = last {
            for reason in entry.reasons {
                if !last.reasons.contains(&reason) {
                    last.reasons.push(reason);
                }
            }
            continue;
        }
        if let Some((object, property)) = entry.head.split_once("): Missing ")
            && let Some(last) = out.iter_mut().find(|e| e.head.split_once("): Missing ").is_some_and(|(o, _)| o == object))
        {
            last.head.push_str(", ");
            last.head.push_str(property);
            continue;
        }
        out.push(entry);
    }
    out
}

fn entry(f: &Finding, ndb: Option<&Ndb>) -> Option<Entry> {
    // a size that is off by a few per cent is within its tolerance
    if is(f, &[&rules::MESSAGE_SIZE, &rules::ROW_SIZE]) && f.severity < Severity::Warning {
        return None;
    }
    let words = special(f).or(f.rule.scanpst_words())?;
    if words.is_empty() {
        return None;
    }
    let text = fill(words, &|name| place(name, f, ndb));
    let (head, reason) = text.split_once('|').map_or((text.as_str(), None), |(h, r)| (h, Some(r.to_owned())));
    let block = [&rules::BLOCK_CRC, &rules::BLOCK_SIG, &rules::BLOCK_CB, &rules::BLOCK_BID];
    let reasons = match (ndb, f.at.bid) {
        (Some(ndb), Some(bid)) if is(f, &block) => trailer_reasons(ndb, bid).unwrap_or_else(|| reason.into_iter().collect()),
        _ => reason.into_iter().collect(),
    };
    Some(Entry { class: f.rule.scanpst_class()?, head: head.to_owned(), reasons })
}

/// Other words for a rule, where what was found makes them so; none at all where they are empty.
fn special(f: &Finding) -> Option<&'static str> {
    let told = |what: &str| f.actual.to_string().contains(what);
    if is(f, &[&rules::MESSAGE_FLAGS]) {
        // the flag for attachments has no words that are known
        return told("attachments").then_some("");
    }
    if is(f, &[&rules::SEARCH_QUEUE]) {
        return (f.actual != Value::None).then_some("corrupt update queue");
    }
    if is(f, &[&rules::ACTIVITY_LIST]) {
        return (f.actual != Value::None).then_some("Search activity list corrupt");
    }
    if is(f, &[&rules::RECEIVE_DEFAULT]) {
        return told("folder ").then_some("RFT row ({row}), bad NID");
    }
    if is(f, &[&rules::SEARCH_TABLE]) {
        let companion = companion(f).map_or(NidType(0), Nid::nid_type);
        return match companion {
            NidType::SEARCH_CRITERIA_OBJECT => Some("Search folder (nid={companion}) missing criteria object"),
            NidType::SEARCH_CONTENTS_TABLE => Some(""),
            _ => None,
        };
    }
    None
}

/// The companion of a search folder that a finding misses: the last word of what it says.
fn companion(f: &Finding) -> Option<Nid> {
    let text = f.actual.to_string();
    let word = text.rsplit(' ').next()?;
    u32::from_str_radix(word.trim_start_matches("0x"), 16).ok().map(Nid)
}

/// Every way in which a block's trailer differs from its entry, in the order in which scanpst names them.
fn trailer_reasons(ndb: &Ndb, bid: Bid) -> Option<Vec<String>> {
    let entry = ndb.find_block(bid)?;
    let layout = ndb.layout();
    let size = entry.size_on_disk(layout);
    let bytes = ndb.bytes(entry.ib.0, usize::try_from(size).ok()?).ok()?;
    let (body, trailer) = bytes.split_at_checked(bytes.len().checked_sub(layout.block_trailer)?)?;
    let t = BlockTrailer::decode(layout, trailer);
    let computed = crc(body.get(..usize::from(entry.cb))?);
    let sig = signature(entry.ib, entry.bid);
    let mut out = Vec::new();
    if t.crc != computed {
        out.push(format!("CRC mismatch (read {:08X}, computed {computed:08X})", t.crc));
    }
    if t.sig != sig {
        out.push(format!("Sig mismatch (read {:04X}, computed {sig:04X})", t.sig));
    }
    if t.cb != entry.cb {
        out.push(format!("cb mismatch (read {}, expected {})", t.cb, entry.cb));
    }
    if t.bid != entry.bid {
        out.push(format!("BID mismatch (read {:X}, expected {:X})", t.bid.0, entry.bid.0));
    }
    (!out.is_empty()).then_some(out)
}

/// A template with its places filled.
fn fill(template: &str, place: &dyn Fn(&str) -> String) -> String {
    let mut out = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        let Some((name, behind)) = after.split_once('}') else { break };
        out.push_str(&place(name));
        rest = behind;
    }
    out.push_str(rest);
    out
}

/// Ids without prefix, in capitals; counts as they are.
fn value(value: &Value, width: usize) -> String {
    match value {
        Value::Hex(n) => format!("{n:0width$X}"),
        other => other.to_string(),
    }
}

/// The value at a place of a template.
fn place(name: &str, f: &Finding, ndb: Option<&Ndb>) -> String {
    let at = &f.at;
    let id = |v: Option<u64>| v.map_or_else(|| "0".to_owned(), |v| format!("{v:X}"));
    let nid = |n: Option<Nid>| id(n.map(|n| n.0.into()));
    let object = at.sub.or(at.nid);
    let node = || ndb.zip(at.nid).and_then(|(ndb, nid)| ndb.index().node(nid).copied());
    let entry = || ndb.zip(at.bid).and_then(|(ndb, bid)| ndb.find_block(bid).copied());
    match name {
        "nid" => nid(at.nid),
        "object" => nid(object),
        "folder" => nid(folder(f, ndb)),
        "contents" if object.is_some_and(|n| n.nid_type() == NidType::ASSOC_MESSAGE) => "Associated Contents".to_owned(),
        "contents" => "Contents".to_owned(),
        "companion" => nid(companion(f).or(at.nid)),
        "row" => at.row.map_or_else(|| "0".to_owned(), |r| r.to_string()),
        "bid" => id(at.bid.map(|b| b.0)),
        "ib" => at.ib.map_or(0, |ib| ib.0).to_string(),
        "cb" => entry().map_or(0, |b| b.cb).to_string(),
        "cref" => entry().map_or(0, |b| b.refs).to_string(),
        "data" => id(node().map(|n| n.data.0)),
        "subs" => id(node().map(|n| n.sub.0)),
        "parent" => nid(node().map(|n| n.parent)),
        "page" if f.at.page == Some(PageType::NBT) => "NBT page".to_owned(),
        "page" => "BBT page".to_owned(),
        "tag" => at.tag.map_or_else(|| "0".to_owned(), |t| format!("{:08X}", t.0)),
        "hid" if at.hid.is_none() => value(&f.actual, 0),
        "hid" => id(at.hid.map(|h| h.0.into())),
        "pr" => at.tag.map_or_else(String::new, |t| property(t.id())),
        "type" => id(at.ib.map(|ib| counter_type(ib.0, ndb))),
        "actual" | "actual8" | "actual4" => value(&f.actual, width(name)),
        "expected" | "expected8" | "expected4" => value(&f.expected, width(name)),
        _ => String::new(),
    }
}

fn width(name: &str) -> usize {
    name.chars().last().and_then(|c| c.to_digit(10)).map_or(0, |d| usize::try_from(d).unwrap_or(0))
}

/// The folder in whose table an object is, or that a table belongs to.
fn folder(f: &Finding, ndb: Option<&Ndb>) -> Option<Nid> {
    let nid = f.at.nid?;
    let is_table = matches!(nid.nid_type(), NidType::HIERARCHY_TABLE | NidType::CONTENTS_TABLE | NidType::ASSOC_CONTENTS_TABLE);
    if is_table {
        return Some(nid.with_type(NidType::NORMAL_FOLDER));
    }
    ndb?.index().node(nid).map(|n| n.parent)
}

fn property(id: u16) -> String {
    NAMES.iter().find(|(known, _)| *known == id).map_or_else(|| format!("{id:04X}"), |(_, name)| (*name).to_owned())
}

/// The type of nodes whose counter stands at this offset of the header.
fn counter_type(offset: u64, ndb: Option<&Ndb>) -> u64 {
    let first = if ndb.is_some_and(|ndb| ndb.layout().is_ansi()) { 36 } else { 44 };
    offset.saturating_sub(first) / 4
}

#[cfg(test)]
mod tests {
    use super::*;
    use pstkit::finding::Location;
    use pstkit::format::ids::{Hid, Ib, PropTag};
    use pstkit::rules::RULES;

    /// A place at which everything has a name.
    fn at(nid: u32) -> Location {
        Location::block(Ib(120_227_392), Bid(0x3BDE4)).with_nid(Nid(nid))
    }

    fn lines(findings: &[Finding]) -> Vec<String> {
        let all: Vec<&Finding> = findings.iter().collect();
        entries(&all, None).into_iter().flat_map(|e| std::iter::once(format!("{}{}", e.class, e.head)).chain(e.reasons)).collect()
    }

    fn one(code: &str, at: Location, change: impl FnOnce(Finding) -> Finding) -> String {
        lines(&[change(Finding::new(Rule::find(code).unwrap(), at))]).join("\n")
    }

    #[test]
    fn each_message_has_its_form() {
        let tag = |id: u32, nid| at(nid).with_tag(PropTag(id));
        let sub = |nid, sub| at(nid).with_sub(Nid(sub)).with_row(0);
        let same = |f: Finding| f;
        let cases = [
            (
                one("H005", Location::at(44 + 20), |f| f.hex(0x400, 0x628)),
                "!!Header NID high-water mark has incorrect value (type=5, read=400, calculated=628)",
            ),
            (one("H022", Location::at(200), |f| f.numbers(128, 255)), "!!AMap page <@200> has csFree of 128, but should have 255"),
            (one("A001", Location::at(26624), same), "!!AMap page @26624 has csumMismatch"),
            (one("A003", at(0), same), "!!Block is not allocated in AMAP!"),
            (one("A004", at(0), |f| f.numbers(5, 6)), "!!Computed cbAMapFree of 6, but header has 5"),
            (
                one("B002", at(0), |f| f.hex(0x146DC, 0x146E8)),
                "!!Invalid BBT page (bid=3BDE4, ib=120227392):\nbtkeyMin mismatch (read 146E8, parent 146DC)",
            ),
            (one("B005", at(0), |f| f.numbers(1, 2)), "!!BBT entry (3BDE4) has different refcount in RBT (1 vs 2)"),
            (one("B006", at(0), same), "??Couldn't find BBT entry in the RBT (3BDE4)"),
            (
                one("D001", at(0), |f| f.hex(0, 0xAEAA_4C75)),
                "!!Invalid block (bid=3BDE4, ib=120227392, cb=0, cRef=0):\nCRC mismatch (read 00000000, computed AEAA4C75)",
            ),
            (
                one("D002", at(0), |f| f.hex(0, 0x3C8D)),
                "!!Invalid block (bid=3BDE4, ib=120227392, cb=0, cRef=0):\nSig mismatch (read 0000, computed 3C8D)",
            ),
            (
                one("D003", at(0), |f| f.numbers(0, 8176)),
                "!!Invalid block (bid=3BDE4, ib=120227392, cb=0, cRef=0):\ncb mismatch (read 0, expected 8176)",
            ),
            (
                one("D004", at(0), |f| f.hex(0, 0x3BDE4)),
                "!!Invalid block (bid=3BDE4, ib=120227392, cb=0, cRef=0):\nBID mismatch (read 0, expected 3BDE4)",
            ),
            (one("D009", at(0), same), "!!Data block (bid=3BDE4) not found in BBT"),
            (
                one("N002", at(0x802E), same),
                "!!Invalid node (nid=802E, bidData=0, bidSub=0, nidParent=0):\nSubnodes block (bid=3BDE4) not found in BBT",
            ),
            (one("P003", at(0x60D), |f| f.numbers(0, 2)), "!!HN (nid=60D) free alloc count doesn't match (computed=2, expected=0)"),
            (one("P025", tag(0x0002_0102, 0x61).with_hid(Hid(0x60)), same), "!!PC (nid=61, prop=00020102) invalid HNID (60)"),
            (one("T001", at(0x610), |f| f.numbers(75, 84)), "!!TCINFO (nid=610) invalid TCI_1b (75, TCI_2b=84)"),
            (one("S012", tag(0x3001_001F, 0x60D), same), "!!TC (nid=60D) missing required column (3001001F)"),
            (one("S001", at(0x62B), same), "!!Receive folder table missing"),
            (one("S003", at(0x64C), same), "!!Missing the outgoing queue"),
            (one("S005", at(0x1E1), same), "!!Search folder missing update queue"),
            (one("S005", at(0x1E1), |f| f.numbers(7, 20)), "!!corrupt update queue"),
            (one("S006", at(0x201), same), "!!Search activity list missing"),
            (one("S016", at(0x2223), same), "!!SAL missing entry (nid=2223)"),
            (one("S018", at(0x261), same), "??Deleting SDO"),
            (one("S007", tag(0x67FF_0003, 0x21), same), "!!Message store missing PR_PST_PASSWORD"),
            (one("F010", at(0x2223), |f| f.actual("no node 0x2227")), "!!Search folder (nid=2227) missing criteria object"),
            (one("F010", at(0x2223), |f| f.actual("no node 0x2226")), "!!Search folder (nid=2226) missing update queue"),
            (one("F008", sub(0x12D, 0x8022), same), "!!Hierarchy Table for 122, sub-object not found, RowID=8022"),
            (one("M008", sub(0x8022 + 12, 0x8004), same), "!!Contents Table for 8022, sub-object not found, RowID=8004"),
            (one("M002", tag(0x300B_0102, 0x8004), same), "!!Message (nid=8004): Missing PR_SEARCH_KEY"),
            (one("M007", at(0x8004), same), "!!Failed to add row to the FLT, RowID = 8004"),
            (one("R002", sub(0x8004, 0x25), same), "!!Attachment (nid=25) missing or invalid PR_ATTACH_SIZE"),
            (one("R010", at(0), |f| f.numbers(5, 7)), "!!sub-object with invalid size (computed=7, actual=5)"),
            // what scanpst says nothing of
            (one("T007", at(0), same), ""),
            (one("M013", at(0), |f| f.severity(Severity::Notice)), ""),
        ];
        for (found, wanted) in cases {
            assert_eq!(found, wanted);
        }
    }

    #[test]
    fn what_one_object_lacks_stands_in_one_line() {
        let lacks = |id: u32| Finding::new(&rules::FOLDER_PROPERTY, at(0x122).with_tag(PropTag(id)));
        let found = lines(&[lacks(0x3001_001F), lacks(0x360A_000B), lacks(0x3602_0003), lacks(0x3603_0003)]);
        assert_eq!(found, ["!!Folder (nid=122): Missing PR_DISPLAY_NAME, PR_SUBFOLDERS, PR_CONTENT_COUNT, PR_CONTENT_UNREAD"]);
    }

    #[test]
    fn every_place_of_every_template_is_filled() {
        let f = Finding::new(&rules::MESSAGE_ROW, at(0x8004).with_tag(PropTag(0x3001_001F)).with_row(1)).hex(1, 2);
        for rule in RULES {
            let Some(words) = rule.scanpst_words() else { continue };
            fill(words, &|name| {
                let text = place(name, &f, None);
                assert!(!text.is_empty(), "{}: {name}", rule.code);
                text
            });
        }
    }
}
