//! Undo files that are damaged, planted, or another file's: either nothing is changed, or the file is as it was before its repair, to the byte.

use crate::crash::beyond_adding;
use pstkit::check::Verdict;
use pstkit::error::{Error, ErrorKind};
use pstkit::format::crc::crc;
use pstkit::io::FileId;
use pstkit::repair::LaterWrites;
use pstkit::repair::{Policy, UndoRecord, in_the_way, repair_in_place, take_back_interrupted, undo};
use pstkit::testkit::{VARIETIES, tiny};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A file that was repaired in place.
struct Repaired {
    dir: TempDir,
    path: PathBuf,
    undo: PathBuf,
    /// Its bytes before and after.
    before: Vec<u8>,
    after: Vec<u8>,
}

/// By adding to it, or written anew.
fn repaired(anew: bool) -> Repaired {
    let before = if anew {
        beyond_adding()
    } else {
        let mut bytes = tiny(VARIETIES[0], 3).unwrap();
        bytes[4] ^= 0x5A;
        bytes
    };
    let dir = tempfile::tempdir().unwrap();
    let (path, undo) = (dir.path().join("x.pst"), dir.path().join("x.pst.undo"));
    std::fs::write(&path, &before).unwrap();
    let outcome = repair_in_place(&path, &undo, &Policy::default(), &()).unwrap();
    assert!(outcome.changed && outcome.after.verdict <= Verdict::Minor);
    assert_eq!(dir.path().join("x.pst.undo.kept").exists(), anew);
    let after = std::fs::read(&path).unwrap();
    assert!(after != before);
    Repaired { dir, path, undo, before, after }
}

fn is_unfit(e: &Error) -> bool {
    matches!(e.kind(), ErrorKind::Unfit { .. })
}

impl Repaired {
    fn kept(&self) -> PathBuf {
        self.dir.path().join("x.pst.undo.kept")
    }

    /// Nothing that is tried with the undo file changes the file, and it stays.
    fn is_refused(&self, target: &[u8], what: &str) {
        std::fs::write(&self.path, target).unwrap();
        let unchanged = |how: &str| assert!(std::fs::read(&self.path).unwrap() == target, "{what}: {how}");
        assert!(!take_back_interrupted(&self.path, &self.undo).unwrap(), "{what}");
        unchanged("unasked");
        assert!(is_unfit(&in_the_way(&self.path, &self.undo).unwrap()), "{what}");
        for force in [false, true] {
            let e = undo(&self.undo, &self.path, LaterWrites::discard_if(force)).unwrap_err();
            assert!(is_unfit(&e), "{what}: {e}");
            unchanged("asked");
        }
        if let Ok(outcome) = repair_in_place(&self.path, &self.undo, &Policy::default(), &()) {
            assert!(!outcome.changed, "{what}: repaired over an undo file that is there");
        }
        unchanged("repair");
        assert!(self.undo.symlink_metadata().is_ok(), "{what}");
    }
}

/// An undo file of the version before.
fn earlier(record: &UndoRecord, headers: &[Vec<u8>]) -> Vec<u8> {
    let mut out = [&b"PSTKUNDO"[..], &2u32.to_le_bytes(), &(record.ranges.len() as u32).to_le_bytes()].concat();
    out.extend([&record.len.to_le_bytes()[..], &(headers.len() as u32).to_le_bytes()].concat());
    for (at, bytes) in &record.ranges {
        out.extend([&at.to_le_bytes()[..], &(bytes.len() as u32).to_le_bytes(), bytes].concat());
    }
    headers.iter().for_each(|h| out.extend([&(h.len() as u32).to_le_bytes()[..], h].concat()));
    out.extend(crc(&out).to_le_bytes());
    out
}

/// The mark at the end of an old file that the version before kept under the undo file's name.
fn marked(old: &[u8], new: &[u8]) -> Vec<u8> {
    let mut mark = [&b"PSTKWHOL"[..], &(old.len() as u64).to_le_bytes(), &(new.len() as u64).to_le_bytes()].concat();
    mark.extend([crc(&new[..564]).to_le_bytes(), [0; 4]].concat());
    mark.extend(crc(&mark).to_le_bytes());
    [old, &mark].concat()
}

