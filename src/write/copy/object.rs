//! Reading the parts of objects: properties and rows, as far as they can be read.

use super::{Copier, STREAM_FROM, Trouble};
use crate::error::Result;
use crate::finding::{Ignore, Location, Strict};
use crate::format::bytes::{index, le16, wide};
use crate::format::ids::{HnidKind, Nid, PropTag, PropType};
use crate::format::tags;
use crate::ltp::tc::Row;
use crate::ltp::value::{PropValue, ValueSource, latin1, verify_value};
use crate::ltp::{NAMED_FIRST, PropertyContext, TableContext};
use crate::messaging::code_page::CodePage;
use crate::messaging::rtf;
use crate::ndb::Node;
use crate::rules;
use crate::write::{Data, Props, SubNodes};
use std::collections::HashSet;

/// The cells that only rows have.
pub(super) fn row_only(cells: &Props) -> Vec<(PropTag, Vec<u8>)> {
    let known = cells.iter().filter(|(t, _)| tags::is_row_only(*t));
    known.filter_map(|(t, d)| if let Data::Bytes(b) = d { Some((t, b.clone())) } else { None }).collect()
}

/// The rest of a row's cells: the rest of an object whose properties are lost.
pub(super) fn without_row_only(cells: Props) -> Props {
    let structural = [tags::LTP_ROW_ID, tags::LTP_ROW_VER, tags::CONVERSATION_ID];
    cells.iter().filter(|(t, _)| !tags::is_row_only(*t) && !structural.contains(t)).map(|(t, d)| (t, d.clone())).collect()
}

/// The sub-nodes that an object's properties name.
pub(super) fn named_by(pc: &PropertyContext<'_>) -> Vec<Nid> {
    let values = pc.records().iter().filter(|r| !r.tag.prop_type().is_inline());
    values.filter_map(|r| if let HnidKind::Node(nid) = r.hnid().kind() { Some(nid) } else { None }).collect()
}

impl Copier<'_, '_> {
    /// All properties of a context but objects, whose sub-nodes are the caller's.
    pub(super) fn read_props(&mut self, pc: &PropertyContext<'_>, page: CodePage, trouble: &mut Trouble) -> Result<Props> {
        self.read_props_of(pc, page, &|_| true, trouble)
    }

    /// The same of some properties.
    pub(super) fn read_props_of(
        &mut self,
        pc: &PropertyContext<'_>,
        page: CodePage,
        wanted: &dyn Fn(PropTag) -> bool,
        trouble: &mut Trouble,
    ) -> Result<Props> {
        let mut props = Props::new();
        for record in pc.records().iter().filter(|r| wanted(r.tag)) {
            let t = record.tag.prop_type();
            // a record of zeros names nothing and holds nothing; there are readers that refuse the whole object for it
            let is_empty = record.tag == PropTag(0) && record.value == 0;
            if t == PropType::OBJECT || is_empty {
                continue;
            }
            let is_stored = t.is_known() && !matches!(t, PropType::UNSPECIFIED | PropType::NULL);
            if !is_stored && !trouble.findings.is_empty() {
                // bytes of something else, in a damaged heap
                trouble.value();
                continue;
            }
            match pc.source(record, &mut trouble.findings) {
                Ok(Some(source)) => {
                    let data = self.read_value(record.tag, source, trouble)?;
                    match data {
                        Some(data) => {
                            props.put(record.tag, data);
                        }
                        None => trouble.value(),
                    }
                }
                Ok(None) => trouble.value(),
                Err(e) if e.is_cancelled() => return Err(e),
                Err(_) => trouble.value(),
            }
        }
        if let Some(unnamed) = self.unnamed.as_mut() {
            for (tag, _) in props.iter().filter(|(t, _)| t.id() >= NAMED_FIRST) {
                unnamed.see(tag, trouble.findings.is_empty());
            }
        }
        self.fit_props(&mut props, page);
        Ok(props)
    }

    pub(super) fn read_value(&mut self, tag: PropTag, source: ValueSource<'_, '_>, trouble: &mut Trouble) -> Result<Option<Data>> {
        let t = tag.prop_type();
        let is_text = matches!(t, PropType::STRING | PropType::STRING8 | PropType::MULTI_STRING | PropType::MULTI_STRING8);
        let converts = is_text && (self.widen || self.narrow);
        let is_rtf = tag == tags::RTF_COMPRESSED && source.len() <= self.pst.ndb().limits().value_bytes;
        if source.len() > STREAM_FROM && !converts && !is_rtf {
            let (tree, problems) = match source {
                ValueSource::Node(ndb, tree) => self.write_tree(ndb, tree)?,
                small => (self.out.copy_reader(&mut small.reader())?, Vec::new()),
            };
            if !problems.is_empty() {
                trouble.value();
            }
            trouble.findings.extend(problems);
            return Ok(Some(Data::Written(tree)));
        }
        let before = trouble.findings.len();
        let source_len = source.len();
        let Ok(bytes) = source.bytes(self.pst.ndb().limits().value_bytes, &mut trouble.findings) else { return Ok(None) };
        if trouble.findings.len() > before {
            trouble.value();
        }
        let mut bytes = bytes.into_owned();
        if is_rtf && !bytes.is_empty() {
            return Ok(Some(Data::Bytes(self.mend_rtf(bytes, trouble))));
        }
        if t.is_multi() && verify_value(t, &bytes, Location::NONE, &mut Strict).is_err() {
            // the readable part of it
            trouble.value();
            let value = PropValue::decode(t, &bytes, &latin1, Location::NONE, &mut Ignore).ok().flatten();
            let encoded = value.filter(|_| t != PropType::MULTI_STRING8).map(|v| v.encode());
            return Ok(encoded.filter(|b| verify_value(t, b, Location::NONE, &mut Strict).is_ok()).map(Data::Bytes));
        }
        if t == PropType::STRING && !bytes.len().is_multiple_of(2) {
            // half a character
            bytes.pop();
        }
        if tag == tags::SUBJECT.with_type(PropType::STRING)
            && bytes.len() >= 4
            && le16(&bytes, 0) == 1
            && u64::from(le16(&bytes, 2)) > source_len / 2
        {
            // a prefix that is longer than the text says nothing of it
            bytes.drain(..4);
        }
        if !t.is_multi()
            && let Some(size) = t.fixed_size()
            && bytes.len() != size
        {
            if bytes.is_empty() {
                return Ok(None);
            }
            bytes.resize(size, 0);
        }
        Ok(Some(Data::Bytes(bytes)))
    }

