//! What Outlook and its repair tool demand of a file, and which test holds written files to it.
//!
//! The demands are those of [MS-PST] and of files of Outlook's; a checked file is one that `tests/it/write.rs` and
//! `tests/it/random_store.rs` find clean, in every variety.
//!
//! | Demand | Held by |
//! |---|---|
//! | Header: checksums, version, sentinel, sizes, free bytes, valid maps, counters over all ids in use | check; `empty`; `write::tests::verify` |
//! | Start values of the id counters, row versions below dwUnique | `empty` (equal to Outlook's); check |
//! | AMap, PMap, FMap, FPMap, DList: places, trailers, all ones; nothing lies over a map | `write::tests` (to beyond 4 GiB) |
//! | B-trees: order, parent keys, levels, counts, reference counts, no orphans | `write::tests::verify`; check |
//! | Blocks: sizes, checksums, signatures, no empty ones; inner leaves full; totals | `write::tests::verify` |
//! | Sub-node trees: order, at least one entry, two levels | `write::tests`; `testkit::small` has one of two levels |
//! | Heaps: page maps, free counts, item sizes, block headers, ends | `write::tests` (strict decoding); check |
//! | B-trees on heaps: order, levels, parent keys | `write::tests`; check |
//! | Properties: empty values are the id 0; no terminators; large values in sub-nodes of type 0x1F | `write::tests`; `exact_forms` here |
//! | Objects: embedded messages are type 4, OLE storages type 9, sizes as declared | `exact_forms` here; check |
//! | Tables: layout of rows, bits, row ids and versions, row index, full leaves | `templates::tests`; `write::tests`; check |
//! | Store: properties, entry ids, search objects, receive folder, queues, id map, message index | `empty`; `message_index` here |
//! | Folders: four nodes, counts, rows equal to objects | check; `rows_mirror_objects` here |
//! | Messages: required properties, flags, size formula, row = object, row-only cells, conversation id | `rows_mirror_objects` here; check |
//! | Recipients, attachments: tables as objects, sizes | `exact_forms` here; check |
//! | Associated messages: type 8, flag, not counted | `rows_mirror_objects` here |
//!
//! Not applicable: rules for changes in place (nothing is changed here); texts longer than 255 characters in columns (the caller's to
//! keep to: a copy must not cut them); unique names of folders (not checked by anybody).

use pstkit::finding::Strict;
use pstkit::format::heap::ClientSig;
use pstkit::format::ids::{Nid, NidType, PropType};
use pstkit::ltp::latin1;
use pstkit::ltp::{Bth, Heap, PropValue, PropertyContext, TableContext};
use pstkit::ndb::{Ndb, Node};
use pstkit::testkit::{VARIETIES, small};
use pstkit::{Pst, format::bytes::le32};
use std::collections::BTreeMap;

fn stores() -> impl Iterator<Item = (String, Pst)> {
    VARIETIES.into_iter().map(|v| (v.name(), Pst::from_bytes(small(v, 11).unwrap()).unwrap()))
}

fn properties<'n>(node: Node<'n>) -> PropertyContext<'n> {
    PropertyContext::open(node, &mut Strict).unwrap().unwrap()
}

fn table(ndb: &Ndb, nid: Nid) -> TableContext<'_> {
    TableContext::open(ndb.node(nid).unwrap(), &mut Strict).unwrap().unwrap()
}

/// Bytes of all data leaves of a node and its sub-nodes.
fn leaves(node: &Node<'_>) -> u64 {
    let mut total = node.data(&mut Strict).unwrap().len();
    for e in node.subnodes(&mut Strict).unwrap().iter() {
        total += leaves(&node.subnode(e.nid, &mut Strict).unwrap().unwrap());
    }
    total
}

#[test]
fn rows_mirror_objects() {
    for (what, pst) in stores() {
        let ndb = pst.ndb();
        let mut versions = BTreeMap::new();
        for folder in pst.folders().filter(|f| f.nid().nid_type() == NidType::NORMAL_FOLDER) {
            for t in [NidType::HIERARCHY_TABLE, NidType::CONTENTS_TABLE, NidType::ASSOC_CONTENTS_TABLE] {
                let table = table(ndb, folder.nid().with_type(t));
                let mut rows = table.rows();
                while let Some(row) = rows.next(&mut Strict).unwrap() {
                    let nid = Nid(row.id());
                    assert!(versions.insert(row.version(), nid).is_none(), "{what}: {nid} has a version that is not its own");
                    assert!(row.version() < pst.header().unique);
                    let pc = properties(ndb.node(nid).unwrap());
                    for column in table.columns() {
                        let id = column.tag.id();
                        let cell = row.value(id, &latin1, &mut Strict).unwrap();
                        if matches!(id, 0x67F2 | 0x67F3 | 0x0E17 | 0x3013 | 0x0E30 | 0x0E33 | 0x0E34) {
                            continue;
                        }
                        let object = pc.value(id, &latin1, &mut Strict).unwrap();
                        let empty = matches!(&object, Some(PropValue::String(s)) if s.is_empty());
                        if !(empty && cell.is_none()) {
                            assert_eq!(cell, object, "{what}: {nid} {:?}", column.tag);
                        }
                    }
                    if t == NidType::HIERARCHY_TABLE {
                        continue;
                    }
                    assert_eq!(row.int(0x0E17), Some(0));
                    let flags = pc.int(0x0E07).unwrap();
                    assert_eq!(flags & 0x40 != 0, t == NidType::ASSOC_CONTENTS_TABLE);
                    let attachments =
                        pc.node().unwrap().subnodes(&mut Strict).unwrap().iter().any(|e| e.nid.nid_type() == NidType::ATTACHMENT);
                    assert_eq!(flags & 0x10 != 0, attachments);
                    assert_eq!(u64::from(pc.int(0x0E08).unwrap().cast_unsigned()), leaves(pc.node().unwrap()), "{what}: size of {nid}");
                    for id in [0x001A, 0x3007, 0x3008, 0x300B] {
                        assert!(pc.has(id), "{what}: {nid} lacks {id:#x}");
                    }
                    for id in [0x0E17, 0x3013, 0x67F2, 0x67F3, 0x0E30] {
                        assert!(!pc.has(id), "{what}: {nid} has {id:#x}");
                    }
                }
            }
        }
    }
}

