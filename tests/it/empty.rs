//! A new store of ours against one of Outlook's, node by node.
//!
//! They differ in this, and in nothing else:
//!
//! - nodes 0xEE1 and 0xF01, queues of the indexer that hold nothing that anybody needs, are Outlook's only;
//! - rows of folders bear the ids by which Outlook synchronises (0E30, 0E33, 0E34), and 0xC01 lists them: what Outlook's own repair
//!   tool adds to its store;
//! - Outlook has given some tables of its folders columns beyond the template's, for views that it has shown already;
//! - texts, keys, and numbers that count writes.

use crate::corpus;
use pstkit::Pst;
use pstkit::finding::Strict;
use pstkit::format::heap::ClientSig;
use pstkit::format::ids::{Nid, PropTag};
use pstkit::format::tags;
use pstkit::io::MemoryStorage;
use pstkit::ltp::{Heap, NameMap, PropertyContext, TableContext};
use pstkit::ndb::Ndb;
use pstkit::write::{PstWriter, StoreOptions};
use std::collections::BTreeSet;

fn ours() -> Pst {
    let memory = MemoryStorage::default();
    PstWriter::create(&memory, StoreOptions::default()).unwrap().finish().unwrap();
    Pst::from_bytes(memory.into_bytes()).unwrap()
}

fn theirs() -> Option<Pst> {
    let file = corpus::files().into_iter().find(|f| f.file.ends_with("/Empty.pst"))?;
    Some(Pst::open(&file.path).unwrap())
}

fn names(ndb: &Ndb) -> Vec<(u16, String)> {
    let pc = PropertyContext::open(ndb.node(Nid::NAME_TO_ID_MAP).unwrap(), &mut Strict).unwrap().unwrap();
    NameMap::read(&pc, &mut Strict).unwrap().iter().map(|(id, n)| (id, n.to_string())).collect()
}

/// What a node is made of, without the values that differ from store to store.
#[derive(Debug, PartialEq)]
enum Shape {
    Bytes(u64),
    Properties(Vec<PropTag>),
    Table { columns: BTreeSet<PropTag>, rows: Vec<(u32, BTreeSet<PropTag>)> },
    Heap(ClientSig, u32),
}

fn shape(ndb: &Ndb, nid: Nid) -> Shape {
    let node = ndb.node(nid).unwrap();
    let len = node.data(&mut Strict).unwrap().len();
    if len < 12 || matches!(nid.0, 0xEE1 | 0xF01) {
        return Shape::Bytes(len);
    }
    let heap = Heap::open(&node, &mut Strict).unwrap().unwrap();
    match heap.client() {
        ClientSig::PROPERTY => {
            let pc = PropertyContext::open(node, &mut Strict).unwrap().unwrap();
            Shape::Properties(pc.tags().collect())
        }
        ClientSig::TABLE => {
            let table = TableContext::open(node, &mut Strict).unwrap().unwrap();
            let mut rows = Vec::new();
            let mut all = table.rows();
            while let Some(row) = all.next(&mut Strict).unwrap() {
                rows.push((row.id(), table.columns().iter().filter(|c| row.has(c.tag.id())).map(|c| c.tag).collect()));
            }
            Shape::Table { columns: table.columns().iter().map(|c| c.tag).collect(), rows }
        }
        other => Shape::Heap(other, heap.block_count()),
    }
}

#[test]
fn a_new_store_is_outlooks_but_for_what_the_head_of_this_file_says() {
    let Some(theirs) = theirs() else { return };
    let ours = ours();
    let (a, b) = (theirs.ndb(), ours.ndb());
    assert_eq!(names(a), names(b));
    assert_eq!(a.len(), b.len());
    let nodes = |n: &Ndb| n.index().nodes().iter().map(|e| (e.nid, e.parent)).collect::<BTreeSet<_>>();
    let only: Vec<_> = nodes(a).symmetric_difference(&nodes(b)).map(|(n, _)| n.0).collect();
    assert_eq!(only, [0xEE1, 0xF01]);
    let ids = [tags::REPL_ITEM_ID, tags::REPL_CHANGE_NUMBER, tags::REPL_VERSION_HISTORY];
    for entry in b.index().nodes() {
        let nid = entry.nid;
        let (theirs, ours) = (shape(a, nid), shape(b, nid));
        match (theirs, ours) {
            (Shape::Table { columns, rows }, Shape::Table { columns: our_columns, rows: our_rows }) => {
                let missing: Vec<_> = columns.difference(&our_columns).collect();
                let extended = matches!(nid.0, 0x12F | 0x802D | 0x802E | 0x804D | 0x808F);
                assert!(missing.is_empty() || extended, "{nid}: {missing:?}");
                assert!(our_columns.is_subset(&columns), "{nid}");
                let bare = |(id, mut cells): (u32, BTreeSet<PropTag>)| {
                    ids.iter().for_each(|t| {
                        cells.remove(t);
                    });
                    (id, cells)
                };
                let sorted = |mut rows: Vec<(u32, BTreeSet<PropTag>)>| {
                    rows.sort();
                    rows
                };
                assert_eq!(sorted(rows.into_iter().map(bare).collect()), sorted(our_rows.into_iter().map(bare).collect()), "{nid}");
            }
            (theirs, ours) => assert_eq!(theirs, ours, "{nid}"),
        }
    }
    let (x, y) = (theirs.header(), ours.header());
    assert_eq!(x.nid_high_water, y.nid_high_water);
    assert_eq!((x.version, x.version_client, x.platform, x.crypt), (y.version, y.version_client, y.platform, y.crypt));
    assert_eq!(
        (x.free_map, x.free_page_map, x.root.pmap_free, x.root.amap_valid),
        (y.free_map, y.free_page_map, y.root.pmap_free, y.root.amap_valid)
    );
}
