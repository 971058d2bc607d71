//! Names of hosts, with wildcards.

use std::fmt;

/// A set of hosts, by a pattern for their names: `*` stands for any characters, also none. Without it, one name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Names(String);

impl Names {
    /// Every host.
    #[must_use]
    pub fn any() -> Self {
        Self("*".into())
    }

    /// The pattern.
    #[must_use]
    pub fn pattern(&self) -> &str {
        &self.0
    }

    /// True if the set has a host of this name.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        let mut pieces = self.0.split('*');
        let Some(rest) = name.strip_prefix(pieces.next().unwrap_or_default()) else { return false };
        let Some(last) = pieces.next_back() else { return rest.is_empty() };
        // The pieces between the first star and the last one: the earliest place of each leaves most for the others.
        let found = pieces.try_fold(rest, |rest, piece| rest.find(piece).map(|place| &rest[place + piece.len()..]));
        found.is_some_and(|rest| rest.ends_with(last))
    }
}

impl From<&str> for Names {
    fn from(pattern: &str) -> Self {
        Self(pattern.into())
    }
}

impl From<String> for Names {
    fn from(pattern: String) -> Self {
        Self(pattern)
    }
}

impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything_and_everything_else_for_itself() {
        for (pattern, yes, no) in [
            ("server", &["server"][..], &["server1", "serve", ""][..]),
            ("*", &["", "x"], &[]),
            ("client*", &["client", "client12"], &["aclient", "clien"]),
            ("*er", &["er", "server"], &["servers"]),
            ("a*b*c", &["abc", "aXbYc", "abbcc", "abcbc"], &["ab", "acb", "abcd"]),
            ("a*a", &["aa", "aba"], &["a"]),
            ("**", &["", "x"], &[]),
        ] {
            for name in yes {
                assert!(Names::from(pattern).matches(name), "{pattern} {name}");
            }
            for name in no {
                assert!(!Names::from(pattern).matches(name), "{pattern} {name}");
            }
        }
    }
}
