//! Help, the command line, and closed pipes.

use crate::support::{empty_store, file, lone_header, pstkit};
use std::process::{Command, Stdio};

/// Every command.
const COMMANDS: &[&str] = &[
    "schema",
    "info",
    "ls",
    "items",
    "check",
    "show",
    "repair",
    "undo",
    "recover",
    "compact",
    "convert",
    "create",
    "explain",
    "export",
    "completions",
    "man",
];

#[test]
fn every_command_explains_itself_with_examples_and_exit_statuses() {
    let top = pstkit(["--help"]);
    assert_eq!(top.status, 0);
    for status in ["0  ", "1  ", "4  ", "8  ", "16  ", "32  ", "64  "] {
        assert!(top.out.contains(status), "no exit status {status} in\n{}", top.out);
    }
    for command in COMMANDS {
        assert!(top.out.contains(&format!("\n  {command}")), "{command} is not listed");
        let help = pstkit([*command, "--help"]);
        assert_eq!((help.status, help.err.as_str()), (0, ""));
        assert!(help.out.contains(&format!("Examples:\n  pstkit {command}")), "{command}: no examples");
    }
    let listed = top
        .out
        .lines()
        .skip_while(|l| *l != "Commands:")
        .skip(1)
        .take_while(|l| !l.is_empty())
        .filter(|l| l.starts_with("  ") && !l.starts_with("   "));
    assert_eq!(listed.count(), COMMANDS.len() + 1, "a command is missing in this test:\n{}", top.out);
}

#[test]
fn completions_and_the_manual_page_know_every_command() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let run = pstkit(["completions", shell]);
        assert!(run.status == 0 && COMMANDS.iter().all(|c| run.out.contains(c)), "{shell}");
    }
    let man = pstkit(["man"]);
    assert!(man.status == 0 && man.out.contains(".TH pstkit 1") && COMMANDS.iter().all(|c| man.out.contains(c)), "{}", man.out);
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(pstkit(["man", "-o", dir.path().to_str().unwrap()]).status, 0);
    assert!(dir.path().join("pstkit-check.1").exists());
}

#[test]
fn a_wrong_command_line_is_status_16_and_says_why() {
    for args in [
        &[][..],
        &["nonsense"],
        &["info"],
        &["info", "--no-such-option", "x"],
        &["explain"],
        &["explain", "PST-Z999"],
        &["show", "x.pst", "page"],
    ] {
        let run = pstkit(args);
        assert_eq!(run.status, 16, "{args:?}: {run:?}");
        assert!(run.out.is_empty() && !run.err.is_empty(), "{args:?}: {run:?}");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_failure_to_talk_about() {
    // More than a pipe holds, so that writing fails and not only flushing.
    let (_dir, path) = file("x.pst", &lone_header());
    for args in [vec!["explain", "--all", "--json"], vec!["info", path.to_str().unwrap()]] {
        // gone before the first byte, so that no run is quicker than the reader
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = Command::new(env!("CARGO_BIN_EXE_pstkit")).args(&args).stdout(writer).stderr(Stdio::piped()).output().unwrap();
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(!err.contains("panicked") && !err.contains("roken pipe"), "{args:?}: {err}");
        assert_eq!(output.status.code(), Some(32), "{args:?}");
    }
}

#[test]
fn explain_prints_a_rule_by_code_and_by_name_and_lists_all() {
    let by_code = pstkit(["explain", "pst-b010"]);
    assert_eq!(by_code.status, 0);
    assert!(by_code.out.contains("page-crc") && by_code.out.contains("mended by"), "{}", by_code.out);
    assert_eq!(pstkit(["explain", "page-crc"]).out, by_code.out);
    let all = pstkit(["explain", "--all", "--jsonl"]).lines();
    let (rules, evidence) = all.split_at(pstkit::rules::RULES.len());
    assert_eq!(evidence.len(), pstkit::recover::kinds::EVIDENCE.len());
    let json = pstkit(["explain", "--all", "--json"]).json();
    assert_eq!((&json["rules"], &json["evidence"]), (&serde_json::json!(rules), &serde_json::json!(evidence)));
    let size = pstkit(["explain", "e301"]);
    assert!(size.out.contains("size-exact") && size.out.contains("strong"), "{}", size.out);
}

/// One percentage for the whole run, whatever its phases: it never goes back, and the end alone is 100.
#[test]
fn the_percentage_of_a_run_never_goes_back() {
    let (_dir, path) = crate::support::made(pstkit::testkit::VARIETIES[0]);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[..600].fill(0);
    std::fs::write(&path, bytes).unwrap();
    let (p, out) = (path.to_str().unwrap(), path.with_extension("out"));
    for args in [vec!["check", p], vec!["repair", p], vec!["repair", "-y", p, "-o", out.to_str().unwrap()], vec!["items", p]] {
        let run = pstkit(args.iter().copied().chain(["--progress=json"]));
        let events: Vec<serde_json::Value> = run.err.lines().filter_map(|l| serde_json::from_str(l).ok()).collect();
        let percents: Vec<u64> = events.iter().map(|e| e["percent"].as_u64().unwrap()).collect();
        assert!(percents.len() > 3 && percents.is_sorted() && percents.iter().all(|p| *p < 100), "{args:?}: {percents:?}");
    }
}

#[test]
fn progress_as_json_goes_to_standard_error() {
    let Some(path) = empty_store() else { return };
    let run = pstkit(["info", "--json", "--progress=json", path.to_str().unwrap()]);
    assert_eq!(run.json()["schema"], "pstkit-info/1");
    for line in run.err.lines() {
        let v: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(v["event"].is_string());
    }
}
