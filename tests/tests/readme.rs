//! The figures in `tests/README.md` that are committed elsewhere are the same there.

use std::fs;
use std::path::Path;

use sansock_tests::closure::suite::{BIG, SMALL, path};

fn read(path: &str) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    fs::read_to_string(file).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// 906150 as 906,150.
fn grouped(digits: &str) -> String {
    let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().map(|group| String::from_utf8_lossy(group)).collect();
    groups.join(",")
}

/// What a golden file says after this word.
fn figure(golden: &str, word: &str) -> u64 {
    let line = golden.lines().find_map(|line| line.strip_prefix(word)).unwrap_or_else(|| panic!("no {word}"));
    let digits: String = line.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or_else(|_| panic!("{word}{line}"))
}

fn show(figure: u64) -> String {
    grouped(&figure.to_string())
}

#[test]
fn the_closures_have_the_states_and_edges_that_the_readme_says() {
    let readme = read("tests/README.md");
    let (mut states, mut edges) = (0, 0);
    for (name, _) in SMALL.iter().chain([&BIG]) {
        let golden = read(&path(name));
        let machine = golden.lines().next().expect("the first line is the name");
        let counts = ["states ", "edges ", "last new state at depth "].map(|word| figure(&golden, word));
        let row = format!("| {machine} | {} |", counts.map(show).join(" | "));
        assert!(readme.contains(&row), "the table of closures has no row\n{row}");
        if *name != BIG.0 {
            states += counts[0];
            edges += counts[1];
        }
    }
    let sum = format!("{} machines, {} states, {} edges", SMALL.len(), show(states), show(edges));
    assert!(readme.contains(&sum), "the row of the closures with one connection does not say: {sum}");
}

#[test]
fn the_museum_has_the_bugs_that_the_readme_lists() {
    let readme = read("tests/README.md");
    let museum = Path::new(env!("CARGO_MANIFEST_DIR")).join("museum");
    let mut names: Vec<_> =
        fs::read_dir(museum).expect("it is there").map(|entry| entry.expect("readable").file_name()).collect();
    names.sort();
    for name in &names {
        let name = name.to_str().and_then(|name| name.strip_suffix(".patch")).expect("a patch");
        assert!(readme.contains(&format!("| {name} |")), "{name} is not in the table");
    }
    assert!(readme.contains(&format!("{} bugs, all found", names.len())), "there are {} bugs", names.len());
}

#[test]
fn the_cases_that_wait_for_a_feature_are_as_many_as_the_readme_says() {
    let readme = read("tests/README.md");
    let waiting = read("tests/edge-cases.toml").lines().filter(|line| line.starts_with("waits-for")).count();
    let row = format!("{} of 150; {waiting} wait for a feature", 150 - waiting);
    assert!(readme.contains(&row), "{row}");
}

#[test]
fn thousands_are_grouped() {
    assert_eq!(["5", "826", "12253", "906150", "32283844"].map(grouped), ["5", "826", "12,253", "906,150", "32,283,844"]);
}
