//! Scripts of socket calls, made one by one on the simulated sockets of `sansock-memory` and on Linux's loopback. What each call gives, and
//! what can be seen of every socket after it, must agree.
//!
//! After each call both worlds settle. In the simulated one virtual time passes. On Linux most of what a call causes has happened when it
//! returns; for the rest, the next call is made when what the simulation says is to be seen, and if that does not come within
//! [`WATCHDOG`], there is a difference.
//!
//! Where the two differ is in [`DIFFERENCES`]; scripts do not go there. A call that would is left out, or made another one, when its turn comes.
//!
//! A difference counts if it comes up [`ATTEMPTS`] times: other processes use ports too. A run on Linux that took [`SHORTEST_TIMER`] is made
//! again, since a timer of its TCP may have run out, which takes as long in virtual time.

mod call;
mod linux;
mod memory;
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, Shutdown, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

pub use call::{Answer, Call, LATEST, Last, Name};

use linux::Linux;
use memory::Memory;
use world::{Look, Place};

/// How long Linux gets until something is to be seen that happens without waiting for anybody.
pub const WATCHDOG: Duration = Duration::from_secs(5);
/// The same once a difference was found: while it is made smaller, nearly every run ends with it.
const SHORT_WATCHDOG: Duration = Duration::from_millis(300);
/// Unread bytes of one direction up to here fit in every buffer.
pub const ALWAYS_FITS: usize = 16 * 1024;
/// So many times a script is run before a difference is believed.
pub const ATTEMPTS: u32 = 3;
/// The first SYN is sent again after a second, and after a second a name in TIME_WAIT can be used again.
pub const SHORTEST_TIMER: Duration = Duration::from_millis(900);

/// What the simulated sockets do otherwise than Linux, or what cannot be compared, and why.
pub const DIFFERENCES: &[(&str, &str)] = &[
    (
        "how many bytes fit",
        "Linux charges a buffer with the memory that its packets take, so the number cannot be told before. Up to ALWAYS_FITS unread bytes fit in both \
         worlds, and counts are equal. More is sent by Fill alone, which goes on until neither world has room; after it nothing is sent, and nothing \
         is received but everything, by Drain, and each world gives what it has taken. In between Linux may find room for a little more when it \
         tidies its buffers up.",
    ),
    (
        "receiving is shut down while the sender's buffer is full",
        "After our FIN, the next byte that comes resets the connection. Linux's sender tries a window that is too small for a packet after 200 ms; \
         here it sends as much as there is room for at once.",
    ),
    (
        "a connect whose name is that of a connection whose other end has not finished",
        "Linux lets a chosen port be used again once nothing is left of the socket but a time-wait entry in FIN_WAIT_2. When that is the case depends on \
         whether the peer's acknowledgement is delayed and on which lock is held when it comes. Here it is when the acknowledgement has come.",
    ),
    (
        "the handshakes of a full backlog",
        "Here a SYN takes its place in the backlog when it comes. Linux takes the place when the handshake is done: of many that begin at \
         once all are answered, and those for which there is no place then send their last ACK in vain. On loopback no two handshakes overlap.",
    ),
    (
        "which port is given out",
        "Linux draws, and prefers even ones for connecting. Here they are given out in turn. What is compared is which ports are the same.",
    ),
    (
        "timers",
        "A script is over before the first of them, the second SYN's, runs out. The simulation's own tests measure them in virtual time.",
    ),
    (
        "IPv6 sockets and IPv4 addresses",
        "Here no IPv6 socket takes IPv4: all are IPV6_V6ONLY, as those of this project's listeners are on every system.",
    ),
    (
        "an address that no host has",
        "Here it is NetworkUnreachable at once. On Linux it depends on routes, routers and neighbours.",
    ),
    ("ports below 1024", "Here everybody may bind to them."),
    ("sends and receives of no bytes", "The core never asks for them."),
    ("urgent data, MSG_PEEK, SO_RCVLOWAT, SO_REUSEPORT, SO_LINGER above zero, Nagle's algorithm", "There are none here."),
];

/// Runs a script in both worlds. Gives what was called and what came of it.
///
/// # Errors
/// The calls up to a difference, and the difference.
pub fn compare(script: &[Call]) -> Result<BTreeSet<(&'static str, String)>, String> {
    let mut believed = 0;
    for last in (0..ATTEMPTS * 3).rev().map(|left| left == 0) {
        let mut run = Run::new(true);
        let result = script.iter().try_for_each(|call| run.step(*call));
        let in_time = run.spent < SHORTEST_TIMER;
        match result {
            Ok(()) if in_time || last => return Ok(run.seen),
            Ok(()) => {}
            Err(difference) => {
                believed += u32::from(in_time);
                if believed == ATTEMPTS || last || FOUND.load(Ordering::Relaxed) {
                    FOUND.store(true, Ordering::Relaxed);
                    return Err(format!("{}\n{difference}", run.transcript.join("\n")));
                }
            }
        }
    }
    Ok(BTreeSet::new())
}

/// Runs a script in the simulated world alone. Gives what was called and what came of it.
#[must_use]
pub fn rehearse(script: &[Call]) -> BTreeSet<(&'static str, String)> {
    let mut run = Run::new(false);
    for call in script {
        run.step(*call).expect("one world does not differ");
    }
    run.seen
}

