//! Reading scenarios.

use std::fmt;
use std::time::Duration;

use sansock::{FaultKind, OpKind};

use super::text::{HEADER, UNITS};
use super::{Event, Fault, Line, Names, OPERATIONS, Outcome, Quality, Resolution, Route, Scenario, Which};

/// A text that is no scenario: the line, and what is wrong there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ParseError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong, and what would be right.
    pub problem: String,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.problem)
    }
}

impl std::error::Error for ParseError {}

impl Scenario {
    /// Reads a scenario. Empty lines, and what stands behind a `#`, count for nothing; `seed`, `for` and `world` may be left out
    /// (0, 30 s, and none).
    ///
    /// # Errors
    /// The first line that cannot be read, and why.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let mut scenario = Self::new(0);
        let mut lines = text.lines().enumerate().map(|(index, line)| (index + 1, without_comment(line).trim()));
        let mut lines = lines.by_ref().filter(|(_, line)| !line.is_empty());
        match lines.next() {
            Some((_, HEADER)) => {}
            other => {
                let (line, found) = other.unwrap_or((1, "nothing"));
                let problem = format!("a scenario of version 1 begins with '{HEADER}', this one with '{found}'");
                return Err(ParseError { line, problem });
            }
        }
        for (line, text) in lines {
            scenario.read(text).map_err(|problem| ParseError { line, problem })?;
        }
        Ok(scenario)
    }

    fn read(&mut self, text: &str) -> Result<(), String> {
        let mut words = Words::new(text);
        match words.next("a line")? {
            "seed" => self.seed = words.number("a seed")?,
            "for" => self.span = words.span()?,
            "world" => self.world = words.rest(),
            "link" => {
                let route = words.route()?;
                self.lines.push(Line::Link(route, words.quality()?));
            }
            "at" => {
                let at = words.span()?;
                self.lines.push(Line::At(at, words.event()?));
            }
            "fault" => self.lines.push(Line::Fault(words.fault()?)),
            other => return Err(unknown("line", other, &["seed", "for", "world", "link", "at", "fault"])),
        }
        words.end()
    }
}

fn without_comment(line: &str) -> &str {
    line.split('#').next().unwrap_or("")
}

/// What is left of some words when they are read from a text.
pub(super) fn words(text: &str) -> String {
    Words::new(without_comment(text)).rest()
}

/// The words of a line. A colon ends a word and counts for nothing else.
struct Words<'a>(std::iter::Peekable<std::vec::IntoIter<&'a str>>);

impl<'a> Words<'a> {
    fn new(text: &'a str) -> Self {
        let words: Vec<&str> =
            text.split_whitespace().map(|word| word.trim_end_matches(':')).filter(|word| !word.is_empty()).collect();
        Self(words.into_iter().peekable())
    }

