//! Recordings as pictures and captures.

use std::net::{Shutdown, SocketAddr};
use std::process::Command;
use std::time::Duration;

use bytes::Bytes;
use sansock::{FaultKind, Timestamp};
use sansock_memory::recording::{Carried, Happening, Recording};
use sansock_memory::{CallError, Descriptor, Family, HostId, Link, Network, NetworkConfig, Received};

/// Three hosts: one conversation that ends well, one that is lost, and a rule that does not hold.
fn example() -> Recording {
    let mut network = Network::new(
        NetworkConfig { segment: 100_000, send_buffer: 100_000, receive_buffer: 100_000, ..NetworkConfig::default() },
        1,
    );
    network.start_recording();
    let [server, one, two] = [("server", "10.0.0.1"), ("client1", "10.0.0.2"), ("client2", "10.0.0.3")]
        .map(|(name, address)| network.add_host_named(name, [address.parse().unwrap()]));
    let address: SocketAddr = "10.0.0.1:7".parse().unwrap();
    let wait = |network: &mut Network, millis| network.advance(network.now() + Duration::from_millis(millis));
    let connect = |network: &mut Network, host| {
        let client = network.create(host, Family::V4).unwrap();
        assert_eq!(network.connect(client, address), Err(CallError::WouldBlock));
        client
    };
    let listener = network.create(server, Family::V4).unwrap();
    network.bind(listener, address).unwrap();
    network.listen(listener, 10).unwrap();
    network.note(Happening::Said { host: 0, text: "listening on 10.0.0.1:7".into() });

    wait(&mut network, 1);
    let client = connect(&mut network, one);
    wait(&mut network, 3);
    let (accepted, _) = network.accept(listener).unwrap();
    network.send(client, &Bytes::from_static(b"hello <world> & all")).unwrap();
    wait(&mut network, 1);
    assert_eq!(network.send(accepted, &Bytes::from(vec![0xfe; 70_000])), Ok(70_000));
    wait(&mut network, 5);

    // The first SYN is lost, the second one is refused.
    network.partition(two, server);
    network.note(Happening::Fault { host: None, text: "partition client2 -> server".into() });
    connect(&mut network, two);
    wait(&mut network, 1);
    network.shutdown(client, Shutdown::Write).unwrap();
    wait(&mut network, 1);
    network.shutdown(accepted, Shutdown::Write).unwrap();
    wait(&mut network, 5);
    network.close(listener, false);
    network.heal();
    network.note(Happening::Fault { host: Some(2), text: "clock jumps 5s".into() });
    wait(&mut network, 1_010);
    network.note(Happening::Violated { rule: "everybody is served".into(), text: "client2 was not".into() });
    network.take_recording().unwrap()
}

fn capture(recording: &Recording) -> Vec<u8> {
    let mut file = Vec::new();
    recording.capture(&mut file).unwrap();
    file
}

#[test]
fn a_picture_shows_every_host_every_segment_every_fault_and_the_violated_rule() {
    let picture = example().picture("an example", 1000);
    for part in [
        "an example",
        ">server<",
        ">client2<",
        "10.0.0.3",
        "SYN, ACK",
        "data 19: &quot;hello &lt;world&gt; &amp; all&quot;",
        "data 70000: fe fe fe fe fe fe fe fe fe fe...<",
        "partition client2 -&gt; server",
        "clock jumps 5s",
        "violated: everybody is served: client2 was not",
        "10.0.0.2:32768 to 10.0.0.1:7: FIN",
        "1.010000",
    ] {
        assert!(picture.contains(part), "{part} is missing");
    }
    assert_eq!(picture.matches("class=\"arrow\"").count(), 8, "each segment that arrived, but for acknowledgements");
    assert_eq!(picture.matches("class=\"arrow lost\"").count(), 1);
    assert!(!picture.contains(">ACK<"));
    let times: Vec<_> = picture.lines().filter(|line| line.starts_with("<text class=\"faint\" x=\"14\"")).collect();
    let texts: std::collections::BTreeSet<_> = times.iter().map(|line| line.split_once('>').unwrap().1).collect();
    assert_eq!(times.len(), texts.len(), "once for each instant");
}

