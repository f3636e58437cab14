//! Joining: which sub-node tree belongs to which properties ([MS-PST] 2.4.5, 2.3.3.2).
//!
//! Where no entry of a node is left, its properties and its sub-nodes are two trees that nothing joins. They belong together where both
//! say the same: the size that the message states, the people on its To and Cc lines, the sub-nodes that its values are in, whether it
//! has attachments, and ids that were given out one after the other. Parts that only nearness joins, parts that one of these contradicts, and
//! properties without the tree that they ask for, are there in part ([`Doubt`]).

use super::choose::{Claim, choose};
use super::kinds::{self, Evidence, Question, Strength};
use super::orphans::{Object, Shape, Subnodes, counted_subnodes, object};
use super::salvage::Salvage;
use super::values::number;
use crate::error::Result;
use crate::finding::{Ignore, Location};
use crate::format::bytes::wide;
use crate::format::ids::{Bid, Nid, NidType};
use crate::format::page::NbtEntry;
use crate::format::tags;
use crate::ltp::value::latin1;
use crate::ltp::{PropertyContext, TableContext};
use crate::messaging::RecipientType;
use crate::monitor::{Monitor, step};
use crate::ndb::{DataTree, Ndb, Node, SubnodeTree};
use std::collections::{BTreeSet, HashMap, HashSet};

/// Why the parts of an object are not surely its own, or not all there.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Doubt {
    /// The reason, for people.
    pub why: String,
    /// Blocks of the rivals, where several are as likely: roots of sub-node trees.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Vec::is_empty"))]
    pub rivals: Vec<u64>,
}

impl Doubt {
    /// A doubt without rivals.
    pub fn new(why: impl Into<String>) -> Self {
        Self { why: why.into(), rivals: Vec::new() }
    }
}

/// A sub-node tree that was found for an object.
#[derive(Debug, Clone)]
pub(super) struct Joined {
    pub(super) sub: Bid,
    pub(super) because: Vec<&'static Evidence>,
}

/// The object that was joined, by the root of the properties.
#[derive(Debug, Default)]
pub(super) struct Joins {
    of: HashMap<Bid, Joined>,
    rivals: HashMap<Bid, Vec<Bid>>,
    habits: Habits,
}

impl Joins {
    /// Whether the tree of an object was found by more than the order of writing.
    pub(super) fn is_by_contents(&self, data: Bid) -> bool {
        self.of(data).is_none_or(|j| j.because.iter().any(|e| e.code == kinds::SIZE_EXACT.code))
    }

    /// The tree of an object.
    pub(super) fn of(&self, data: Bid) -> Option<&Joined> {
        self.of.get(&data)
    }

    /// The root of the tree of an object; none where it has none.
    pub(super) fn sub(&self, data: Bid) -> Bid {
        self.of(data).map_or(Bid::NONE, |j| j.sub)
    }

    /// Trees that belong to an object.
    pub(super) fn taken(&self) -> HashSet<Bid> {
        self.of.values().map(|j| j.sub).collect()
    }

    /// Why a message with these properties and the tree that was found for them may not be whole.
    pub(super) fn doubt(&self, o: &Object) -> Option<Doubt> {
        let is_message = matches!(o.shape, Shape::Message | Shape::Associated);
        let stated = number(&o.values, tags::MESSAGE_SIZE.id());
        let rivals: Vec<u64> = self.rivals.get(&o.data).into_iter().flatten().map(|b| b.0).collect();
        let doubt = |why: String| Some(Doubt { why, rivals: rivals.clone() });
        match self.of(o.data) {
            _ if !is_message => None,
            Some(j) if j.because.iter().any(|e| e.strength == Strength::Strong) => None,
            Some(j) => {
                let codes: Vec<&str> = j.because.iter().map(|e| e.code).collect();
                doubt(format!("its sub-nodes were found by {} alone and may be another message's", codes.join(", ")))
            }
            None if !rivals.is_empty() => doubt(format!("{} sub-node trees are as likely to be its own", rivals.len())),
            None if !o.needs.is_empty() => doubt("the sub-nodes that its properties refer to were not found".to_owned()),
            None if says_attachments(o) == Some(true) => doubt("its attachments were not found".to_owned()),
            None if o.lines.iter().any(|l| *l) => doubt("its recipients were not found".to_owned()),
            None if self.habits.is_alone(o) => None,
            None => doubt(match stated {
                Some(n) => format!("it states a size of {n} bytes, and its properties have {}: its sub-nodes were not found", o.bytes),
                None => "its sub-nodes were not found".to_owned(),
            }),
        }
    }
}

