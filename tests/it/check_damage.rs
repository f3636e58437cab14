//! The check on damaged files: damage is found, and the first cause that is named is the place that was damaged.

use crate::corpus;
use crate::damage::{Damaged, Healthy};
use crate::support::mutate::{Base, Kind, Region};
use pstkit::check::{CheckOptions, Level, Report, Verdict, check};
use pstkit::finding::Finding;
use pstkit::rules::Severity;
use std::sync::Arc;

fn run(bytes: Vec<u8>, options: &CheckOptions) -> Report {
    check(Arc::new(bytes), options, &()).unwrap()
}

/// Whether something reads this byte of a structure: padding of blocks means nothing, and two words of the header change without a
/// checksum.
fn is_used(base: &Base, r: &Region, at: usize) -> bool {
    match r.kind {
        Kind::Header => at < base.layout.header_size - 36,
        Kind::Page => true,
        Kind::Block { .. } => at < r.covered || at >= r.len - base.layout.block_trailer,
    }
}

/// The structures of which a byte that counts was changed.
fn hit<'b>(base: &'b Base, damaged: &[u8]) -> Vec<&'b Region> {
    let differs = |r: &&Region| (0..r.len).any(|i| is_used(base, r, i) && damaged.get(r.start + i) != base.bytes.get(r.start + i));
    base.regions.iter().filter(differs).collect()
}

/// Whether a finding lies in one of the structures, or where the file was cut.
fn names(f: &Finding, hit: &[&Region], len: usize) -> bool {
    f.at.ib.is_some_and(|ib| ib.0 == len as u64 || hit.iter().any(|r| (r.start..r.start + r.len).contains(&(ib.0 as usize))))
}

fn bytes_equal(r: &Region, a: &[u8], b: &[u8]) -> bool {
    a.get(r.start..r.start + r.len) == b.get(r.start..r.start + r.len)
}

const FILES: [&str; 6] = [
    "Empty.pst",
    "libyal__testdata/outlook.pst",
    "32-bit.pst",
    "dist-list@9afadc54.pst",
    "michelle_lokay_000_1_1_1_1.pst",
    "pstextractortest@outlook.com.ost",
];

