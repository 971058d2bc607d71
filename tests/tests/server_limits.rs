//! What the system refuses: a privileged port, and descriptors. Both in a process of its own, since a limit counts for all tests of one.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use sansock::{FaultKind, ServerConfig};
use sansock_tests::echo::Echo;
use sansock_tests::serve::{Said, Serving, Transport, WATCHDOG};

/// Runs one of the tests below that are ignored otherwise, for this transport, as `program` with `arguments` wants it run.
fn child(test: &str, transport: Transport, wrapper: Option<&str>) -> Command {
    let this = std::env::current_exe().unwrap();
    let mut command = match wrapper {
        Some(script) => {
            let mut shell = Command::new("sh");
            shell.args(["-c", &format!("{script}; exec \"$0\" \"$@\"")]).arg(this);
            shell
        }
        None => Command::new(this),
    };
    command.args(["--ignored", "--exact", "--nocapture", test]).env("TRANSPORT", format!("{transport:?}"));
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    command
}

/// In the child: what it was told. Nothing if this is no child, but somebody runs every test.
fn transport() -> Option<Transport> {
    Transport::named(&std::env::var("TRANSPORT").ok()?)
}

/// Below this only the superuser may bind.
fn first_unprivileged_port() -> u16 {
    let file = std::fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start");
    file.ok().and_then(|port| port.trim().parse().ok()).unwrap_or(1024)
}

// X4: the child runs as `nobody`, since the superuser may bind any port.
#[test]
fn x004_a_privileged_port_is_refused() {
    if first_unprivileged_port() <= 81 {
        return eprintln!("NOT CHECKED: on this system anybody may bind port 81");
    }
    for transport in Transport::ALL {
        let mut command = child("in_a_child_port_81_is_refused", transport, None);
        if std::fs::metadata("/proc/self").unwrap().uid() == 0 {
            command.uid(65534);
        }
        match command.output() {
            Err(error) => return eprintln!("NOT CHECKED: nobody cannot run this test: {error}"),
            Ok(output) => assert!(output.status.success(), "{output:?}"),
        }
    }
}

#[test]
#[ignore = "run by x004_a_privileged_port_is_refused"]
fn in_a_child_port_81_is_refused() {
    let Some(transport) = transport() else { return };
    let address = SocketAddr::from(([127, 0, 0, 1], 81));
    let report = Serving::start(transport, ServerConfig::new(address), Echo::default, || {}).join();
    let [error] = report.listen_errors[..] else { panic!("{report}") };
    assert_eq!(error.fault.kind(), FaultKind::PermissionDenied);
    assert_eq!(error.to_string(), "cannot bind 127.0.0.1:81: permission denied (os error 13)");
}

/// Reads until the child says where it listens.
fn address_of(said: &mut impl BufRead) -> SocketAddr {
    let mut line = String::new();
    loop {
        line.clear();
        assert!(said.read_line(&mut line).unwrap() > 0, "it listens");
        if let Some(address) = line.trim_end().strip_prefix("listening on ") {
            return address.parse().unwrap();
        }
    }
}

// X17, C4: many more clients than descriptors. They wait in the system's queue, and are served as others leave.
#[test]
fn x017_everybody_is_served_although_descriptors_run_out() {
    const CLIENTS: usize = 60;
    for transport in [Transport::Blocking, Transport::Smol] {
        for limit in 30..33 {
            let script = format!("ulimit -n {limit}");
            let mut child = child("in_a_child_descriptors_run_out", transport, Some(&script)).spawn().unwrap();
            let mut said = BufReader::new(child.stdout.take().unwrap());
            let address = address_of(&mut said);
            let clients: Vec<_> = (0..CLIENTS).map(|_| TcpStream::connect(address).unwrap()).collect();
            for mut client in &clients {
                client.set_read_timeout(Some(WATCHDOG)).unwrap();
                client.write_all(b"hello").unwrap();
                let mut answer = [0; 5];
                client.read_exact(&mut answer).unwrap_or_else(|error| panic!("{transport:?}, {limit} descriptors: {error}"));
                client.shutdown(Shutdown::Write).unwrap();
                assert_eq!(client.read(&mut answer).unwrap(), 0);
            }
            drop(child.stdin.take());
            let mut rest = String::new();
            said.read_to_string(&mut rest).unwrap();
            assert!(child.wait().unwrap().success(), "{transport:?}, {limit} descriptors: {rest}");
        }
    }
}

#[test]
#[ignore = "run by x017_everybody_is_served_although_descriptors_run_out"]
fn in_a_child_descriptors_run_out() {
    let Some(transport) = transport() else { return };
    let config = ServerConfig::new(SocketAddr::from(([127, 0, 0, 1], 0)));
    let server = Serving::start(transport, config, Echo::default, || {});
    // The harness's own line ends with this.
    println!("\nlistening on {}", server.address());
    server.wait_for(|said| (said == Said::Exhausted).then_some(()));
    server.wait_for(|said| (said == Said::Recovered).then_some(()));
    // Until the other side has seen enough.
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    server.drain(WATCHDOG);
    let report = server.join();
    assert_eq!((report.accepted, report.confirmed), (60, 60), "{report}");
    // C8: a spin would make thousands.
    assert!((1..300).contains(&report.accept_faults), "{report}");
}
