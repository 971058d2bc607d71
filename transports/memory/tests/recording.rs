//! Recordings as pictures and captures.

use std::net::SocketAddr;
use std::process::Command;

use bytes::Bytes;
use sansock::Timestamp;
use sansock_memory::recording::{Carried, Happening, Recording};

/// Three hosts: one conversation that ends well, one that is lost, and a rule that does not hold.
fn example() -> Recording {
    let mut recording = Recording::new();
    let names = ["server", "client1", "client2"];
    let addresses = ["10.0.0.1", "10.0.0.2", "10.0.0.3"];
    for (name, address) in names.iter().zip(addresses) {
        recording.add_host(*name, [address.parse().unwrap()]);
    }
    let server: SocketAddr = "10.0.0.1:7".parse().unwrap();
    let one: SocketAddr = "10.0.0.2:32768".parse().unwrap();
    let two: SocketAddr = "10.0.0.3:32768".parse().unwrap();
    let at = Timestamp::from_millis;
    let travel = |recording: &mut Recording, start, hosts, addresses, carries| {
        let id = recording.sent(at(start), hosts, addresses, carries);
        recording.note(at(start + 1), Happening::Arrived(id));
    };
    recording.note(at(0), Happening::Said { host: 0, text: "listening on 10.0.0.1:7".into() });
    travel(&mut recording, 1, (1, 0), (one, server), Carried::Syn);
    travel(&mut recording, 2, (0, 1), (server, one), Carried::SynAck);
    travel(&mut recording, 3, (1, 0), (one, server), Carried::Data(Bytes::from_static(b"hello <world> & all")));
    travel(&mut recording, 4, (0, 1), (server, one), Carried::Data(Bytes::from(vec![0xfe; 70_000])));
    travel(&mut recording, 5, (1, 0), (one, server), Carried::Window(70_000));
    let lost = recording.sent(at(6), (2, 0), (two, server), Carried::Syn);
    recording.note(at(6), Happening::Fault { host: None, text: "partition client2 <-> server".into() });
    recording.note(at(7), Happening::Dropped { segment: lost, why: "partition".into() });
    travel(&mut recording, 8, (1, 0), (one, server), Carried::Fin);
    travel(&mut recording, 9, (0, 1), (server, one), Carried::Fin);
    recording.note(at(10), Happening::Fault { host: Some(2), text: "clock jumps 5s".into() });
    travel(&mut recording, 1006, (2, 0), (two, server), Carried::Syn);
    travel(&mut recording, 1007, (0, 2), (server, two), Carried::Reset);
    recording.note(at(1010), Happening::Violated { rule: "everybody is served".into(), text: "client2 was not".into() });
    recording
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
        "data 70000: fe fe",
        "partition client2 &lt;-&gt; server",
        "clock jumps 5s",
        "violated: everybody is served: client2 was not",
        "10.0.0.2:32768 to 10.0.0.1:7: FIN",
        "1.006000",
    ] {
        assert!(picture.contains(part), "{part} is missing");
    }
    assert_eq!(picture.matches("class=\"arrow\"").count(), 8, "each segment that arrived, but for the window");
    assert_eq!(picture.matches("class=\"arrow lost\"").count(), 1);
    assert!(!picture.contains("window +"));
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
    let expected = [("0", "0", "S"), ("0", "1", "A··S"), ("1", "1", "A"), ("1", "1", "AP"), ("1", "20", "A"), ("1", "20", "AP")];
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
    assert_eq!(again, [["1.006000000"]], "the SYN that was sent again");
}

#[test]
fn a_capture_names_hosts_and_says_what_the_scenario_did() {
    let file = capture(&example());
    let interfaces: Vec<String> =
        tshark(&file, &["frame.interface_name"], "tcp").into_iter().map(|mut fields| fields.remove(0)).collect();
    assert_eq!(interfaces[..2], ["client1", "server"]);
    let comments = tshark(&file, &["frame.comment"], "frame.comment");
    let all = comments.concat().join(" ");
    assert!(all.contains("lost: partition") && all.contains("fault: network: partition client2 <-> server"), "{all}");
}

#[test]
fn six_addresses_are_captured_as_such() {
    let mut recording = Recording::new();
    recording.add_host("one", ["fd00::1".parse().unwrap()]);
    recording.add_host("two", ["fd00::2".parse().unwrap()]);
    let (one, two) = ("[fd00::1]:1".parse().unwrap(), "[fd00::2]:2".parse().unwrap());
    let id = recording.sent(Timestamp::from_secs(2), (0, 1), (one, two), Carried::Syn);
    recording.note(Timestamp::from_secs(3), Happening::Arrived(id));
    let fields = ["ipv6.src", "ipv6.dst", "tcp.dstport", "tcp.checksum.status", "frame.time_epoch"];
    assert_eq!(tshark(&capture(&recording), &fields, "tcp"), [["fd00::1", "fd00::2", "2", "1", "2.000000000"]]);
}

#[test]
fn a_recording_is_captured_and_drawn_the_same_way_twice() {
    assert_eq!(capture(&example()), capture(&example()));
    assert_eq!(example().picture("one", 99), example().picture("one", 99));
}
