//! Which tests and assertions cite which ids.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::id::{Id, cited};

/// Where tests and assertions are.
const ROOTS: [&str; 4] = ["core", "transports", "tests", "fuzz"];

/// The first prefix that fits a file's path says how it tests.
const TECHNIQUES: [(&str, &str); 28] = [
    ("tests/src/script/", "model"),
    ("tests/tests/model", "model"),
    ("tests/src/closure", "closure"),
    ("transports/memory/src/closure", "closure"),
    ("tests/tests/closure", "closure"),
    ("tests/tests/corpus", "fuzz"),
    ("fuzz/", "fuzz"),
    ("transports/memory/tests/fuzz", "fuzz"),
    ("tests/tests/poll_fails", "real sockets"),
    ("tests/tests/conformance", "three transports"),
    ("tests/tests/same_history", "three transports"),
    ("tests/tests/blocking", "real sockets"),
    ("tests/tests/cli", "real sockets"),
    ("tests/tests/foreign", "real sockets"),
    ("tests/tests/loops", "real sockets"),
    ("tests/tests/reactor", "real sockets"),
    ("tests/tests/server_real", "real sockets"),
    ("tests/tests/smol", "real sockets"),
    ("tests/tests/sockets", "differential sockets"),
    ("tests/tests/allocations", "counted allocations"),
    ("tests/tests/client_random", "random scripts"),
    ("tests/tests/dialer_random", "random scripts"),
    ("tests/tests/isolation", "random scripts"),
    ("tests/tests/simulation", "simulation"),
    ("tests/tests/server_simulated", "simulation"),
    ("transports/memory/", "simulation"),
    ("transports/", "real sockets"),
    ("", "named cases"),
];

/// Libraries of assertions that many tests run: what they cite is covered by the technique, not by one test.
const ORACLES: [&str; 3] = ["tests/src/script/", "tests/src/closure", "transports/memory/src/closure"];

/// Somebody cites an id.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Citation {
    pub(crate) id: Id,
    pub(crate) technique: &'static str,
    /// `path::function`; `None` in a library of assertions.
    pub(crate) test: Option<String>,
}

/// Everything that is cited anywhere, in order.
pub(crate) fn workspace() -> BTreeSet<Citation> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut found = BTreeSet::new();
    for name in ROOTS {
        visit(&root, name, &mut |path, text| found.extend(citations(path, text)));
    }
    found
}

fn visit(root: &Path, path: &str, see: &mut impl FnMut(&str, &str)) {
    let Ok(entries) = fs::read_dir(root.join(path)) else { return };
    for entry in entries {
        let entry = entry.expect("the directory can be read");
        let name = entry.file_name().into_string().expect("names are UTF-8");
        let path = format!("{path}/{name}");
        if entry.file_type().expect("it has a type").is_dir() {
            if name != "target" {
                visit(root, &path, see);
            }
        } else if name.ends_with(".rs") {
            see(&path, &fs::read_to_string(entry.path()).expect("the file can be read"));
        }
    }
}

/// What one file cites. A comment belongs to the function that follows it, if nothing but attributes is between, or else to the one that it is
/// in. An edge case is cited by the name of a test, too.
pub(crate) fn citations(path: &str, text: &str) -> Vec<Citation> {
    let oracle = ORACLES.iter().any(|prefix| path.starts_with(prefix));
    let all_tests = path.contains("/tests/");
    let technique = TECHNIQUES.iter().find(|(prefix, _)| path.starts_with(prefix)).expect("the last fits everything").1;
    let mut found = Vec::new();
    let mut note = |ids: &mut Vec<Id>, function: Option<&str>| {
        let test = (!oracle).then(|| function.map(|name| format!("{path}::{name}"))).flatten();
        if oracle || test.is_some() {
            found.extend(ids.iter().map(|id| Citation { id: *id, technique, test: test.clone() }));
        }
        ids.clear();
    };
    let mut ids = Vec::new();
    let mut is_test = false;
    let mut function: Option<&str> = None;
    for line in text.lines().map(str::trim) {
        if let Some(comment) = line.strip_prefix("//") {
            ids.extend(cited(comment.trim_start_matches(['/', '!']).trim()));
        } else if line.starts_with("#[") {
            is_test |= line == "#[test]";
        } else if let Some(name) = function_name(line) {
            let is_case = is_test || all_tests;
            function = is_case.then_some(name);
            if is_test {
                ids.extend(number_in(name).map(Id::edge_case));
            }
            note(&mut ids, function);
            is_test = false;
        } else {
            note(&mut ids, function);
        }
    }
    found
}

/// `name` of a line that begins a function.
fn function_name(line: &str) -> Option<&str> {
    let words = ["pub(crate) ", "pub(super) ", "pub ", "const ", "async "];
    let line = words.into_iter().fold(line, |line, word| line.strip_prefix(word).unwrap_or(line));
    let name = line.strip_prefix("fn ")?;
    name.split(|letter: char| !letter.is_alphanumeric() && letter != '_').next()
}

/// 17 of `x017_what_happens`.
fn number_in(name: &str) -> Option<u32> {
    let (number, _) = name.strip_prefix('x')?.split_once('_')?;
    (number.len() == 3).then(|| number.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cites(path: &str, text: &str) -> Vec<String> {
        let line = |citation: Citation| format!("{} {} {}", citation.id, citation.technique, citation.test.unwrap_or_default());
        citations(path, text).into_iter().map(line).collect()
    }

    const FILE: &str = "
        // D9: not above a test.
        fn helper() {
            // A1
            assert!(true);
        }

        // X8, C4: why.
        /// B2
        #[test]
        #[should_panic]
        fn x017_something() {
            // F5
            assert!(false);
        }
    ";

    #[test]
    fn a_unit_test_cites_by_its_name_above_it_and_within_it() {
        let place = "named cases core/src/a.rs::x017_something";
        assert_eq!(cites("core/src/a.rs", FILE), ["X8", "C4", "B2", "X17", "F5"].map(|id| format!("{id} {place}")));
    }

    #[test]
    fn in_a_file_of_tests_helpers_cite_too() {
        let found = cites("transports/memory/tests/a.rs", FILE);
        assert_eq!(found[..2], ["D9", "A1"].map(|id| format!("{id} simulation transports/memory/tests/a.rs::helper")));
        assert_eq!(found.len(), 7);
    }

    #[test]
    fn in_a_library_of_assertions_the_technique_counts() {
        let found = cites("tests/src/script/a.rs", FILE);
        assert_eq!(found[..2], ["D9 model ", "A1 model "]);
    }

    #[test]
    fn names_of_functions_and_numbers_in_them() {
        assert_eq!(function_name("pub(crate) const fn a_b(c: D)"), Some("a_b"));
        assert_eq!(function_name("let fn_a = 1;"), None);
        assert_eq!(number_in("x017_what"), Some(17));
        assert_eq!(number_in("x17_what"), None);
        assert_eq!(number_in("exact_what"), None);
    }
}
