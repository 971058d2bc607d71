//! Socket options that the core asks for, each as a wish or as a condition.

use core::time::Duration;

/// How much an option matters.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Setting<T> {
    /// Leave the system's default.
    #[default]
    Leave,
    /// Set it; if the system refuses, report that and go on.
    BestEffort(T),
    /// Set it; if the system refuses, the socket is of no use.
    Required(T),
}

impl<T> Setting<T> {
    /// The value to set, if there is one.
    #[must_use]
    pub fn value(self) -> Option<T> {
        match self {
            Self::Leave => None,
            Self::BestEffort(value) | Self::Required(value) => Some(value),
        }
    }

    const fn is_required(&self) -> bool {
        matches!(self, Self::Required(_))
    }
}

/// The options of one socket, carried by [`CreateOp`](crate::CreateOp) and [`AcceptOp`](crate::AcceptOp).
///
/// Accepted sockets have a list of their own, since what they inherit from the listener differs from system to system.
/// `SO_LINGER` is not here on purpose: lingering lives in the core, and an abortive close is an operation of its own.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct SocketOptions {
    /// Bind although connections of an earlier listener linger in TIME_WAIT: `SO_REUSEADDR` on Unix, `SO_EXCLUSIVEADDRUSE` on
    /// Windows, where `SO_REUSEADDR` would let another process take the port over.
    pub reuse_address: Setting<bool>,
    /// An IPv6 socket takes no IPv4 (`IPV6_V6ONLY`). Its default differs between systems, so listeners always set it.
    pub only_v6: Setting<bool>,
    /// Send small segments at once (`TCP_NODELAY`).
    pub no_delay: Setting<bool>,
    /// Probe an idle connection after this time (`SO_KEEPALIVE`, `TCP_KEEPIDLE`).
    pub keep_alive: Setting<Duration>,
    /// The kernel's send buffer in bytes (`SO_SNDBUF`).
    pub send_buffer: Setting<u32>,
    /// The kernel's receive buffer in bytes (`SO_RCVBUF`).
    pub receive_buffer: Setting<u32>,
}

impl SocketOptions {
    /// Those that a listener gets by default: `reuse_address` and `only_v6`, as far as the system allows.
    pub const LISTENER: Self = Self {
        reuse_address: Setting::BestEffort(true),
        only_v6: Setting::BestEffort(true),
        no_delay: Setting::Leave,
        keep_alive: Setting::Leave,
        send_buffer: Setting::Leave,
        receive_buffer: Setting::Leave,
    };

    /// Those that a connection gets by default: `no_delay`, as far as the system allows. The core hands over whole writes, so
    /// Nagle's algorithm would only delay their last segments.
    pub const CONNECTION: Self = Self {
        reuse_address: Setting::Leave,
        only_v6: Setting::Leave,
        no_delay: Setting::BestEffort(true),
        keep_alive: Setting::Leave,
        send_buffer: Setting::Leave,
        receive_buffer: Setting::Leave,
    };

    /// True if one of `refused` is required here.
    #[must_use]
    pub fn requires_any(&self, refused: RefusedOptions) -> bool {
        let required = [
            (self.reuse_address.is_required(), OptionName::ReuseAddress),
            (self.only_v6.is_required(), OptionName::OnlyV6),
            (self.no_delay.is_required(), OptionName::NoDelay),
            (self.keep_alive.is_required(), OptionName::KeepAlive),
            (self.send_buffer.is_required(), OptionName::SendBuffer),
            (self.receive_buffer.is_required(), OptionName::ReceiveBuffer),
        ];
        required.into_iter().any(|(required, name)| required && refused.contains(name))
    }
}

/// The name of a field of [`SocketOptions`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum OptionName {
    /// [`SocketOptions::reuse_address`]
    ReuseAddress,
    /// [`SocketOptions::only_v6`]
    OnlyV6,
    /// [`SocketOptions::no_delay`]
    NoDelay,
    /// [`SocketOptions::keep_alive`]
    KeepAlive,
    /// [`SocketOptions::send_buffer`]
    SendBuffer,
    /// [`SocketOptions::receive_buffer`]
    ReceiveBuffer,
}

impl OptionName {
    /// Every option.
    pub const ALL: [Self; 6] =
        [Self::ReuseAddress, Self::OnlyV6, Self::NoDelay, Self::KeepAlive, Self::SendBuffer, Self::ReceiveBuffer];

    const fn bit(self) -> u8 {
        match self {
            Self::ReuseAddress => 1,
            Self::OnlyV6 => 2,
            Self::NoDelay => 4,
            Self::KeepAlive => 8,
            Self::SendBuffer => 16,
            Self::ReceiveBuffer => 32,
        }
    }
}

/// The options that the system refused: what a transport reports, without deciding what follows from it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct RefusedOptions(u8);

impl RefusedOptions {
    /// None was refused.
    pub const NONE: Self = Self(0);

    /// These and `name`.
    #[must_use]
    pub const fn with(self, name: OptionName) -> Self {
        Self(self.0 | name.bit())
    }

    /// True if `name` was refused.
    #[must_use]
    pub const fn contains(self, name: OptionName) -> bool {
        self.0 & name.bit() != 0
    }

    /// The refused options, in the order of [`OptionName::ALL`].
    pub fn iter(self) -> impl Iterator<Item = OptionName> {
        OptionName::ALL.into_iter().filter(move |name| self.contains(*name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_required_option_that_was_refused_counts() {
        let options = SocketOptions { no_delay: Setting::Required(true), ..SocketOptions::LISTENER };
        assert!(!options.requires_any(RefusedOptions::NONE));
        assert!(!options.requires_any(RefusedOptions::NONE.with(OptionName::ReuseAddress)));
        assert!(options.requires_any(RefusedOptions::NONE.with(OptionName::NoDelay)));
    }

    #[test]
    fn a_setting_has_a_value_unless_it_leaves_the_default() {
        assert_eq!([Setting::Leave, Setting::BestEffort(1), Setting::Required(2)].map(Setting::value), [None, Some(1), Some(2)]);
    }

    #[test]
    fn refusing_an_option_twice_refuses_it() {
        let both = RefusedOptions::NONE.with(OptionName::NoDelay).with(OptionName::KeepAlive).with(OptionName::NoDelay);
        assert_eq!(both.iter().collect::<alloc::vec::Vec<_>>(), [OptionName::NoDelay, OptionName::KeepAlive]);
    }

    #[test]
    fn every_option_is_required_by_its_own_field_alone() {
        let all = SocketOptions {
            reuse_address: Setting::Required(true),
            only_v6: Setting::Required(true),
            no_delay: Setting::Required(true),
            keep_alive: Setting::Required(Duration::ZERO),
            send_buffer: Setting::Required(1),
            receive_buffer: Setting::Required(1),
        };
        for name in OptionName::ALL {
            let refused = RefusedOptions::NONE.with(name);
            assert!(all.requires_any(refused));
            assert!(!SocketOptions::default().requires_any(refused));
            assert_eq!(refused.iter().collect::<alloc::vec::Vec<_>>(), [name]);
        }
    }
}
