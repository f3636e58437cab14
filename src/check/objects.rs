//! The common part of the passes over objects: opening contexts, comparing cells with properties, the account of items.

use super::collect::{Causes, Collector};
use super::report::{CheckOptions, ItemCount, Level};
use crate::error::Result;
use crate::finding::{Finding, Ignore, Location, Loss, Sink};
use crate::format::bytes::wide;
use crate::format::header::FileKind;
use crate::format::ids::{Nid, PropTag, PropType};
use crate::format::tags;
use crate::limits::Allowance;
use crate::ltp::Depth;
use crate::ltp::tc::Row;
use crate::ltp::value::ValueSource;
use crate::ltp::{NameMap, PropertyContext, TableContext};
use crate::ndb::{DataTree, Ndb, Node};
use crate::rules::{self, Rule, Severity};
use std::collections::HashSet;

/// Cells of more bytes are not compared: such values are in no table.
const CELL_BYTES: u64 = 64 << 10;

/// The facts about the file for the passes over objects.
#[derive(Clone, Copy)]
pub(super) struct Objects<'a> {
    pub ndb: &'a Ndb,
    pub options: &'a CheckOptions,
    pub causes: &'a Causes,
    /// Attachments and other parts of objects that are still entered.
    pub allowance: &'a Allowance,
    /// Blocks that are still counted for the sizes of messages. It is apart from the other allowance: a size that is not counted hides nothing.
    pub sizes: Option<&'a Allowance>,
    /// Values are decoded, too.
    pub deep: bool,
    /// The names of named properties, where a pass needs them.
    pub names: Option<&'a NameMap>,
    /// Rows of folders' tables that are still read, in the pass that reads these.
    pub rows: Option<&'a Allowance>,
    /// An offline file: it has fewer properties in objects and more in rows.
    pub offline: bool,
}

/// How an object came through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum State {
    Ok,
    Partial,
    Lost,
}

impl State {
    /// Counts an item in this state.
    pub(super) fn count(self, items: &mut ItemCount) {
        items.expected = items.expected.saturating_add(1);
        let slot = match self {
            Self::Ok => &mut items.ok,
            Self::Partial => &mut items.partial,
            Self::Lost => &mut items.lost,
        };
        *slot = slot.saturating_add(1);
    }

    /// The state after a loss.
    pub(super) fn of(loss: Loss) -> Self {
        match loss {
            Loss::None | Loss::Metadata => Self::Ok,
            Loss::Partial => Self::Partial,
            Loss::Item => Self::Lost,
        }
    }
}

impl<'a> Objects<'a> {
    pub(super) fn new(ndb: &'a Ndb, options: &'a CheckOptions, causes: &'a Causes, allowance: &'a Allowance) -> Self {
        let deep = options.level >= Level::Deep;
        Self {
            ndb,
            options,
            causes,
            allowance,
            sizes: None,
            deep,
            names: None,
            rows: None,
            offline: ndb.header().kind() == Some(FileKind::Ost),
        }
    }

    /// The finding where no more rows of folders' tables are read; `None` where some are.
    pub(super) fn no_more_rows(&self, at: Location) -> Option<Finding> {
        let why = "the table is not read: the folders' tables have more rows than the bytes of the file hold, because several share them";
        self.rows.filter(|r| r.is_spent()).map(|_| Finding::new(&rules::LIMIT, at).actual(why).loss(Loss::Partial))
    }

    /// A tag as this file has it: texts are of 8 bits in ANSI files.
    pub(super) fn fitting(&self, tag: PropTag) -> PropTag {
        if self.ndb.layout().is_ansi() && tag.prop_type() == PropType::STRING { tag.with_type(PropType::STRING8) } else { tag }
    }

