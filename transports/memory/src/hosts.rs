//! Hosts: their names, and that they crash and come up again.

use sansock::{FaultKind, Timestamp};

use crate::chance::{Chance, Purpose};
use crate::network::{Descriptor, HostId, Network};
use crate::trace::Trace;

impl Network {
    /// Names a host: so it is called in recordings, and by its name it draws its chances, alone and with other hosts, so that they do not
    /// depend on which hosts were added before it. A host is named before it sends anything; no two hosts have the same name.
    pub fn name_host(&mut self, host: HostId, name: &str) {
        let mut hash = Trace::new();
        hash.note(Timestamp::ZERO, 0, [], name.as_bytes());
        let named = &mut self.hosts[host.index()];
        name.clone_into(&mut named.name);
        named.key = hash.hash();
        named.shortness = Chance::of_key(self.seed, Purpose::Shortness, named.key);
        self.draw_anew(host);
        if let Some(recording) = &mut self.recording {
            recording.name_host(host.index(), name);
        }
    }

    /// The name of a host.
    #[must_use]
    pub fn host_name(&self, host: HostId) -> &str {
        &self.hosts[host.index()].name
    }

    /// The host crashes: its sockets are gone, and nobody is told. Until it is [restarted](Network::restart) what comes to it is lost. A peer
    /// that has sent something notices after a quarter of an hour, since nothing is acknowledged, or when the host is up again, by a reset; one that
    /// only waits does not, unless it [keeps alive](Network::keep_alive). What the host has sent travels on. If the host is down already,
    /// nothing happens.
    pub fn crash(&mut self, host: HostId) {
        if std::mem::replace(&mut self.hosts[host.index()].down, true) {
            return;
        }
        self.calm = false;
        self.hits.crashes += 1;
        let sockets: Vec<_> =
            self.sockets.iter().filter(|(_, socket)| socket.host == host).map(|(key, _)| Descriptor(key)).collect();
        let peers: Vec<_> = sockets.iter().filter_map(|descriptor| self.socket(*descriptor)?.stream.peer).collect();
        for descriptor in sockets {
            self.remove(descriptor);
        }
        for peer in peers {
            self.fall_silent(peer);
        }
        let crashed = &mut self.hosts[host.index()];
        crashed.open = 0;
        crashed.names.forget();
    }

    /// The host is up again, with its addresses and without any socket. If it is up already, nothing happens.
    pub fn restart(&mut self, host: HostId) {
        if std::mem::replace(&mut self.hosts[host.index()].down, false) {
            self.hits.restarts += 1;
        }
    }

    /// True from a crash to the restart.
    #[must_use]
    pub fn is_down(&self, host: HostId) -> bool {
        self.hosts[host.index()].down
    }

    pub(crate) fn check_up(&self, host: HostId) -> Result<(), FaultKind> {
        if self.is_down(host) { Err(FaultKind::NetworkDown) } else { Ok(()) }
    }
}
