//! Images with several stores: each is named, and the options choose one.

use crate::support::{file, pstkit};
use pstkit::testkit::{Rng, VARIETIES, tiny};

#[test]
fn a_store_of_an_image_is_never_passed_over_in_silence() {
    let (first, second) = (tiny(VARIETIES[0], 1).unwrap(), tiny(VARIETIES[3], 2).unwrap());
    let mut rng = Rng::new(5);
    let image = [rng.bytes(0x2000).as_slice(), &first, &rng.bytes(0x3000), &second].concat();
    let (dir, path) = file("disk.img", &image);
    let place = format!("{:#x}", 0x2000 + first.len() + 0x3000);
    let path = path.to_str().unwrap();
    let out = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    for command in ["info", "check", "ls", "items"] {
        let run = pstkit([command, path]);
        assert_eq!(run.status, 4, "{command}: {run:?}");
        assert!(run.err.contains("2 stores") && run.err.contains("at 0x2000") && run.err.contains(&place), "{command}: {run:?}");
        for chosen in [["--store", "2"], ["--offset", &place]] {
            let run = pstkit([command, path, chosen[0], chosen[1]]);
            assert_eq!((run.status, run.err.contains("stores")), (0, false), "{command}: {run:?}");
        }
    }
    let run = pstkit(["recover", path, "-o", &out("first.pst")]);
    assert!(run.status & 4 != 0 && run.err.contains("--store 2"), "{run:?}");
    let run = pstkit(["recover", path, "--store", "2", "-o", &out("second.pst")]);
    assert_eq!(run.status, 0, "{run:?}");
    let of_second = pstkit(["items", "--jsonl", &out("second.pst")]).lines();
    assert_eq!(of_second.len(), 14);
    assert!(pstkit(["check", path, "--store", "3"]).status == 8);
    assert_eq!(pstkit(["repair", path, "--in-place", "-y"]).status, 8);
    assert_eq!(std::fs::read(path).unwrap(), image, "an image is not repaired in place");
}
