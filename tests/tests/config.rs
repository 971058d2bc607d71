//! Limits: what makes no sense is refused, by the name of the setter, and what makes sense is taken.

use std::time::Duration;

use sansock::{ClientConfig, ConfigError, ConnectionConfig, DialerConfig, ListenerConfig, ServerConfig, Setting, SocketOptions};
use sansock_tests::drive::address;

const SECOND: Duration = Duration::from_secs(1);
const OPTIONS: SocketOptions = SocketOptions { send_buffer: Setting::Required(4096), ..SocketOptions::CONNECTION };

#[track_caller]
fn refused<C: std::fmt::Debug>(result: Result<C, ConfigError>, field: &str, problem: &str) {
    let error = result.unwrap_err();
    assert_eq!((error.field(), error.to_string()), (field, format!("{field}: {problem}")));
}

// X141
#[test]
fn the_limits_of_a_connection_are_sensible() {
    let config = ConnectionConfig::default;
    let zero = Some(Duration::ZERO);
    refused(config().send_queue(1, 1), "send_queue", "the low watermark must be below the high one");
    refused(config().receive_size(0), "receive_size", "must be at least 1");
    refused(config().read_idle(zero), "read_idle", "zero is no time-out; use None to switch it off");
    refused(config().write_stall(zero), "write_stall", "zero is no time-out; use None to switch it off");
    refused(config().half_closed(zero), "half_closed", "zero is no time-out; use None to switch it off");
    refused(config().paused(zero), "paused", "zero is no time-out; use None to switch it off");
    refused(config().closing(Duration::ZERO, SECOND, 0), "closing", "must be longer than zero");
    refused(config().closing(SECOND, Duration::ZERO, 0), "closing", "must be longer than zero");
    refused(config().retry(Duration::ZERO, SECOND), "retry", "must be longer than zero");
    refused(config().retry(SECOND, SECOND / 2), "retry", "the longest delay must not be below the first");
    refused(config().mailbox(0), "mailbox", "must be at least 1");

    let taken = [
        config().send_queue(0, 1),
        config().receive_size(1),
        Ok(config().receive_credit(1)),
        config().read_idle(None),
        config().write_stall(None),
        config().half_closed(None),
        config().paused(None),
        config().closing(SECOND, SECOND, 0),
        config().retry(SECOND, SECOND),
        config().mailbox(1),
    ];
    for (place, config) in taken.iter().enumerate() {
        let config = config.unwrap();
        assert!(
            config != ConnectionConfig::default() && taken.iter().filter(|other| **other == Ok(config)).count() == 1,
            "{place}"
        );
    }
}

#[test]
fn the_limits_of_a_server_are_sensible() {
    let listener = || ListenerConfig::new(address(80));
    refused(listener().retry(Duration::ZERO, SECOND), "retry", "must be longer than zero");
    refused(listener().retry(SECOND, SECOND / 2), "retry", "the longest delay must not be below the first");
    refused(listener().accepts(0), "accepts", "must be at least 1");
    let taken = [
        Ok(listener().backlog(1)),
        Ok(listener().options(OPTIONS)),
        Ok(listener().accepted_options(OPTIONS)),
        listener().retry(SECOND, SECOND),
        listener().accepts(2),
        Ok(listener().sweep(1)),
    ];
    for config in taken {
        assert_ne!(config.unwrap(), listener());
    }

    let server = || ServerConfig::new(address(80));
    refused(server().listeners(vec![]), "listeners", "must be at least 1");
    refused(server().max_connections(0), "max_connections", "must be at least 1");
    let connection = ConnectionConfig::default().receive_credit(1);
    for config in [server().listeners(vec![listener(); 2]), server().max_connections(1), Ok(server().connection(connection))] {
        assert_ne!(config.unwrap(), server());
    }
}

#[test]
fn the_limits_of_a_client_are_sensible() {
    let dialer = || DialerConfig::new(vec![address(80)]).unwrap();
    refused(DialerConfig::new(vec![]), "addresses", "must be at least 1");
    let most = DialerConfig::MAX_ADDRESSES;
    let too_many = "more than DialerConfig::MAX_ADDRESSES; pass on the first of them";
    refused(DialerConfig::new(vec![address(80); most + 1]), "addresses", too_many);
    assert!(DialerConfig::new(vec![address(80); most]).is_ok());
    refused(dialer().attempt(Some(Duration::ZERO)), "attempt", "zero is no time-out; use None to switch it off");
    refused(dialer().overall(Some(Duration::ZERO)), "overall", "zero is no time-out; use None to switch it off");
    let taken = [
        Ok(dialer().local(address(81))),
        Ok(dialer().options(OPTIONS)),
        dialer().attempt(None),
        dialer().overall(None),
        Ok(dialer().retries(0)),
    ];
    for config in taken {
        assert_ne!(config.unwrap(), dialer());
    }

    let client = || ClientConfig::new(vec![address(80)]).unwrap();
    assert_ne!(client().dialer(dialer().retries(0)), client());
    assert_ne!(client().connection(ConnectionConfig::default().receive_credit(1)), client());
    assert_eq!(client().slots_needed(), 2);
}
