//! What the simulated network is like.

use std::time::Duration;

/// The properties of a [`Network`](crate::Network). The default is a fast, faultless one between Linux hosts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NetworkConfig {
    /// How long a segment travels, each way. Default 1 ms.
    pub latency: Duration,
    /// Up to this much is added to the latency of each segment, by chance; segments to one socket never overtake each other. Default 0.
    pub jitter: Duration,
    /// The bytes that a socket's send buffer holds: those that the peer's system has not acknowledged. One at least, and
    /// less than 4 GiB. Default 64 KiB.
    pub send_buffer: usize,
    /// The bytes that a socket's receive buffer holds: the largest window. One at least, and less than 4 GiB. Default 64 KiB.
    pub receive_buffer: usize,
    /// The most bytes of one segment. Default 16 KiB; 1 delivers every byte by itself.
    pub segment: usize,
    /// One in so many receives and sends moves fewer bytes than it could, by chance: 1 is every one, 0 is none. Default 0.
    pub short_in: u32,
    /// A completion is handed to its machine up to this much later than it came about, by chance. A cancel that comes in between is too
    /// late, and the operation succeeds after all. Default 0.
    pub completion_delay: Duration,
    /// A lost SYN is sent again after a second, and so many times more after another second each. Default 4 (Linux since 6.5:
    /// `tcp_syn_linear_timeouts`; 0 before).
    pub syn_linear_retries: u8,
    /// Then it is sent again after 1 s, 2 s, 4 s... so many times, before the connect times out. Default 6 (Linux: `tcp_syn_retries`). With both
    /// defaults the last one is sent after 67 s, and the connect times out after 131 s.
    pub syn_retries: u8,
    /// A listener's backlog is never more than this, and nobody is told. Default 4096 (Linux: `somaxconn`).
    pub most_backlog: u32,
    /// The ports that are given out where none is asked for: the first and the last. Default 32768 and 60999 (Linux: `ip_local_port_range`).
    pub ports: (u16, u16),
    /// How long the end that closed first keeps its name in TIME_WAIT; also how long a closed socket waits for its peer's FIN. Default
    /// 60 s (Linux: twice its maximum segment lifetime; `tcp_fin_timeout`). A connect to a loopback address may take over a name that has been in
    /// TIME_WAIT for a second (Linux: `tcp_tw_reuse`).
    pub time_wait: Duration,
}

impl Default for NetworkConfig {
    fn default() -> Self {
        Self {
            latency: Duration::from_millis(1),
            jitter: Duration::ZERO,
            send_buffer: 64 * 1024,
            receive_buffer: 64 * 1024,
            segment: 16 * 1024,
            short_in: 0,
            completion_delay: Duration::ZERO,
            syn_linear_retries: 4,
            syn_retries: 6,
            most_backlog: 4096,
            ports: (32768, 60999),
            time_wait: Duration::from_secs(60),
        }
    }
}

/// How often each thing happened that a configuration makes possible. A test that relies on one of them asserts that it did happen.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Hits {
    /// Receives that were cut short by chance.
    pub short_receives: u64,
    /// Sends that were cut short by chance, or by a full buffer.
    pub short_sends: u64,
    /// Segments that were put off by jitter.
    pub jitter: u64,
    /// Completions that were put off.
    pub late_completions: u64,
    /// Sockets that could not be had because a host had no descriptor left.
    pub descriptor_limit: u64,
    /// SYNs that were dropped because a backlog was full.
    pub dropped_syns: u64,
    /// Connects that timed out because every SYN was lost.
    pub connect_timeouts: u64,
    /// Sends that found no room at all.
    pub full_buffers: u64,
    /// Resets that were sent.
    pub resets: u64,
    /// Binds and connects for which no port was free.
    pub port_exhaustion: u64,
    /// Connections whose names went into TIME_WAIT.
    pub time_waits: u64,
    /// Segments that a link lost by chance.
    pub lost_by_chance: u64,
    /// Segments that a partition did not let through.
    pub lost_in_partitions: u64,
    /// Segments to hosts that were down.
    pub lost_at_hosts_down: u64,
    /// Segments that were sent again, or to ask for an acknowledgement.
    pub retransmissions: u64,
    /// Connections that were given up because nothing was acknowledged any more, or an idle peer did not answer.
    pub connections_timed_out: u64,
    /// Segments that a held link kept.
    pub held: u64,
    /// Segments that travelled on when their link was released.
    pub released: u64,
    /// Segments that waited for others to pass, since their link has a limit.
    pub bandwidth_waits: u64,
    /// Probes of idle connections that are to be kept alive.
    pub keep_alive_probes: u64,
    /// Connects to addresses that no host has.
    pub unreachable: u64,
    /// Hosts that crashed.
    pub crashes: u64,
    /// Hosts that came up again.
    pub restarts: u64,
}