#[test]
fn a_picture_is_well_formed_whatever_is_said() {
    let mut recording = example();
    recording.note(Timestamp::ZERO, Happening::Said { host: 0, text: "</svg> & \"\u{1}\u{1b}[0m".into() });
    recording.note(Timestamp::ZERO, Happening::Violated { rule: "<".into(), text: ">".into() });
    let picture = recording.picture("<&>", 1000);
    let mut python = Command::new("python3");
    python.args(["-c", "import sys, xml.dom.minidom; xml.dom.minidom.parse(sys.stdin.buffer)"]);
    let mut child = python.stdin(std::process::Stdio::piped()).spawn().expect("python3 (Debian: python3) is needed");
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), picture.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success(), "{picture}");
}

#[test]
fn a_long_recording_is_cut_at_its_beginning() {
    let picture = example().picture("cut", 5);
    assert!(picture.contains("earlier entries are not shown"));
    assert!(picture.contains("violated:") && !picture.contains("hello"));
    assert!(picture.contains("height=\"248\""), "a head of 84, five rows of 24 and a margin");
}

/// What tshark makes of a capture: one line a packet, these fields, tabs between them.
fn tshark(file: &[u8], fields: &[&str], filter: &str) -> Vec<Vec<String>> {
    let path = std::env::temp_dir().join(format!("sansock-{}-{:?}.pcapng", std::process::id(), std::thread::current().id()));
    std::fs::write(&path, file).unwrap();
    let mut command = Command::new("tshark");
    command
        .args(["-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE", "-T", "fields", "-Y", filter, "-r"])
        .arg(&path);
    for field in fields {
        command.args(["-e", field]);
    }
    let output = command.output().expect("tshark (Debian: tshark) is needed");
    std::fs::remove_file(&path).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| line.split('\t').map(ToOwned::to_owned).collect()).collect()
}

#[test]
fn tshark_sees_correct_tcp_streams() {
    let file = capture(&example());
    let packets = tshark(&file, &["tcp.stream", "tcp.seq", "tcp.ack", "tcp.len", "tcp.flags.str"], "tcp.stream == 0");
    let expected = [
        ("0", "0", "S"),
        ("0", "1", "A··S"),
        ("1", "1", "A"),
        ("1", "1", "AP"),
        ("1", "20", "AP"),
        ("65496", "20", "AP"),
        ("20", "70001", "A"),
        ("20", "70001", "AF"),
        ("70001", "21", "AF"),
        ("21", "70002", "A"),
    ];
    assert_eq!(packets.len(), expected.len());
    for (packet, (sequence, acknowledged, flags)) in packets.iter().zip(expected) {
        assert_eq!((packet[1].as_str(), packet[2].as_str()), (sequence, acknowledged), "{packets:?}");
        for flag in flags.chars().filter(|flag| flag.is_alphabetic()) {
            assert!(packet[4].contains(flag), "{packet:?}");
        }
    }
    let sent: usize = packets.iter().map(|packet| packet[3].parse::<usize>().unwrap()).sum();
    assert_eq!(sent, 19 + 70_000);
    let wrong = "ip.checksum.status == 0 || tcp.checksum.status == 0 || tcp.analysis.lost_segment || tcp.analysis.ack_lost_segment || tcp.analysis.out_of_order || _ws.malformed";
    assert_eq!(tshark(&file, &["frame.number", "_ws.expert.message"], wrong), Vec::<Vec<String>>::new());
    let again = tshark(&file, &["frame.time_epoch"], "tcp.stream == 1 && tcp.analysis.retransmission");
    assert_eq!(again, [["1.010000000"]], "the SYN that was sent again");
}

#[test]
fn a_capture_names_hosts_and_says_what_the_scenario_did() {
    let file = capture(&example());
    let interfaces: Vec<String> =
        tshark(&file, &["frame.interface_name"], "tcp").into_iter().map(|mut fields| fields.remove(0)).collect();
    assert_eq!(interfaces[..2], ["client1", "server"]);
    let comments = tshark(&file, &["frame.comment"], "frame.comment");
    let all = comments.concat().join(" ");
    assert!(all.contains("lost: partition") && all.contains("fault: network: partition client2 -> server"), "{all}");
}

