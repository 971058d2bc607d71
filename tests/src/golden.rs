//! Text that is committed and must not change unnoticed.

use std::path::Path;
use std::{env, fs};

/// Set to `1`, it makes [`check`] write what is new instead of complaining.
pub const UPDATE: &str = "UPDATE_GOLDEN";

/// Compares `new` with the committed file, whose path is given from the root of the repository.
///
/// # Panics
/// They differ: the message has the first line that does, and the command that accepts the change. With `UPDATE_GOLDEN=1` the file is
/// written instead.
pub fn check(path: &str, new: &str, test: &str) {
    compare(path, new, &format!("cargo test -p sansock-tests --test {test}")).unwrap_or_else(|message| panic!("{message}"));
}

/// Compares `new` with the committed file, for a text that `command` makes. With `UPDATE_GOLDEN=1` the file is written instead.
///
/// # Errors
/// They differ: the first line that does, and the command that accepts the change.
///
/// # Panics
/// The file cannot be written.
pub fn compare(path: &str, new: &str, command: &str) -> Result<(), String> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    let old = fs::read_to_string(&file).unwrap_or_default();
    if old == new {
        return Ok(());
    }
    if env::var_os(UPDATE).is_some_and(|value| value == "1") {
        fs::write(&file, new).unwrap_or_else(|error| panic!("cannot write {path}: {error}"));
        return Ok(());
    }
    Err(format!("{path} {}\nif that is meant: {UPDATE}=1 {command}", difference(&old, new)))
}

/// The first difference, in words.
fn difference(old: &str, new: &str) -> String {
    let (mut was, mut is) = (old.lines(), new.lines());
    for line in 1.. {
        match (was.next(), is.next()) {
            (None, None) => break,
            (was, is) if was == is => {}
            (was, is) => {
                let text = |line: Option<&str>| line.map_or("nothing".into(), |line| format!("`{line}`"));
                return format!("changes at line {line}:\n  committed: {}\n  now:       {}", text(was), text(is));
            }
        }
    }
    "changes in its line ends".into()
}

#[cfg(test)]
mod tests {
    use super::difference;

    #[test]
    fn the_first_line_that_differs_is_named() {
        assert!(difference("a\nb\n", "a\nc\n").contains("line 2"));
        assert!(difference("a\n", "a\nb\n").contains("committed: nothing"));
        assert!(difference("a\n", "a").contains("line ends"));
    }
}
