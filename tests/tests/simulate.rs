//! The simulate example as its users run it.

use std::path::PathBuf;
use std::process::Command;

use sansock_memory::campaign::hash_in;
use sansock_memory::scenario::Scenario;
use sansock_tests::program::{Ended, Program, example};
use serde_json::Value;

fn simulate(args: &[&str]) -> Ended {
    Program::start(Command::new(example("simulate")).args(args)).finish()
}

/// A directory of this test's own, which is gone when it ends.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("sansock-simulate-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn seeds_without_a_violation() {
    let ended = simulate(&["--seeds", "20"]);
    assert_eq!((ended.code(), ended.err.as_str()), (Some(0), ""), "{ended:?}");
    let text = ended.text();
    for words in
        ["chat: 20 runs, ", "register: 20 runs, ", "s simulated", "faults: ", "crash ", "sometimes 'somebody lagged': in "]
    {
        assert!(text.contains(words), "{words}: {text}");
    }
    assert_eq!(text.matches("no rule was violated").count(), 2, "{text}");
}

#[test]
fn a_planted_bug_is_saved_and_replays() {
    for application in ["chat", "register"] {
        let directory = Directory::new(application);
        let out = directory.file("out");
        let ended = simulate(&["--bug", "--seeds", "10000", "--app", application, "--out", &out]);
        assert_eq!(ended.code(), Some(1), "{ended:?}");
        let file = directory.file("out/scenario.txt");
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(Scenario::parse(&text).unwrap().lines.len() <= 3, "{text}");
        assert!(ended.text().contains(&text), "what is saved is what is printed: {ended:?}");
        assert!(ended.text().contains(&format!("cargo run --release --example simulate -- --replay {file}")), "{ended:?}");
        for name in ["out/run.svg", "out/run.pcapng"] {
            assert!(std::fs::metadata(directory.file(name)).unwrap().len() > 1000, "{name}");
        }

        // The same again, and drawn elsewhere.
        let again = simulate(&["--replay", &file, "--out", &directory.file("again")]);
        assert_eq!(again.code(), Some(1), "{again:?}");
        assert!(again.text().contains(&text), "{again:?}");
        for name in ["scenario.txt", "run.svg", "run.pcapng"] {
            let [first, second] = ["out", "again"].map(|run| std::fs::read(directory.file(&format!("{run}/{name}"))).unwrap());
            assert!(first == second, "{name} is the same byte for byte");
        }

        // Another run than the file says.
        let hash = hash_in(&text).unwrap();
        let wrong = directory.file("wrong.txt");
        std::fs::write(&wrong, text.replace(&format!("{hash:016x}"), "0123456789abcdef")).unwrap();
        let ended = simulate(&["--replay", &wrong]);
        assert_eq!(ended.code(), Some(2), "{ended:?}");
        assert!(ended.err.contains("another one than that of the file, which has hash 0123456789abcdef"), "{ended:?}");
    }
}

#[test]
fn a_line_that_never_fired_is_said() {
    let directory = Directory::new("unfired");
    let file = directory.file("scenario.txt");
    let line = "fault server connection 99 send 1: reset";
    std::fs::write(&file, format!("sansock scenario 1\nseed 1\nfor 1s\nworld chat\nat 10ms: crash server\n{line}\n")).unwrap();
    let ended = simulate(&["--replay", &file]);
    assert_eq!((ended.code(), ended.err.as_str()), (Some(0), ""), "{ended:?}");
    assert_eq!(ended.text().matches("never fired").count(), 1, "{ended:?}");
    assert!(ended.text().contains(&format!("never fired: {line}")), "{ended:?}");
    assert!(ended.text().ends_with("no rule was violated\n"), "{ended:?}");
}

#[test]
fn results_for_programs() {
    let directory = Directory::new("json");
    let ended = simulate(&["--seeds", "100..110", "--app", "chat", "--json"]);
    assert_eq!((ended.code(), ended.err.as_str()), (Some(0), ""), "{ended:?}");
    let result: Value = serde_json::from_str(&ended.text()).unwrap();
    let campaign = &result["campaigns"][0];
    assert_eq!((&campaign["runs"], &campaign["failure"]), (&Value::from(10), &Value::Null));
    assert_eq!(campaign["seeds"], Value::from(vec![100, 110]));
    assert!(campaign["faults"]["crash"].as_u64().unwrap() > 0);

    let ended = simulate(&["--seeds", "10000", "--bug", "--app", "chat", "--json", "--out", &directory.file("out")]);
    assert_eq!(ended.code(), Some(1), "{ended:?}");
    let result: Value = serde_json::from_str(&ended.text()).unwrap();
    let failure = &result["campaigns"][0]["failure"];
    assert_eq!(failure["rule"], "everybody hears the same");
    let scenario = Scenario::parse(failure["scenario"].as_str().unwrap()).unwrap();
    assert_eq!(scenario.world, "chat with the planted bug");
}

#[test]
fn what_cannot_be_done_is_said_in_one_line() {
    let directory = Directory::new("wrong");
    let file = |name: &str, text: &str| {
        std::fs::write(directory.file(name), text).unwrap();
        directory.file(name)
    };
    let garbled = file("garbled.txt", "sansock scenario 1\nseed many\n");
    let unknown = file("unknown.txt", "sansock scenario 1\nworld echo\n");
    for (args, words) in [
        (&["--seeds", "none"][..], "write how many"),
        (&["--replay", &directory.file("nothing.txt")], "cannot be read"),
        (&["--replay", &garbled], "line 2: 'many' is not a seed"),
        (&["--replay", &unknown], "'echo' is no application; there is chat, and register"),
        (&["--seeds", "10000", "--bug", "--out", "/proc/nowhere"], "could not be saved in /proc/nowhere"),
    ] {
        let ended = simulate(args);
        assert_eq!((ended.code(), ended.err.lines().count()), (Some(2), 1), "{ended:?}");
        assert!(ended.err.starts_with("simulate: ") && ended.err.contains(words), "{words}: {ended:?}");
    }
}
