//! The seeded bugs of `tests/museum`: each still applies and says what it is. That the tests find them is seen by `tests/museum.sh`, which takes
//! half an hour.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The patches, by file name, in order.
fn museum() -> Vec<(String, String)> {
    let entries = fs::read_dir(root().join("tests/museum")).expect("the directory is there");
    let read = |path: PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).expect("names are UTF-8").to_owned();
        (name, fs::read_to_string(path).expect("the file can be read"))
    };
    let mut patches: Vec<_> = entries.map(|entry| read(entry.expect("it can be read").path())).collect();
    patches.sort();
    patches
}

/// What a line of the head says.
fn field<'a>(patch: &'a str, name: &str) -> Option<&'a str> {
    let head = patch.split("\ndiff ").next().unwrap_or_default();
    head.lines().find_map(|line| line.strip_prefix(name))
}

#[test]
fn every_seeded_bug_still_applies() {
    let patches = museum();
    assert!(patches.len() >= 20, "{} bugs", patches.len());
    for (name, _) in patches {
        let mut git = Command::new("git");
        git.args(["apply", "--check", "--verbose"]).arg(Path::new("tests/museum").join(&name)).current_dir(root());
        let output = git.output().expect("git is installed");
        let text = String::from_utf8_lossy(&output.stderr);
        // From within a repository git leaves out files that lie outside of it, and says so.
        assert!(output.status.success() && !text.contains("Skipped"), "{name}: {text}");
    }
}

#[test]
fn every_seeded_bug_says_what_it_is_and_which_tests_find_it() {
    let mut tests = BTreeSet::new();
    for (place, (name, patch)) in museum().into_iter().enumerate() {
        assert!(name.starts_with(&format!("{:03}-", place + 1)) && name.ends_with(".patch"), "{name} is out of order");
        assert!(field(&patch, "Bug: ").is_some_and(|text| text.len() > 20), "{name} does not say what it is");
        assert!(patch.contains("\n-") || patch.contains("\n+"), "{name} changes nothing");
        let found = field(&patch, "Found by: ").unwrap_or_else(|| panic!("{name} does not say what finds it"));
        for test in found.split(' ') {
            let exists =
                ["core", "system", "system-sockets"].contains(&test) || root().join(format!("tests/tests/{test}.rs")).is_file();
            assert!(exists, "{name}: there is no test {test}");
            tests.insert(test.to_owned());
        }
    }
    // Each of the techniques has something to find.
    for technique in ["closure", "model", "corpus", "conformance", "core", "system"] {
        assert!(tests.contains(technique), "nothing in the museum is for {technique}: {tests:?}");
    }
}
