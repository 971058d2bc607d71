//! What all tables have in common.

use alloc::string::String;
use core::fmt::Write as _;

/// What an event does in a state.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Cell<S> {
    /// The state becomes this one. It may be the same: then something beside the state changes, as an abort during an ending turns
    /// the close into a reset.
    To(S),
    /// The event may come and changes nothing.
    Nothing,
    /// The event cannot come in this state. A machine that raised it would have a bug.
    Illegal,
}

/// A transition table.
pub trait Table: Copy + Eq + Sized + 'static {
    /// What can happen.
    type Event: Copy + Eq + 'static;

    /// What the table describes.
    const TITLE: &'static str;
    /// Every state; the first one is the initial state.
    const STATES: &'static [Self];
    /// Every event.
    const EVENTS: &'static [Self::Event];

    /// The name of a state.
    fn name(self) -> &'static str;
    /// The name of an event.
    fn event_name(event: Self::Event) -> &'static str;
    /// What `event` does in this state.
    fn cell(self, event: Self::Event) -> Cell<Self>;

    /// Applies the event; true if the table has a transition for it.
    ///
    /// An illegal event is a bug of the core, not of its callers: debug builds stop, release builds change nothing.
    #[inline]
    fn step(&mut self, event: Self::Event) -> bool {
        match self.cell(event) {
            Cell::To(next) => {
                *self = next;
                true
            }
            Cell::Nothing => false,
            Cell::Illegal => {
                debug_assert!(false, "{}: {} in {}", Self::TITLE, Self::event_name(event), self.name());
                false
            }
        }
    }

    /// The state's place in [`Table::STATES`]: its byte in a canonical encoding.
    fn index(self) -> u8 {
        let place = Self::STATES.iter().position(|state| *state == self).unwrap_or(usize::MAX);
        u8::try_from(place).unwrap_or(u8::MAX)
    }

    /// The table as text: a row for each state, a column for each event. `-` means that nothing changes, `.` that the event cannot come.
    #[must_use]
    fn snapshot() -> String {
        let entry = |state: Self, event| match state.cell(event) {
            Cell::To(next) => next.name(),
            Cell::Nothing => "-",
            Cell::Illegal => ".",
        };
        let first = Self::STATES.iter().map(|state| state.name().len()).max().unwrap_or(0);
        let width = |event: Self::Event| {
            let entries = Self::STATES.iter().map(|state| entry(*state, event).len()).max().unwrap_or(0);
            entries.max(Self::event_name(event).len())
        };
        let mut out = String::new();
        let mut row = |name: &str, entries: &mut dyn Iterator<Item = (&str, usize)>| {
            // Writing to a String cannot fail.
            let _ = write!(out, "{name:first$}");
            for (entry, width) in entries {
                let _ = write!(out, "  {entry:width$}");
            }
            out.truncate(out.trim_end().len());
            out.push('\n');
        };
        row("", &mut Self::EVENTS.iter().map(|event| (Self::event_name(*event), width(*event))));
        for state in Self::STATES {
            row(state.name(), &mut Self::EVENTS.iter().map(|event| (entry(*state, *event), width(*event))));
        }
        out
    }

    /// The table as a Mermaid state diagram. Transitions between the same two states share an arrow.
    #[must_use]
    fn mermaid() -> String {
        let mut out = String::from("stateDiagram-v2\n");
        if let Some(first) = Self::STATES.first() {
            let _ = writeln!(out, "    [*] --> {}", first.name());
        }
        for from in Self::STATES {
            for to in Self::STATES {
                let mut events = Self::EVENTS.iter().filter(|event| from.cell(**event) == Cell::To(*to));
                if let Some(event) = events.next() {
                    let _ = write!(out, "    {} --> {}: {}", from.name(), to.name(), Self::event_name(*event));
                    for event in events {
                        let _ = write!(out, ", {}", Self::event_name(*event));
                    }
                    out.push('\n');
                }
            }
        }
        out
    }
}

/// Defines the states, the events and the table. A pair that a row does not list is illegal; `-` means nothing happens.
macro_rules! table {
    (
        $title:literal
        $(#[$state_doc:meta])* states $State:ident {
            $($(#[$doc:meta])* $state:ident { $($on:ident => $next:tt),* $(,)? })*
        }
        $(#[$event_doc:meta])* events $Event:ident {
            $($(#[$edoc:meta])* $event:ident,)*
        }
    ) => {
        $(#[$state_doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum $State { $($(#[$doc])* $state,)* }

        $(#[$event_doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum $Event { $($(#[$edoc])* $event,)* }

        impl $crate::state::Table for $State {
            type Event = $Event;
            const TITLE: &'static str = $title;
            const STATES: &'static [Self] = &[$(Self::$state,)*];
            const EVENTS: &'static [$Event] = &[$($Event::$event,)*];

            fn name(self) -> &'static str {
                match self { $(Self::$state => stringify!($state),)* }
            }

            fn event_name(event: $Event) -> &'static str {
                match event { $($Event::$event => stringify!($event),)* }
            }

            #[inline]
            fn cell(self, event: $Event) -> $crate::state::Cell<Self> {
                match (self, event) {
                    $($((Self::$state, $Event::$on) => $crate::state::table::cell!($next),)*)*
                    #[allow(unreachable_patterns, reason = "a table may list every cell")]
                    _ => $crate::state::Cell::Illegal,
                }
            }
        }
    };
}

macro_rules! cell {
    (-) => {
        $crate::state::Cell::Nothing
    };
    ($next:ident) => {
        $crate::state::Cell::To(Self::$next)
    };
}

pub(crate) use {cell, table};