    /// A compressed body that does not agree with its own checksum is compressed anew from the text that a tolerant reader gets out of it, so
    /// that a strict one gets the same. Where the header is lost, the contents may still tell; else the body becomes an empty one.
    fn mend_rtf(&self, stored: Vec<u8>, trouble: &mut Trouble) -> Vec<u8> {
        if rtf::is_sealed(&stored) {
            return stored;
        }
        trouble.value();
        let limit = index(self.pst.ndb().limits().inflated_bytes);
        let found = rtf::decompress(&stored, limit).ok().or_else(|| rtf::without_header(&stored, limit));
        found.map(|d| rtf::compress(&d.data)).unwrap_or_default()
    }

    /// The cells of a row.
    pub(super) fn read_row(&mut self, table: &TableContext<'_>, row: &Row<'_, '_>, trouble: &mut Trouble) -> Result<Props> {
        let mut props = Props::new();
        let mut page = self.code_page;
        for column in table.columns() {
            if row.cell(column).is_none() {
                continue;
            }
            match row.source(column, &mut trouble.findings) {
                Ok(Some(source)) => match self.read_value(column.tag, source, trouble)? {
                    Some(data) => {
                        props.put(column.tag, data);
                    }
                    None => trouble.value(),
                },
                Ok(None) => trouble.value(),
                Err(e) if e.is_cancelled() => return Err(e),
                Err(_) => trouble.value(),
            }
        }
        if self.widen {
            page = self.pst.default_code_page();
        }
        self.fit_props(&mut props, page);
        Ok(props)
    }

    /// Copies the sub-nodes of an object that no property has `named` and that are not `known`.
    pub(super) fn copy_unknown_subnodes(
        &mut self,
        node: Option<&Node<'_>>,
        named: &[Nid],
        known: &[Nid],
        trouble: &mut Trouble,
    ) -> Result<SubNodes> {
        let mut subs = SubNodes::new();
        let Some(node) = node else { return Ok(subs) };
        let Ok(tree) = node.subnodes(&mut trouble.findings) else {
            trouble.value();
            return Ok(subs);
        };
        let entries: Vec<Nid> = tree.iter().map(|e| e.nid).collect();
        // a damaged object can have as many values as sub-nodes
        let settled: HashSet<Nid> = named.iter().chain(known).copied().collect();
        for nid in entries {
            // values that no property names any more are nobody's
            if settled.contains(&nid) || nid.nid_type() == crate::format::ids::NidType::LTP {
                continue;
            }
            // bytes of something else, where entries should be
            let known_type = nid.nid_type().is_local();
            let no_data = tree.get(nid).is_none_or(|e| e.data.is_none());
            let there = no_data || tree.get(nid).is_some_and(|e| self.pst.ndb().find_block(e.data).is_some());
            if (!trouble.findings.is_empty() && (!known_type || !there)) || (self.mend && !known_type && no_data) {
                trouble.value();
                continue;
            }
            // its kind cannot be told where ids are damaged; it is kept as it is
            if trouble.findings.iter().any(|f| std::ptr::eq(f.rule, &rules::SUBNODE_ORDER)) {
                trouble.value();
            }
            if let Ok(Some(sub)) = node.subnode(nid, &mut trouble.findings)
                && let Some(written) = self.copy_node(&sub, nid, trouble)?
            {
                subs.add(nid, written);
            }
        }
        Ok(subs)
    }

    /// Rows of a recipient table or the like.
    pub(super) fn read_table(&mut self, table: &TableContext<'_>, trouble: &mut Trouble) -> Result<Vec<(u32, Props)>> {
        let mut out = Vec::new();
        let mut rows = table.rows();
        let expected = table.row_count();
        while let Ok(Some(row)) = rows.next(&mut trouble.findings) {
            let mut props = self.read_row(table, &row, trouble)?;
            let id = row.id();
            for tag in [tags::LTP_ROW_ID, tags::LTP_ROW_VER] {
                props.remove(tag.id());
            }
            out.push((id, props));
        }
        if wide(out.len()) < u64::from(expected) {
            trouble.value();
        }
        debug_assert!(out.len() <= index(expected.into()));
        Ok(out)
    }
}