#[test]
fn six_addresses_are_captured_as_such() {
    let mut network = Network::new(NetworkConfig::default(), 1);
    let hosts = ["fd00::1", "fd00::2"].map(|address| network.add_host([address.parse().unwrap()]));
    network.advance(Timestamp::from_secs(2));
    network.start_recording();
    let client = network.create(hosts[0], Family::V6).unwrap();
    network.bind(client, "[fd00::1]:1".parse().unwrap()).unwrap();
    assert!(network.connect(client, "[fd00::2]:2".parse().unwrap()).is_err());
    let recording = network.take_recording().unwrap();
    let fields = ["ipv6.src", "ipv6.dst", "tcp.dstport", "tcp.checksum.status", "frame.time_epoch"];
    assert_eq!(tshark(&capture(&recording), &fields, "tcp"), [["fd00::1", "fd00::2", "2", "1", "2.000000000"]]);
}

#[test]
fn a_recording_is_captured_and_drawn_the_same_way_twice() {
    assert_eq!(capture(&example()), capture(&example()));
    assert_eq!(example().picture("one", 99), example().picture("one", 99));
}

/// Everything that is lost is sent again with its place in the stream.
#[test]
fn a_lossy_conversation_is_captured_as_tcp_has_it() {
    let mut network = Network::new(NetworkConfig { segment: 1_000, ..NetworkConfig::default() }, 1);
    let hosts = ["10.0.0.1", "10.0.0.2"].map(|address| network.add_host([address.parse().unwrap()]));
    let address: SocketAddr = "10.0.0.1:7".parse().unwrap();
    for (from, to) in [(hosts[0], hosts[1]), (hosts[1], hosts[0])] {
        network.set_link(from, to, Link { loss_in: 5, ..Link::from(&NetworkConfig::default()) });
    }
    network.start_recording();
    let listener = network.create(hosts[0], Family::V4).unwrap();
    network.bind(listener, address).unwrap();
    network.listen(listener, 10).unwrap();
    let client = network.create(hosts[1], Family::V4).unwrap();
    assert!(network.connect(client, address).is_err());
    network.advance(Timestamp::from_secs(20));
    let (server, _) = network.accept(listener).unwrap();
    assert_eq!(network.send(client, &Bytes::from(vec![1; 60_000])), Ok(60_000));
    network.shutdown(client, Shutdown::Write).unwrap();
    // What goes the other way is acknowledged while there is something to be sent again.
    for _ in 0..40 {
        network.advance(network.now() + Duration::from_millis(50));
        network.send(server, &Bytes::from_static(b"and back")).unwrap();
    }
    network.advance(network.now() + Duration::from_secs(20));
    let mut received = 0;
    while let Ok(Received::Data(data)) = network.recv(server, usize::MAX) {
        received += data.len();
        network.advance(network.now() + Duration::from_secs(20));
    }
    assert_eq!(received, 60_000);
    let hits = network.hits();
    assert!(hits.lost_by_chance > 5 && hits.retransmissions > 5, "{hits:?}");

    let file = capture(&network.take_recording().unwrap());
    let wrong = "ip.checksum.status == 0 || tcp.checksum.status == 0 || tcp.analysis.ack_lost_segment || _ws.malformed";
    assert_eq!(tshark(&file, &["frame.number", "_ws.expert.message"], wrong), Vec::<Vec<String>>::new());
    let lost = tshark(&file, &["frame.comment"], "frame.comment contains \"lost by chance\"");
    assert_eq!(lost.len() as u64, hits.lost_by_chance);
    let streams = tshark(&file, &["tcp.stream"], "tcp");
    assert!(streams.iter().all(|stream| stream == &["0"]));
    let last = tshark(&file, &["tcp.ack"], "tcp.srcport == 7 && tcp.ack == 60002");
    assert!(!last.is_empty(), "all of it, and the FIN, is acknowledged");
    // What only acknowledges is in the place behind everything that its sender has sent, be it for the second time.
    let (mut ends, mut again) = (std::collections::BTreeMap::new(), 0);
    for packet in tshark(&file, &["tcp.srcport", "tcp.seq", "tcp.len", "tcp.flags.syn", "tcp.flags.fin"], "tcp.flags.reset == 0")
    {
        let [sequence, length] = [&packet[1], &packet[2]].map(|number| number.parse::<u64>().unwrap());
        let marks = [&packet[3], &packet[4]].into_iter().filter(|flag| ["1", "True"].contains(&flag.as_str())).count() as u64;
        let end = ends.entry(packet[0].clone()).or_insert(0);
        if length + marks == 0 {
            // One less is a probe.
            assert!(sequence == *end || sequence + 1 == *end, "{packet:?} behind {end}");
        }
        again += u64::from(length + marks > 0 && sequence < *end);
        *end = (*end).max(sequence + length + marks);
    }
    assert!(again > 5, "{again} were sent again");
}

