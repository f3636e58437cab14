//! States of messages: which of the entries and properties that were found are one message at several times, which are equal copies, and
//! which are messages of their own ([MS-PST] 2.6.1.2: nothing is written in place).
//!
//! States of one message have one node id, or one search key with the same times. Without a search key only equal contents make two finds
//! one: twelve messages of a program may agree in subject and times. Ids of blocks rise, so that the state with the highest is the newest.

use super::Origin;
use super::join::{Doubt, misfit};
use super::link::identity;
use super::orphans::Object;
use super::values::{Values, number};
use crate::error::Result;
use crate::export::items::{Item, Reading};
use crate::finding::Location;
use crate::format::ids::{Bid, Nid, NidType};
use crate::format::page::NbtEntry;
use crate::format::tags;
use crate::messaging::{Message, Pst, State};
use crate::ndb::{Ndb, Node};
use std::collections::HashMap;

/// The values that tell messages apart.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Likeness {
    /// Search key, times and class: equal in all states of a message.
    Key(Vec<Option<Vec<u8>>>),
    /// The same without a search key, or all values that are compared: equal in messages that may differ all the same.
    Loose(Vec<(u16, Vec<u8>)>),
}

impl Likeness {
    pub(super) fn of(v: &Values) -> Self {
        let own = |bytes: &[u8]| bytes.to_vec();
        match identity(v) {
            Some(key) if v.has(tags::SEARCH_KEY.id()) => Self::Key(key.into_iter().map(|k| k.map(own)).collect()),
            Some(_) => {
                let ids = [tags::CREATION_TIME, tags::CLIENT_SUBMIT_TIME, tags::MESSAGE_DELIVERY_TIME, tags::MESSAGE_CLASS];
                Self::Loose(ids.iter().filter_map(|t| Some((t.id(), own(v.get(t.id())?)))).collect())
            }
            None => Self::Loose(v.iter().filter(|(id, _)| *id != tags::MESSAGE_FLAGS.id()).map(|(id, b)| (id, own(b))).collect()),
        }
    }
}

/// A state of a message.
#[derive(Debug, Clone)]
pub(super) struct Version {
    /// Its blocks; the id is that of the older entry, or none.
    pub(super) entry: NbtEntry,
    pub(super) origin: Origin,
    /// The page of the older entry.
    pub(super) page: Option<Bid>,
    /// Codes of the evidence that joined its parts.
    pub(super) because: Vec<&'static str>,
    /// Why its parts may not be whole.
    pub(super) doubt: Option<Doubt>,
    /// The size that it states.
    pub(super) size: Option<u64>,
    /// When it was changed last.
    pub(super) changed: Option<u64>,
    pub(super) is_associated: bool,
    subject: Option<Vec<u8>>,
}

impl Version {
    pub(super) fn new(entry: NbtEntry, origin: Origin, o: Option<&Object>) -> Self {
        let value = |tag: u16| o.and_then(|o| number(&o.values, tag));
        let (size, changed) = (value(tags::MESSAGE_SIZE.id()), value(tags::LAST_MODIFICATION_TIME.id()));
        let subject = o.and_then(|o| o.values.get(tags::SUBJECT.id())).map(<[u8]>::to_vec);
        let is_associated = entry.nid.nid_type() == NidType::ASSOC_MESSAGE;
        Self { entry, origin, page: None, because: Vec::new(), doubt: None, size, changed, is_associated, subject }
    }

    fn order(&self) -> (Bid, Bid) {
        (self.entry.data.masked(), self.entry.sub.masked())
    }
}

/// A message with all its states, the newest first.
#[derive(Debug, Default)]
pub(super) struct History {
    /// The state that is there.
    pub(super) live: Option<NbtEntry>,
    pub(super) states: Vec<Version>,
}

impl History {
    /// The id that the message has or had.
    pub(super) fn nid(&self) -> Option<Nid> {
        let older = || self.states.iter().map(|s| s.entry.nid).find(|nid| !nid.is_none());
        self.live.map(|n| n.nid).or_else(older)
    }

    /// The newest entry of an older leaf: it says in which folder the message was.
    pub(super) fn listed(&self) -> Option<&Version> {
        self.states.iter().find(|s| !s.entry.nid.is_none())
    }
}

/// Brings states together: those with one id, and those with one search key and the same times.
#[derive(Debug, Default)]
pub(super) struct Histories {
    all: Vec<History>,
    by_nid: HashMap<Nid, usize>,
    by_key: HashMap<Likeness, usize>,
    /// Deleted messages by their subject and the data of their recipients and attachments, which states share.
    by_part: HashMap<(Bid, Option<Vec<u8>>), usize>,
    /// Live messages by the values that tell them apart without a key.
    pub(super) loose: HashMap<Likeness, Vec<NbtEntry>>,
}

