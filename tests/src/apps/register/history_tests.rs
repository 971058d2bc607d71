//! The check of histories against one that tries every order.

use super::*;

/// A generator good enough to draw small histories.
struct Draw(u64);

impl Draw {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % limit
    }
}

/// Some users do something at random, and reads get values at random, so that some histories are those of a register and some are not.
fn draw(seed: u64) -> (History, Result<(), String>) {
    let mut draw = Draw(seed);
    let (mut history, mut waiting, mut written) = (History::default(), Vec::new(), vec![0]);
    let mut result = Ok(());
    for _ in 0..14 {
        if waiting.len() < 3 && draw.below(2) == 0 && history.operations.len() < 7 {
            let action = if draw.below(2) == 0 { Action::Write } else { Action::Read };
            let place = history.begin("eve", action);
            written.extend(history.written(place));
            waiting.push(place);
        } else if !waiting.is_empty() {
            let place = waiting.swap_remove(draw.below(waiting.len()));
            // More often one of the latest two values than any.
            let value =
                if draw.below(4) == 0 { draw.below(written.len()) } else { written.len() - 1 - draw.below(written.len().min(2)) };
            let value = history.written(place).is_none().then(|| written[value]);
            history.end(place, value).unwrap();
            result = result.and(history.check());
        }
    }
    (history, result)
}

/// Tries every order of the operations. Those that have not ended may have happened or not.
fn some_order_explains(history: &History, done: u64, value: u64) -> bool {
    let end = |place| history.ended.iter().find(|(ended, _)| *ended == place).map_or(u64::MAX, |(_, end)| *end);
    let open = |place: &usize| done & (1 << *place) == 0;
    let all = 1..history.operations.len();
    if all.clone().filter(open).all(|place| end(place) == u64::MAX) {
        return true;
    }
    let earliest_end = all.clone().filter(open).map(end).min().unwrap();
    all.filter(open).filter(|place| history.begun[*place] < earliest_end).any(|place| {
        let (operation, done) = (&history.operations[place], done | 1 << place);
        match (operation.action, operation.value) {
            (Action::Write, Some(written)) => some_order_explains(history, done, written),
            (Action::Read, read) => (read.is_none() || read == Some(value)) && some_order_explains(history, done, value),
            (Action::Write, None) => unreachable!("a write has a value"),
        }
    })
}

#[test]
fn the_check_agrees_with_trying_every_order() {
    let mut counts = [0, 0];
    for seed in 0..20_000 {
        let (history, result) = draw(seed);
        let explained = some_order_explains(&history, 0, 0);
        assert_eq!(result.is_ok(), explained, "seed {seed}: {result:?} {history:#?}");
        counts[usize::from(explained)] += 1;
    }
    assert!(counts.iter().all(|count| *count > 5_000), "{counts:?}");
}

#[test]
fn what_was_read_once_must_not_be_unknown_later() {
    let mut history = History::default();
    let write = history.begin("amy", Action::Write);
    let value = history.written(write);
    let (bob, eve) = (history.begin("bob", Action::Read), history.begin("eve", Action::Read));
    history.end(bob, value).unwrap();
    history.end(eve, Some(0)).unwrap();
    assert_eq!(history.check(), Ok(()), "eve may have been first");
    let late = history.begin("eve", Action::Read);
    history.end(late, Some(0)).unwrap();
    assert_eq!(
        history.check().unwrap_err(),
        "nobody's write of 0 (ended at moment 0) before bob's read of 1 (began at moment 2), but \
         bob's read of 1 (ended at moment 4) before eve's read of 0 (began at moment 6): no register does that"
    );
}

#[test]
fn what_was_never_written_is_no_answer() {
    let mut history = History::default();
    let read = history.begin("amy", Action::Read);
    history.end(read, Some(9)).unwrap();
    assert_eq!(history.check(), Err("amy's read of 9, which nobody had written".into()));
    assert_eq!(history.end(read, None), Err(Misfit));
}
