//! A failure as files.

use std::io;
use std::path::{Path, PathBuf};

use super::Failure;

/// More rows than this no picture has; the last ones are what led to the violation.
const MOST_ROWS: usize = 400;

/// Where the files of a failure are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Saved {
    /// The scenario, with what came of it as comments. [`Scenario::parse`](crate::scenario::Scenario::parse) reads it.
    pub scenario: PathBuf,
    /// The sequence diagram, an SVG file; see [`Recording::picture`](crate::recording::Recording::picture).
    pub picture: PathBuf,
    /// The capture for Wireshark; see [`Recording::capture`](crate::recording::Recording::capture).
    pub capture: PathBuf,
}

impl Failure {
    /// The scenario with its violation and the run's hash above it, as comments: what [`save`](Failure::save) writes as `scenario.txt`.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        if let Some(violation) = &self.outcome.violation {
            // A problem may have several lines.
            text.extend(violation.to_string().lines().map(|line| format!("# {line}\n")));
        }
        text + &format!("# {HASH}{:016x}\n{}", self.outcome.hash, self.scenario)
    }

    /// Writes `scenario.txt`, `run.svg` and `run.pcapng` into a directory, which is created if it is not there. The last two need a recording;
    /// see [`Campaign::record`](super::Campaign::record). Without one they are empty drawings.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn save(&self, directory: &Path) -> io::Result<Saved> {
        std::fs::create_dir_all(directory)?;
        let place = |name: &str| directory.join(name);
        let saved = Saved { scenario: place("scenario.txt"), picture: place("run.svg"), capture: place("run.pcapng") };
        std::fs::write(&saved.scenario, self.text())?;
        let title = self.outcome.violation.as_ref().map_or_else(String::new, |violation| violation.rule.clone());
        let recording = self.outcome.recording.clone().unwrap_or_default();
        std::fs::write(&saved.picture, recording.picture(&title, MOST_ROWS))?;
        let mut capture = io::BufWriter::new(std::fs::File::create(&saved.capture)?);
        recording.capture(&mut capture)?;
        io::Write::flush(&mut capture)?;
        Ok(saved)
    }
}

const HASH: &str = "hash ";

/// The hash that the text of a saved failure tells, if it does.
#[must_use]
pub fn hash_in(text: &str) -> Option<u64> {
    let comments = text.lines().filter_map(|line| line.trim().strip_prefix('#'));
    comments.filter_map(|comment| comment.trim().strip_prefix(HASH)).find_map(|hash| u64::from_str_radix(hash.trim(), 16).ok())
}