/// The habits that the messages of a file share, as far as it tells which parts belong together: programs differ in their habits.
#[derive(Debug, Default)]
struct Habits {
    /// Bytes that messages without sub-nodes state beyond those of their properties; nothing where they differ.
    alone: Option<i64>,
    /// Whether sub-nodes get their ids before the properties, where that is the rule.
    tree_first: Option<bool>,
    /// Whether ids of large values are given out once in the whole file, as Outlook does it.
    ids_once: bool,
}

impl Habits {
    /// Of a file, by the messages whose entries are there; where there are few, by properties and trees that make up the stated size.
    fn of(s: &Salvage, objects: &[&Object], trees: &[Subnodes], monitor: &dyn Monitor) -> Result<Self> {
        let ndb = &s.ndb;
        let entries: Vec<NbtEntry> =
            ndb.index().nodes().iter().copied().chain(s.older.iter().map(|o| o.entry)).filter(|n| is_mail(n.nid)).collect();
        let every = entries.len().checked_div(kinds::SAMPLED).unwrap_or(0).max(1);
        let (mut alone, mut first, mut pairs): (HashMap<i64, usize>, usize, usize) = (HashMap::new(), 0, 0);
        for n in entries.iter().step_by(every) {
            step(monitor, 0)?;
            let Some(o) = object(ndb, n.data, Location::node(n.nid)).filter(is_message) else { continue };
            if !n.sub.is_none() {
                pairs = pairs.saturating_add(1);
                first = first.saturating_add(usize::from(n.sub < n.data));
            } else if let Some(stated) = number(&o.values, tags::MESSAGE_SIZE.id()) {
                let slot = alone.entry(signed(stated).saturating_sub(signed(o.bytes))).or_default();
                *slot = slot.saturating_add(1);
            }
        }
        if pairs < kinds::FEW {
            for o in objects.iter().filter(|o| is_message(o)) {
                let at = trees.partition_point(|t| t.root < o.data);
                let near = trees.get(at.saturating_sub(2)..at.saturating_add(2).min(trees.len())).unwrap_or_default();
                for t in near.iter().filter(|t| fits_size(o, t)) {
                    pairs = pairs.saturating_add(1);
                    first = first.saturating_add(usize::from(t.root < o.data));
                }
            }
        }
        let is_rule = |n: usize| n.saturating_mul(4) >= pairs.saturating_mul(3);
        let tree_first = match pairs {
            0 => None,
            _ if is_rule(first) => Some(true),
            _ if is_rule(pairs.saturating_sub(first)) => Some(false),
            _ => None,
        };
        let total = alone.values().fold(0usize, |sum, n| sum.saturating_add(*n));
        let most = alone.into_iter().max_by_key(|(d, n)| (*n, std::cmp::Reverse(d.unsigned_abs())));
        let alone = most.filter(|(_, n)| n.saturating_mul(4) >= total.saturating_mul(3)).map(|(d, _)| d);
        Ok(Self { alone, tree_first, ids_once: ids_once(trees) })
    }

    /// Whether a message that asks for no sub-nodes has none, by the size that it states.
    fn is_alone(&self, o: &Object) -> bool {
        let Some(stated) = number(&o.values, tags::MESSAGE_SIZE.id()) else { return false };
        let beyond = signed(stated).saturating_sub(signed(o.bytes));
        // one that states less than its properties have was never counted anew
        beyond <= 0 || self.alone == Some(beyond)
    }
}

