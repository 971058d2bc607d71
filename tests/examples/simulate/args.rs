//! What the command line says.

use std::ffi::OsString;
use std::ops::Range;
use std::path::PathBuf;

use lexopt::{Arg, Parser, ValueExt};

pub(crate) const USAGE: &str = "\
Two applications, a chat and a register that three hosts hold together, under
faults in virtual time: one run for each seed, until a rule is violated.

  simulate [OPTIONS]
      --seeds N             seeds 0 to N-1 (1000)
      --seeds A..B          seeds A to B-1, to split a campaign over machines
      --app NAME            chat or register (both, one after the other)
      --bug                 with the bug that is planted in the application
      --out DIR             where the files of a failure go
                            (target/simulation)
      --json                the result as one JSON object

  simulate --replay FILE [--out DIR]
      Runs one saved scenario again. With --out, draws it, too.

Exit status: 0 if no rule was violated, 1 if one was, 2 if it could not begin,
or if a replay is not what the file says.";

/// What is to be done.
#[derive(PartialEq, Eq, Debug)]
pub(crate) enum Command {
    Help,
    Campaign(Campaign),
    Replay { file: PathBuf, out: Option<PathBuf> },
}

/// The options of a campaign.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Campaign {
    pub(crate) seeds: Range<u64>,
    pub(crate) apps: Vec<Application>,
    pub(crate) bug: bool,
    pub(crate) out: PathBuf,
    pub(crate) json: bool,
}

/// What is simulated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Application {
    Chat,
    Register,
}

impl Application {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Register => "register",
        }
    }

    pub(crate) fn parse(name: &str) -> Result<Self, String> {
        [Self::Chat, Self::Register]
            .into_iter()
            .find(|application| application.name() == name)
            .ok_or_else(|| format!("'{name}' is no application; there is chat, and register"))
    }
}

/// The command, or one line that says what is wrong and what would be right.
pub(crate) fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Command, String> {
    let mut parser = Parser::from_args(args);
    let (mut seeds, mut apps, mut bug, mut out, mut json, mut replay) = (0..1000, None, false, None, false, None);
    let mut campaign_only = None;
    while let Some(arg) = parser.next().map_err(|error| error.to_string())? {
        let name = match &arg {
            Arg::Long(name) => format!("--{name}"),
            Arg::Short(name) => format!("-{name}"),
            Arg::Value(word) => return Err(format!("'{}' is not understood; see --help", word.display())),
        };
        let mut value = || {
            let value = parser.value().map_err(|error| error.to_string())?;
            value.string().map_err(|error| error.to_string())
        };
        match name.as_str() {
            "--help" | "-h" => return Ok(Command::Help),
            "--seeds" => seeds = parse_seeds(&value()?)?,
            "--app" => apps = Some(vec![Application::parse(&value()?)?]),
            "--bug" => bug = true,
            "--json" => json = true,
            "--out" => out = Some(PathBuf::from(value()?)),
            "--replay" => replay = Some(PathBuf::from(value()?)),
            _ => return Err(format!("'{name}' is no option; see --help")),
        }
        if !["--out", "--replay"].contains(&name.as_str()) {
            campaign_only = Some(name);
        }
    }
    match (replay, campaign_only) {
        (Some(_), Some(name)) => Err(format!("--replay takes everything from its file, so {name} says nothing beside it")),
        (Some(file), None) => Ok(Command::Replay { file, out }),
        (None, _) => Ok(Command::Campaign(Campaign {
            seeds,
            apps: apps.unwrap_or_else(|| vec![Application::Chat, Application::Register]),
            bug,
            out: out.unwrap_or_else(|| "target/simulation".into()),
            json,
        })),
    }
}

fn parse_seeds(text: &str) -> Result<Range<u64>, String> {
    let problem = || format!("'{text}' are no seeds; write how many, as in 1000, or from where to where, as in 1000..2000");
    let number = |text: &str| text.parse::<u64>().map_err(|_| problem());
    let seeds = match text.split_once("..") {
        Some((start, end)) => number(start)?..number(end)?,
        None => 0..number(text)?,
    };
    if seeds.is_empty() { Err(problem()) } else { Ok(seeds) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Command, String> {
        parse(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn what_can_be_asked_for() {
        let Ok(Command::Campaign(campaign)) = parsed("") else { panic!("a campaign") };
        assert_eq!((campaign.seeds, campaign.apps.len(), campaign.bug, campaign.json), (0..1000, 2, false, false));
        let Ok(Command::Campaign(campaign)) = parsed("--seeds 5..9 --app register --bug --out there --json") else {
            panic!("a campaign")
        };
        assert_eq!((campaign.seeds, campaign.apps.as_slice()), (5..9, [Application::Register].as_slice()));
        assert!(campaign.bug && campaign.json && campaign.out == PathBuf::from("there"));
        let replay = Command::Replay { file: "file".into(), out: Some("there".into()) };
        assert_eq!(parsed("--replay file --out there"), Ok(replay));
        assert_eq!(parsed("--seeds 3 --help"), Ok(Command::Help));
    }

    #[test]
    fn what_makes_no_sense_is_said() {
        for (line, words) in [
            ("--seeds 0", "no seeds"),
            ("--seeds 5..5", "no seeds"),
            ("--seeds many", "no seeds"),
            ("--seeds", "missing argument"),
            ("--app echo", "there is chat"),
            ("--sedes 5", "no option"),
            ("5", "not understood"),
            ("--replay file --bug", "--bug says nothing"),
        ] {
            let problem = parsed(line).expect_err(line);
            assert!(problem.contains(words), "{line}: {problem}");
        }
    }
}
