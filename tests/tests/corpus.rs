//! The seeds of the fuzz targets, replayed without cargo-fuzz. A finding of a fuzzer becomes one: give it a name that ends in `.seed`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use arbitrary::{Arbitrary, Unstructured};
use sansock_tests::{chunking, script};

/// The seeds of a target, by file name, made from bytes as `libfuzzer_sys::fuzz_target!` makes them.
fn corpus<T: for<'a> Arbitrary<'a>>(target: &str) -> Vec<(String, T)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<_> = entries.map(|entry| entry.expect("a readable folder").path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "seed"));
    files.sort();
    let inputs = files.into_iter().map(|path| {
        let bytes = fs::read(&path).expect("a readable file");
        let input =
            T::arbitrary_take_rest(Unstructured::new(&bytes)).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        (path.display().to_string(), input)
    });
    inputs.collect()
}

#[test]
fn the_corpus_of_operations_agrees_with_the_ledger_and_reaches_everything_that_matters() {
    let mut seen = BTreeSet::new();
    for (name, script) in corpus::<script::Script>("operations") {
        let reached = script::check(&script).unwrap_or_else(|error| panic!("{name}: {error}\n{script:?}"));
        seen.extend(reached);
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), script::MATTERS);
}

// E3
#[test]
fn the_corpus_of_chunking_makes_no_difference() {
    let corpus = corpus::<chunking::Chunking>("chunking");
    assert!(corpus.len() >= 10, "no seeds in fuzz/corpus/chunking");
    for (name, chunking) in corpus {
        chunking::check(&chunking).unwrap_or_else(|error| panic!("{name}: {error}\n{chunking:?}"));
    }
}
