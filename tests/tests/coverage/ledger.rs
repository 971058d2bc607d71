//! The two files that say for every id what it is and what covers it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use toml::{Table, Value};

use crate::id::Id;
use crate::scan::Citation;

/// One of the files. Titles and what is waited for are written by people, the rest comes from the code.
pub(crate) struct Ledger {
    pub(crate) path: &'static str,
    /// The comment at its head.
    head: String,
    pub(crate) entries: BTreeMap<String, Entry>,
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Entry {
    pub(crate) title: String,
    pub(crate) waits_for: Option<String>,
}

impl Ledger {
    pub(crate) fn read(path: &'static str) -> Self {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
        let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{path}: {error}"));
        Self::parse(path, &text)
    }

    fn parse(path: &'static str, text: &str) -> Self {
        let head = text.lines().take_while(|line| line.starts_with('#')).fold(String::new(), |head, line| head + line + "\n");
        // TOML has no two tables of one name, so no id can be listed twice.
        let table: Table = text.parse().unwrap_or_else(|error| panic!("{path}: {error}"));
        let entries = table.into_iter().map(|(id, value)| (id, entry(path, value))).collect();
        Self { path, head, entries }
    }

    /// The file as it should be: its titles and what is waited for, and what the code cites.
    pub(crate) fn render(&self, ids: impl Iterator<Item = Id>, citations: &BTreeSet<Citation>) -> String {
        let mut out = self.head.clone();
        for id in ids {
            let entry = self.entries.get(&id.to_string()).cloned().unwrap_or_default();
            let _ = write!(out, "\n[{id}]\ntitle = {}\n", Value::from(entry.title));
            if let Some(feature) = entry.waits_for {
                let _ = writeln!(out, "waits-for = {}", Value::from(feature));
            }
            let cited = citations.iter().filter(|citation| citation.id == id);
            if !id.is_edge_case() {
                let techniques: BTreeSet<_> = cited.clone().map(|citation| citation.technique).collect();
                list(&mut out, "techniques", techniques.into_iter());
            }
            let tests: BTreeSet<_> = cited.filter_map(|citation| citation.test.as_deref()).collect();
            list(&mut out, "tests", tests.into_iter());
        }
        out
    }
}

fn list<'a>(out: &mut String, name: &str, values: impl ExactSizeIterator<Item = &'a str>) {
    if values.len() == 0 {
        return;
    }
    let _ = writeln!(out, "{name} = [");
    for value in values {
        let _ = writeln!(out, "    {},", Value::from(value));
    }
    out.push_str("]\n");
}

fn entry(path: &str, value: Value) -> Entry {
    let mut entry = Entry::default();
    let Value::Table(fields) = value else { panic!("{path}: {value} stands outside of every id") };
    for (name, value) in fields {
        match (name.as_str(), value) {
            ("title", Value::String(title)) => entry.title = title,
            ("waits-for", Value::String(feature)) => entry.waits_for = Some(feature),
            // Always taken from the code.
            ("tests" | "techniques", Value::Array(_)) => {}
            (name, value) => panic!("{path}: what is {name} = {value}?"),
        }
    }
    entry
}

#[test]
fn a_file_is_rendered_with_its_head_titles_and_waits_and_with_new_tests() {
    let text = "# Head.\n\n[X1]\ntitle = \"a \\\"b\\\"\"\ntests = [\"gone\"]\n\n[X2]\ntitle = \"c\"\nwaits-for = \"d\"\n";
    let test = Some("core/a.rs::x001_b".to_owned());
    let citations = BTreeSet::from([Citation { id: Id::edge_case(1), technique: "named cases", test }]);
    let rendered = Ledger::parse("ledger", text).render([1, 2].map(Id::edge_case).into_iter(), &citations);
    let tests = "[\n    \"core/a.rs::x001_b\",\n]";
    assert_eq!(
        rendered,
        format!("# Head.\n\n[X1]\ntitle = 'a \"b\"'\ntests = {tests}\n\n[X2]\ntitle = \"c\"\nwaits-for = \"d\"\n")
    );
}