#[test]
fn every_damage_is_found_and_the_first_cause_names_its_place() {
    let mut wrong = Vec::new();
    for f in corpus::files().iter().filter(|f| FILES.iter().any(|name| f.file.ends_with(name))) {
        let healthy = Healthy::read(&f.path);
        let base = Base::new(healthy.bytes.clone());
        let before = run(healthy.bytes.clone(), &CheckOptions::default());
        for Damaged { kind, bytes, .. } in healthy.damages() {
            let hit = hit(&base, &bytes);
            let len = bytes.len();
            let damaged = bytes.clone();
            let r = run(bytes.clone(), &CheckOptions::default());
            let threaded = run(bytes, &CheckOptions::default().threads(3));
            assert_eq!((&r.findings, &r.counts, r.items), (&threaded.findings, &threaded.counts, threaded.items), "{} {kind}", f.file);
            if hit.is_empty() && len == base.bytes.len() {
                // free space alone
                assert_eq!(r.findings, before.findings, "{} {kind}", f.file);
                continue;
            }
            // Where no structure is left, nothing says that it was such a file.
            let nothing_left = base.regions.iter().all(|x| !bytes_equal(x, &base.bytes, &damaged));
            if r.verdict == Verdict::NotPst && nothing_left {
                continue;
            }
            let first = r.findings.iter().find(|x| x.severity >= Severity::Error);
            if kind.ends_with("garbage behind") || kind == "size too small" {
                // what lies behind the end that the header names matters only where something uses it
                let end = if kind == "size too small" { base.bytes.len() / 2 } else { base.bytes.len() };
                assert!(r.findings.iter().any(|x| x.rule.code == "PST-H004" && names(x, &hit, end)), "{} {kind}", f.file);
                continue;
            }
            if kind == "roots elsewhere" {
                // whether the pointer is wrong or the page is cannot be told: the page is named
                let at = first.and_then(|x| x.at.ib).map(|ib| ib.0);
                assert!(r.verdict == Verdict::Fatal && matches!(at, Some(0x4A00 | 0x4C00)), "{} {kind}: {at:x?}", f.file);
                continue;
            }
            let named = first.is_some_and(|x| names(x, &hit, len.min(base.bytes.len())));
            if !matches!(r.verdict, Verdict::Errors | Verdict::Fatal) || !named || r.exit_status(Severity::Error) & 4 == 0 {
                wrong.push(format!("{} {kind}: {} {}", f.file, r.summary(), first.map_or(String::new(), ToString::to_string)));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn one_lost_page_is_one_error_with_its_consequences() {
    let Some(f) = corpus::files().into_iter().find(|f| f.file.ends_with("michelle_lokay_000_1_1_1_1.pst")) else { return };
    let healthy = Healthy::read(&f.path);
    for kind in ["node tree leaf", "block tree leaf", "node tree root", "block tree root"] {
        let bytes = healthy.damages().into_iter().find(|d| d.kind == kind).unwrap().bytes;
        let r = run(bytes, &CheckOptions::default());
        let errors: Vec<_> = r.findings.iter().filter(|x| x.severity >= Severity::Error).collect();
        for e in &errors {
            println!("{kind}: {e} (+{})", e.consequences);
        }
        assert!(errors.len() <= 3, "{kind}: {} errors", errors.len());
        assert!(errors[0].consequences > 0 || kind.ends_with("root"), "{kind}");
        assert!(!r.items.complete);
    }
}

/// Takes every `step`-th byte; set `PSTKIT_SWEEP_STEP=1` for all of them.
fn step(default: usize) -> usize {
    std::env::var("PSTKIT_SWEEP_STEP").ok().and_then(|s| s.parse().ok()).unwrap_or(default)
}

/// Changes single bytes of a file. Without correction each change of a byte that counts is found; with correction nothing panics.
fn sweep(file: &str, step: usize, options: &CheckOptions) {
    let Some(f) = corpus::files().into_iter().find(|f| f.file.ends_with(file)) else { return };
    let base = Base::new(std::fs::read(&f.path).unwrap());
    let before = run(base.bytes.clone(), options);
    let (mut n, mut cases) = (0usize, 0usize);
    for region in &base.regions {
        for at in 0..region.len {
            n += 1;
            if !n.is_multiple_of(step) {
                continue;
            }
            cases += 1;
            let old = base.bytes[region.start + at];
            let to = [old ^ 1, old ^ 0x80, !old, old.wrapping_add(1)][cases % 4];
            let corrected = run(base.changed(region, at, to, true), options);
            assert!(corrected.findings.len() < 5000);
            let r = run(base.changed(region, at, to, false), options);
            let found = r.findings != before.findings || r.verdict != before.verdict;
            assert_eq!(found, is_used(&base, region, at), "{file} {region:?} +{at:#x}: {old:#x} -> {to:#x}: {}", r.summary());
        }
    }
    assert!(cases > 100, "{file}: only {cases} cases");
}

#[test]
fn a_changed_byte_is_found_in_a_unicode_file() {
    sweep("Empty.pst", step(97), &CheckOptions::default());
}

#[test]
fn a_changed_byte_is_found_in_an_ansi_file() {
    sweep("32-bit.pst", step(61), &CheckOptions::default());
}

#[test]
fn a_changed_byte_is_found_in_a_file_with_embedded_messages() {
    sweep("msgInMsgInMsg.pst", step(211), &CheckOptions::level(Level::Deep));
}

#[test]
fn a_changed_byte_is_found_in_an_offline_file() {
    sweep("pstextractortest@outlook.com.ost", step(16_001), &CheckOptions::default());
}