#[test]
fn planted_and_cut_off_undo_files_change_nothing() {
    let r = repaired(false);
    let record = UndoRecord::decode(&std::fs::read(&r.undo).unwrap()).unwrap();
    let mut nothing = record.clone();
    (nothing.len, nothing.new_len) = (0, 0);
    nothing.ranges.clear();
    let headless = earlier(&nothing, &[]);
    assert_eq!(headless.len(), 32);
    let mut one = record.clone();
    one.ranges = vec![(0, b"gone".to_vec())];
    one.len = 4;
    let whole = std::fs::read(&r.undo).unwrap();
    let planted: Vec<(&str, Vec<u8>)> = vec![
        ("a record file without records or headers", headless),
        ("the same with a record", earlier(&one, &[])),
        ("a record that is no header, with headers", earlier(&one, &record.headers)),
        ("the first bytes of a data file", b"!BDN\0\0\0\0".to_vec()),
        ("an old file without its mark", r.before.clone()),
        ("an old file of which half is there", marked(&r.before, &r.after)[r.before.len() / 2..].to_vec()),
        ("an old file whose end is cut off", marked(&r.before[..r.before.len() - 64], &r.after)[..r.before.len() - 64].to_vec()),
        ("an old file with half a mark", {
            let m = marked(&r.before, &r.after);
            m[..m.len() - 12].to_vec()
        }),
        ("the first half of an undo file", whole[..whole.len() / 2].to_vec()),
        ("an undo file with something behind it", [&whole[..], b"x"].concat()),
        ("nothing", Vec::new()),
        ("something else", b"something else that is as long as a head would have to be, and longer than that: 96 bytes and more".to_vec()),
    ];
    for (what, bytes) in planted {
        std::fs::write(&r.undo, bytes).unwrap();
        for target in [&r.before, &r.after] {
            r.is_refused(target, what);
        }
    }
}

/// One bit at every byte of an undo file, of both ways: the file is as it was before its repair, or nothing was done.
#[test]
fn a_changed_byte_anywhere_in_an_undo_file_changes_nothing_in_the_file() {
    for anew in [false, true] {
        let r = repaired(anew);
        let whole = std::fs::read(&r.undo).unwrap();
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << (at % 8);
            std::fs::write(&r.undo, bytes).unwrap();
            let e = undo(&r.undo, &r.path, LaterWrites::discard_if(at % 2 == 0)).unwrap_err();
            assert!(is_unfit(&e), "{at}: {e}");
            assert!(at % 64 != 0 || std::fs::read(&r.path).unwrap() == r.after, "{at}");
        }
        assert!(std::fs::read(&r.path).unwrap() == r.after);
        std::fs::write(&r.undo, &whole).unwrap();
        if anew {
            // and at many of the old file that is kept, and where some of it is missing
            for at in (0..r.before.len()).step_by(r.before.len() / 40) {
                let mut bytes = r.before.clone();
                bytes[at] ^= 1;
                for bytes in [&bytes[..], &r.before[..at]] {
                    std::fs::write(r.kept(), bytes).unwrap();
                    let e = undo(&r.undo, &r.path, LaterWrites::discard_if(at % 2 == 0)).unwrap_err();
                    assert!(is_unfit(&e) && std::fs::read(&r.path).unwrap() == r.after, "{at}: {e}");
                }
            }
            std::fs::remove_file(r.kept()).unwrap();
            r.is_refused(&r.after, "no old file");
            std::fs::write(r.kept(), &r.before).unwrap();
        }
        assert!(undo(&r.undo, &r.path, LaterWrites::Keep).unwrap());
        assert!(std::fs::read(&r.path).unwrap() == r.before && !r.undo.exists() && !r.kept().exists());
    }
}

#[test]
fn the_undo_file_of_another_file_is_refused_even_by_force() {
    let (a, b) = (repaired(false), repaired(true));
    let mut other = tiny(VARIETIES[0], 4).unwrap();
    other[4] ^= 1;
    for r in [&a, &b] {
        for target in [tiny(VARIETIES[0], 4).unwrap(), other.clone()] {
            std::fs::write(&r.path, &target).unwrap();
            assert!(!take_back_interrupted(&r.path, &r.undo).unwrap());
            for force in [false, true] {
                let e = undo(&r.undo, &r.path, LaterWrites::discard_if(force)).unwrap_err();
                assert!(is_unfit(&e) && std::fs::read(&r.path).unwrap() == target, "{e}");
            }
        }
    }
}

