//! For every rule with a fix verb, the fix: each recipe's file is repaired, into a new file and in place, and what it was made to break
//! is mended in both.

use crate::recipes::{Base, Recipe};
use pstkit::check::{CheckOptions, Level, Report, check};
use pstkit::io::{MemoryStorage, ReadAt, Storage};
use pstkit::repair::LaterWrites;
use pstkit::repair::{Outcome, Policy, Target, repair, repair_in_place, undo};
use pstkit::rules::{self, FixVerb, RULES, Rule, Severity};
use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::sync::Arc;

/// Rules that only files of many megabytes break; what mends them is what mends the others of their verb.
const TOO_LARGE: &[&str] = &["PST-H027", "PST-A006", "PST-A007", "PST-P028"];

fn examine(bytes: &[u8]) -> Report {
    check(Arc::new(bytes.to_vec()), &CheckOptions::level(Level::Deep), &()).unwrap()
}

/// Everything, also what does no harm.
fn policy() -> Policy {
    Policy::default().allow_loss(true).notices(true)
}

fn to_new_file(bytes: &[u8], policy: &Policy) -> pstkit::error::Result<(Vec<u8>, Outcome)> {
    let source: Arc<dyn ReadAt> = Arc::new(bytes.to_vec());
    let memory = Arc::new(MemoryStorage::default());
    let target: Arc<dyn Storage> = memory.clone();
    let outcome = repair(&source, &target, policy, &())?;
    Ok((memory.to_bytes(), outcome))
}

fn in_place(bytes: &[u8], policy: &Policy) -> pstkit::error::Result<(Vec<u8>, Outcome)> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.pst");
    std::fs::write(&path, bytes).unwrap();
    let outcome = repair_in_place(&path, &dir.path().join("x.undo"), policy, &())?;
    Ok((std::fs::read(&path).unwrap(), outcome))
}

/// What a report still has of what a repair could mend.
fn left(report: &Report) -> Vec<String> {
    report.findings.iter().filter(|f| f.rule.fix != FixVerb::None).map(|f| format!("{f}")).collect()
}

