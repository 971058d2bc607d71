//! Two columns on a terminal, in colour if it is one.

use std::fmt::Write as _;
use std::io::IsTerminal;

use crate::say;

/// As wide as terminals have been since punched cards.
const WIDTH: usize = 80;
/// The columns are two spaces apart.
const COLUMN: usize = (WIDTH - 2) / 2;

/// Standard output.
pub(crate) struct Terminal {
    colour: bool,
}

/// How something looks, where there is colour.
#[derive(Clone, Copy)]
pub(crate) enum Look {
    Plain,
    Heading,
    Server,
    Client,
    Faint,
    Good,
    Bad,
}

/// A piece of text and its look.
pub(crate) type Piece<'a> = (Look, &'a str);

impl Terminal {
    /// In colour on a terminal that knows it, unless the user does not want it (<https://no-color.org>).
    pub(crate) fn new() -> Self {
        let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|name| name == "dumb");
        Self { colour: std::io::stdout().is_terminal() && !set("NO_COLOR") && !dumb }
    }

    /// One line of these pieces.
    pub(crate) fn line(&self, pieces: &[Piece<'_>]) {
        say(self.fit(pieces, WIDTH).0);
    }

    /// One line, what is left in the left column and what is right in the right one.
    pub(crate) fn columns(&self, left: &[Piece<'_>], right: &[Piece<'_>]) {
        let (mut text, width) = self.fit(left, COLUMN);
        if !right.is_empty() {
            let _ = write!(text, "{:1$}", "", WIDTH - COLUMN - width);
            text.push_str(&self.fit(right, COLUMN).0);
        }
        say(text);
    }

    /// The pieces in a row, cut off at `width`, and how wide they are.
    fn fit(&self, pieces: &[Piece<'_>], width: usize) -> (String, usize) {
        let (mut row, mut used) = (String::new(), 0);
        for (look, text) in pieces {
            let (room, long) = (width - used, text.chars().count());
            let mut cut: String = text.chars().take(room).collect();
            if long > room && cut.pop().is_some() {
                cut.push('~');
            }
            used += long.min(room);
            let code = if self.colour { look.code() } else { "" };
            if code.is_empty() {
                row.push_str(&cut);
            } else {
                let _ = write!(row, "\x1b[{code}m{cut}\x1b[0m");
            }
        }
        (row, used)
    }
}

impl Look {
    const fn code(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Heading => "1",
            Self::Server => "1;36",
            Self::Client => "1;33",
            Self::Faint => "2",
            Self::Good => "1;32",
            Self::Bad => "1;31",
        }
    }
}
