//! The operating system's error numbers as faults.

use std::io;

use rustix::io::Errno;
use sansock::{Fault, FaultKind, OpKind};

/// The fault that an I/O error of this operation means. The number of the system is kept.
#[must_use]
pub fn fault_of(error: &io::Error, operation: OpKind) -> Fault {
    match error.raw_os_error() {
        Some(code) if cfg!(windows) => from_winsock(code, operation),
        Some(code) => from_errno(code, operation),
        None => Fault::new(FaultKind::Other),
    }
}

/// The fault that an errno of this operation means, on the Unix that this was built for.
#[must_use]
pub fn from_errno(code: i32, operation: OpKind) -> Fault {
    let Some(errno) = errno(code) else { return Fault::with_code(FaultKind::Other, code) };
    let kind = match (errno, operation) {
        (Errno::CANCELED, _) => FaultKind::Cancelled,
        (Errno::CONNREFUSED, _) => FaultKind::ConnectionRefused,
        (Errno::CONNRESET, _) => FaultKind::ConnectionReset,
        // macOS: a race between send and the peer's reset.
        (Errno::PROTOTYPE, OpKind::Send) => FaultKind::ConnectionReset,
        (Errno::CONNABORTED, _) => FaultKind::ConnectionAborted,
        (Errno::PIPE | Errno::SHUTDOWN, _) => FaultKind::BrokenPipe,
        (Errno::TIMEDOUT, _) => FaultKind::TimedOut,
        (Errno::NOTCONN, _) => FaultKind::NotConnected,
        (Errno::HOSTUNREACH | Errno::HOSTDOWN, _) => FaultKind::HostUnreachable,
        #[cfg(target_os = "linux")]
        (Errno::NONET, _) => FaultKind::HostUnreachable,
        (Errno::NETUNREACH, _) => FaultKind::NetworkUnreachable,
        (Errno::NETDOWN, _) => FaultKind::NetworkDown,
        (Errno::PROTO | Errno::NOPROTOOPT, _) => FaultKind::Protocol,
        (Errno::PERM, _) => FaultKind::FirewallRefused,
        (Errno::ADDRINUSE, _) => FaultKind::AddressInUse,
        (Errno::ADDRNOTAVAIL, _) => FaultKind::AddressNotAvailable,
        // connect(2): no free local port, or a full routing cache.
        (Errno::AGAIN, OpKind::Connect) => FaultKind::AddressNotAvailable,
        (Errno::ACCESS, _) => FaultKind::PermissionDenied,
        (Errno::AFNOSUPPORT | Errno::PROTONOSUPPORT | Errno::OPNOTSUPP, _) => FaultKind::Unsupported,
        (Errno::MFILE, _) => FaultKind::DescriptorLimit,
        (Errno::NFILE, _) => FaultKind::SystemDescriptorLimit,
        (Errno::NOBUFS, _) => FaultKind::NoBuffers,
        (Errno::NOMEM, _) => FaultKind::NoMemory,
        (Errno::BADF, _) => FaultKind::BadDescriptor,
        (Errno::INVAL, _) => FaultKind::InvalidArgument,
        (Errno::NOTSOCK, _) => FaultKind::NotASocket,
        _ => FaultKind::Other,
    };
    Fault::with_code(kind, code)
}

/// `None` for what is no errno of any Unix; rustix would panic.
pub(crate) fn errno(code: i32) -> Option<Errno> {
    (1..4096).contains(&code).then(|| Errno::from_raw_os_error(code))
}

