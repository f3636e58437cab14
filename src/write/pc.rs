//! Property contexts ([MS-PST] 2.3.3), and [`Node`], any node whose blocks are written.
//!
//! Small values go to the heap, larger ones to sub-nodes. An empty value of variable size is the id 0: never an empty item.

use super::heap::{Bth, HeapBuilder};
use super::ndb::NdbWriter;
use super::props::{Data, Props};
use super::tree::WrittenData;
use crate::error::{ErrorKind, Result};
use crate::format::block::SlEntry;
use crate::format::bytes::low32;
use crate::format::context::{ObjectValue, PC_ENTRY, PC_KEY, PC_RECORD, PcRecord};
use crate::format::heap::ClientSig;
use crate::format::ids::{Bid, Nid, NidType, PropTag, PropType};

/// The largest value that goes to a heap. Up to 3580 is allowed; with this limit, no value of a table's cell is in the heap of a
/// message that has to share it with the table.
pub(super) const VALUE_IN_HEAP: usize = 2047;

/// A node whose blocks are written, as its entry in a tree has it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Node {
    /// Root of its data.
    pub data: Bid,
    /// Root of its sub-nodes.
    pub sub: Bid,
    /// Bytes of all data leaves, its own and those of its sub-nodes: [PidTagMessageSize](crate::format::tags::MESSAGE_SIZE) counts so.
    pub bytes: u64,
}

/// The sub-nodes of a node that is being written.
#[derive(Debug, Default)]
pub struct SubNodes {
    entries: Vec<(SlEntry, u64)>,
    bytes: u64,
}

impl SubNodes {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a sub-node.
    pub fn add(&mut self, nid: Nid, node: Node) {
        self.entries.push((SlEntry { nid, data: node.data, sub: node.sub }, node.bytes));
        self.bytes = self.bytes.saturating_add(node.bytes);
    }

    /// Adds a sub-node that has data only.
    pub fn add_data(&mut self, nid: Nid, tree: WrittenData) {
        self.add(nid, Node { data: tree.bid, sub: Bid::NONE, bytes: tree.bytes });
    }

    /// Whether there is a sub-node with this id.
    pub fn has(&self, nid: Nid) -> bool {
        self.entries.iter().any(|(e, _)| e.nid == nid)
    }

    /// The data of a sub-node that has nothing else.
    fn data_of(&self, nid: Nid) -> Option<WrittenData> {
        let (e, bytes) = self.entries.iter().find(|(e, _)| e.nid == nid)?;
        e.sub.is_none().then_some(WrittenData { bid: e.data, bytes: *bytes })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes of all data leaves in them.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Writes the tree; makes a node of it and of data.
    ///
    /// # Errors
    /// As [`NdbWriter::write_subnodes`].
    pub fn finish(self, ndb: &mut NdbWriter<'_>, data: WrittenData) -> Result<Node> {
        let mut entries: Vec<SlEntry> = self.entries.into_iter().map(|(e, _)| e).collect();
        let sub = ndb.write_subnodes(&mut entries)?;
        Ok(Node { data: data.bid, sub, bytes: data.bytes.saturating_add(self.bytes) })
    }
}

/// A property context whose heap is laid out and can still be completed.
#[derive(Debug)]
pub(super) struct PcBuilder {
    heap: HeapBuilder,
    bth: Bth,
    records: Vec<u8>,
    subs: SubNodes,
}

impl PcBuilder {
    /// Lays out properties; values that are too large for the heap are written and become sub-nodes.
    pub(super) fn new(ndb: &mut NdbWriter<'_>, props: &Props, mut subs: SubNodes) -> Result<Self> {
        let mut heap = HeapBuilder::new(ndb.layout(), ClientSig::PROPERTY);
        let mut bth = heap.reserve_bth(PC_KEY, PC_ENTRY)?;
        heap.set_user_root(bth.header);
        heap.reserve_records(&mut bth, props.len())?;
        let mut records = Vec::with_capacity(props.len().saturating_mul(PC_RECORD));
        for (tag, data) in props.iter() {
            let value = Self::value(ndb, &mut heap, &mut subs, tag, data)?;
            records.extend(PcRecord { tag, value }.encode());
        }
        Ok(Self { heap, bth, records, subs })
    }