struct Run {
    memory: Memory,
    linux: Option<Linux>,
    /// Sockets whose peers have more to read than always fits.
    full: BTreeSet<usize>,
    begin: Instant,
    /// How long it took until the last call was made.
    spent: Duration,
    transcript: Vec<String>,
    seen: BTreeSet<(&'static str, String)>,
}

impl Run {
    fn new(on_linux: bool) -> Self {
        let place = place();
        Self {
            memory: Memory::new(place),
            linux: on_linux.then(|| Linux::new(place)),
            begin: Instant::now(),
            spent: Duration::ZERO,
            full: BTreeSet::new(),
            transcript: Vec::new(),
            seen: BTreeSet::new(),
        }
    }

    fn step(&mut self, call: Call) -> Result<(), String> {
        let Some(call) = call.resolved(&self.memory.open()).and_then(|call| self.comparable(call)) else { return Ok(()) };
        let partner = self.partner(&call);
        let expected = self.memory.call(&call);
        self.transcript.push(format!("{call} -> {expected:?}"));
        self.seen.insert((call.name(), expected.class()));
        match (call, expected) {
            (Call::Fill { socket }, Answer::Filled { then: Last::WouldBlock, .. }) => drop(self.full.insert(socket)),
            (Call::Drain { .. }, _) => self.full.retain(|full| Some(*full) != partner),
            _ => {}
        }
        let Some(linux) = &mut self.linux else { return Ok(()) };
        self.spent = self.begin.elapsed();
        let answer = linux.call(&call, partner, &expected);
        if answer != expected {
            return Err(format!("Linux: {answer:?}"));
        }
        self.compare_looks()
    }

    /// The call, or what is made of it so that its answer can be compared.
    fn comparable(&self, call: Call) -> Option<Call> {
        match call {
            Call::Receive { socket, .. } if self.has_full_peer(socket) => Some(Call::Drain { socket }),
            Call::Shutdown { socket, how } if self.has_full_peer(socket) => {
                (how == Shutdown::Write && !self.memory.look(socket).readiness.receive_ended).then_some(call)
            }
            Call::Send { socket, .. } | Call::Fill { socket } if self.full.contains(&socket) => None,
            Call::Send { socket, size } => {
                let received = self.memory.partner(socket).map_or(0, |partner| self.memory.meter(partner).received);
                let unread = self.memory.meter(socket).sent.saturating_sub(received);
                (unread + size <= ALWAYS_FITS).then_some(call)
            }
            Call::Connect { socket, to } if self.memory.is_left_over(socket, to) => None,
            // Only what is the script's own can be asked for: the rest of the system has sockets too.
            Call::Bind { to: Name::Of(other), .. } => self.memory.is_own(other, false).then_some(call),
            Call::Bind { to: Name::PortOf(other), .. } => self.memory.is_own(other, true).then_some(call),
            _ => Some(call),
        }
    }

    fn has_full_peer(&self, socket: usize) -> bool {
        self.memory.partner(socket).is_some_and(|partner| self.full.contains(&partner))
    }

    /// Who sends what this call receives.
    fn partner(&self, call: &Call) -> Option<usize> {
        match call {
            Call::Receive { socket, .. } | Call::Drain { socket } => self.memory.partner(*socket),
            _ => None,
        }
    }

    fn compare_looks(&self) -> Result<(), String> {
        let Some(linux) = &self.linux else { return Ok(()) };
        let open = self.memory.open();
        let begin = Instant::now();
        loop {
            let looks: Vec<_> = open.iter().map(|number| (*number, self.memory.look(*number), linux.look(*number))).collect();
            let Some(difference) = difference(&looks) else { return Ok(()) };
            if begin.elapsed() > patience() {
                return Err(difference);
            }
            std::thread::yield_now();
        }
    }
}

/// What differs between the looks of the two worlds. Ports are chance: what matters is which of them are the same.
fn difference(looks: &[(usize, Look, Look)]) -> Option<String> {
    let (mut to_linux, mut to_memory) = (BTreeMap::new(), BTreeMap::new());
    for (number, memory, linux) in looks {
        let same = |one: Option<SocketAddr>,
                    other: Option<SocketAddr>,
                    pairs: &mut BTreeMap<u16, u16>,
                    back: &mut BTreeMap<u16, u16>| {
            match (one, other) {
                (Some(one), Some(other)) => {
                    one.ip() == other.ip()
                        && *pairs.entry(one.port()).or_insert(other.port()) == other.port()
                        && *back.entry(other.port()).or_insert(one.port()) == one.port()
                }
                (one, other) => one == other,
            }
        };
        let agree = memory.readiness == linux.readiness
            && same(memory.local, linux.local, &mut to_linux, &mut to_memory)
            && same(memory.peer, linux.peer, &mut to_linux, &mut to_memory);
        if !agree {
            return Some(format!("then s{number} in memory: {memory:?}\n        on Linux: {linux:?}"));
        }
    }
    None
}

/// A difference was found in this process.
static FOUND: AtomicBool = AtomicBool::new(false);

fn patience() -> Duration {
    if FOUND.load(Ordering::Relaxed) { SHORT_WATCHDOG } else { WATCHDOG }
}

/// A loopback address and a port of its own for each run of each process.
fn place() -> Place {
    static RUNS: AtomicU32 = AtomicU32::new(0);
    let run = RUNS.fetch_add(1, Ordering::Relaxed);
    let process = std::process::id();
    let [.., process_high, process_low] = process.to_be_bytes();
    let [.., high, low] = run.to_be_bytes();
    let port = process.wrapping_mul(977).wrapping_add(run) % 20_000 + 10_000;
    Place {
        address: Ipv4Addr::new(127, 16 + (process_low ^ process_high) % 200, high, low.max(1)),
        port: u16::try_from(port).expect("below 30,000"),
    }
}
