//! Newer states of messages that an older leaf gave ([MS-PST] 2.6.1.2: nothing is written in place).
//!
//! Where the current leaves are lost, an older one can name an older state. A later state of the same message, which no leaf names, is the message:
//! where the row says so, or where the older state is in free space.

use super::join::Joins;
use super::link::{SHARED, digest, identity};
use super::orphans::{Object, object};
use super::salvage::Salvage;
use super::values::{Values, likeness, number};
use crate::finding::{Ignore, Location};
use crate::format::ids::{Bid, Nid};
use crate::format::page::NbtEntry;
use std::collections::{HashMap, HashSet};

/// Whether a node's sub-nodes have everything that an object refers to.
fn subnodes_serve(s: &Salvage, n: &NbtEntry, o: &Object) -> bool {
    let tree = s.ndb.subnode_tree(n.sub, Location::node(n.nid), &mut Ignore);
    tree.is_ok_and(|t| o.needs.iter().all(|id| t.get(*id).is_some()))
}

/// The constant values of a message, with one of the two values that tell it from others.
type StateKey<'v> = (u16, &'v [u8], [Option<&'v [u8]>; 3]);

/// The keys of an object. Two that have one in common can be states of one message.
fn state_keys(v: &Values) -> impl Iterator<Item = StateKey<'_>> {
    [0x300B, 0x3007].into_iter().filter_map(|id| Some((id, v.get(id)?, [0x001A, 0x0037, 0x0039].map(|id| v.get(id)))))
}

/// Objects by their constant values: each node may ask for its newer states. Sorted digests of the keys, with the ids of the data.
struct States<'o> {
    all: Vec<(u64, Bid, &'o Object)>,
    given: HashSet<Bid>,
}

impl<'o> States<'o> {
    fn of(objects: impl Iterator<Item = &'o Object>) -> Self {
        let keys = objects.flat_map(|o| state_keys(&o.values).map(move |(id, v, rest)| (id, v, rest, o)));
        let mut all: Vec<_> = keys.map(|(id, v, rest, o)| (state_digest((id, v, rest)), o.data, o)).collect();
        all.sort_unstable_by_key(|e| (e.0, e.1));
        Self { all, given: HashSet::new() }
    }

    /// Takes out an object that is given to a node.
    fn remove(&mut self, o: &Object) {
        self.given.insert(o.data);
    }

    /// Objects that can be states of the same message and that were written later: the newest, where there are many.
    fn newer<'a>(&'a self, v: &'a Values, than: Bid) -> impl Iterator<Item = &'o Object> {
        state_keys(v).flat_map(move |key| {
            let digest = state_digest(key);
            let from = self.all.partition_point(|e| (e.0, e.1) <= (digest, than));
            let rest = self.all.get(from..).unwrap_or_default();
            let alike = rest.get(..rest.partition_point(|e| e.0 == digest)).unwrap_or_default();
            let alike = alike.iter().rev().map(|e| e.2).filter(move |o| !self.given.contains(&o.data));
            alike.filter(move |o| state_keys(&o.values).any(|k| k == key)).take(SHARED)
        })
    }
}

fn state_digest((id, v, [class, subject, time]): StateKey<'_>) -> u64 {
    digest(id, &[Some(v), class, subject, time])
}

/// Gives messages that an older leaf gave the newest state that is left of them. `described` has the rows that tables have of them.
pub(super) fn newest_states(
    s: &Salvage,
    present: &[NbtEntry],
    candidates: &[&Object],
    described: &HashMap<Nid, &Values>,
    joins: &Joins,
    nodes: &mut HashMap<Nid, NbtEntry>,
    used: &mut HashSet<Bid>,
) {
    // nobody else asks for them
    let is_asked = present.iter().any(|n| s.filled.contains(&n.nid));
    let mut states = States::of(candidates.iter().copied().filter(|c| is_asked && !s.freed.contains(&c.data)));
    for n in present.iter().filter(|n| s.filled.contains(&n.nid)) {
        let Some(o) = object(&s.ndb, n.data, Location::node(n.nid)) else { continue };
        let none = Values::new();
        let row = described.get(&n.nid).copied().unwrap_or(&none);
        let like = |v: &Values| likeness(row, v).unwrap_or(0);
        let time = |v: &Values| number(v, 0x3008);
        let is_same = |c: &Object| identity(&c.values) == identity(&o.values);
        // a state in free space is not the newest, whatever a row says: the row can be as old as the state is
        let is_stale = s.freed.contains(&n.data.masked()) && identity(&o.values).is_some();
        let newest = states.newer(&o.values, o.data).filter(|c| is_stale && is_same(c) && time(&c.values) > time(&o.values));
        let newest = newest.max_by_key(|c| (time(&c.values), c.data));
        // where the row tells nothing, the time of the change does, or that there is none
        let is_later = |c: &Object| {
            like(&c.values) == like(&o.values) && is_same(c) && time(&c.values).is_none_or(|t| time(&o.values).is_some_and(|u| t > u))
        };
        let likest = || {
            let newer = states.newer(&o.values, o.data).map(|c| (like(&c.values), c.data, c));
            let best = newer.max_by_key(|(l, bid, _)| (*l, *bid));
            best.filter(|(l, _, c)| *l > like(&o.values) || is_later(c)).map(|b| b.2)
        };
        if let Some(c) = newest.or_else(likest) {
            used.insert(c.data);
            states.remove(c);
            let mut e = NbtEntry { nid: n.nid, key_high: 0, data: c.data, sub: joins.sub(c.data), parent: n.parent };
            if e.sub.is_none() && !n.sub.is_none() && subnodes_serve(s, n, c) {
                // only the properties were written again
                e.sub = n.sub;
            }
            nodes.insert(n.nid, e);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recover::orphans::Shape;
    use proptest::prelude::*;

    /// Whether two objects can be states of one message: the constant values are equal.
    fn alike(a: &Values, b: &Values) -> bool {
        [0x001A, 0x0037, 0x0039].into_iter().all(|id| a.get(id) == b.get(id))
            && [0x300B, 0x3007].into_iter().any(|id| a.get(id).is_some() && a.get(id) == b.get(id))
    }

    proptest! {
        #[test]
        fn newer_states_are_those_of_a_look_through_all(
            all in proptest::collection::vec(proptest::collection::vec((0usize..5, 0u8..2), 0..6), 0..40),
            gone in 0u64..40,
            than in 0u64..40,
        ) {
            let object = |(values, data): (&Vec<(usize, u8)>, u64)| {
                let mut v = Values::new();
                for (id, value) in values {
                    v.insert([0x001A, 0x0037, 0x0039, 0x300B, 0x3007].get(*id).copied().unwrap_or(0), &[*value]);
                }
                Object { data: Bid(data), shape: Shape::Message, values: v, needs: Vec::new(), bytes: 0, digest: 0, lines: [false; 3], is_offline: false }
            };
            let objects: Vec<Object> = all.iter().zip(0u64..).map(object).collect();
            let mut states = States::of(objects.iter());
            objects.iter().filter(|o| o.data == Bid(gone)).for_each(|o| states.remove(o));
            for asked in &objects {
                let naive = objects.iter().filter(|o| o.data > Bid(than) && o.data != Bid(gone) && alike(&o.values, &asked.values));
                let naive: HashSet<Bid> = naive.map(|o| o.data).collect();
                let found: HashSet<Bid> = states.newer(&asked.values, Bid(than)).map(|o| o.data).collect();
                prop_assert_eq!(found, naive);
            }
        }
    }
}
