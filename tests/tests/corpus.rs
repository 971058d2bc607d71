//! The seeds of the fuzz targets, replayed without cargo-fuzz. A finding of a fuzzer becomes one: give it a name that ends in `.seed`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use arbitrary::{Arbitrary, Unstructured};
use sansock::{CloseReason, Ending};
use sansock_memory::fuzz::Mischief;
use sansock_tests::fuzzing::{Difference, client, difference, raw};
use sansock_tests::{chunking, script};

/// The seeds of a target, by file name, made from bytes as `libfuzzer_sys::fuzz_target!` makes them.
fn corpus<T: for<'a> Arbitrary<'a>>(target: &str) -> Vec<(String, T)> {
    let inputs = seeds(target).into_iter().map(|(name, bytes)| {
        let input = T::arbitrary_take_rest(Unstructured::new(&bytes)).unwrap_or_else(|error| panic!("{name}: {error}"));
        (name, input)
    });
    inputs.collect()
}

/// The seeds of a target as they are.
fn seeds(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<_> = entries.map(|entry| entry.expect("a readable folder").path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "seed"));
    files.sort();
    files.into_iter().map(|path| (path.display().to_string(), fs::read(&path).expect("a readable file"))).collect()
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

fn has_everything(mischief: Mischief) -> bool {
    let Mischief { failed, impossible, refused, broken } = mischief;
    [failed, impossible, refused, broken].iter().all(|count| *count > 0)
}

fn add(sum: &mut Mischief, mischief: Mischief) {
    sum.failed += mischief.failed;
    sum.impossible += mischief.impossible;
    sum.refused += mischief.refused;
    sum.broken += mischief.broken;
}

#[test]
fn the_corpus_of_raw_bytes_breaks_no_rule_and_ends_in_every_way() {
    let (mut endings, mut sum) = (BTreeSet::new(), Mischief::default());
    let mut reasons = BTreeSet::new();
    for (name, bytes) in seeds("raw") {
        let ended = raw(&bytes).unwrap_or_else(|violation| panic!("{name}: {violation}"));
        endings.insert(ended.report.ending);
        reasons.insert(match ended.report.reason {
            CloseReason::Fault { .. } => "fault",
            CloseReason::TransportFault { .. } => "transport fault",
            CloseReason::Broken(_) => "broken",
            _ => "other",
        });
        add(&mut sum, ended.mischief);
    }
    assert_eq!(endings, BTreeSet::from([Ending::Confirmed, Ending::Unconfirmed, Ending::Aborted]));
    assert_eq!(reasons, BTreeSet::from(["fault", "transport fault", "broken", "other"]));
    assert!(has_everything(sum), "{sum:?}");
}

#[test]
fn the_corpus_of_clients_breaks_no_rule_and_comes_to_every_outcome() {
    let (mut outcomes, mut sum) = (BTreeSet::new(), Mischief::default());
    for (name, bytes) in seeds("client") {
        let stopped = client(&bytes).unwrap_or_else(|violation| panic!("{name}: {violation}"));
        let report = stopped.report;
        outcomes.extend(report.closed.is_some().then_some("closed"));
        outcomes.extend(report.rejected.then_some("rejected"));
        outcomes.extend(report.dial_error.is_some().then_some("not connected"));
        outcomes.extend(report.startup_error.is_some().then_some("not started"));
        add(&mut sum, stopped.mischief);
    }
    assert_eq!(outcomes, BTreeSet::from(["closed", "rejected", "not connected", "not started"]));
    assert!(has_everything(sum), "{sum:?}");
}

#[test]
fn the_corpus_of_model_difference_has_none() {
    let mut machines = BTreeSet::new();
    for (name, script) in corpus::<Difference>("model_difference") {
        machines.insert(match script {
            Difference::Connection(_) => "connection",
            Difference::Server(_) => "server",
            Difference::Session(_) => "session",
        });
        difference(&script).unwrap_or_else(|error| panic!("{name}: {error}\n{script:?}"));
    }
    assert_eq!(machines, BTreeSet::from(["connection", "server", "session"]));
}