/// A pair that was copied elsewhere, under the same names or others, serves when that is asked for, and never unasked.
#[test]
fn a_pair_that_was_copied_elsewhere_serves_when_it_is_asked_for() {
    for anew in [false, true] {
        for name in ["x.pst.undo", "saved.undo"] {
            let r = repaired(anew);
            let there = tempfile::tempdir().unwrap();
            let (path, saved) = (there.path().join("y.pst"), there.path().join(name));
            std::fs::copy(&r.path, &path).unwrap();
            std::fs::copy(&r.undo, &saved).unwrap();
            if anew {
                std::fs::copy(r.kept(), there.path().join(format!("{name}.kept"))).unwrap();
            }
            if !anew {
                // as if it had been interrupted: that is taken back when asked for
                let record = UndoRecord::decode(&std::fs::read(&saved).unwrap()).unwrap();
                let mut between = r.after.clone();
                between[..564].copy_from_slice(&record.headers[0]);
                std::fs::write(&path, between).unwrap();
            }
            assert!(!take_back_interrupted(&path, &saved).unwrap());
            assert!(undo(&saved, &path, LaterWrites::Keep).unwrap());
            assert!(std::fs::read(&path).unwrap() == r.before);
            assert_eq!(std::fs::read_dir(there.path()).unwrap().count(), 1, "something is left");
            assert!(std::fs::read(&r.path).unwrap() == r.after && r.undo.exists());
        }
    }
}

#[test]
fn undo_files_of_the_version_before_are_read() {
    let r = repaired(false);
    let record = UndoRecord::decode(&std::fs::read(&r.undo).unwrap()).unwrap();
    std::fs::write(&r.undo, earlier(&record, &record.headers)).unwrap();
    assert!(undo(&r.undo, &r.path, LaterWrites::Keep).unwrap());
    assert!(std::fs::read(&r.path).unwrap() == r.before && !r.undo.exists());
    // nothing says which file it was for, so that one that was interrupted is taken back when it is asked for
    let mut between = r.after.clone();
    between[..564].copy_from_slice(&record.headers[0]);
    std::fs::write(&r.path, &between).unwrap();
    std::fs::write(&r.undo, earlier(&record, &record.headers)).unwrap();
    assert!(!take_back_interrupted(&r.path, &r.undo).unwrap());
    let told = in_the_way(&r.path, &r.undo).unwrap();
    assert!(is_unfit(&told) && told.to_string().contains("interrupted"), "{told}");
    assert!(undo(&r.undo, &r.path, LaterWrites::Keep).unwrap());
    assert!(std::fs::read(&r.path).unwrap() == r.before);

    let r = repaired(true);
    std::fs::remove_file(r.kept()).unwrap();
    std::fs::write(&r.undo, marked(&r.before, &r.after)).unwrap();
    assert!(!take_back_interrupted(&r.path, &r.undo).unwrap());
    assert!(undo(&r.undo, &r.path, LaterWrites::Keep).unwrap());
    assert!(std::fs::read(&r.path).unwrap() == r.before && !r.undo.exists());
}

/// No more of an undo file is read or held than what its lengths prove.
#[test]
fn a_sparse_undo_file_costs_nothing() {
    let r = repaired(false);
    let whole = std::fs::read(&r.undo).unwrap();
    let record = UndoRecord::decode(&whole).unwrap();
    let mut claims = earlier(&record, &record.headers);
    claims[12..16].copy_from_slice(&u32::MAX.to_le_bytes());
    let begun = Instant::now();
    for bytes in [&whole[..], &claims, &earlier(&record, &record.headers), b"PSTKUNDO\x03\0\0\0\0\0\0\x01", b""] {
        std::fs::write(&r.undo, bytes).unwrap();
        std::fs::File::options().write(true).open(&r.undo).unwrap().set_len(60 << 30).unwrap();
        r.is_refused(&r.after, "sparse");
    }
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
}

#[cfg(unix)]
fn mode(path: &Path) -> u32 {
    std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(path).unwrap()) & 0o7777
}

