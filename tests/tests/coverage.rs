//! Every edge case and every invariant is either covered or waits for a feature, and the two files that say so agree with the code.
//!
//! A test covers an edge case by its name (`x017_what_happens`), and an edge case or an invariant by a comment above it or in it that begins with
//! the ids (`// X27, X28, C4: why`). Assertions of the model's ledger and of the closure cover invariants in the same way.

#[path = "coverage/id.rs"]
mod id;
#[path = "coverage/ledger.rs"]
mod ledger;
#[path = "coverage/scan.rs"]
mod scan;

use std::collections::BTreeSet;

use id::Id;
use ledger::Ledger;
use sansock_tests::golden;
use scan::Citation;

fn edge_cases() -> Ledger {
    Ledger::read("tests/edge-cases.toml")
}

fn invariants() -> Ledger {
    Ledger::read("tests/invariants.toml")
}

#[test]
fn the_files_list_exactly_the_tests_that_the_code_has() {
    let citations = scan::workspace();
    for (ledger, ids) in [(edge_cases(), Id::edge_cases().collect::<Vec<_>>()), (invariants(), Id::invariants().collect())] {
        golden::check(ledger.path, &ledger.render(ids.into_iter(), &citations), "coverage");
    }
}

#[test]
fn every_id_is_there_once_and_says_what_it_is() {
    for (ledger, ids) in [(edge_cases(), Id::edge_cases().collect::<Vec<_>>()), (invariants(), Id::invariants().collect())] {
        let expected: BTreeSet<_> = ids.iter().map(Id::to_string).collect();
        let listed: BTreeSet<_> = ledger.entries.keys().cloned().collect();
        assert_eq!(listed, expected, "{}", ledger.path);
        for (id, entry) in &ledger.entries {
            assert!(!entry.title.is_empty(), "{}: {id} has no title", ledger.path);
        }
    }
}

#[test]
fn no_test_cites_an_id_that_does_not_exist() {
    let citations = scan::workspace();
    let unknown: Vec<_> = citations.iter().filter(|citation| !citation.id.is_known()).collect();
    assert!(unknown.is_empty(), "{unknown:#?}");
}

#[test]
fn every_id_is_covered_or_waits_for_a_feature_and_not_both() {
    let covered: BTreeSet<_> = scan::workspace().into_iter().filter(counts).map(|citation| citation.id).collect();
    let mut gaps = String::new();
    for (ledger, ids) in [(edge_cases(), Id::edge_cases().collect::<Vec<_>>()), (invariants(), Id::invariants().collect())] {
        for id in ids {
            let Some(entry) = ledger.entries.get(&id.to_string()) else { continue };
            match (&entry.waits_for, covered.contains(&id)) {
                (None, false) => gaps += &format!("\n{id} has no test and waits for nothing: {}", entry.title),
                (Some(feature), true) => gaps += &format!("\n{id} has a test, so it does not wait for {feature:?} any more"),
                _ => {}
            }
        }
    }
    assert!(gaps.is_empty(), "{gaps}");
}

/// What one technique cannot see, another does: conservation, bounds, liveness, hostile transports and time.
#[test]
fn the_invariants_that_matter_most_are_covered_by_two_techniques() {
    let citations = scan::workspace();
    let mut alone = String::new();
    for id in Id::invariants().filter(Id::wants_two) {
        let techniques: BTreeSet<_> =
            citations.iter().filter(|citation| citation.id == id).map(|citation| citation.technique).collect();
        let waits = invariants().entries.get(&id.to_string()).is_some_and(|entry| entry.waits_for.is_some());
        if techniques.len() < 2 && !waits {
            alone += &format!("\n{id} is covered by {techniques:?}");
        }
    }
    assert!(alone.is_empty(), "{alone}");
}

/// An oracle's assertion covers an invariant; an edge case is something that happens, so it takes a test to make it happen.
fn counts(citation: &Citation) -> bool {
    citation.test.is_some() || !citation.id.is_edge_case()
}