#[test]
fn exact_forms() {
    for (what, pst) in stores() {
        let mut seen = 0;
        let mut pending: Vec<_> = pst.messages().collect();
        while let Some(message) = pending.pop() {
            let own = properties(message.properties().node().clone());
            for record in own.records().iter().filter(|r| !r.tag.prop_type().is_inline() && r.tag.prop_type() != PropType::OBJECT) {
                if record.value != 0 && record.value & 0x1F != 0 {
                    assert_eq!(Nid(record.value).nid_type(), NidType::LTP);
                } else if record.value == 0 {
                    assert_eq!(own.source(record, &mut Strict).unwrap().unwrap().len(), 0);
                }
            }
            let node = message.properties().node();
            let ids: Vec<u32> = message.attachments().unwrap().iter().map(|a| a.nid().0).collect();
            let listed: Vec<u32> = match node.subnode(Nid::ATTACHMENT_TABLE, &mut Strict).unwrap() {
                Some(t) => {
                    TableContext::open(t, &mut Strict).unwrap().unwrap().row_index(&mut Strict).unwrap().iter().map(|r| r.0).collect()
                }
                None => Vec::new(),
            };
            assert_eq!(ids, listed, "{what}");
            for attachment in message.attachments().unwrap() {
                let pc = properties(attachment.properties().node().clone());
                let mut size = 0;
                for record in pc.records() {
                    size += match record.tag.prop_type() {
                        PropType::OBJECT => {
                            let object = pc.object(record.tag.id(), &mut Strict).unwrap().unwrap();
                            let sub = pc.subnode(object.nid, &mut Strict).unwrap().unwrap();
                            if object.nid.nid_type() == NidType::NORMAL_MESSAGE {
                                assert_eq!(properties(sub).int(0x0E08), Some(object.size.cast_signed()));
                            } else {
                                assert_eq!(object.nid.nid_type(), NidType::OBJECT_DATA);
                                assert_eq!(sub.data(&mut Strict).unwrap().len(), u64::from(object.size));
                            }
                            seen += 1;
                            u64::from(object.size)
                        }
                        _ => pc.source(record, &mut Strict).unwrap().unwrap().len(),
                    };
                }
                assert_eq!(u64::from(pc.int(0x0E20).unwrap().cast_unsigned()), size, "{what}");
                assert!(pc.has(0x3705) && pc.has(0x370B));
                pending.extend(attachment.embedded().unwrap());
            }
        }
        assert!(seen >= 4, "{what}: {seen} objects");
    }
}

#[test]
fn message_index() {
    for (what, pst) in stores() {
        let node = pst.ndb().node(Nid::MESSAGE_INDEX).unwrap();
        let heap = Heap::open(&node, &mut Strict).unwrap().unwrap();
        assert_eq!(heap.client(), ClientSig::MESSAGE_INDEX);
        let root = heap.item(heap.user_root(), &mut Strict).unwrap().unwrap();
        assert_eq!(root.len(), 56);
        let bth = Bth::open(&heap, pstkit::format::ids::Hid(le32(&root, 0)), &mut Strict).unwrap().unwrap();
        let mut buckets = BTreeMap::new();
        bth.for_each(&mut Strict, &mut |key, hid| {
            buckets.insert(le32(key, 0), le32(hid, 0));
        })
        .unwrap();
        let mut indexed = BTreeMap::new();
        for (key, hid) in buckets {
            let item = heap.item(pstkit::format::ids::Hid(hid), &mut Strict).unwrap().unwrap();
            for nid in item.chunks_exact(4) {
                assert!(indexed.insert(le32(nid, 0), key).is_none());
            }
        }
        // every message once, under the key of the conversation that its row bears
        let mut messages = 0;
        for message in pst.messages().filter(|m| !m.is_associated()) {
            messages += 1;
            let id = message.with_row(|row| row.value(0x3013, &latin1, &mut Strict).unwrap()).unwrap();
            let key = match id {
                Some(PropValue::Binary(id)) => (0..16).fold(0xFFFF_0000u32, |k, j| k ^ u32::from(id[j]) << (15 - j)),
                _ => u32::MAX,
            };
            assert_eq!(indexed.get(&message.nid().0), Some(&key), "{what}: {}", message.nid());
        }
        assert_eq!(messages, indexed.len());
        assert!(le32(&root, 8) >= *indexed.keys().max().unwrap());
    }
}