    fn next(&mut self, what: &str) -> Result<&'a str, String> {
        self.0.next().ok_or_else(|| format!("{what} is missing at the end"))
    }

    fn expect(&mut self, word: &str) -> Result<(), String> {
        match self.next(&format!("'{word}'"))? {
            found if found == word => Ok(()),
            found => Err(format!("'{word}' is expected, not '{found}'")),
        }
    }

    fn rest(&mut self) -> String {
        self.0.by_ref().collect::<Vec<_>>().join(" ")
    }

    fn end(&mut self) -> Result<(), String> {
        self.0.next().map_or(Ok(()), |word| Err(format!("'{word}' is one word too many")))
    }

    fn number<N: std::str::FromStr>(&mut self, what: &str) -> Result<N, String> {
        let word = self.next(what)?;
        word.parse().map_err(|_| format!("'{word}' is not {what}"))
    }

    fn names(&mut self) -> Result<Names, String> {
        self.next("the name of a host").map(Names::from)
    }

    fn route(&mut self) -> Result<Route, String> {
        let from = self.names()?;
        let both = match self.next("'->' or '<->'")? {
            "->" => false,
            "<->" => true,
            other => return Err(format!("'->' or '<->' is expected, not '{other}'")),
        };
        Ok(Route { from, to: self.names()?, both })
    }

    /// A number with at most nine decimals, and a unit.
    fn span(&mut self) -> Result<Duration, String> {
        let word = self.next("a span of time")?;
        let problem = || format!("'{word}' is no span of time; write a number and one of s, ms, us, ns, as in 1.5s");
        let unit = word.find(|character: char| character.is_ascii_alphabetic()).ok_or_else(problem)?;
        let (number, unit) = word.split_at(unit);
        let (_, unit) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(problem)?;
        let (whole, decimals) = number.split_once('.').unwrap_or((number, "0"));
        let digits = |text: &str| !text.is_empty() && text.len() <= 18 && text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(whole) || !digits(decimals) || decimals.len() > 9 {
            return Err(problem());
        }
        let parse = |text: &str| text.parse::<u128>().map_err(|_| problem());
        let scale = 10_u128.pow(u32::try_from(decimals.len()).unwrap_or(9));
        let nanos = parse(whole)? * unit + parse(decimals)? * unit / scale;
        u64::try_from(nanos).map(Duration::from_nanos).map_err(|_| format!("'{word}' is longer than 584 years"))
    }

    fn quality(&mut self) -> Result<Quality, String> {
        let mut quality = Quality::default();
        while self.0.peek().is_some() {
            match self.next("a property")? {
                "latency" => quality.latency = Some(self.span()?),
                "jitter" => quality.jitter = Some(self.span()?),
                "bandwidth" => quality.bandwidth = Some(self.number("a number of bytes per second")?),
                "loss" => quality.loss = Some(self.number("a number of segments of which one is lost")?),
                other => return Err(unknown("property of a link", other, &["latency", "jitter", "bandwidth", "loss"])),
            }
        }
        Ok(quality)
    }

    fn event(&mut self) -> Result<Event, String> {
        const KNOWN: [&str; 9] = ["partition", "hold", "release", "heal", "crash", "restart", "clock", "descriptors", "resolve"];
        Ok(match self.next("an event")? {
            "partition" => Event::Partition(self.route()?),
            "hold" => Event::Hold(self.route()?),
            "release" => Event::Release(self.route()?),
            "heal" => Event::Heal,
            "crash" => Event::Crash(self.names()?),
            "restart" => Event::Restart(self.names()?),
            "clock" => {
                let hosts = self.names()?;
                match self.next("'jump' or 'drift'")? {
                    "jump" => Event::ClockJump(hosts, self.span()?),
                    "drift" => Event::ClockDrift(hosts, self.number("a number of millionths")?),
                    other => return Err(unknown("change of a clock", other, &["jump", "drift"])),
                }
            }
            "descriptors" => {
                let hosts = self.names()?;
                if self.0.next_if_eq(&"any").is_some() {
                    Event::Descriptors(hosts, None)
                } else {
                    Event::Descriptors(hosts, Some(self.number("a number of sockets, or 'any'")?))
                }
            }
            "resolve" => {
                let hosts = self.names()?;
                Event::Resolve(
                    hosts,
                    match self.next("'prompt', 'delay' or 'fail'")? {
                        "prompt" => Resolution::Prompt,
                        "delay" => Resolution::Delayed(self.span()?),
                        "fail" => Resolution::Fails,
                        other => return Err(unknown("way to resolve", other, &["prompt", "delay", "fail"])),
                    },
                )
            }
            other => return Err(unknown("event", other, &KNOWN)),
        })
    }

    fn fault(&mut self) -> Result<Fault, String> {
        let hosts = self.names()?;
        self.expect("connection")?;
        let connection = self.which()?;
        let operation = self.operation()?;
        let nth = self.which()?;
        let outcome = self.outcome()?;
        if !outcome.fits(operation) {
            return Err(format!("'{outcome}' cannot come of '{}'", operation.name()));
        }
        Ok(Fault { hosts, connection, operation, nth, outcome })
    }

    fn which(&mut self) -> Result<Which, String> {
        const WHAT: &str = "'any', a number from 1, or 'every' and a number from 1";
        if self.0.next_if_eq(&"any").is_some() {
            return Ok(Which::Any);
        }
        let every = self.0.next_if_eq(&"every").is_some();
        match self.number::<u32>(WHAT)? {
            0 => Err(format!("'0' is not {WHAT}")),
            number if every => Ok(Which::Every(number)),
            number => Ok(Which::Nth(number)),
        }
    }

    fn operation(&mut self) -> Result<OpKind, String> {
        let word = self.next("an operation")?;
        let known = OPERATIONS.0.map(OpKind::name);
        let found = OPERATIONS.0.into_iter().find(|kind| kind.name() == word);
        found.ok_or_else(|| unknown("operation", word, &known))
    }

    fn outcome(&mut self) -> Result<Outcome, String> {
        Ok(match self.next("an outcome")? {
            "short" => Outcome::Short(self.number::<std::num::NonZeroUsize>("a number of bytes from 1")?.get()),
            "would-block" => Outcome::WouldBlock(self.span()?),
            "delay" => Outcome::Delay(self.span()?),
            "reset" => Outcome::Reset,
            "error" => {
                let word = self.next("the kind of an error")?;
                let found = FaultKind::ALL.iter().find(|kind| format!("{kind:?}") == word);
                Outcome::Error(*found.ok_or_else(|| {
                    let known: Vec<String> = FaultKind::ALL.iter().map(|kind| format!("{kind:?}")).collect();
                    unknown("error", word, &known.iter().map(String::as_str).collect::<Vec<_>>())
                })?)
            }
            other => return Err(unknown("outcome", other, &["short", "would-block", "delay", "error", "reset"])),
        })
    }
}

fn unknown(what: &str, word: &str, known: &[&str]) -> String {
    format!("'{word}' is no {what}; there is {}", known.join(", "))
}
