//! Recipes: for each rule a small file that breaks it, and what the check says of that file.
//!
//! A recipe in `fixtures/recipes/*.txt` is a base, patches, and the expected report:
//!
//! ```text
//! [PST-B005]                        the rule that it is for
//! base unicode-permute              a file of fixtures/, or `tiny`/`small` of the testkit with the name of a variety
//! patch bbt[2] +0x1c 07             bytes at an offset of a structure; its checksum is put right (`raw`: it is not)
//! cut 4000 | append 64              the size of the file
//! expect errors                     the verdict, and the findings: code, severity, place
//! PST-B005 error bid=0x44 @0x5a00
//! ```
//!
//! Structures are `header`, `map[n]`, `nbt[n]`, `bbt[n]` (pages in the order of the file), `dlist`, `node NID` (its data's root, patched
//! as it is before encoding), `subs NID` (the root of its sub-nodes) and `block BID`.
//!
//! `PSTKIT_RECIPES=update` writes what is found now into the files. `cargo test --test it search_recipes -- --ignored` looks for recipes
//! for rules that have none, by changing fields at random for `PSTKIT_SECONDS`, in structures
//! whose name begins with `PSTKIT_PLACE` if it is set, and adds them.

use crate::damage::Random;
use crate::support::mutate::{Kind, Region, reseal};
use pstkit::check::{CheckOptions, Level, Report, check};
use pstkit::finding::Location;
use pstkit::format::header::Header;
use pstkit::format::ids::Bid;
use pstkit::format::page::PageType;
use pstkit::io::ReadAt;
use pstkit::limits::Limits;
use pstkit::ltp::Heap;
use pstkit::ndb::Ndb;
use pstkit::rules::{RULES, Rule, Severity};
use pstkit::testkit;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A file to damage, and its structures by name.
pub struct Base {
    pub bytes: Vec<u8>,
    ndb: Ndb,
    places: BTreeMap<String, (Region, Option<Bid>)>,
}

impl Base {
    pub fn named(name: &str) -> Self {
        let variety = |v: &str| testkit::VARIETIES.into_iter().find(|x| x.name() == v).unwrap_or_else(|| panic!("no variety {v}"));
        let bytes = match name.split_once(' ') {
            Some(("tiny", v)) => testkit::tiny(variety(v), 1).unwrap(),
            Some(("small", v)) => testkit::small(variety(v), 1).unwrap(),
            _ => std::fs::read(folder().with_file_name(format!("{name}.pst"))).unwrap(),
        };
        Self::new(bytes)
    }

    fn new(bytes: Vec<u8>) -> Self {
        let header = Header::decode(&bytes, &mut Vec::new()).unwrap();
        let layout = header.layout;
        let ndb = Ndb::new(Arc::new(bytes.clone()), header, Limits::default());
        let mut places = BTreeMap::new();
        let mut put = |name: String, start: u64, len: usize, covered: usize, kind, bid| {
            places.entry(name).or_insert((Region { start: start as usize, len, covered, kind }, bid));
        };
        put("header".into(), 0, layout.header_size, layout.header_size, Kind::Header, None);
        put("dlist".into(), layout.dlist, layout.page_size, layout.page_body(), Kind::Page, None);
        for (t, name) in [(PageType::NBT, "nbt"), (PageType::BBT, "bbt")] {
            let mut pages: Vec<u64> = ndb.index().pages(t).map(|p| p.bref.ib.0).collect();
            pages.sort_unstable();
            for (i, ib) in pages.into_iter().enumerate() {
                put(format!("{name}[{i}]"), ib, layout.page_size, layout.page_size, Kind::Page, None);
            }
        }
        let maps = (0..layout.amap_count(bytes.len() as u64)).flat_map(|j| (0..layout.map_pages(j)).map(move |n| (j, n)));
        for (i, (j, n)) in maps.enumerate() {
            put(format!("map[{i}]"), layout.amap_at(j) + n * layout.page(), layout.page_size, layout.page_size, Kind::Page, None);
        }
        let mut names: HashMap<Bid, String> = HashMap::new();
        for n in ndb.index().nodes() {
            names.entry(n.data.masked()).or_insert_with(|| format!("node {:#x}", n.nid.0));
            names.entry(n.sub.masked()).or_insert_with(|| format!("subs {:#x}", n.nid.0));
        }
        for b in ndb.index().blocks() {
            let name = names.get(&b.bid).cloned().unwrap_or_else(|| format!("block {:#x}", b.bid.0));
            let len = b.size_on_disk(layout) as usize;
            put(name, b.ib.0, len, b.cb.into(), Kind::Block { structure: b.bid.is_internal() }, Some(b.bid));
        }
        Self { bytes, ndb, places }
    }