/// Whether large values have ids that come once in a file. States of one message share them: a few repeats say nothing.
fn ids_once(trees: &[Subnodes]) -> bool {
    let all = || trees.iter().flat_map(|t| &t.ids).filter(|id| id.nid_type() == NidType::LTP);
    let (count, distinct) = (all().count(), all().collect::<HashSet<_>>().len());
    count >= kinds::FEW && distinct.saturating_mul(4) >= count.saturating_mul(3)
}

fn signed(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

fn is_mail(nid: Nid) -> bool {
    nid.is_message()
}

fn is_message(o: &Object) -> bool {
    matches!(o.shape, Shape::Message | Shape::Associated)
}

/// Whether the flags of a message say that it has attachments; `None` where it has no flags.
fn says_attachments(o: &Object) -> Option<bool> {
    number(&o.values, tags::MESSAGE_FLAGS.id()).map(|f| f & 0x10 != 0)
}

/// Whether a message has with a tree the size that it states. A tree without bytes fits every message that has its size alone, which proves
/// nothing.
fn fits_size(o: &Object, t: &Subnodes) -> bool {
    is_message(o) && t.bytes > 0 && number(&o.values, tags::MESSAGE_SIZE.id()) == Some(o.bytes.saturating_add(t.bytes))
}

/// Finds for each object the sub-node tree that belongs to it. Objects in use choose first.
///
/// # Errors
/// Cancellation.
pub(super) fn join(s: &Salvage, objects: &[&Object], trees: &[Subnodes], monitor: &dyn Monitor) -> Result<Joins> {
    let mut out = Joins { habits: Habits::of(s, objects, trees, monitor)?, ..Joins::default() };
    let ids_once = out.habits.ids_once;
    let mut people = People::default();
    let newest = Newest::of(objects);
    let by_id = trees.iter().enumerate().fold(HashMap::new(), |mut map: HashMap<Nid, Vec<usize>>, (i, t)| {
        t.ids.iter().for_each(|id| map.entry(*id).or_default().push(i));
        map
    });
    let mut taken: HashSet<Bid> = HashSet::new();
    let own = if ids_once { ids_of_one_tree(s, objects, &by_id, monitor)? } else { HashSet::new() };
    for freed in [false, true] {
        let mut claims = Vec::new();
        for o in objects.iter().filter(|o| s.freed.contains(&o.data) == freed) {
            step(monitor, 0)?;
            // the rarest of the needed ids leads to few trees
            let rarest = o.needs.iter().map(|n| by_id.get(n).map_or(&[][..], Vec::as_slice)).min_by_key(|t| t.len());
            let candidates = rarest.map_or_else(|| near(o.data, trees), |all| near_of(o.data, all, trees));
            let open = candidates.into_iter().filter_map(|i| trees.get(i)).filter(|t| !taken.contains(&t.root));
            for t in open.filter(|t| freed || !s.freed.contains(&t.root)) {
                let mut claim = claim(s, o, t, &out.habits, &newest, &mut people);
                // an id alone may be that of an older file whose blocks are still there
                let is_named = |c: &&mut Claim<Bid, Bid>| c.because.iter().any(|e| e.code == kinds::RECIPIENTS_NAMED.code);
                if let Some(c) = claim.as_mut().filter(|_| o.needs.iter().any(|id| own.contains(id))).filter(is_named) {
                    c.because.push(&kinds::ID_OF_ITS_OWN);
                }
                claims.extend(claim);
            }
        }
        let chosen = choose(Question::Subnodes, claims, &s.decisions);
        for c in chosen.made {
            taken.insert(c.answer);
            out.of.insert(c.subject, Joined { sub: c.answer, because: c.because });
        }
        for t in chosen.tied {
            taken.extend(&t.rivals);
            out.rivals.insert(t.subject, t.rivals);
        }
    }
    Ok(out)
}

/// Of the ids that properties refer to, those that one tree alone has: no other that nothing names, and none of a message that is listed.
fn ids_of_one_tree(s: &Salvage, objects: &[&Object], by_id: &HashMap<Nid, Vec<usize>>, monitor: &dyn Monitor) -> Result<HashSet<Nid>> {
    let needed = objects.iter().flat_map(|o| &o.needs).copied();
    let is_one = |id: &Nid| id.nid_type() == NidType::LTP && by_id.get(id).is_some_and(|t| t.len() == 1);
    let mut own: HashSet<Nid> = needed.filter(is_one).collect();
    let listed = s.ndb.index().nodes().iter().copied().chain(s.older.iter().map(|o| o.entry));
    for n in listed.filter(|n| is_mail(n.nid) && !n.sub.is_none()) {
        if own.is_empty() {
            break;
        }
        step(monitor, 0)?;
        if let Ok(tree) = SubnodeTree::load(&s.ndb, n.sub, Location::node(n.nid), &mut Ignore) {
            tree.iter().for_each(|e| _ = own.remove(&e.nid));
        }
    }
    Ok(own)
}

/// Trees whose ids were given out near a block: where nothing is needed, one of them may belong to it.
fn near(data: Bid, trees: &[Subnodes]) -> Vec<usize> {
    let at = trees.partition_point(|t| t.root < data);
    (at.saturating_sub(kinds::LOOKED_AROUND)..at.saturating_add(kinds::LOOKED_AROUND).min(trees.len())).collect()
}

/// The same of some trees: an id that every message has leads to as many trees as there are messages.
fn near_of(data: Bid, all: &[usize], trees: &[Subnodes]) -> Vec<usize> {
    let at = all.partition_point(|i| trees.get(*i).is_some_and(|t| t.root < data));
    let end = at.saturating_add(kinds::LOOKED_AROUND).min(all.len());
    all.get(at.saturating_sub(kinds::LOOKED_AROUND)..end).unwrap_or_default().to_vec()
}

/// States of one message share sub-nodes: they are the newest's.
struct Newest<'o>(HashMap<(&'o [u8], Option<&'o [u8]>), Bid>);

impl<'o> Newest<'o> {
    fn of(objects: &[&'o Object]) -> Self {
        let mut out: HashMap<_, Bid> = HashMap::new();
        for o in objects {
            if let Some(key) = key_of(o) {
                let slot = out.entry(key).or_insert(o.data);
                *slot = (*slot).max(o.data);
            }
        }
        Self(out)
    }

    fn has(&self, o: &'o Object) -> bool {
        key_of(o).is_none_or(|key| self.0.get(&key) == Some(&o.data))
    }
}

fn key_of(o: &Object) -> Option<(&[u8], Option<&[u8]>)> {
    o.values.get(tags::SEARCH_KEY.id()).map(|k| (k, o.values.get(tags::CREATION_TIME.id())))
}

/// The evidence for a tree as that of an object; `None` where none is worth a claim.
fn claim<'o>(
    s: &Salvage,
    o: &'o Object,
    t: &Subnodes,
    habits: &Habits,
    newest: &Newest<'o>,
    people: &mut People,
) -> Option<Claim<Bid, Bid>> {
    let of = |ids: &[NidType]| t.ids.iter().filter(|n| ids.contains(&n.nid_type())).count();
    let of_message = of(&[NidType::ATTACHMENT, NidType::ATTACHMENT_TABLE, NidType::RECIPIENT_TABLE]) > 0;
    let has_attachments = of(&[NidType::ATTACHMENT]) > 0;
    if !o.needs.iter().all(|n| t.ids.contains(n)) || (!is_message(o) && of_message) {
        return None;
    }
    let distance = o.data.0.abs_diff(t.root.0);
    let mut because: Vec<&'static Evidence> = Vec::new();
    let fits = fits_size(o, t);
    if is_message(o) {
        if says_attachments(o).unwrap_or(false) != has_attachments {
            because.push(&kinds::FLAG_CONTRADICTS);
        } else if has_attachments {
            because.push(&kinds::ATTACHMENT_FLAG);
        }
        // a message that makes up its size alone has nothing beneath it that counts
        if o.needs.is_empty() && t.bytes > 0 && number(&o.values, tags::MESSAGE_SIZE.id()) == Some(o.bytes) {
            because.push(&kinds::SIZE_OTHER);
        }
        if fits {
            because.push(&kinds::SIZE_EXACT);
        }
    }
    if !o.needs.is_empty() {
        because.push(&kinds::NEEDS_ALL);
        // values that nothing refers to belong to another object
        if of(&[NidType::LTP]) == o.needs.len() {
            because.push(&kinds::VALUES_ALL);
        }
    }
    let is_close = distance <= if of_message { kinds::NEAR } else { kinds::NEXT };
    let is_likely = fits || !o.needs.is_empty() || (is_close && (of_message || !is_message(o) || t.root < o.data));
    if !is_likely {
        return None;
    }
    let is_in_order = habits.tree_first.is_none_or(|first| first == (t.root < o.data));
    if is_message(o) && is_close && is_in_order && is_one_piece(&s.ndb, o.data, t.root) {
        because.push(&kinds::WRITTEN_AS_ONE);
    }
    if is_message(o) && !because.iter().any(|e| e.strength == Strength::Veto) {
        because.extend(people.agree(&s.ndb, o.data, t.root));
    }
    because.push(&kinds::WRITTEN_WITH);
    let rank = if newest.has(o) { 1i64 << 48 } else { 0 };
    Some(Claim { subject: o.data, answer: t.root, because, measure: rank.saturating_sub(signed(distance)) })
}

/// Whether all ids that were given out between two roots went to blocks of these two: they were written in one go.
fn is_one_piece(ndb: &Ndb, data: Bid, sub: Bid) -> bool {
    let place = |b: Bid| b.0 >> 2;
    let (low, high) = (place(data).min(place(sub)), place(data).max(place(sub)));
    let mut seen: BTreeSet<u64> = [low, high].into();
    let mut budget = kinds::NEAR;
    let mut pending = vec![(data, Bid::NONE), (Bid::NONE, sub)];
    while let Some((data, sub)) = pending.pop() {
        let Ok(tree) = DataTree::load(ndb, data, Location::NONE, &mut Ignore) else { return false };
        seen.extend(tree.leaves().map(|l| place(l.bid)).chain([place(tree.root())]).filter(|p| (low..=high).contains(p)));
        let mut note = |b: Bid| {
            if (low..=high).contains(&place(b)) {
                seen.insert(place(b));
            }
        };
        let Ok(subs) = SubnodeTree::load_with(ndb, sub, Location::NONE, &mut note, &mut Ignore) else { return false };
        budget = budget.saturating_sub(wide(subs.len()).saturating_add(1));
        if budget == 0 {
            return false;
        }
        pending.extend(subs.iter().map(|e| (e.data, e.sub)));
    }
    wide(seen.len()) == high.saturating_sub(low).saturating_add(1)
}

/// The names on the To, Cc and Bcc lines of messages and in recipient tables, each read once.
#[derive(Debug, Default)]
struct People {
    lines: HashMap<Bid, Option<Names>>,
    tables: HashMap<Bid, Option<Names>>,
}

/// Names by the way in which a message is addressed to them: To, Cc, Bcc.
type Names = [Vec<String>; 3];

impl People {
    /// The word of a tree's recipient table on a message's lines.
    fn agree(&mut self, ndb: &Ndb, data: Bid, sub: Bid) -> Option<&'static Evidence> {
        let lines = self.lines.entry(data).or_insert_with(|| lines_of(ndb, data)).as_ref()?;
        let table = self.tables.entry(sub).or_insert_with(|| recipients_of(ndb, sub)).as_ref()?;
        let (named, listed) = (lines.iter().flatten().count(), table.iter().flatten().count());
        if lines == table {
            return (named > 0).then_some(&kinds::RECIPIENTS_NAMED);
        }
        let is_shared = lines.iter().flatten().any(|name| table.iter().flatten().any(|other| other == name));
        (named > 0 && listed > 0 && !is_shared).then_some(&kinds::RECIPIENTS_OTHER)
    }
}

