//! What the compiler and clippy are told to refuse, so that it cannot be switched off unnoticed.

use std::fs;
use std::path::{Path, PathBuf};

fn read(path: impl AsRef<Path>) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn manifest(path: impl AsRef<Path>) -> toml::Table {
    read(path).parse().expect("cargo has read it too")
}

/// The directories of the workspace's crates.
fn members() -> Vec<PathBuf> {
    let workspace = manifest("Cargo.toml");
    let members = workspace["workspace"]["members"].as_array().expect("a list");
    members.iter().map(|member| member.as_str().expect("a path").into()).collect()
}

// H2
#[test]
fn no_crate_may_have_unsafe_code() {
    assert_eq!(manifest("Cargo.toml")["workspace"]["lints"]["rust"]["unsafe_code"].as_str(), Some("forbid"));
    let members = members();
    assert!(members.len() >= 6, "{members:?}");
    for member in members.iter().filter(|member| **member != Path::new("tests")) {
        let manifest = manifest(member.join("Cargo.toml"));
        assert_eq!(manifest["lints"]["workspace"].as_bool(), Some(true), "{} has the workspace's lints", member.display());
    }
    // What is not published may have some, where the interface of another crate has no other form; each file says so.
    assert_eq!(manifest("tests/Cargo.toml")["lints"]["rust"]["unsafe_code"].as_str(), Some("deny"));
    assert!(read("core/src/lib.rs").contains("#![forbid(unsafe_code)]"));
}

// H3, X147: with unchecked arithmetic denied, what is left saturates or is checked.
#[test]
fn x147_the_core_may_not_panic_index_cast_or_calculate_unchecked() {
    let core = read("core/src/lib.rs");
    for lint in [
        "unwrap_used",
        "expect_used",
        "panic",
        "unreachable",
        "todo",
        "indexing_slicing",
        "string_slice",
        "arithmetic_side_effects",
        "as_conversions",
    ] {
        assert!(core.contains(&format!("clippy::{lint}")), "{lint} is denied in the core");
    }
    let allowed = allowances("core/src");
    let known = [("core/src/id.rs", "clippy::as_conversions")].map(|(path, lint)| (path.to_owned(), lint.to_owned()));
    assert_eq!(allowed, known, "the exceptions from what is denied");
}

// H7: assertions guard against bugs of the core alone, and only in debug builds; that nothing a transport reports reaches them, the
// random hostile scripts show, which run with them.
#[test]
fn the_core_asserts_in_debug_builds_only() {
    for (path, text) in sources("core/src") {
        let code = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
        for line in code.lines().map(str::trim).filter(|line| !line.starts_with("//")) {
            let asserts = line.replace("debug_assert", "").contains("assert");
            assert!(!asserts, "{path}: {line}");
        }
    }
}

// E2, X148
#[test]
fn x148_the_core_has_no_clock_no_hash_map_and_no_std() {
    assert!(read("core/src/lib.rs").contains("#![no_std]"));
    let clippy: toml::Table = read("core/clippy.toml").parse().expect("clippy has read it too");
    let disallowed = |name: &str| {
        let list = clippy[name].as_array().expect("a list");
        list.iter().map(|entry| entry["path"].as_str().expect("a path").to_owned()).collect::<Vec<_>>()
    };
    let types = disallowed("disallowed-types");
    for name in ["std::time::Instant", "std::time::SystemTime", "std::collections::HashMap", "std::collections::HashSet"] {
        assert!(types.iter().any(|disallowed| disallowed == name), "{name} is disallowed in the core");
    }
    let methods = disallowed("disallowed-methods");
    for name in ["std::time::Instant::now", "std::time::SystemTime::now", "std::thread::sleep", "std::thread::spawn"] {
        assert!(methods.iter().any(|disallowed| disallowed == name), "{name} is disallowed in the core");
    }
    let dependencies =
        manifest("core/Cargo.toml")["dependencies"].as_table().expect("a table").keys().cloned().collect::<Vec<_>>();
    assert_eq!(dependencies, ["bytes"], "the core depends on nothing else");
}

/// The files under `path`, with their contents.
fn sources(path: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)).expect("a directory") {
        let entry = entry.expect("it can be read");
        let path = format!("{path}/{}", entry.file_name().to_str().expect("names are UTF-8"));
        if entry.file_type().expect("it has a type").is_dir() {
            found.extend(sources(&path));
        } else if path.ends_with(".rs") {
            let text = read(&path);
            found.push((path, text));
        }
    }
    found
}

/// Each denied lint that is allowed somewhere in the sources under `path`, with the file.
fn allowances(path: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (path, text) in sources(path) {
        let attributes = text.split("allow(").skip(1).chain(text.split("expect(").skip(1));
        let lints = attributes.flat_map(|attribute| attribute.split(')').next().unwrap_or_default().split([',', ' ', '\n']));
        // A large variant is a matter of memory, not of panics.
        let denied = lints.filter(|lint| lint.starts_with("clippy::") && *lint != "clippy::large_enum_variant");
        found.extend(denied.map(|lint| (path.clone(), lint.to_owned())));
    }
    found.sort();
    found
}