impl Histories {
    pub(super) fn live(&mut self, n: NbtEntry, likeness: Option<Likeness>) {
        let at = self.all.len();
        self.all.push(History { live: Some(n), states: Vec::new() });
        self.by_nid.insert(n.nid, at);
        match likeness {
            Some(key @ Likeness::Key(_)) => _ = self.by_key.entry(key).or_insert(at),
            Some(loose) => self.loose.entry(loose).or_default().push(n),
            None => {}
        }
    }

    /// Adds a state of a message; `parts` are the data of its recipients and attachments.
    pub(super) fn add(&mut self, v: Version, likeness: Option<&Likeness>, parts: &[Bid]) {
        let key = likeness.filter(|l| matches!(l, Likeness::Key(_)));
        let known = self.by_nid.get(&v.entry.nid).filter(|_| !v.entry.nid.is_none());
        let shared = || parts.iter().find_map(|b| self.by_part.get(&(*b, v.subject.clone())));
        let at = known.or_else(|| self.by_key.get(key?)).or_else(shared).copied().unwrap_or_else(|| {
            self.all.push(History::default());
            self.all.len().saturating_sub(1)
        });
        if !v.entry.nid.is_none() {
            self.by_nid.entry(v.entry.nid).or_insert(at);
        }
        if let Some(key) = key {
            self.by_key.entry(key.clone()).or_insert(at);
        }
        if self.all.get(at).is_some_and(|h| h.live.is_none()) {
            parts.iter().for_each(|b| _ = self.by_part.entry((*b, v.subject.clone())).or_insert(at));
        }
        if let Some(h) = self.all.get_mut(at) {
            h.states.push(v);
        }
    }

    /// All messages with states that are not there, each with its newest state first.
    pub(super) fn finish(self) -> Vec<History> {
        let mut all: Vec<History> = self.all.into_iter().filter(|h| !h.states.is_empty()).collect();
        for h in &mut all {
            h.states.sort_by_key(|s| std::cmp::Reverse((s.order(), s.page)));
            h.states.dedup_by_key(|s| s.order());
        }
        all
    }
}

/// Reads states as the items that they are.
#[derive(Debug)]
pub(super) struct Reader {
    pst: Pst,
    reading: Reading,
    digests: HashMap<(Bid, Bid), Option<(State, String)>>,
}

impl Reader {
    pub(super) fn of(pst: Pst) -> Self {
        let reading = Reading::of(&pst);
        Self { pst, reading, digests: HashMap::new() }
    }

    pub(super) fn ndb(&self) -> &Ndb {
        self.pst.ndb()
    }

    /// How much of a state can be read, and the digest of its contents; `None` where nothing is.
    pub(super) fn read(&mut self, n: &NbtEntry) -> Option<(State, String)> {
        let at = (n.data.masked(), n.sub.masked());
        if let Some(known) = self.digests.get(&at) {
            return known.clone();
        }
        let node = Node::detached(self.pst.ndb(), n.nid, n.data, n.sub, Location::node(n.nid));
        let item = Message::open(&self.pst, node).and_then(|m| Item::read_with(&self.reading, &m, "", Origin::Carved));
        let found = item.ok().map(|i| (i.state, i.content_sha256));
        self.digests.insert(at, found.clone());
        found
    }

    /// Completes the word on a state: whether it is whole, and why not. `false` where nothing of it can be read.
    ///
    /// # Errors
    /// Cancellation.
    pub(super) fn judge(&mut self, v: &mut Version) -> Result<bool> {
        let Some((state, _)) = self.read(&v.entry) else { return Ok(false) };
        if v.doubt.is_none() && v.origin == Origin::Deleted {
            v.doubt = misfit(self.pst.ndb(), &v.entry)?;
        }
        if v.doubt.is_none() && state > State::Ok {
            v.doubt = Some(Doubt::new("a part of it cannot be read"));
        }
        Ok(state != State::Damaged || !v.entry.sub.is_none())
    }

    /// Whether a message without properties has anyone on it, or anything with it.
    pub(super) fn has_something(&self, n: &NbtEntry) -> bool {
        let node = Node::detached(self.pst.ndb(), n.nid, n.data, n.sub, Location::node(n.nid));
        let Ok(m) = Message::open(&self.pst, node) else { return false };
        m.recipients().is_ok_and(|r| !r.is_empty()) || m.attachments().is_ok_and(|a| !a.is_empty())
    }
}