fn plain(name: &str) -> String {
    name.trim().trim_matches(['\'', '"']).trim().to_lowercase()
}

/// The names on a message's lines; `None` where it has no such line.
fn lines_of(ndb: &Ndb, data: Bid) -> Option<Names> {
    let pc = PropertyContext::open(Node::detached(ndb, Nid::NONE, data, Bid::NONE, Location::NONE), &mut Ignore).ok()??;
    let decode = |b: &[u8]| latin1(b);
    let line = |tag: u16| pc.string(tag, &decode, &mut Ignore).ok().flatten();
    let lines = [tags::DISPLAY_TO, tags::DISPLAY_CC, tags::DISPLAY_BCC].map(|t| line(t.id()));
    lines.iter().any(Option::is_some).then(|| {
        lines.map(|l| {
            let mut names: Vec<String> = l.unwrap_or_default().split(';').map(plain).filter(|n| !n.is_empty()).collect();
            names.sort();
            names
        })
    })
}

/// The names in the recipient table of a sub-node tree; `None` where there is none.
fn recipients_of(ndb: &Ndb, sub: Bid) -> Option<Names> {
    let tree = SubnodeTree::load(ndb, sub, Location::NONE, &mut Ignore).ok()?;
    let e = tree.get(Nid::RECIPIENT_TABLE)?;
    let table = TableContext::open(Node::detached(ndb, e.nid, e.data, e.sub, Location::NONE), &mut Ignore).ok()??;
    let decode = |b: &[u8]| latin1(b);
    let mut out: Names = Default::default();
    let mut rows = table.rows();
    for _ in 0..kinds::NAMES {
        let Ok(Some(row)) = rows.next(&mut Ignore) else { break };
        let slot = match RecipientType::from_number(row.int(tags::RECIPIENT_TYPE.id()).unwrap_or(-1)) {
            RecipientType::To => 0,
            RecipientType::Cc => 1,
            RecipientType::Bcc => 2,
            _ => continue,
        };
        let name = row.string(tags::DISPLAY_NAME.id(), &decode, &mut Ignore).ok().flatten().unwrap_or_default();
        // a name may hold the sign that parts the names of a line
        if let Some(names) = out.get_mut(slot) {
            names.extend(name.split(';').map(plain).filter(|n| !n.is_empty()));
        }
    }
    out.iter_mut().for_each(|names| names.sort());
    Some(out)
}

/// Why the parts that an entry names do not make up a whole message; `None` where they do, or where that does not show.
///
/// # Errors
/// Cancellation.
pub(super) fn misfit(ndb: &Ndb, n: &NbtEntry) -> Result<Option<Doubt>> {
    let at = Location::node(n.nid);
    let Some(o) = object(ndb, n.data, at).filter(is_message) else { return Ok(None) };
    let subnodes = if n.sub.is_none() { None } else { counted_subnodes(ndb, n.sub, at)? };
    let doubt = |why: &str| Ok(Some(Doubt::new(why)));
    let Some(t) = subnodes else {
        let asks = !o.needs.is_empty() || says_attachments(&o) == Some(true) || o.lines.iter().any(|l| *l);
        return if asks { doubt("the sub-nodes that its properties ask for are gone") } else { Ok(None) };
    };
    if !o.needs.iter().all(|id| t.ids.contains(id)) {
        return doubt("its sub-nodes are not those that its properties refer to");
    }
    let has_attachments = t.ids.iter().any(|id| id.nid_type() == NidType::ATTACHMENT);
    if says_attachments(&o) == Some(true) && !has_attachments {
        return doubt("its flags say that it has attachments, and none is there");
    }
    Ok(None)
}
