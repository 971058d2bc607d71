//! The transition tables: every cell against a committed snapshot, and the diagrams that are drawn from them.

#[path = "tables/diagram.rs"]
mod diagram;
#[path = "tables/layouts.rs"]
mod layouts;

use std::collections::BTreeSet;
use std::fmt::Debug;

use sansock::state::{
    Cell, DialerLife, DialerLifeEvent, Life, LifeEvent, ListenerLife, ListenerLifeEvent, ReceiveEvent, ReceiveHalf, SendEvent,
    SendHalf, SupervisorLife, SupervisorLifeEvent, Table,
};
use sansock_tests::golden;

#[test]
fn every_cell_of_every_table_is_as_committed() {
    fn table<S: Table>() -> String {
        format!("\n== {}\n\n{}", S::TITLE, S::snapshot())
    }
    let mut tables = String::from(
        "The transition tables of the core. Rows: states, the first one is the initial state. Columns: events.\n\
         A name: the state becomes this one. -: the event may come and changes nothing. .: the event cannot come.\n",
    );
    tables += &table::<Life>();
    tables += &table::<ReceiveHalf>();
    tables += &table::<SendHalf>();
    tables += &table::<ListenerLife>();
    tables += &table::<DialerLife>();
    tables += &table::<SupervisorLife>();
    golden::check("tests/golden/tables.txt", &tables, "tables");
}

#[test]
fn the_diagrams_of_the_documentation_are_those_of_the_tables() {
    fn draw<S: Table + Debug>(layout: &diagram::Layout<S>) {
        golden::check(&format!("core/src/docs/{}.svg", layout.name), &layout.draw(), "tables");
    }
    draw(&layouts::CONNECTION);
    draw(&layouts::RECEIVE);
    draw(&layouts::SEND);
    draw(&layouts::LISTENER);
    draw(&layouts::DIALER);
    draw(&layouts::SUPERVISOR);
}

#[test]
fn the_diagrams_of_the_readme_are_those_of_the_tables() {
    fn embed<S: Table>(readme: &str) -> String {
        let opening = format!("<!-- diagram: {} -->\n", S::TITLE);
        let (before, rest) = readme.split_once(&opening).unwrap_or_else(|| panic!("README.md has no line {opening}"));
        let (_, after) = rest.split_once("<!-- /diagram -->").unwrap_or_else(|| panic!("{} never ends in README.md", S::TITLE));
        format!("{before}{opening}```mermaid\n{}```\n<!-- /diagram -->{after}", S::mermaid())
    }
    let readme = include_str!("../../README.md");
    let drawn = embed::<ListenerLife>(&embed::<DialerLife>(&embed::<Life>(readme)));
    golden::check("README.md", &drawn, "tables");
}

/// What an owner or an application calls it may call at any time: no table calls it illegal.
#[test]
fn x071_every_call_has_an_answer_in_every_state() {
    fn answers<S: Table>(calls: &[S::Event]) {
        for state in S::STATES {
            let answered = calls.iter().any(|call| state.cell(*call) != Cell::Illegal);
            let names: Vec<_> = calls.iter().map(|call| S::event_name(*call)).collect();
            assert!(answered, "{}: no answer to {} in {}", S::TITLE, names.join(" or "), state.name());
        }
    }
    answers::<Life>(&[LifeEvent::Finish]);
    answers::<Life>(&[LifeEvent::CloseAfterFlush]);
    answers::<Life>(&[LifeEvent::Abort]);
    answers::<ReceiveHalf>(&[ReceiveEvent::Discard]);
    answers::<SendHalf>(&[SendEvent::Finish]);
    answers::<ListenerLife>(&[ListenerLifeEvent::Sweep]);
    answers::<ListenerLife>(&[ListenerLifeEvent::Stop]);
    // A cancel ends the attempt that is under way, or else the dialer.
    answers::<DialerLife>(&[DialerLifeEvent::Fail, DialerLifeEvent::GiveUp]);
    answers::<SupervisorLife>(&[SupervisorLifeEvent::Drain]);
    answers::<SupervisorLife>(&[SupervisorLifeEvent::Stop]);
}

/// Nothing in a table is dead: every state can be reached, from every state an end can be reached, and every event means something.
#[test]
fn every_state_can_be_reached_and_left() {
    fn nexts<S: Table>(state: S) -> impl Iterator<Item = S> {
        S::EVENTS.iter().filter_map(move |event| match state.cell(*event) {
            Cell::To(next) => Some(next),
            Cell::Nothing | Cell::Illegal => None,
        })
    }
    fn reachable<S: Table>(from: S) -> BTreeSet<u8> {
        let mut found = BTreeSet::from([from.index()]);
        let mut left = vec![from];
        while let Some(state) = left.pop() {
            left.extend(nexts(state).filter(|next| found.insert(next.index())));
        }
        found
    }
    fn check<S: Table>(ends: usize) {
        let title = S::TITLE;
        assert_eq!(reachable(S::STATES[0]).len(), S::STATES.len(), "{title}: every state can be reached");
        let is_end = |state: &S| nexts(*state).next().is_none();
        let last: BTreeSet<_> = S::STATES.iter().filter(|state| is_end(state)).map(|state| state.index()).collect();
        assert_eq!(last.len(), ends, "{title}: the number of last states");
        for state in S::STATES {
            assert!(!reachable(*state).is_disjoint(&last), "{title}: no end can be reached from {}", state.name());
        }
        for event in S::EVENTS {
            let means = S::STATES.iter().any(|state| matches!(state.cell(*event), Cell::To(_)));
            assert!(means, "{title}: {} changes no state", S::event_name(*event));
        }
    }
    check::<Life>(1);
    check::<ReceiveHalf>(2);
    check::<SendHalf>(2);
    check::<ListenerLife>(1);
    check::<DialerLife>(2);
    check::<SupervisorLife>(1);
}