#[test]
fn a_recording_shows_why_each_segment_was_lost_and_what_answers_it() {
    let mut network = Network::new(NetworkConfig::default(), 1);
    let [one, two] = ["10.0.0.1", "10.0.0.2"].map(|address| network.add_host([address.parse().unwrap()]));
    network.start_recording();
    let listener = network.create(two, Family::V4).unwrap();
    network.bind(listener, "10.0.0.2:80".parse().unwrap()).unwrap();
    let address = network.listen(listener, 0).unwrap();
    let connect = |network: &mut Network, to: &str| {
        let client = network.create(one, Family::V4).unwrap();
        let _ = network.connect(client, to.parse().unwrap());
        network.advance(network.now() + Duration::from_millis(10));
        client
    };
    connect(&mut network, "10.0.0.2:81");
    let client = connect(&mut network, &address.to_string());
    connect(&mut network, &address.to_string());
    network.partition(one, two);
    network.send(client, &Bytes::from_static(b"hello")).unwrap();
    network.heal();
    network.crash(two);
    network.advance(network.now() + Duration::from_millis(250));
    network.restart(two);
    network.advance(network.now() + Duration::from_millis(900));
    let recording = network.take_recording().unwrap();
    assert!(network.recording().is_none());
    let (mut sent, mut lost) = (Vec::new(), Vec::new());
    for entry in recording.entries() {
        match &entry.what {
            Happening::Sent(flight) => {
                assert_eq!(
                    flight.acknowledges.is_none(),
                    matches!(flight.carries, Carried::Syn) || flight.carries == Carried::Reset
                );
                sent.push(flight.carries.summary());
            }
            Happening::Dropped { why, .. } => lost.push(why.as_str()),
            _ => {}
        }
    }
    assert_eq!(lost, ["the backlog is full", "partition", "the host is down"]);
    let data = "data 5: \"hello\"";
    assert_eq!(sent, ["SYN", "RST", "SYN", "SYN, ACK", "ACK", "SYN", data, data, data, "RST", "SYN", "RST"]);
}

#[test]
fn what_was_on_its_way_when_a_recording_began_is_not_in_it() {
    let mut network = Network::new(NetworkConfig::default(), 1);
    let [one, _] = ["10.0.0.1", "10.0.0.2"].map(|address| network.add_host([address.parse().unwrap()]));
    let client = network.create(one, Family::V4).unwrap();
    network.start_recording();
    let _ = network.connect(client, "10.0.0.2:80".parse().unwrap());
    network.start_recording();
    network.advance(Timestamp::from_millis(10));
    let recording = network.take_recording().unwrap();
    assert_eq!(recording.entries().len(), 2, "the reset leaves and arrives: {:?}", recording.entries());
}

/// Two hosts that are recorded, and a listener of the first at 10.0.0.1:7.
fn listening() -> (Network, [HostId; 2], Descriptor) {
    let mut network = Network::new(NetworkConfig::default(), 1);
    let hosts = ["10.0.0.1", "10.0.0.2"].map(|address| network.add_host([address.parse().unwrap()]));
    network.start_recording();
    let listener = network.create(hosts[0], Family::V4).unwrap();
    network.bind(listener, "10.0.0.1:7".parse().unwrap()).unwrap();
    network.listen(listener, 10).unwrap();
    (network, hosts, listener)
}

