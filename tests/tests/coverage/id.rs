//! The ids of edge cases and invariants, and how comments cite them.

use std::fmt;

/// The groups of invariants and how many each has.
const GROUPS: [(char, u32); 8] = [('A', 13), ('B', 12), ('C', 11), ('D', 14), ('E', 6), ('F', 10), ('G', 6), ('H', 7)];
/// How many edge cases there are.
const EDGE_CASES: u32 = 150;

/// `X17` or `A4`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Id {
    group: char,
    number: u32,
}

impl Id {
    /// Every edge case, X1 to X150.
    pub(crate) fn edge_cases() -> impl Iterator<Item = Self> {
        (1..=EDGE_CASES).map(|number| Self { group: 'X', number })
    }

    /// Every invariant, A1 to H7.
    pub(crate) fn invariants() -> impl Iterator<Item = Self> {
        GROUPS.into_iter().flat_map(|(group, count)| (1..=count).map(move |number| Self { group, number }))
    }

    pub(crate) fn edge_case(number: u32) -> Self {
        Self { group: 'X', number }
    }

    pub(crate) fn is_edge_case(self) -> bool {
        self.group == 'X'
    }

    /// True in the groups in which every invariant is to be covered by two techniques.
    pub(crate) fn wants_two(&self) -> bool {
        matches!(self.group, 'A'..='D' | 'F')
    }

    pub(crate) fn is_known(self) -> bool {
        Self::edge_cases().chain(Self::invariants()).any(|id| id == self)
    }

    fn parse(word: &str) -> Option<Self> {
        let mut letters = word.chars();
        let group = letters.next().filter(|group| matches!(group, 'A'..='H' | 'X'))?;
        let number = letters.as_str();
        let is_number = (1..=3).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| Self { group, number: number.parse().expect("at most three digits") })
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.group, self.number)
    }
}

/// The ids that a comment begins with: `X27, X28, C4`, `D1 to D5, D9: refused`. What comes after the list is prose.
pub(crate) fn cited(comment: &str) -> Vec<Id> {
    let mut ids: Vec<Id> = Vec::new();
    let mut range = false;
    for word in comment.split([' ', ',', ';']).filter(|word| !word.is_empty()) {
        let (word, ends) = match word.strip_suffix([':', '.']) {
            Some(word) => (word, true),
            None => (word, false),
        };
        match (word, Id::parse(word)) {
            ("and", _) => {}
            ("to", _) if !ids.is_empty() => range = true,
            (_, Some(last)) => {
                let first =
                    ids.last().filter(|first| range && first.group == last.group).map_or(last.number, |first| first.number + 1);
                ids.extend((first..=last.number).map(|number| Id { group: last.group, number }));
                range = false;
            }
            (_, None) => break,
        }
        if ends {
            break;
        }
    }
    ids
}

#[test]
fn a_comment_cites_the_ids_that_it_begins_with() {
    let ids = |comment| cited(comment).iter().map(Id::to_string).collect::<Vec<_>>().join(" ");
    assert_eq!(ids("X27, X28, C4"), "X27 X28 C4");
    assert_eq!(ids("A1 A2 A3"), "A1 A2 A3");
    assert_eq!(ids("D1 to D5, D9: refused, A1"), "D1 D2 D3 D4 D5 D9");
    assert_eq!(ids("C4 and C5. Also C6"), "C4 C5");
    assert_eq!(ids("X8 in a client: A1"), "X8");
    assert_eq!(ids("A receive, B1"), "");
    assert_eq!(ids("B12x C2"), "");
    assert_eq!(ids("to A5"), "");
}

#[test]
fn there_are_150_edge_cases_and_79_invariants() {
    assert_eq!((Id::edge_cases().count(), Id::invariants().count()), (150, 79));
    assert!(Id::edge_case(150).is_known() && !Id::edge_case(151).is_known() && !Id::edge_case(0).is_known());
}