#[cfg(unix)]
#[test]
fn nobody_may_read_an_undo_file_who_may_not_read_the_file() {
    use std::os::unix::fs::PermissionsExt;
    for anew in [false, true] {
        let r = repaired(anew);
        assert!(undo(&r.undo, &r.path, LaterWrites::Keep).unwrap());
        for wanted in [0o600, 0o640] {
            std::fs::set_permissions(&r.path, std::fs::Permissions::from_mode(wanted)).unwrap();
            let other = r.dir.path().join("other.pst");
            // a copy is made of an old file that has another name
            std::fs::hard_link(&r.path, &other).unwrap();
            repair_in_place(&r.path, &r.undo, &Policy::default(), &()).unwrap();
            assert_eq!((mode(&r.undo), mode(&r.path)), (wanted, wanted));
            assert!(!anew || mode(&r.kept()) == wanted);
            assert!(undo(&r.undo, &r.path, LaterWrites::Keep).unwrap());
            assert_eq!(mode(&r.path), wanted);
            std::fs::remove_file(&other).unwrap();
        }
    }
}

#[cfg(unix)]
#[test]
fn links_in_the_place_of_an_undo_file_or_of_an_old_file_are_not_followed() {
    for anew in [false, true] {
        let r = repaired(anew);
        let real = r.dir.path().join("elsewhere");
        let link = if anew { r.kept() } else { r.undo.clone() };
        std::fs::rename(&link, &real).unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        let e = undo(&r.undo, &r.path, LaterWrites::Discard).unwrap_err();
        assert!(is_unfit(&e) && e.to_string().contains("a link"), "{e}");
        assert!(std::fs::read(&r.path).unwrap() == r.after && real.exists());
    }
    // nor does an undo file name any file it likes
    let r = repaired(true);
    let mut bytes = std::fs::read(&r.undo).unwrap();
    let at = bytes.windows(10).position(|w| w == b".undo.kept").unwrap();
    bytes[at..at + 10].copy_from_slice(b"/undo/kept");
    let end = bytes.len() - 32;
    let sum: [u8; 32] = sha2::Digest::finalize(sha2::Digest::chain_update(<sha2::Sha256 as sha2::Digest>::new(), &bytes[..end])).into();
    bytes[end..].copy_from_slice(&sum);
    std::fs::write(&r.undo, bytes).unwrap();
    r.is_refused(&r.after, "a path as a name");
    r.is_refused(&r.before, "a path as a name");
}

/// In a folder that others write to, an undo file of somebody else is not used unasked, nor one that others may write to.
#[cfg(unix)]
#[test]
fn only_an_undo_file_of_ones_own_is_used_unasked() {
    use std::os::unix::fs::PermissionsExt;
    let r = repaired(false);
    let mut record = UndoRecord::decode(&std::fs::read(&r.undo).unwrap()).unwrap();
    let mut between = r.after.clone();
    between[..564].copy_from_slice(&record.headers[0]);
    let begin = |record: &UndoRecord| {
        std::fs::write(&r.path, &between).unwrap();
        let _ = std::fs::remove_file(&r.undo);
        record.save(&r.undo, &std::fs::metadata(&r.path).unwrap()).unwrap();
    };
    let is_left = |what: &str| {
        assert!(!take_back_interrupted(&r.path, &r.undo).unwrap(), "{what}");
        let told = in_the_way(&r.path, &r.undo).unwrap();
        assert!(is_unfit(&told) && std::fs::read(&r.path).unwrap() == between, "{what}: {told}");
    };
    begin(&record);
    std::fs::set_permissions(&r.undo, std::fs::Permissions::from_mode(0o666)).unwrap();
    is_left("others may write to it");
    begin(&record);
    std::fs::hard_link(&r.undo, r.dir.path().join("another")).unwrap();
    is_left("it has another name");
    begin(&record);
    if std::os::unix::fs::chown(&r.undo, Some(12_345), None).is_ok() {
        is_left("it is somebody else's");
    } else {
        println!("skipped: this user cannot give files away");
    }
    let own = record.file.unwrap();
    let changes: [fn(&mut FileId); 3] = [|f| f.inode += 1, |f| f.device += 1, |f| f.owner += 1];
    for change in changes {
        let mut other = own;
        change(&mut other);
        record.file = Some(other);
        begin(&record);
        is_left("it is of another file");
    }
    record.file = Some(own);
    begin(&record);
    assert!(take_back_interrupted(&r.path, &r.undo).unwrap());
    assert!(std::fs::read(&r.path).unwrap() == r.before && !r.undo.exists());
}
