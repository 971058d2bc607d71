//! What must hold of a chat, and what a simulation should see.

use std::collections::BTreeMap;

use super::room::{Entry, Room};
use super::speaker::{Diary, Heard};
use crate::apps::Shared;

/// How far a diary was looked at, so that a rule that is looked at after every event costs what is new.
#[derive(Clone, Debug, Default)]
pub struct Audit {
    /// Entries of the diary.
    looked_at: usize,
    /// The number that must come next.
    next: usize,
    /// The last sentence of each person, and whether some before it may be missing.
    said: BTreeMap<String, u64>,
    gap: bool,
}

/// *Always*: everybody hears the same things in the same order, which is the room's; nothing twice, and nothing is missing unless they were
/// told so; and each person's sentences in the order in which they were said.
///
/// # Errors
/// Who heard what instead.
pub fn everybody_hears_the_same(room: &Shared<Room>, diaries: &[Shared<Diary>]) -> Result<(), String> {
    diaries.iter().try_for_each(|diary| {
        let mut diary = diary.lock();
        let mut audit = std::mem::take(&mut diary.audit);
        let result = audit.go_on(&room.lock(), &diary);
        diary.audit = audit;
        result
    })
}

impl Audit {
    fn go_on(&mut self, room: &Room, diary: &Diary) -> Result<(), String> {
        for heard in &diary.heard()[self.looked_at..] {
            self.looked_at += 1;
            match heard {
                Heard::Missed { next, .. } => {
                    self.next = *next;
                    self.gap = true;
                }
                Heard::Entry(number, entry) => {
                    let expected = std::mem::replace(&mut self.next, number + 1);
                    if *number != expected {
                        return Err(format!("{} heard number {number}, not {expected}, which was next: {entry}", diary.name()));
                    }
                    if room.record().get(*number) != Some(entry) {
                        return Err(format!("{} heard as number {number} what nobody else did: {entry}", diary.name()));
                    }
                    self.hear(entry).map_err(|problem| format!("{} heard {problem}", diary.name()))?;
                }
            }
        }
        Ok(())
    }

    fn hear(&mut self, entry: &Entry) -> Result<(), String> {
        let Entry::Said { name, number, .. } = entry else { return Ok(()) };
        let last = self.said.insert(name.clone(), *number).unwrap_or(0);
        if *number == last + 1 || (self.gap && *number > last) {
            Ok(())
        } else {
            Err(format!("sentence {number} of {name} after sentence {last}"))
        }
    }
}

/// *Eventually*: everything was said, and everybody who is still there has heard all that happened.
///
/// # Errors
/// Who has not.
pub fn everything_is_heard(room: &Shared<Room>, diaries: &[Shared<Diary>]) -> Result<(), String> {
    let happened = room.lock().record().len();
    for diary in diaries {
        let diary = diary.lock();
        if !diary.has_said_all() {
            return Err(format!("not everything that {} has to say was heard", diary.name()));
        }
        if !diary.has_left() && diary.next() != happened {
            return Err(format!("{} has heard {} of {happened} things", diary.name(), diary.next()));
        }
    }
    Ok(())
}

/// *Sometimes*: a member's send queue was full.
#[must_use]
pub fn somebody_lagged(room: &Shared<Room>) -> bool {
    room.lock().sightings().lagged > 0
}

/// *Sometimes*: a member was told that it had missed something.
#[must_use]
pub fn somebody_missed_something(room: &Shared<Room>) -> bool {
    room.lock().sightings().missed > 0
}

/// *Sometimes*: a connection broke, and the person came back and heard on.
#[must_use]
pub fn somebody_came_back(diaries: &[Shared<Diary>]) -> bool {
    diaries.iter().any(|diary| {
        let diary = diary.lock();
        let joined = |heard: &&Heard| matches!(heard, Heard::Entry(_, Entry::Joined(name)) if name == diary.name());
        diary.resets() > 0 && diary.heard().iter().filter(joined).count() > 1
    })
}