    /// A collector for objects: faults that a bad block has been blamed for are not told again.
    pub(super) fn collector(&self) -> Collector<'a> {
        Collector::for_objects(self.options, self.causes)
    }

    /// The properties of a node, opened and verified; `None` where they cannot be read.
    pub(super) fn properties(&self, node: Node<'a>, out: &mut Collector<'_>) -> Result<Option<PropertyContext<'a>>> {
        let pc = PropertyContext::open(node, out)?;
        if let Some(pc) = &pc {
            pc.verify(Depth::values_if(self.deep), out)?;
        }
        Ok(pc)
    }

    /// The table of a node, opened and verified.
    pub(super) fn table(&self, node: Node<'a>, out: &mut Collector<'_>) -> Result<Option<TableContext<'a>>> {
        let table = TableContext::open(node, out)?;
        if let Some(table) = &table {
            let rows = table.verify_counting(Depth::values_if(self.deep), out)?;
            self.rows.iter().for_each(|left| left.spend(rows));
        }
        Ok(table)
    }

    /// Where blocks are bad, goes through all blocks of a node and its sub-nodes, so that each object that is hit is found: values in
    /// sub-nodes are not read otherwise.
    pub(super) fn look_for_bad_blocks(&self, node: &Node<'a>, out: &mut Collector<'_>) -> Result<()> {
        if self.causes.is_empty() {
            return Ok(());
        }
        let mut pending = vec![(node.data, node.sub, node.at)];
        let mut entered = HashSet::new();
        while let Some((data, sub, at)) = pending.pop() {
            if data.is_internal() && !entered.insert(data) {
                // known already
            } else {
                let tree = DataTree::load(self.ndb, data, at, out)?;
                if !self.allowance.take(wide(tree.leaf_count()).saturating_add(1)) {
                    return Ok(());
                }
                for leaf in tree.leaves() {
                    out.touch(leaf.bid, Loss::Partial);
                }
                out.touch(data, Loss::Partial);
            }
            if sub.is_none() || !entered.insert(sub) {
                continue;
            }
            out.touch(sub, Loss::Partial);
            let subs = self.ndb.subnode_tree(sub, at, out)?;
            pending.extend(subs.iter().map(|e| (e.data, e.sub, Location { sub: at.sub.or(Some(e.nid)), ..at })));
        }
        Ok(())
    }

    /// Reports the properties of a list that an object lacks.
    pub(super) fn require(
        &self,
        pc: &PropertyContext<'_>,
        wanted: &[PropTag],
        rule: &'static Rule,
        loss: Loss,
        out: &mut Collector<'_>,
    ) -> Result<()> {
        for tag in wanted {
            if !pc.has(tag.id()) {
                out.report(Finding::new(rule, pc.at().with_tag(*tag)).loss(loss))?;
            }
        }
        Ok(())
    }

    /// Compares a row with the properties of the object that it stands for, and reports the first cell that differs.
    pub(super) fn compare(
        &self,
        row: &Row<'_, 'a>,
        table: &TableContext<'a>,
        pc: &PropertyContext<'a>,
        (rule, severity): (&'static Rule, Severity),
        out: &mut Collector<'_>,
    ) -> Result<()> {
        // Columns and properties come in the same order, so that one pass over both is enough.
        let mut rest = pc.records();
        let mut last = 0;
        for column in table.columns() {
            if may_differ(column.tag) {
                continue;
            }
            let id = column.tag.id();
            if id < last {
                rest = pc.records();
            }
            last = id;
            while rest.first().is_some_and(|r| r.tag.id() < id) {
                rest = rest.get(1..).unwrap_or_default();
            }
            let record = rest.first().filter(|r| r.tag.id() == id && same_kind(r.tag.prop_type(), column.tag.prop_type()));
            let cell = row.cell(column);
            let (Some(cell), Some(record)) = (cell, record) else {
                if cell.is_some() != record.is_some()
                    && let Some((actual, expected)) = self.one_sided(row, table, pc, column.tag)?
                {
                    let at = pc.at().with_tag(column.tag).with_row(row.number());
                    return out.report(Finding::new(rule, at).severity(severity).actual(actual).expected(expected).loss(Loss::Metadata));
                }
                continue;
            };
            let equal = match column.tag.prop_type() {
                PropType::BOOLEAN => cell.first().is_some_and(|b| (*b != 0) == (record.value & 0xFF != 0)),
                PropType::INTEGER16 => cell.get(..2) == record.value.to_le_bytes().get(..2),
                t if t.is_inline() => cell.get(..4) == Some(&record.value.to_le_bytes()[..]),
                _ if row.at_hand(column, cell).is_some_and(|a| pc.at_hand(record).is_some_and(|b| a == b)) => true,
                _ => {
                    let (Some(a), Some(b)) = (row.source(column, &mut Ignore)?, pc.source(record, &mut Ignore)?) else { continue };
                    (a.len() == b.len() || column.tag.prop_type().fixed_size().is_some()) && are_equal(&a, &b)
                }
            };
            if !equal {
                let at = pc.at().with_tag(column.tag).with_row(row.number());
                return out.report(Finding::new(rule, at).severity(severity).loss(Loss::Metadata));
            }
        }
        Ok(())
    }

    /// A cell without property or a property without cell: the finding, if any.
    fn one_sided(
        &self,
        row: &Row<'_, 'a>,
        table: &TableContext<'a>,
        pc: &PropertyContext<'a>,
        tag: PropTag,
    ) -> Result<Option<(&'static str, &'static str)>> {
        // Offline files keep much in rows alone.
        if self.offline {
            return Ok(None);
        }
        if let Some(column) = table.column(tag.id())
            && row.cell(column).is_some()
        {
            if tag.prop_type().is_inline() {
                return Ok(Some(("a cell", "no cell: the object lacks the property")));
            }
            let empty = row.source(column, &mut Ignore)?.is_none_or(|s| s.is_empty());
            return Ok((!empty).then_some(("a cell", "no cell: the object lacks the property")));
        }
        let Some(record) = pc.get(tag.id()) else { return Ok(None) };
        if !tag.prop_type().is_inline() && pc.source(record, &mut Ignore)?.is_none_or(|s| s.is_empty()) {
            return Ok(None);
        }
        Ok(Some(("no cell", "the object's value")))
    }
}

