//! One account: what a check says of items, what a plan predicts, and what a repair does agree.

use crate::damage::Healthy;
use crate::support::varieties;
use pstkit::Pst;
use pstkit::check::{CheckOptions, check};
use pstkit::io::{MemoryStorage, ReadAt};
use pstkit::messaging::State;
use pstkit::repair::{Policy, Target, Way};
use pstkit::testkit::small;
use std::sync::Arc;

#[test]
fn a_repair_does_what_its_plan_predicts_whatever_the_damage() {
    let dir = tempfile::tempdir().unwrap();
    let mut ways = std::collections::HashSet::new();
    for variety in varieties() {
        let path = dir.path().join("healthy.pst");
        std::fs::write(&path, small(variety, 21).unwrap()).unwrap();
        for damaged in Healthy::read(&path).damages() {
            let what = format!("{} {}", variety.name(), damaged.kind);
            let source: Arc<dyn ReadAt> = Arc::new(damaged.bytes);
            let report = check(Arc::clone(&source), &CheckOptions::default().for_repair(), &()).unwrap();
            let plan = report.plan(&Policy::default().allow_loss(true));
            let predicted = plan.predict(&source, &());
            let target = Arc::new(MemoryStorage::default());
            let done = plan.apply(Target::NewFile { source, target: target.clone() }, &());
            let (predicted, done) = match (predicted, done) {
                (Ok(p), Ok(d)) => (p, d),
                (Err(p), Err(d)) => {
                    assert_eq!(p.to_string(), d.to_string(), "{what}");
                    continue;
                }
                (p, d) => panic!("{what}: {p:?} {d:?}"),
            };
            assert_eq!(predicted.outcome.account, done.account, "{what}");
            assert_eq!(predicted.outcome.route, done.route, "{what}");
            let route = done.route;
            assert_eq!(route.way == Way::Untouched, !done.changed, "{what}: {route}");
            // only a rebuild has a reason; adding to the file needs none
            assert!(route.why.is_some() == (route.way == Way::Rebuilt) || route.way == Way::Untouched, "{what}: {route}");
            assert_eq!(route.objects > 0, route.way == Way::Appended, "{what}: {route}");
            ways.insert(route.way);
            assert_eq!(predicted.outcome.after.summary(), done.after.summary(), "{what}");
            assert_eq!(predicted.outcome.exit_status(), done.exit_status(), "{what}");
            assert_eq!(predicted.result.len(), target.len(), "{what}");
        }
    }
    for way in [Way::Structure, Way::Appended, Way::Rebuilt] {
        assert!(ways.contains(&way), "no damage is mended by {way:?}: {ways:?}");
    }
}

#[test]
fn a_flipped_bit_in_an_attachment_is_the_same_to_check_deep_check_and_both_repairs() {
    for variety in varieties() {
        let mut bytes = small(variety, 3).unwrap();
        let (nid, i, at) = crate::front::large_attachment(&Pst::from_bytes(bytes.clone()).unwrap());
        bytes[at] ^= 0x10;
        let source: Arc<dyn ReadAt> = Arc::new(bytes.clone());
        let count = |options: CheckOptions| check(Arc::clone(&source), &options, &()).unwrap().items;
        let items = count(CheckOptions::default());
        let what = format!("{}: {items:?}", variety.name());
        assert_eq!((items.attachments.partial, items.messages.partial, items.attachments.lost), (1, 1, 0), "{what}");
        assert_eq!(items, count(CheckOptions::level(pstkit::check::Level::Deep)), "{what}");
        for lossy in [false, true] {
            let report = check(Arc::clone(&source), &CheckOptions::default().for_repair(), &()).unwrap();
            let target = Arc::new(MemoryStorage::default());
            let policy = Policy::default().lossy(lossy);
            let done = report.plan(&policy).apply(Target::NewFile { source: Arc::clone(&source), target }, &()).unwrap();
            let a = done.account.attachments;
            assert_eq!((a.ok, a.partial, a.lost), (items.attachments.ok, 1, 0), "{what}: {lossy} {a:?}");
            assert_eq!(done.exit_status() & 64, 64, "{what}");
        }
        // and the library names the part and its bytes
        let pst = Pst::from_bytes(bytes).unwrap();
        let message = pst.message(nid).unwrap();
        assert!(message.attachments().unwrap()[i].properties().verify().unwrap() == State::Partial, "{what}");
        let parts = message.damaged_parts().unwrap();
        assert_eq!(parts.len(), 1, "{what}: {parts:?}");
        let size = parts[0].size.unwrap();
        assert!(parts[0].what.contains("attachment") && (1..size).contains(&parts[0].damaged_bytes()), "{what}: {parts:?}");
    }
}
