//! Every document has the shape that its schema says, and the schemas are those of `fixtures/schemas`.

use crate::support::pstkit;
use pstkit::testkit::VARIETIES;
use serde_json::Value;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Where the schemas are written down.
fn kept(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/schemas").join(format!("{name}.json"))
}

fn names() -> Vec<String> {
    pstkit(["schema"]).out.lines().filter_map(|l| l.split_whitespace().next().map(str::to_owned)).collect()
}

/// A change of a shape is seen where it is reviewed: `PSTKIT_UPDATE=1 cargo test --all-features --test cli schema` writes the files anew.
#[test]
fn schemas_are_those_that_are_written_down() {
    let names = names();
    assert!(names.len() >= 18, "{names:?}");
    for name in &names {
        let now = pstkit(["schema", name]).out;
        if std::env::var_os("PSTKIT_UPDATE").is_some() {
            std::fs::create_dir_all(kept(name).parent().unwrap()).unwrap();
            std::fs::write(kept(name), &now).unwrap();
        }
        let written = std::fs::read_to_string(kept(name)).unwrap_or_default();
        assert!(
            now == written,
            "the shape of {name} is another one: run with PSTKIT_UPDATE=1, give it a new version, and say so in CHANGELOG.md"
        );
    }
    let files = std::fs::read_dir(kept("x").parent().unwrap()).unwrap().count();
    assert_eq!(files, names.len(), "a schema is of no document");
}

/// Each field says what it is.
#[test]
fn every_field_of_a_schema_is_described() {
    for name in names() {
        let schema: Value = serde_json::from_str(&std::fs::read_to_string(kept(&name)).unwrap()).unwrap();
        let mut pending = vec![(name.clone(), &schema)];
        let mut fields = 0;
        while let Some((at, v)) = pending.pop() {
            // a range of the standard library: start and end
            let is_range = at.ends_with("Range_of_uint64");
            for (field, s) in v.get("properties").filter(|_| !is_range).and_then(Value::as_object).into_iter().flatten() {
                fields += 1;
                let is_told =
                    s.get("description").is_some() || s.get("$ref").is_some() || s.get("anyOf").is_some() || s.get("items").is_some();
                assert!(is_told, "{at}: {field} is not described");
            }
            match v {
                Value::Object(o) => pending.extend(o.iter().map(|(k, v)| (format!("{at}/{k}"), v))),
                Value::Array(a) => pending.extend(a.iter().map(|v| (at.clone(), v))),
                _ => {}
            }
        }
        assert!(fields > 0, "{name} has no fields");
    }
}