#[test]
fn every_rule_with_a_fix_verb_is_mended() {
    let mut bases: HashMap<String, Base> = HashMap::new();
    let mut wrong = String::new();
    let mut mended: HashSet<&str> = HashSet::new();
    let mut shown = 0;
    for r in Recipe::all().into_iter().flat_map(|(_, r)| r) {
        let base = bases.entry(r.base.clone()).or_insert_with(|| Base::named(&r.base));
        let damaged = base.apply(&r.steps);
        let before = examine(&damaged);
        if left(&before).is_empty() || Rule::find(&r.code).is_some_and(|rule| rule.fix == FixVerb::None) {
            continue;
        }
        mended.extend(before.counts.iter().map(|c| c.rule.code));
        for (target, result) in [("new file", to_new_file(&damaged, &policy())), ("in place", in_place(&damaged, &policy()))] {
            let (bytes, outcome) = match result {
                Ok(done) => done,
                Err(e) => {
                    writeln!(wrong, "{} {target}: {e}", r.code).unwrap();
                    continue;
                }
            };
            let after = examine(&bytes);
            // an attachment that was lost is not made good by an empty one
            let gone = [&rules::EMBEDDED_MISSING, &rules::ATTACH_ROW_DANGLING, &rules::ATTACH_DATA];
            let is_gone = before.findings.iter().any(|f| gone.iter().any(|rule| std::ptr::eq(*rule, f.rule)));
            if is_gone {
                shown += 1;
                if !outcome.account.has_loss() {
                    writeln!(wrong, "{} {target}: an attachment is lost without a word", r.code).unwrap();
                }
            }
            let left = left(&after);
            if !left.is_empty() {
                writeln!(wrong, "{} {target}: {} left, first {}", r.code, left.len(), left[0]).unwrap();
                continue;
            }
            if !outcome.account.left_out.is_empty() {
                println!("{} {target}: left out {:?}", r.code, outcome.account.left_out);
            }
            match to_new_file(&bytes, &policy()) {
                Ok((again, second)) if !second.changed && again == bytes => {}
                _ => writeln!(wrong, "{} {target}: a second repair changes it", r.code).unwrap(),
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(shown > 2, "recipes that lose an attachment: {shown}");
    let without: Vec<&str> = RULES
        .iter()
        .filter(|r| r.fix != FixVerb::None && !mended.contains(r.code))
        .map(|r| r.code)
        .filter(|c| !TOO_LARGE.contains(c))
        .collect();
    assert!(without.is_empty(), "rules whose fix is not shown: {without:?}");
}

/// Real files have several things together that do no harm: one run is enough for all of them.
#[test]
fn what_does_no_harm_is_set_right_in_one_run() {
    let policy = Policy::default().notices(true);
    for f in crate::corpus::files().iter().filter(|f| f.is_whole()) {
        let bytes = std::fs::read(&f.path).unwrap();
        if bytes.len() > 5 << 20 {
            continue;
        }
        let (once, _) = to_new_file(&bytes, &policy).unwrap();
        let plan = check(Arc::new(once.clone()), &CheckOptions::default(), &()).unwrap().plan(&policy);
        assert!(plan.actions.is_empty(), "{}: {:?}", f.file, plan.actions);
        let (twice, second) = to_new_file(&once, &policy).unwrap();
        assert!(!second.changed && once == twice, "{}", f.file);
    }
}

/// What is wrong at warning or above, by the verb that mends it.
fn wrong(report: &Report) -> Vec<(FixVerb, &'static str)> {
    report.findings.iter().filter(|f| f.severity >= Severity::Warning && f.root.is_none()).map(|f| (f.rule.fix, f.rule.code)).collect()
}

/// Three things that are wrong with one file: the header's checksum, a flag of one message, the properties of another.
fn three_faults() -> Vec<u8> {
    let steps = ["patch node 0x200104 +0xb8 41000000", "patch node 0x2000a4 +0xe 05004000", "raw header +0x4 5a"];
    Base::named("unicode-permute").apply(&steps.map(str::to_owned))
}

#[test]
fn each_action_can_be_left_out_and_only_its_objects_stay_as_they_are() {
    let damaged = three_faults();
    let report = check(Arc::new(damaged.clone()), &CheckOptions::default(), &()).unwrap();
    let policy = Policy::default().notices(true);
    let plan = report.plan(&policy);
    let verbs: HashSet<FixVerb> = plan.actions.iter().map(|a| a.verb).collect();
    println!("{:#?}", wrong(&report));
    let contents: Vec<FixVerb> = verbs.iter().copied().filter(|v| !v.is_structural()).collect();
    assert!(contents.len() >= 2, "{contents:?}");
    for only in &contents {
        let mut plan = report.plan(&policy);
        for v in &verbs {
            plan.select(*v, v == only || v.is_structural());
        }
        assert!(plan.is_partial());
        let source: Arc<dyn ReadAt> = Arc::new(damaged.clone());
        let memory = Arc::new(MemoryStorage::default());
        let outcome = plan.apply(Target::NewFile { source, target: memory.clone() }, &()).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let (path, undo_file) = (dir.path().join("x.pst"), dir.path().join("x.pst.undo"));
        std::fs::write(&path, &damaged).unwrap();
        let in_place = plan.apply(Target::InPlace { path: &path, undo: &undo_file }, &()).unwrap();
        assert!(outcome.changed && in_place.changed, "{only}");
        // both targets come to the same
        assert_eq!(memory.to_bytes(), std::fs::read(&path).unwrap(), "{only}");
        for after in [&outcome.after, &in_place.after, &examine(&memory.to_bytes())] {
            let left: HashSet<FixVerb> = wrong(after).into_iter().map(|(v, _)| v).collect();
            assert!(!left.contains(only) && left.iter().all(|v| !v.is_structural()), "{only}: {left:?}");
            for other in contents.iter().filter(|v| *v != only && wrong(&report).iter().any(|(w, _)| w == *v)) {
                assert!(left.contains(other), "{only}: {other} was mended too: {left:?}");
            }
        }
        undo(&undo_file, &path, LaterWrites::Keep).unwrap();
        assert!(std::fs::read(&path).unwrap() == damaged);
    }
    // with nothing selected nothing is changed
    let mut none = report.plan(&policy);
    verbs.iter().for_each(|v| none.select(*v, false));
    let source: Arc<dyn ReadAt> = Arc::new(damaged.clone());
    let memory = Arc::new(MemoryStorage::default());
    let outcome = none.apply(Target::NewFile { source, target: memory.clone() }, &()).unwrap();
    assert!(!outcome.changed && memory.to_bytes() == damaged);
}

#[test]
fn a_plan_is_for_one_state_of_one_file() {
    let damaged = three_faults();
    let plan = check(Arc::new(damaged.clone()), &CheckOptions::default(), &()).unwrap().plan(&Policy::default());
    let mut other = damaged;
    other[4] ^= 1;
    let memory = Arc::new(MemoryStorage::default());
    let e = plan.apply(Target::NewFile { source: Arc::new(other), target: memory.clone() }, &()).unwrap_err();
    assert!(e.to_string().contains("has changed"), "{e}");
    assert!(memory.is_empty());
}