/// Whether two values have the same bytes. A value too long to be read stands in no cell, and counts as equal where the lengths agree.
pub(super) fn are_equal(a: &ValueSource<'_, '_>, b: &ValueSource<'_, '_>) -> bool {
    match (a.bytes(CELL_BYTES, &mut Ignore), b.bytes(CELL_BYTES, &mut Ignore)) {
        (Ok(a), Ok(b)) => a == b,
        _ => a.len() == b.len(),
    }
}

fn same_kind(a: PropType, b: PropType) -> bool {
    a == b
}

/// Cells that only rows have, or that Outlook lets differ.
fn may_differ(tag: PropTag) -> bool {
    tag == tags::LTP_ROW_ID
        || tag == tags::LTP_ROW_VER
        || tags::is_row_only(tag)
        || matches!(tag.id(), 0x0E08 | 0x0E2A | 0x1097 | 0x3013 | 0x65C6 | 0x67F1 | 0x67F4 | 0x67F5)
}

/// The entries of one of two ascending lists that the other lacks: `left` for those missing on the right, `right` for the others.
pub(super) fn differ(
    left: &[u32],
    right: &[u32],
    only_left: &mut dyn FnMut(Nid) -> Result<()>,
    only_right: &mut dyn FnMut(Nid) -> Result<()>,
) -> Result<()> {
    let (mut l, mut r) = (left.iter().peekable(), right.iter().peekable());
    loop {
        match (l.peek().copied(), r.peek().copied()) {
            (None, None) => return Ok(()),
            (Some(a), Some(b)) if a == b => {
                l.next();
                r.next();
            }
            (Some(a), b) if b.is_none_or(|b| a < b) => {
                only_left(Nid(*a))?;
                l.next();
            }
            (_, Some(b)) => {
                only_right(Nid(*b))?;
                r.next();
            }
            (Some(_), None) => return Ok(()),
        }
    }
}

/// A number of things, for findings.
pub(super) fn count_of<T>(list: &[T]) -> u64 {
    wide(list.len())
}