/// The fault that a Winsock code of this operation means.
#[must_use]
pub fn from_winsock(code: i32, operation: OpKind) -> Fault {
    let kind = match (code, operation) {
        // WSA_OPERATION_ABORTED, WSAECANCELLED, WSA_E_CANCELLED
        (995 | 10103 | 10111, _) => FaultKind::Cancelled,
        // WSAEBADF, WSA_INVALID_HANDLE
        (10009 | 6, _) => FaultKind::BadDescriptor,
        // WSAEACCES
        (10013, _) => FaultKind::PermissionDenied,
        // WSAEINVAL
        (10022, _) => FaultKind::InvalidArgument,
        // WSAEMFILE
        (10024, _) => FaultKind::DescriptorLimit,
        // WSAENOTSOCK
        (10038, _) => FaultKind::NotASocket,
        // WSAENOPROTOOPT
        (10042, _) => FaultKind::Protocol,
        // WSAEPROTONOSUPPORT, WSAESOCKTNOSUPPORT, WSAEOPNOTSUPP, WSAEPFNOSUPPORT, WSAEAFNOSUPPORT
        (10043..=10047, _) => FaultKind::Unsupported,
        // WSAEADDRINUSE
        (10048, _) => FaultKind::AddressInUse,
        // WSAEADDRNOTAVAIL
        (10049, _) => FaultKind::AddressNotAvailable,
        // WSAENETDOWN
        (10050, _) => FaultKind::NetworkDown,
        // WSAENETUNREACH
        (10051, _) => FaultKind::NetworkUnreachable,
        // WSAENETRESET: keep-alive found the peer gone.
        (10052, _) => FaultKind::TimedOut,
        // WSAECONNABORTED
        (10053, _) => FaultKind::ConnectionAborted,
        // WSAECONNRESET
        (10054, _) => FaultKind::ConnectionReset,
        // WSAENOBUFS
        (10055, _) => FaultKind::NoBuffers,
        // WSAENOTCONN
        (10057, _) => FaultKind::NotConnected,
        // WSAESHUTDOWN
        (10058, _) => FaultKind::BrokenPipe,
        // WSAETIMEDOUT
        (10060, _) => FaultKind::TimedOut,
        // WSAECONNREFUSED
        (10061, _) => FaultKind::ConnectionRefused,
        // WSAEHOSTDOWN, WSAEHOSTUNREACH
        (10064 | 10065, _) => FaultKind::HostUnreachable,
        // WSAEPROCLIM, WSASYSNOTREADY, WSAVERNOTSUPPORTED, WSANOTINITIALISED
        (10067 | 10091 | 10092 | 10093, _) => FaultKind::RuntimeUnavailable,
        // WSA_NOT_ENOUGH_MEMORY
        (8, _) => FaultKind::NoMemory,
        _ => FaultKind::Other,
    };
    Fault::with_code(kind, code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sansock::{AcceptClass, TransferClass};

    const ERRNO: &[(Errno, OpKind, FaultKind, AcceptClass, TransferClass)] = {
        use AcceptClass::{Exhausted, Lost, Transient};
        use FaultKind as K;
        use OpKind as O;
        use TransferClass::{Exhausted as Retry, Final};
        &[
            // accept(2)
            (Errno::CONNABORTED, O::Accept, K::ConnectionAborted, Transient, Final),
            (Errno::CONNRESET, O::Accept, K::ConnectionReset, Transient, Final),
            (Errno::PERM, O::Accept, K::FirewallRefused, Transient, Final),
            (Errno::PROTO, O::Accept, K::Protocol, Transient, Final),
            (Errno::NOPROTOOPT, O::Accept, K::Protocol, Transient, Final),
            (Errno::NETDOWN, O::Accept, K::NetworkDown, Transient, Final),
            (Errno::HOSTDOWN, O::Accept, K::HostUnreachable, Transient, Final),
            (Errno::NONET, O::Accept, K::HostUnreachable, Transient, Final),
            (Errno::HOSTUNREACH, O::Accept, K::HostUnreachable, Transient, Final),
            (Errno::OPNOTSUPP, O::Accept, K::Unsupported, Transient, Final),
            (Errno::NETUNREACH, O::Accept, K::NetworkUnreachable, Transient, Final),
            (Errno::TIMEDOUT, O::Accept, K::TimedOut, Transient, Final),
            (Errno::MFILE, O::Accept, K::DescriptorLimit, Exhausted, Final),
            (Errno::NFILE, O::Accept, K::SystemDescriptorLimit, Exhausted, Final),
            (Errno::NOBUFS, O::Accept, K::NoBuffers, Exhausted, Retry),
            (Errno::NOMEM, O::Accept, K::NoMemory, Exhausted, Retry),
            (Errno::BADF, O::Accept, K::BadDescriptor, Lost, Final),
            (Errno::INVAL, O::Accept, K::InvalidArgument, Lost, Final),
            (Errno::NOTSOCK, O::Accept, K::NotASocket, Lost, Final),
            // Nobody lists this one for accept.
            (Errno::XDEV, O::Accept, K::Other, Exhausted, Final),
            // connect(2)
            (Errno::CONNREFUSED, O::Connect, K::ConnectionRefused, Transient, Final),
            (Errno::AGAIN, O::Connect, K::AddressNotAvailable, Exhausted, Final),
            (Errno::ADDRNOTAVAIL, O::Connect, K::AddressNotAvailable, Exhausted, Final),
            (Errno::AFNOSUPPORT, O::Connect, K::Unsupported, Transient, Final),
            (Errno::ACCESS, O::Connect, K::PermissionDenied, Exhausted, Final),
            // bind(2), socket(2)
            (Errno::ADDRINUSE, O::Bind, K::AddressInUse, Exhausted, Final),
            (Errno::ACCESS, O::Bind, K::PermissionDenied, Exhausted, Final),
            (Errno::PROTONOSUPPORT, O::Create, K::Unsupported, Transient, Final),
            // recv(2), send(2), shutdown(2)
            (Errno::PIPE, O::Send, K::BrokenPipe, Transient, Final),
            (Errno::SHUTDOWN, O::Send, K::BrokenPipe, Transient, Final),
            (Errno::PROTOTYPE, O::Send, K::ConnectionReset, Transient, Final),
            (Errno::PROTOTYPE, O::Create, K::Other, Exhausted, Final),
            (Errno::NOTCONN, O::Shutdown, K::NotConnected, Transient, Final),
            (Errno::CANCELED, O::Recv, K::Cancelled, Transient, Final),
        ]
    };

    #[test]
    fn every_errno_that_matters_has_its_kind_and_classes() {
        for (errno, operation, kind, accept, transfer) in ERRNO {
            let fault = fault_of(&io::Error::from_raw_os_error(errno.raw_os_error()), *operation);
            assert_eq!(fault.kind(), *kind, "{errno:?} from {operation:?}");
            assert_eq!(fault.code(), Some(errno.raw_os_error()));
            assert_eq!(fault.kind().accept_class(), *accept, "{errno:?} from {operation:?}");
            assert_eq!(fault.kind().transfer_class(), *transfer, "{errno:?} from {operation:?}");
        }
    }

    const WINSOCK: &[(i32, FaultKind)] = {
        use FaultKind as K;
        &[
            (6, K::BadDescriptor),
            (8, K::NoMemory),
            (995, K::Cancelled),
            (10009, K::BadDescriptor),
            (10013, K::PermissionDenied),
            (10022, K::InvalidArgument),
            (10024, K::DescriptorLimit),
            (10038, K::NotASocket),
            (10042, K::Protocol),
            (10043, K::Unsupported),
            (10044, K::Unsupported),
            (10045, K::Unsupported),
            (10046, K::Unsupported),
            (10047, K::Unsupported),
            (10048, K::AddressInUse),
            (10049, K::AddressNotAvailable),
            (10050, K::NetworkDown),
            (10051, K::NetworkUnreachable),
            (10052, K::TimedOut),
            (10053, K::ConnectionAborted),
            (10054, K::ConnectionReset),
            (10055, K::NoBuffers),
            (10057, K::NotConnected),
            (10058, K::BrokenPipe),
            (10060, K::TimedOut),
            (10061, K::ConnectionRefused),
            (10064, K::HostUnreachable),
            (10065, K::HostUnreachable),
            (10067, K::RuntimeUnavailable),
            (10091, K::RuntimeUnavailable),
            (10092, K::RuntimeUnavailable),
            (10093, K::RuntimeUnavailable),
            (10103, K::Cancelled),
            (10111, K::Cancelled),
            (12345, K::Other),
        ]
    };

    // X40: Windows reports a queued connection that was reset as WSAECONNRESET from accept.
    #[test]
    fn x040_every_winsock_code_that_matters_has_its_kind() {
        for (code, kind) in WINSOCK {
            let fault = from_winsock(*code, OpKind::Accept);
            assert_eq!((fault.kind(), fault.code()), (*kind, Some(*code)));
        }
        assert_eq!(from_winsock(10054, OpKind::Accept).kind().accept_class(), AcceptClass::Transient);
    }

    #[test]
    fn a_number_that_is_no_errno_is_unknown() {
        for code in [0, -1, 4096, 100_000, i32::MIN, i32::MAX] {
            let fault = fault_of(&io::Error::from_raw_os_error(code), OpKind::Recv);
            assert_eq!(fault, Fault::with_code(FaultKind::Other, code));
        }
    }

    #[test]
    fn an_error_without_a_number_is_unknown() {
        assert_eq!(fault_of(&io::Error::other("?"), OpKind::Recv), Fault::new(FaultKind::Other));
    }
}