struct Schemas(HashMap<&'static str, (jsonschema::Validator, u64)>);

impl Schemas {
    fn fits(&mut self, name: &'static str, document: &Value, of: &str) {
        let (validator, count) = self.0.entry(name).or_insert_with(|| {
            let schema = serde_json::from_str(&std::fs::read_to_string(kept(name)).unwrap()).unwrap();
            (jsonschema::validator_for(&schema).unwrap(), 0)
        });
        *count += 1;
        let wrong: Vec<String> = validator.iter_errors(document).take(3).map(|e| format!("{}: {e}", e.instance_path)).collect();
        assert!(wrong.is_empty(), "{of} is no {name}: {wrong:#?}");
    }
}

/// Bytes of which some are damaged: the header, a block in each tenth, the end.
fn damaged(bytes: &[u8]) -> [(&'static str, Vec<u8>); 3] {
    let (mut headless, mut holes) = (bytes.to_vec(), bytes.to_vec());
    headless[..600].fill(0);
    let step = bytes.len() / 10;
    (1..10).for_each(|i| holes[i * step..i * step + 40].fill(0xA5));
    [("headless", headless), ("holes", holes), ("cut", bytes[..bytes.len() * 2 / 3].to_vec())]
}

/// Files that are healthy, damaged and real.
fn files(dir: &Path) -> Vec<PathBuf> {
    let mut sources = Vec::new();
    for variety in [VARIETIES[0], VARIETIES[3], VARIETIES[6]] {
        sources.push(std::fs::read(crate::support::made(variety).1).unwrap());
    }
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus");
    let list = std::fs::read_to_string(corpus.join("expected.tsv")).unwrap_or_default();
    let real = list.lines().filter_map(|l| l.split('\t').next()).map(|f| corpus.join(f));
    let real: Vec<_> = real.filter(|p| p.metadata().is_ok_and(|m| m.is_file() && (4096..1 << 20).contains(&m.len()))).collect();
    if real.is_empty() {
        println!("skipped: the real files are not here");
    }
    sources.extend(real.iter().map(|p| std::fs::read(p).unwrap()));
    let mut out = Vec::new();
    for (i, bytes) in sources.iter().enumerate() {
        for (kind, bytes) in [("healthy", bytes.clone())].into_iter().chain(damaged(bytes)) {
            let path = dir.join(format!("{i}-{kind}.pst"));
            std::fs::write(&path, bytes).unwrap();
            out.push(path);
        }
    }
    out
}

#[test]
fn every_document_fits_its_schema_on_healthy_damaged_and_real_files() {
    let dir = tempfile::tempdir().unwrap();
    let mut schemas = Schemas(HashMap::new());
    let out = dir.path().join("out.pst");
    let (report, list, target) = (dir.path().join("report.json"), dir.path().join("list.jsonl"), dir.path().join("target"));
    let [o, r, l, t] = [&out, &report, &list, &target].map(|p| p.to_str().unwrap());
    let read = |path: &Path| std::fs::read_to_string(path).unwrap();
    for (i, file) in files(dir.path()).iter().enumerate() {
        let p = file.to_str().unwrap();
        let mut one = |name, document: &Value| schemas.fits(name, document, p);
        one("info", &pstkit(["info", "--json", p]).json());
        one("folders", &pstkit(["ls", "--json", p]).json());
        pstkit(["items", "--jsonl", "--versions", p]).lines().iter().for_each(|line| one("item", line));
        one("report", &pstkit(["check", "--json", "--report", r, p]).json());
        one("page", &serde_json::from_str(&read(&report)).unwrap());
        one("repair", &pstkit(["repair", "--json", p]).json());
        // the rest writes files: a few of each kind are enough
        if i % 4 == (i / 4) % 4 {
            pstkit(["ls", "--jsonl", p]).lines().iter().for_each(|line| one("folder", line));
            one("items", &pstkit(["items", "--json", p]).json());
            pstkit(["check", "--jsonl", p, "/nowhere.pst"]).lines().iter().for_each(|line| one("event", line));
            one("recovery", &pstkit(["recover", "--json", "--hash", "--versions", "--force", p, "-o", o]).json());
            one("copy", &pstkit(["compact", "--json", "--force", p, "-o", o]).json());
            one("repair", &pstkit(["repair", "-y", "--json", "--force", p, "-o", o]).json());
            let _ = std::fs::remove_dir_all(&target);
            one("export", &pstkit(["export", "--json", p, "-o", t, "--manifest", l]).json());
            read(&list).lines().for_each(|line| one("manifest", &serde_json::from_str(line).unwrap()));
            let mut repaired = pstkit(["repair", "--in-place", "-y", "--json", p]).json();
            one("repair", &repaired);
            if let Value::String(undo) = repaired["undo_file"].take() {
                one("undone", &pstkit(["undo", "--json", &undo]).json());
            }
            one("view", &pstkit(["show", "--json", p, "header"]).json());
        }
    }
    schemas.fits("rules", &pstkit(["explain", "--json", "--all"]).json(), "explain");
    let fresh = dir.path().join("fresh.pst");
    schemas.fits("created", &pstkit(["create", "--json", fresh.to_str().unwrap()]).json(), "create");
    let several = pstkit(["check", "--json", fresh.to_str().unwrap(), fresh.to_str().unwrap(), "/nowhere.pst"]).json();
    schemas.fits("report", &several, "several files");
    let mut seen: Vec<&str> = schemas.0.keys().copied().collect();
    seen.sort_unstable();
    let missing: Vec<String> = names().into_iter().filter(|n| n != "write-log" && !seen.contains(&n.as_str())).collect();
    assert!(missing.is_empty(), "no document of {missing:?} was seen");
}

#[test]
fn a_document_of_another_shape_is_refused() {
    let (_dir, file) = crate::support::made(VARIETIES[0]);
    let mut document = pstkit(["check", "--json", file.to_str().unwrap()]).json();
    document["verdict"] = serde_json::json!(7);
    document["items"].as_object_mut().unwrap().remove("folders");
    document["more"] = serde_json::json!(1);
    let schema = serde_json::from_str(&std::fs::read_to_string(kept("report")).unwrap()).unwrap();
    assert_eq!(jsonschema::validator_for(&schema).unwrap().iter_errors(&document).count(), 3);
}

#[test]
fn an_unknown_document_is_told() {
    let run = pstkit(["schema", "nothing"]);
    assert_eq!(run.status, 16);
    assert!(run.err.contains("`pstkit schema` lists them"), "{run:?}");
}