/// Otherwise it would look like the old one going on.
#[test]
fn a_connection_whose_names_were_used_before_begins_with_another_number() {
    let (mut network, [_, client], _) = listening();
    let address = "10.0.0.1:7".parse().unwrap();
    let open = |network: &mut Network| {
        let socket = network.create(client, Family::V4).unwrap();
        network.bind(socket, "10.0.0.2:4000".parse().unwrap()).unwrap();
        assert_eq!(network.connect(socket, address), Err(CallError::WouldBlock));
        network.advance(network.now() + Duration::from_millis(5));
        socket
    };
    // Two with bytes, two without, and one that is never answered since its host crashes; then one more.
    for bytes in [&b"hello"[..], b"hello", b"", b""] {
        let socket = open(&mut network);
        if !bytes.is_empty() {
            network.send(socket, &Bytes::from_static(bytes)).unwrap();
            network.advance(network.now() + Duration::from_millis(5));
        }
        network.close(socket, true);
        network.advance(network.now() + Duration::from_millis(5));
    }
    open(&mut network);
    network.crash(client);
    network.restart(client);
    open(&mut network);
    // One socket that is refused twice.
    let socket = network.create(client, Family::V4).unwrap();
    network.bind(socket, "10.0.0.2:4001".parse().unwrap()).unwrap();
    for _ in 0..2 {
        assert_eq!(network.connect(socket, "10.0.0.1:8".parse().unwrap()), Err(CallError::WouldBlock));
        network.advance(network.now() + Duration::from_millis(5));
        assert_eq!(network.connect(socket, "10.0.0.1:8".parse().unwrap()), Err(FaultKind::ConnectionRefused.into()));
    }
    let file = capture(&network.take_recording().unwrap());
    let syns = tshark(&file, &["tcp.stream", "tcp.seq_raw"], "tcp.flags.syn == 1 && tcp.flags.ack == 0");
    let streams: Vec<_> = syns.iter().map(|syn| syn[0].as_str()).collect();
    assert_eq!(streams, ["0", "1", "2", "3", "4", "5", "6", "7"], "tshark tells them apart");
    let numbers: std::collections::BTreeSet<_> = syns.iter().map(|syn| &syn[1]).collect();
    assert_eq!(numbers.len(), 8);
}

/// Of two hosts, one of which listens at port 7: the number and the length of each segment that the other sends.
fn numbers_of_the_client(run: impl FnOnce(&mut Network, [HostId; 2], Descriptor)) -> Vec<[String; 2]> {
    let (mut network, hosts, listener) = listening();
    run(&mut network, hosts, listener);
    let file = capture(&network.take_recording().unwrap());
    let packets = tshark(&file, &["tcp.seq_raw", "tcp.len"], "ip.src == 10.0.0.2");
    packets.into_iter().map(|packet| packet.try_into().unwrap()).collect()
}

#[test]
fn a_syn_that_is_sent_again_since_the_reset_was_lost_keeps_its_number() {
    let syns = numbers_of_the_client(|network, [server, client], _| {
        network.partition(server, client);
        let socket = network.create(client, Family::V4).unwrap();
        assert_eq!(network.connect(socket, "10.0.0.1:8".parse().unwrap()), Err(CallError::WouldBlock));
        network.advance(Timestamp::from_secs(4));
    });
    assert!(syns.len() > 1 && syns.iter().all(|syn| syn == &syns[0]), "{syns:?}");
}

#[test]
fn what_is_sent_again_and_lost_again_does_not_take_the_numbers_back() {
    let packets = numbers_of_the_client(|network, [server, client], listener| {
        let socket = network.create(client, Family::V4).unwrap();
        assert_eq!(network.connect(socket, "10.0.0.1:7".parse().unwrap()), Err(CallError::WouldBlock));
        network.advance(Timestamp::from_millis(10));
        let (accepted, _) = network.accept(listener).unwrap();
        network.hold(client, server);
        for _ in 0..3 {
            network.send(socket, &Bytes::from_static(b"0123456789")).unwrap();
            network.advance(network.now() + Duration::from_millis(1));
        }
        network.partition(client, server);
        network.release(client, server);
        // The first is sent again, and lost again; then something comes that is to be acknowledged.
        network.advance(network.now() + Duration::from_millis(250));
        network.send(accepted, &Bytes::from_static(b"there?")).unwrap();
        network.advance(network.now() + Duration::from_millis(50));
    });
    let numbers: Vec<u64> = packets.iter().map(|packet| packet[0].parse().unwrap()).collect();
    let end = packets.iter().zip(&numbers).map(|(packet, number)| number + packet[1].parse::<u64>().unwrap()).max();
    let last = packets.iter().zip(&numbers).filter(|(packet, _)| packet[1] == "0").map(|(_, number)| *number).next_back();
    assert_eq!(last, end, "the acknowledgement is behind everything: {packets:?}");
}