    /// Changes bytes of a structure; those of an encoded block as they are before encoding.
    fn patch(&self, out: &mut [u8], place: &str, at: usize, to: &[u8], sealed: bool) {
        let (region, bid) = self.places.get(place).unwrap_or_else(|| panic!("no {place}"));
        let data = &mut out[region.start..region.start + region.covered.max(region.len)];
        let encoded = bid.filter(|b| !b.is_internal() && at < region.covered);
        if let Some(bid) = encoded {
            self.ndb.crypt().decode(&mut data[..region.covered], bid);
        }
        data[at..at + to.len()].copy_from_slice(to);
        if let Some(bid) = encoded {
            self.ndb.crypt().encode(&mut data[..region.covered], bid);
        }
        if sealed {
            reseal(self.ndb.layout(), out, region);
        }
    }

    /// What a structure's bytes are before encoding.
    fn plain(&self, place: &str) -> Vec<u8> {
        let (region, bid) = &self.places[place];
        let mut data = self.bytes[region.start..region.start + region.len].to_vec();
        if let Some(bid) = bid.filter(|b| !b.is_internal()) {
            self.ndb.crypt().decode(&mut data[..region.covered], bid);
        }
        data
    }

    /// The file as the steps of a recipe change it.
    pub fn apply(&self, steps: &[String]) -> Vec<u8> {
        let mut out = self.bytes.clone();
        for step in steps {
            let words: Vec<&str> = step.split_whitespace().collect();
            match words.as_slice() {
                ["cut", n] => out.truncate(n.parse().unwrap()),
                ["append", n] => out.resize(out.len() + n.parse::<usize>().unwrap(), 0),
                [how @ ("patch" | "raw"), place @ .., at, hex] => {
                    let at = usize::from_str_radix(at.trim_start_matches("+0x"), 16).unwrap();
                    let to: Vec<u8> = (0..hex.len() / 2).map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap()).collect();
                    self.patch(&mut out, &place.join(" "), at, &to, *how == "patch");
                }
                _ => panic!("not a step: {step}"),
            }
        }
        out
    }
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/recipes")
}

/// A recipe as it stands in a file.
#[derive(Clone)]
pub struct Recipe {
    pub code: String,
    notes: Vec<String>,
    pub base: String,
    pub steps: Vec<String>,
    expect: Vec<String>,
}

impl Recipe {
    fn parse(text: &str) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::new();
        for line in text.lines().map(str::trim_end).filter(|l| !l.is_empty()) {
            if let Some(code) = line.strip_prefix('[') {
                let code = code.trim_end_matches(']').to_owned();
                all.push(Self { code, notes: vec![], base: String::new(), steps: vec![], expect: vec![] });
                continue;
            }
            let r = all.last_mut().expect("a line before the first recipe");
            match line.split_once(' ') {
                _ if line.starts_with('#') => r.notes.push(line.to_owned()),
                Some(("base", name)) => r.base = name.to_owned(),
                _ if line.starts_with("expect ") || !r.expect.is_empty() => r.expect.push(line.to_owned()),
                _ => r.steps.push(line.to_owned()),
            }
        }
        all
    }

    fn text(&self) -> String {
        let mut out = format!("[{}]\n", self.code);
        self.notes.iter().for_each(|n| writeln!(out, "{n}").unwrap());
        writeln!(out, "base {}", self.base).unwrap();
        self.steps.iter().chain(&self.expect).for_each(|l| writeln!(out, "{l}").unwrap());
        out
    }

    /// All recipes, by file.
    pub fn all() -> Vec<(PathBuf, Vec<Self>)> {
        let mut files: Vec<PathBuf> = std::fs::read_dir(folder()).unwrap().map(|e| e.unwrap().path()).collect();
        files.retain(|p| p.extension().is_some_and(|e| e == "txt"));
        files.sort();
        files.into_iter().map(|p| (p.clone(), Self::parse(&std::fs::read_to_string(p).unwrap()))).collect()
    }

    fn save(path: &PathBuf, recipes: &[Self]) {
        std::fs::write(path, recipes.iter().map(Self::text).collect::<Vec<_>>().join("\n")).unwrap();
    }
}

