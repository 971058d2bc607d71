//! One operation of a user, as the host that it has asked carries it out: whom to ask what, and when that is enough.
//!
//! Pure: no connection, no time, nothing but answers in and progress out.

use super::{Answer, Ask, Disk, HOSTS, MAJORITY, Version, Versioned};

/// What a user wants.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Request {
    /// The value.
    Read,
    /// Another value.
    Write {
        /// Who writes.
        name: String,
        /// What number of operation that is to them.
        number: u64,
        /// The value.
        value: u64,
    },
}

/// An operation under way.
#[derive(Clone, Debug)]
pub struct Quorum {
    request: Request,
    ask: Ask,
    /// What each host that has answered holds.
    answers: [Option<Versioned>; HOSTS],
}

/// What is to be done next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Progress {
    /// Nothing: there are too few answers.
    Wait,
    /// The first question is answered; ask the next.
    AskNext,
    /// This is the value.
    Read(u64),
    /// It is written.
    Written,
    /// This user has gone on to a later operation meanwhile: nobody waits for an answer.
    Superseded,
}

impl Quorum {
    /// The operation, of which nothing is done: first everybody is asked what they hold.
    #[must_use]
    pub const fn new(request: Request) -> Self {
        Self { request, ask: Ask::Query, answers: [None; HOSTS] }
    }

    /// The question.
    #[must_use]
    pub const fn ask(&self) -> Ask {
        self.ask
    }

    /// The hosts that have not answered it.
    pub fn missing(&self) -> impl Iterator<Item = usize> {
        (0..HOSTS).filter(|host| self.answers[*host].is_none())
    }

    /// A host answers the question. The disk is that of the host that carries the operation out.
    pub fn take(&mut self, host: usize, answer: Answer, disk: &mut Disk) -> Progress {
        self.answers[host] = match (self.ask, answer) {
            (Ask::Query, Answer::Holds(held)) => Some(held),
            (Ask::Store(stored), Answer::Stored) => Some(stored),
            _ => self.answers[host],
        };
        if self.answers.iter().flatten().count() < self.needed(disk) {
            return Progress::Wait;
        }
        match (self.ask, &self.request) {
            (Ask::Store(stored), Request::Read) => Progress::Read(stored.value),
            (Ask::Store(_), Request::Write { .. }) => Progress::Written,
            (Ask::Query, Request::Read) => self.read(disk),
            (Ask::Query, Request::Write { name, number, value }) => {
                match disk.version_for(name, *number, self.newest().version) {
                    Some(version) => self.store(Versioned { version, value: *value }),
                    None => Progress::Superseded,
                }
            }
        }
    }

    fn needed(&self, disk: &Disk) -> usize {
        match (self.ask, &self.request) {
            (Ask::Store(_), Request::Write { .. }) if disk.is_hasty() => 1,
            _ => MAJORITY,
        }
    }

    /// The newest value is the answer, once a majority holds it.
    fn read(&mut self, disk: &mut Disk) -> Progress {
        let newest = self.newest();
        let holders = self.answers.iter().filter(|held| **held == Some(newest)).count();
        if holders >= MAJORITY {
            return Progress::Read(newest.value);
        }
        disk.note_write_back();
        self.store(newest)
    }

    fn store(&mut self, value: Versioned) -> Progress {
        self.ask = Ask::Store(value);
        // Who holds it already need not be asked.
        self.answers = self.answers.map(|held| held.filter(|held| *held == value));
        Progress::AskNext
    }

    fn newest(&self) -> Versioned {
        self.answers.iter().flatten().max().copied().unwrap_or_default()
    }
}

impl Disk {
    /// The version for a write of a user: the one that was given to it before, if it was asked for before, or else one that is newer than all
    /// that a majority knows. None if this user has gone on to a later write.
    fn version_for(&mut self, name: &str, number: u64, newest: Version) -> Option<Version> {
        match self.writes.get(name) {
            Some((last, _)) if *last > number => None,
            Some((last, version)) if *last == number => Some(*version),
            _ => {
                // Two writes through this host at once must not get the same version.
                self.issued = self.issued.max(newest.counter) + 1;
                let version = Version { counter: self.issued, host: self.host };
                self.writes.insert(name.to_owned(), (number, version));
                Some(version)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(counter: u64, value: u64) -> Versioned {
        Versioned { version: Version { counter, host: 1 }, value }
    }

    fn write(number: u64) -> Quorum {
        Quorum::new(Request::Write { name: "eve".into(), number, value: 42 })
    }

    #[test]
    fn a_read_writes_back_what_no_majority_holds() {
        let mut disk = Disk::new(0);
        let mut read = Quorum::new(Request::Read);
        assert_eq!(read.take(0, Answer::Holds(held(1, 10)), &mut disk), Progress::Wait);
        assert_eq!(read.take(0, Answer::Holds(held(1, 10)), &mut disk), Progress::Wait, "one host, asked twice, is one host");
        assert_eq!(read.take(2, Answer::Holds(held(2, 20)), &mut disk), Progress::AskNext);
        assert_eq!(read.ask(), Ask::Store(held(2, 20)));
        assert_eq!(read.missing().collect::<Vec<_>>(), [0, 1]);
        assert_eq!(read.take(1, Answer::Stored, &mut disk), Progress::Read(20));
        assert_eq!(disk.write_backs(), 1);
    }

    #[test]
    fn a_read_of_what_a_majority_holds_is_done() {
        let mut disk = Disk::new(0);
        let mut read = Quorum::new(Request::Read);
        assert_eq!(read.take(1, Answer::Holds(held(1, 10)), &mut disk), Progress::Wait);
        assert_eq!(read.take(2, Answer::Holds(held(1, 10)), &mut disk), Progress::Read(10));
    }

    #[test]
    fn a_write_that_is_asked_for_again_has_the_version_that_it_had() {
        let mut disk = Disk::new(0);
        let mut versions = Vec::new();
        for newest in [held(5, 1), held(9, 2)] {
            let mut write = write(3);
            write.take(1, Answer::Holds(newest), &mut disk);
            assert_eq!(write.take(2, Answer::Holds(newest), &mut disk), Progress::AskNext);
            versions.push(write.ask());
        }
        assert_eq!(versions, [Ask::Store(Versioned { version: Version { counter: 6, host: 0 }, value: 42 }); 2]);
    }

    #[test]
    fn two_writes_at_once_through_one_host_have_different_versions() {
        let mut disk = Disk::new(0);
        let versions = ["amy", "eve"].map(|name| {
            let mut write = Quorum::new(Request::Write { name: name.into(), number: 1, value: 42 });
            write.take(1, Answer::Holds(held(5, 1)), &mut disk);
            write.take(2, Answer::Holds(held(5, 1)), &mut disk);
            write.ask()
        });
        assert_ne!(versions[0], versions[1]);
    }

    #[test]
    fn an_old_write_is_not_done_once_there_is_a_later_one_of_the_same_user() {
        let mut disk = Disk::new(0);
        for (number, progress) in [(2, Progress::AskNext), (1, Progress::Superseded)] {
            let mut write = write(number);
            write.take(1, Answer::Holds(held(1, 1)), &mut disk);
            assert_eq!(write.take(2, Answer::Holds(held(1, 1)), &mut disk), progress);
        }
    }
}