    fn value(ndb: &mut NdbWriter<'_>, heap: &mut HeapBuilder, subs: &mut SubNodes, tag: PropTag, data: &Data) -> Result<u32> {
        let t = tag.prop_type();
        let bytes = match data {
            Data::Object { nid, size } => return Ok(heap.alloc(&ObjectValue { nid: *nid, size: *size }.encode())?.0),
            Data::Written(tree) if tree.bid.is_none() => return Ok(0),
            Data::Written(tree) => {
                let nid = ndb.next_nid(NidType::LTP)?;
                subs.add_data(nid, *tree);
                return Ok(nid.0);
            }
            Data::Bytes(bytes) => bytes,
        };
        if t.is_inline() || (!t.is_known() && bytes.len() <= 4) {
            let mut four = [0; 4];
            for (to, from) in four.iter_mut().zip(bytes) {
                *to = *from;
            }
            return Ok(u32::from_le_bytes(four));
        }
        if !t.is_multi()
            && let Some(size) = t.fixed_size()
            && bytes.len() != size
        {
            return Err(ErrorKind::Usage(format!("{tag:?} has {} bytes and not {size}", bytes.len())).into());
        }
        if t == PropType::OBJECT && bytes.len() != 8 {
            return Err(ErrorKind::Usage(format!("{tag:?} needs a sub-node")).into());
        }
        match bytes.len() {
            0 => Ok(0),
            n if n > VALUE_IN_HEAP => {
                let tree = ndb.write_data(bytes)?;
                let nid = ndb.next_nid(NidType::LTP)?;
                subs.add_data(nid, tree);
                Ok(nid.0)
            }
            _ => Ok(heap.alloc(bytes)?.0),
        }
    }

    /// Bytes of the node's data leaves and of its sub-nodes'.
    pub(super) fn bytes(&self) -> u64 {
        self.heap.bytes().saturating_add(self.subs.bytes())
    }

    /// Changes a number of at most four bytes that is there already.
    pub(super) fn set32(&mut self, tag: PropTag, v: u32) {
        for record in self.records.chunks_exact_mut(PC_RECORD) {
            if PcRecord::decode(record).tag == tag {
                record.copy_from_slice(&PcRecord { tag, value: v }.encode());
            }
        }
    }

    /// Puts the size of everything written into a property that is there already, and answers it.
    pub(super) fn set_size(&mut self, tag: PropTag) -> Result<u32> {
        let size = low32(self.bytes().min(i32::MAX.unsigned_abs().into()));
        self.set32(tag, size);
        Ok(size)
    }

    /// Writes the context.
    pub(super) fn finish(mut self, ndb: &mut NdbWriter<'_>) -> Result<Node> {
        self.heap.fill_bth(&self.bth, &self.records)?;
        let tree = self.heap.finish(ndb)?;
        self.subs.finish(ndb, tree)
    }

    /// The data of a property's value and its size, if it is a sub-node: the row of a table shares it.
    pub(super) fn large_value(&self, tag: PropTag) -> Option<WrittenData> {
        let record = self.records.chunks_exact(PC_RECORD).map(PcRecord::decode).find(|r| r.tag == tag)?;
        if tag.prop_type().is_inline() || record.value & 0x1F == 0 {
            return None;
        }
        self.subs.data_of(Nid(record.value))
    }
}

impl NdbWriter<'_> {
    /// Writes properties as the data of a node; its sub-nodes are those given and one for each large value.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] where a value does not have the size of its type; as [`NdbWriter::write_block`].
    pub fn write_properties(&mut self, props: &Props, subs: SubNodes) -> Result<Node> {
        PcBuilder::new(self, props, subs)?.finish(self)
    }
}
