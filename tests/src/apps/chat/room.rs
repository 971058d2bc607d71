//! The room: what happened in it, and who is there.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::str::FromStr;

use sansock::SocketId;

use crate::apps::lines::Garbled;

/// A name may have this many bytes.
const LONGEST_NAME: usize = 32;
/// A sentence may have this many bytes, so that a line that carries it fits.
const LONGEST_TEXT: usize = 400;

/// What a connection posts to another: look at the room, there is something new.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct News;

/// Something that happened in the room.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Entry {
    /// Somebody came.
    Joined(String),
    /// Somebody went, or was cut off.
    Left(String),
    /// Somebody said something.
    Said {
        /// Who.
        name: String,
        /// How many sentences that makes of this person.
        number: u64,
        /// What.
        text: String,
    },
}

impl Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Joined(name) => write!(f, "{name} joined"),
            Self::Left(name) => write!(f, "{name} left"),
            Self::Said { name, number, text } => write!(f, "{name} says {number} {text}"),
        }
    }
}

impl FromStr for Entry {
    type Err = Garbled;

    fn from_str(text: &str) -> Result<Self, Garbled> {
        let (name, what) = text.split_once(' ').ok_or(Garbled)?;
        let name = name.to_owned();
        match what {
            "joined" => Ok(Self::Joined(name)),
            "left" => Ok(Self::Left(name)),
            _ => {
                let (number, text) = what.strip_prefix("says ").and_then(|said| said.split_once(' ')).ok_or(Garbled)?;
                Ok(Self::Said { name, number: number.parse().map_err(|_| Garbled)?, text: text.to_owned() })
            }
        }
    }
}

/// What a connection finds when it looks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reading {
    /// This is next.
    Entry(Entry),
    /// What is next is not kept any more.
    Missed {
        /// The first number that is kept.
        next: usize,
        /// How many sentences of this member were heard in the room.
        said: u64,
    },
    /// All is told.
    Nothing,
}

/// How often something happened that a simulation should have seen sometimes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sightings {
    /// A member's send queue was full.
    pub lagged: u64,
    /// A member was told that it had missed something.
    pub missed: u64,
    /// Somebody came back while the room still took the old connection for alive.
    pub replaced: u64,
}

/// What happened in the room, and who is there.
///
/// All that happened is on record, for the rules and for those who come back; but only the latest entries are handed out.
#[derive(Clone, Debug)]
pub struct Room {
    record: Vec<Entry>,
    said: BTreeMap<String, u64>,
    seats: BTreeMap<String, Seat>,
    keep: usize,
    skips: bool,
    sightings: Sightings,
}

#[derive(Clone, Copy, Debug)]
struct Seat {
    socket: SocketId,
    /// How long the record was when this member was last told that there is news.
    informed: usize,
}

impl Room {
    /// An empty room, where whoever is more than `keep` entries behind misses the rest.
    #[must_use]
    pub const fn new(keep: usize) -> Self {
        let sightings = Sightings { lagged: 0, missed: 0, replaced: 0 };
        Self { record: Vec::new(), said: BTreeMap::new(), seats: BTreeMap::new(), keep, skips: false, sightings }
    }

    /// The same room, but a member whose send queue is full is not told what it could not be sent, nor that something is missing.
    #[must_use]
    pub const fn with_planted_bug(mut self) -> Self {
        self.skips = true;
        self
    }

    /// The server has started. Whoever was there before is not there any more.
    pub fn open(&mut self) {
        while let Some((name, _)) = self.seats.pop_first() {
            self.record.push(Entry::Left(name));
        }
    }

    /// Somebody has come who has heard what is before number `next`. If the room has taken another connection for theirs, this one replaces
    /// it; that one comes back.
    ///
    /// # Errors
    /// That is no name, or they cannot have heard that much.
    pub fn join(&mut self, name: &str, next: usize, socket: SocketId) -> Result<Option<SocketId>, Garbled> {
        if name.is_empty() || name.len() > LONGEST_NAME || name.contains(char::is_whitespace) || next > self.record.len() {
            return Err(Garbled);
        }
        let replaced = self.seats.insert(name.to_owned(), Seat { socket, informed: self.record.len() });
        match replaced {
            None => self.record.push(Entry::Joined(name.to_owned())),
            Some(_) => self.sightings.replaced += 1,
        }
        Ok(replaced.map(|seat| seat.socket))
    }

    /// This connection is not theirs any more.
    pub fn leave(&mut self, name: &str, socket: SocketId) {
        if self.is_seated(name, socket) {
            self.seats.remove(name);
            self.record.push(Entry::Left(name.to_owned()));
        }
    }

    /// Somebody says something; if the room has heard it already, nothing happens.
    ///
    /// # Errors
    /// It is too long, or a sentence is missing before it.
    pub fn say(&mut self, name: &str, number: u64, text: &str) -> Result<(), Garbled> {
        let said = self.said.entry(name.to_owned()).or_default();
        if number > *said + 1 || text.len() > LONGEST_TEXT {
            return Err(Garbled);
        }
        if number == *said + 1 {
            *said = number;
            self.record.push(Entry::Said { name: name.to_owned(), number, text: text.to_owned() });
        }
        Ok(())
    }

    /// What this member's connection finds, which is to tell number `next`.
    pub fn read(&mut self, name: &str, next: usize) -> Reading {
        let first = self.record.len().saturating_sub(self.keep);
        if next < first {
            self.sightings.missed += 1;
            return Reading::Missed { next: first, said: self.said.get(name).copied().unwrap_or(0) };
        }
        self.record.get(next).map_or(Reading::Nothing, |entry| Reading::Entry(entry.clone()))
    }

    /// A connection's send queue is full and it has not told number `next` yet. The number with which it is to go on.
    pub fn lag(&mut self, next: usize) -> usize {
        self.sightings.lagged += u64::from(next < self.record.len());
        if self.skips { self.record.len() } else { next }
    }

    /// Somebody other than `own` who does not know yet that there is news.
    #[must_use]
    pub fn uninformed(&self, own: SocketId) -> Option<SocketId> {
        let mut others = self.seats.values().filter(|seat| seat.socket != own);
        others.find(|seat| seat.informed < self.record.len()).map(|seat| seat.socket)
    }

    /// This connection knows that there is news.
    pub fn inform(&mut self, socket: SocketId) {
        let length = self.record.len();
        if let Some(seat) = self.seats.values_mut().find(|seat| seat.socket == socket) {
            seat.informed = length;
        }
    }

    /// Whether this connection is the one of that person.
    #[must_use]
    pub fn is_seated(&self, name: &str, socket: SocketId) -> bool {
        self.seats.get(name).is_some_and(|seat| seat.socket == socket)
    }

    /// All that happened.
    #[must_use]
    pub fn record(&self) -> &[Entry] {
        &self.record
    }

    /// How often something happened that is worth seeing.
    #[must_use]
    pub const fn sightings(&self) -> Sightings {
        self.sightings
    }
}