fn run(bytes: Vec<u8>) -> Report {
    check(Arc::new(bytes), &CheckOptions::level(Level::Deep), &()).unwrap()
}

/// Lines of a snapshot that are kept.
const LINES: usize = 8;

fn expectation(r: &Report) -> Vec<String> {
    let mut out = vec![format!("expect {}", r.verdict)];
    out.extend(r.findings.iter().take(LINES).map(|f| format!("{} {} {}", f.rule.code, f.severity, f.at)));
    if r.findings.len() > LINES {
        out.push(format!("and {} more", r.findings.len() - LINES));
    }
    out
}

#[test]
fn every_recipe_is_found_as_it_says() {
    let update = std::env::var("PSTKIT_RECIPES").is_ok_and(|v| v == "update");
    let mut bases: HashMap<String, Base> = HashMap::new();
    let mut wrong = String::new();
    for (path, mut recipes) in Recipe::all() {
        for r in &mut recipes {
            let base = bases.entry(r.base.clone()).or_insert_with(|| Base::named(&r.base));
            let report = run(base.apply(&r.steps));
            // some rules only ever follow from another
            if !report.counts.iter().any(|c| c.rule.code == r.code) {
                writeln!(wrong, "{} is not found by its recipe: {}", r.code, report.summary()).unwrap();
            }
            let found = expectation(&report);
            if found != r.expect && !update {
                writeln!(wrong, "{}:\n  expected {:?}\n  found    {:?}", r.code, r.expect, found).unwrap();
            }
            r.expect = found;
        }
        if update {
            Recipe::save(&path, &recipes);
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// Rules that no recipe breaks, and what does.
const ELSEWHERE: &[(&str, &str)] = &[
    ("PST-D022", "limits: every limit is 1 in turn"),
    ("PST-H024", "a medium that cannot be read: rules_that_no_small_file_breaks"),
    ("PST-H026", "two files joined: foreign::a_second_store_behind_the_first_is_told_of_and_left_alone"),
    ("PST-H027", "an ANSI file of 2 GiB: rules_that_no_small_file_breaks"),
    ("PST-A006", "a file of 2 GiB: rules_that_no_small_file_breaks"),
    ("PST-A007", "a file of 32 MiB: rules_that_no_small_file_breaks"),
    ("PST-P028", "a heap of 512 MiB: rules_that_no_small_file_breaks"),
];

/// A file of which only the beginning has bytes; what follows is zero, and one range cannot be read.
struct Sparse {
    bytes: Vec<u8>,
    len: u64,
    bad: std::ops::Range<u64>,
}

impl ReadAt for Sparse {
    fn len(&self) -> u64 {
        self.len
    }
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> std::io::Result<()> {
        if offset < self.bad.end && offset + buf.len() as u64 > self.bad.start {
            return Err(std::io::Error::other("bad sector"));
        }
        for (i, b) in buf.iter_mut().enumerate() {
            *b = self.bytes.get(offset as usize + i).copied().unwrap_or(0);
        }
        Ok(())
    }
}

#[test]
fn rules_that_no_small_file_breaks() {
    let base = Base::named("unicode-permute");
    let len = base.bytes.len() as u64;
    let has = |r: &Report, code: &str| r.findings.iter().any(|f| f.rule.code == code);

    // each structure in turn lies on a bad sector: that is said of it, and the rest is checked all the same
    for name in ["header", "nbt[0]", "bbt[0]", "map[0]", "node 0x21"] {
        let start = base.places[name].0.start as u64;
        let file = Sparse { bytes: base.bytes.clone(), len, bad: start..start + 1 };
        let r = check(Arc::new(file), &CheckOptions::default(), &()).unwrap();
        let found = r.findings.iter().find(|f| f.rule.code == "PST-H024").unwrap_or_else(|| panic!("{name}: {}", r.summary()));
        assert!(found.at.ib.is_some_and(|ib| ib.0 == start), "{name}: {found}");
    }

    // whichever structure it is, and in whichever layout, it is the first thing that is named
    for name in ["ansi-permute", "unicode-permute", "tiny 4k-deflated-none"] {
        let base = Base::named(name);
        let len = base.bytes.len() as u64;
        let healthy = run(base.bytes.clone());
        for (place, (region, _)) in &base.places {
            let start = region.start as u64;
            let file = Sparse { bytes: base.bytes.clone(), len, bad: start..start + region.covered.min(512) as u64 };
            let r = check(Arc::new(file), &CheckOptions::level(Level::Deep), &()).unwrap();
            let first =
                r.findings.iter().find(|f| f.severity >= Severity::Error).unwrap_or_else(|| panic!("{name} {place}: {}", r.summary()));
            assert_eq!((first.rule.code, first.at.ib.map(|ib| ib.0)), ("PST-H024", Some(start)), "{name} {place}: {first}");
            assert!(
                r.items.messages.expected <= healthy.items.messages.expected && r.exit_status(Severity::Error) & 4 != 0,
                "{name} {place}"
            );
        }
    }

    // FMaps begin with section 128, FPMaps with section 8192
    let size = 0x4400 + 8193 * 253_952u64;
    let mut bytes = base.bytes.clone();
    base.patch(&mut bytes, "header", 0xB8, &size.to_le_bytes(), true);
    let r = check(Arc::new(Sparse { bytes, len: size, bad: 0..0 }), &CheckOptions::default(), &()).unwrap();
    assert!(has(&r, "PST-A006") && has(&r, "PST-A007"), "{}", r.summary());

    // an ANSI file of more than 2 GiB, of which the contents would fit into less
    let ansi = Base::named("ansi-permute");
    let r =
        check(Arc::new(Sparse { bytes: ansi.bytes.clone(), len: (2 << 30) + 253_952, bad: 0..0 }), &CheckOptions::default(), &()).unwrap();
    let found = r.findings.iter().find(|f| f.rule.code == "PST-H027").unwrap_or_else(|| panic!("{}", r.summary()));
    assert!(found.severity == Severity::Error && found.to_string().contains("small enough"), "{found}");

    let first = base.plain("node 0x21")[..base.places["node 0x21"].0.covered].to_vec();
    let blocks = std::iter::once(first).chain((0..65_536).map(|_| Vec::new())).collect();
    let mut findings = Vec::new();
    Heap::from_blocks(base.ndb.layout(), blocks, Location::NONE, &mut findings).unwrap();
    assert!(findings.iter().any(|f| f.rule.code == "PST-P028"), "{findings:?}");
}

#[test]
fn every_rule_has_a_recipe() {
    let have: Vec<String> = Recipe::all().into_iter().flat_map(|(_, r)| r).map(|r| r.code).collect();
    let missing: Vec<&str> =
        RULES.iter().map(|r| r.code).filter(|c| !have.iter().any(|h| h == c) && !ELSEWHERE.iter().any(|(e, _)| e == c)).collect();
    assert!(missing.is_empty(), "rules without a recipe: {missing:?}");
    for (code, _) in ELSEWHERE {
        assert!(Rule::find(code).is_some() && !have.iter().any(|h| h == code), "{code} stands in the list for nothing");
    }
}

/// A change at random.
fn invent(base: &Base, names: &[&String], r: &mut Random) -> Option<String> {
    let place = names[r.below(names.len())];
    let data = base.plain(place);
    let covered = base.places[place].0.covered;
    // heads of structures matter more than what fills them
    let at = match r.below(4) {
        0 => r.below(covered.min(48)),
        1 if matches!(base.places[place].0.kind, Kind::Block { .. }) => covered - 1 - r.below(covered.min(40)),
        2 if matches!(base.places[place].0.kind, Kind::Page) => data.len() - 1 - r.below(40),
        _ => r.below(data.len()),
    };
    let size = [1, 1, 1, 2, 4, 4, 8][r.below(7)];
    let at = if size > 1 { at / 2 * 2 } else { at };
    let old = data.get(at..at + size)?;
    let mut to = old.to_vec();
    match r.below(8) {
        0 => to.fill(0),
        1 => to.fill(0xFF),
        2 => to[0] ^= 1 << r.below(8),
        3 => to[0] = to[0].wrapping_add(1),
        4 => to[0] = to[0].wrapping_sub(1),
        5 => to[size - 1] ^= 1 << r.below(8),
        6 => r.fill(&mut to),
        _ => {
            let step = [2, 4, 8, 12, 16, 20, 24, 32][r.below(8)];
            let from = if r.below(2) == 0 { at + step } else { at.checked_sub(step)? };
            to.copy_from_slice(data.get(from..from + size)?);
        }
    }
    if to == old {
        return None;
    }
    let how = if r.below(8) == 0 { "raw" } else { "patch" };
    // a block's own size says where its trailer begins
    if how == "patch" && matches!(base.places[place].0.kind, Kind::Block { .. }) && at + size > covered {
        return Some(format!("raw {place} +{at:#x} {}", hex(&to)));
    }
    Some(format!("{how} {place} +{at:#x} {}", hex(&to)))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[test]
#[ignore = "adds to fixtures/recipes; takes as long as it is told to"]
fn search_recipes() {
    let seconds = std::env::var("PSTKIT_SECONDS").ok().and_then(|s| s.parse().ok()).unwrap_or(60);
    let seed: u64 = std::env::var("PSTKIT_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(1);
    let mut have: BTreeMap<String, Vec<Recipe>> = BTreeMap::new();
    for r in Recipe::all().into_iter().flat_map(|(_, r)| r) {
        have.entry(r.code.clone()).or_default().push(r);
    }
    let bases = ["unicode-permute", "ansi-permute", "tiny 4k-deflated-none", "small unicode-none"];
    let bases: Vec<(&str, Base)> = bases.iter().map(|b| (*b, Base::named(b))).collect();
    let found: Mutex<BTreeMap<&'static str, (usize, Recipe)>> = Mutex::default();
    let end = Instant::now() + Duration::from_secs(seconds);
    let only = std::env::var("PSTKIT_PLACE").ok();
    let tried = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|s| {
        for t in 0..2u64 {
            let (bases, found, have, tried, only) = (&bases, &found, &have, &tried, &only);
            s.spawn(move || {
                let mut r = Random::new(seed * 2 + t);
                while Instant::now() < end {
                    let (name, base) = &bases[[0, 0, 0, 0, 0, 1, 1, 2, 2, 3][r.below(10)]];
                    // each page as often as all blocks together have it
                    let pages = r.below(2) == 0;
                    let among = |(n, p): &(&String, &(Region, Option<Bid>))| match &only {
                        Some(only) => n.starts_with(only.as_str()),
                        None => p.1.is_none() == pages,
                    };
                    let names: Vec<&String> = base.places.iter().filter(among).map(|(n, _)| n).collect();
                    if names.is_empty() {
                        continue;
                    }
                    let count = 1 + usize::from(r.below(5) == 0);
                    let steps: Vec<String> = (0..count).filter_map(|_| invent(base, &names, &mut r)).collect();
                    if steps.is_empty() {
                        continue;
                    }
                    let report = run(base.apply(&steps));
                    tried.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    for f in &report.findings {
                        let code = f.rule.code;
                        if have.contains_key(code) {
                            continue;
                        }
                        let worth = report.findings.len() * 4 + steps.len();
                        let mut found = found.lock().unwrap();
                        if found.get(code).is_none_or(|(w, _)| *w > worth) {
                            let (notes, expect) = (vec![], expectation(&report));
                            let new = Recipe { code: code.into(), notes, base: (*name).into(), steps: steps.clone(), expect };
                            found.insert(code, (worth, new));
                        }
                    }
                }
            });
        }
    });
    for (code, (_, recipe)) in found.into_inner().unwrap() {
        have.insert(code.to_owned(), vec![recipe]);
    }
    let mut files: BTreeMap<PathBuf, Vec<Recipe>> = BTreeMap::new();
    for r in RULES {
        let name = format!("{:?}", r.layer).to_lowercase();
        files.entry(folder().join(name).with_extension("txt")).or_default().extend(have.remove(r.code).unwrap_or_default());
    }
    files.iter().filter(|(_, r)| !r.is_empty()).for_each(|(p, r)| Recipe::save(p, r));
    println!("{} tried", tried.into_inner());
}

#[test]
fn the_bases_are_clean() {
    for name in ["unicode-permute", "ansi-permute", "tiny 4k-deflated-none", "small unicode-none"] {
        let r = run(Base::named(name).bytes);
        assert!(r.findings.iter().all(|f| f.severity < Severity::Notice), "{name}: {}", r.summary());
        assert_eq!(Base::named(name).places["header"].1, None);
    }
}
