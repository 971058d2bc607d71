//! What the command line says.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::time::Duration;

use lexopt::{Arg, Parser};

pub(crate) const USAGE: &str = "\
The life of an echo server and its client, on every transport of sansock.

  echo
      Runs both on memory, blocking and smol, and shows every step.

  echo serve [OPTIONS]
      Sends back what comes, until the peer's end. SIGINT or SIGTERM drains
      and prints the report; a second one aborts what is left.

      --transport NAME      blocking (the default) or smol
      --addr IP:PORT        where to listen, port 0 for any (127.0.0.1:0);
                            more than once for several listeners
      --max-connections N   so many at once, the others wait (1024)
      --drain SECONDS       how long a drain may take (10)
      --idle SECONDS        how long nothing may move on a connection (60)

  echo connect [--transport NAME] IP:PORT...
      Standard input to the first peer that answers, half-close at its end;
      what comes back to standard output.

Exit status: 0 after a graceful end, 1 after any other, 2 if it could not
begin.";

/// What is to be done.
#[derive(PartialEq, Eq, Debug)]
pub(crate) enum Command {
    Help,
    Lives,
    Serve(Serve),
    Connect(Connect),
}

/// The options of `serve`.
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct Serve {
    pub(crate) transport: Transport,
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) max_connections: usize,
    pub(crate) drain: Duration,
    pub(crate) idle: Duration,
}

/// The options of `connect`.
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct Connect {
    pub(crate) transport: Transport,
    pub(crate) addresses: Vec<SocketAddr>,
}

/// Where real sockets come from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Transport {
    Blocking,
    Smol,
}

const SERVE_OPTIONS: &str = "--transport, --addr, --max-connections, --drain and --idle";

/// A round number below the 2^20 sockets that the core can name.
const MOST_CONNECTIONS: usize = 1_000_000;

/// Ten years. What is longer is a slip of the finger.
const MOST_SECONDS: f64 = 315_360_000.0;

/// The command, or one line that says what is wrong and what would be right.
pub(crate) fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Command, String> {
    let mut parser = Parser::from_args(args);
    match next(&mut parser)? {
        None => Ok(Command::Lives),
        Some(Found::Help) => Ok(Command::Help),
        Some(Found::Value(command)) if command == "serve" => serve(parser),
        Some(Found::Value(command)) if command == "connect" => connect(parser),
        Some(Found::Value(command)) => Err(format!("{command}: no such command; there are serve, connect and --help")),
        Some(Found::Option(name)) => Err(format!("{name}: say serve or connect before it; alone there is --help only")),
    }
}

fn serve(mut parser: Parser) -> Result<Command, String> {
    let mut options = Serve {
        transport: Transport::Blocking,
        addresses: Vec::new(),
        max_connections: 1024,
        drain: Duration::from_secs(10),
        idle: Duration::from_secs(60),
    };
    while let Some(found) = next(&mut parser)? {
        match found {
            Found::Help => return Ok(Command::Help),
            Found::Option(name) => match name.as_str() {
                "--transport" => options.transport = transport(&value(&mut parser, &name)?)?,
                "--addr" => options.addresses.push(address(&name, &value(&mut parser, &name)?)?),
                "--max-connections" => options.max_connections = connections(&value(&mut parser, &name)?)?,
                "--drain" => options.drain = seconds(&name, &value(&mut parser, &name)?)?,
                "--idle" => options.idle = idle(&name, &value(&mut parser, &name)?)?,
                _ => return Err(format!("{name}: no such option; serve has {SERVE_OPTIONS}")),
            },
            Found::Value(word) if word.parse::<SocketAddr>().is_ok() => {
                return Err(format!("{word}: to listen there, say --addr {word}"));
            }
            Found::Value(word) => return Err(format!("{word}: serve takes only {SERVE_OPTIONS}")),
        }
    }
    if options.addresses.is_empty() {
        options.addresses.push(SocketAddr::from(([127, 0, 0, 1], 0)));
    }
    Ok(Command::Serve(options))
}

fn connect(mut parser: Parser) -> Result<Command, String> {
    let mut options = Connect { transport: Transport::Blocking, addresses: Vec::new() };
    while let Some(found) = next(&mut parser)? {
        match found {
            Found::Help => return Ok(Command::Help),
            Found::Option(name) if name == "--transport" => options.transport = transport(&value(&mut parser, &name)?)?,
            Found::Option(name) => return Err(format!("{name}: no such option; connect has --transport")),
            Found::Value(word) => options.addresses.push(address("connect", &word)?),
        }
    }
    if options.addresses.is_empty() {
        return Err("connect: to whom? Give at least one IP:PORT, such as 127.0.0.1:7".into());
    }
    Ok(Command::Connect(options))
}

/// What stands next on the command line.
enum Found {
    Help,
    /// With its dashes.
    Option(String),
    Value(String),
}

fn next(parser: &mut Parser) -> Result<Option<Found>, String> {
    Ok(match parser.next().map_err(|error| error.to_string())? {
        None => None,
        Some(Arg::Long("help") | Arg::Short('h')) => Some(Found::Help),
        Some(Arg::Long(name)) => Some(Found::Option(format!("--{name}"))),
        Some(Arg::Short(name)) => Some(Found::Option(format!("-{name}"))),
        Some(Arg::Value(word)) => Some(Found::Value(word.to_string_lossy().into_owned())),
    })
}

fn value(parser: &mut Parser, name: &str) -> Result<String, String> {
    match parser.value() {
        Ok(value) => Ok(value.to_string_lossy().into_owned()),
        Err(_) => Err(format!("{name}: its value is missing")),
    }
}

fn transport(value: &str) -> Result<Transport, String> {
    match value {
        "blocking" => Ok(Transport::Blocking),
        "smol" => Ok(Transport::Smol),
        _ => Err(format!("--transport {value}: no such transport; there are blocking and smol")),
    }
}

fn address(name: &str, value: &str) -> Result<SocketAddr, String> {
    value.parse().map_err(|_| format!("{name} {value}: not an IP address with a port, such as 127.0.0.1:7 or [::1]:7"))
}

fn connections(value: &str) -> Result<usize, String> {
    match value.parse() {
        Ok(count @ 1..=MOST_CONNECTIONS) => Ok(count),
        _ => Err(format!("--max-connections {value}: not a number from 1 to {MOST_CONNECTIONS}")),
    }
}

fn seconds(name: &str, value: &str) -> Result<Duration, String> {
    match value.parse() {
        Ok(seconds) if (0.0..=MOST_SECONDS).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err(format!("{name} {value}: not a number of seconds, such as 10 or 0.5")),
    }
}

fn idle(name: &str, value: &str) -> Result<Duration, String> {
    match seconds(name, value)? {
        Duration::ZERO => Err(format!("{name} {value}: must be longer than zero")),
        span => Ok(span),
    }
}
