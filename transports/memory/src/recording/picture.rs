//! A recording as a sequence diagram.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::SocketAddr;

use sansock::Timestamp;

use super::{Carried, Flight, Happening, Recording, SegmentId};

const TIME_COLUMN: usize = 118;
const LANE: usize = 270;
const ROW: usize = 24;
const HEAD: usize = 84;
/// Characters that fit beside a lane.
const LABEL: usize = 34;
/// Connections are told apart by these, in turn.
const COLOURS: usize = 6;

const STYLE: &str = "
svg { background: var(--paper); color-scheme: light dark; --paper: #ffffff; --ink: #1f2328; --faint: #8c959f; --line: #d0d7de;
  --fault: #bc4c00; --bad: #cf222e; --bad-paper: #ffebe9; --c0: #0969da; --c1: #1a7f37; --c2: #8250df; --c3: #9a6700; --c4: #bf3989; --c5: #1b7c83 }
@media (prefers-color-scheme: dark) { svg { --paper: #0d1117; --ink: #e6edf3; --faint: #7d8590; --line: #30363d;
  --fault: #db6d28; --bad: #f85149; --bad-paper: #3c1518; --c0: #58a6ff; --c1: #3fb950; --c2: #bc8cff; --c3: #d29922; --c4: #f778ba; --c5: #39c5cf } }
text { font: 12px ui-monospace, Menlo, Consolas, monospace; fill: var(--ink); paint-order: stroke; stroke: var(--paper); stroke-width: 4px; stroke-linejoin: round }
.title { font-size: 15px; font-weight: 600 } .host { font-size: 13px; font-weight: 600 } .faint { fill: var(--faint) }
.lane { stroke: var(--line); stroke-width: 2 } .said { fill: var(--faint); stroke: none } .words { fill: var(--ink) }
.fault { fill: var(--fault); stroke: none } .faults { fill: var(--fault) } .band { stroke: var(--fault); stroke-dasharray: 4 4 }
.bad { fill: var(--bad); font-weight: 600; stroke: none } .bad-band { fill: var(--bad-paper) }
.c0 { --c: var(--c0) } .c1 { --c: var(--c1) } .c2 { --c: var(--c2) } .c3 { --c: var(--c3) } .c4 { --c: var(--c4) } .c5 { --c: var(--c5) }
.arrow { stroke: var(--c); stroke-width: 1.5; fill: none } .tip { fill: var(--c); stroke: none } .label { fill: var(--c) }
.lost { stroke-dasharray: 5 4 }
";

impl Recording {
    /// Draws the recording as a self-contained SVG: a lane for each host, time going down, an arrow for each segment from where and when
    /// it left to where and when it came, in a colour for its connection; what applications said, what the scenario did, and the
    /// violated rule. It suits light and dark pages. Segments that only acknowledge are left out, unless they are lost.
    ///
    /// At most `rows` rows are drawn, the last ones, and a line says how many are missing.
    #[must_use]
    pub fn picture(&self, title: &str, rows: usize) -> String {
        Picture::new(self, rows).draw(title)
    }
}

struct Picture<'a> {
    recording: &'a Recording,
    /// The entries that are drawn, by row.
    rows: Vec<&'a super::Entry>,
    missing: usize,
    flights: BTreeMap<SegmentId, &'a Flight>,
    /// The row in which a segment left, arrived or was lost.
    left: BTreeMap<SegmentId, usize>,
    came: BTreeMap<SegmentId, usize>,
    colours: BTreeMap<(SocketAddr, SocketAddr), usize>,
    out: String,
}

impl<'a> Picture<'a> {
    fn new(recording: &'a Recording, most: usize) -> Self {
        let flights: BTreeMap<SegmentId, &Flight> = recording
            .entries
            .iter()
            .filter_map(|entry| match &entry.what {
                Happening::Sent(flight) => Some((flight.id, flight)),
                _ => None,
            })
            .collect();
        let lost: BTreeSet<SegmentId> = recording.lost().map(|(id, _)| id).collect();
        let matters = |flight: &Flight| !matches!(flight.carries, Carried::Ack) || lost.contains(&flight.id);
        let shown = |what: &Happening| match what {
            Happening::Sent(flight) => matters(flight),
            Happening::Arrived(id) | Happening::Dropped { segment: id, .. } => {
                flights.get(id).is_some_and(|flight| matters(flight))
            }
            Happening::Said { .. } | Happening::Fault { .. } | Happening::Violated { .. } => true,
        };
        let all: Vec<_> = recording.entries.iter().filter(|entry| shown(&entry.what)).collect();
        let missing = all.len().saturating_sub(most);
        let rows = all[missing..].to_vec();
        let (mut left, mut came) = (BTreeMap::new(), BTreeMap::new());
        for (row, entry) in rows.iter().enumerate() {
            match &entry.what {
                Happening::Sent(flight) => drop(left.insert(flight.id, row)),
                Happening::Arrived(id) | Happening::Dropped { segment: id, .. } => drop(came.insert(*id, row)),
                _ => {}
            }
        }
        let mut colours = BTreeMap::new();
        for flight in flights.values() {
            let pair = (flight.from.min(flight.to), flight.from.max(flight.to));
            let next = colours.len();
            colours.entry(pair).or_insert(next);
        }
        Self { recording, rows, missing, flights, left, came, colours, out: String::new() }
    }

    fn draw(mut self, title: &str) -> String {
        let lanes = self.recording.hosts.len().max(1);
        let width = TIME_COLUMN + lanes * LANE + 20;
        let height = HEAD + (self.rows.len() + 1) * ROW + 20;
        self.put(format_args!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" role=\"img\">\n\
             <title>{title}</title>\n<style>{STYLE}</style>\n\
             <rect width=\"100%\" height=\"100%\" style=\"fill: var(--paper)\"/>\n\
             <text class=\"title\" x=\"14\" y=\"24\">{title}</text>\n",
            title = escape(title),
        ));
        self.draw_hosts(height);
        if self.missing > 0 {
            let missing = self.missing;
            self.put(format_args!(
                "<text class=\"faint\" x=\"14\" y=\"{}\">{missing} earlier entries are not shown</text>\n",
                HEAD - 4
            ));
        }
        for row in 0..self.rows.len() {
            self.draw_time(row);
            self.draw_row(row, width);
        }
        self.out.push_str("</svg>\n");
        self.out
    }

    fn draw_hosts(&mut self, height: usize) {
        for (index, host) in self.recording.hosts.iter().enumerate() {
            let x = lane(index);
            let addresses: Vec<String> = host.addresses.iter().map(ToString::to_string).collect();
            self.put(format_args!(
                "<text class=\"host\" x=\"{x}\" y=\"48\" text-anchor=\"middle\">{}</text>\n\
                 <text class=\"faint\" x=\"{x}\" y=\"64\" text-anchor=\"middle\">{}</text>\n\
                 <line class=\"lane\" x1=\"{x}\" y1=\"70\" x2=\"{x}\" y2=\"{}\"/>\n",
                escape(&host.name),
                escape(&shorten(&addresses.join(" "), LABEL)),
                height - 12,
            ));
        }
    }

    /// Once for each instant.
    fn draw_time(&mut self, row: usize) {
        let at = self.rows[row].at;
        if row == 0 || self.rows[row - 1].at != at {
            self.put(format_args!("<text class=\"faint\" x=\"14\" y=\"{}\">{}</text>\n", y(row) + 4, time(at)));
        }
    }

    fn draw_row(&mut self, row: usize, width: usize) {
        match &self.rows[row].what {
            Happening::Sent(flight) => self.draw_arrow(row, flight),
            // Drawn where it left, unless that is above the picture.
            Happening::Arrived(id) | Happening::Dropped { segment: id, .. } if self.left.contains_key(id) => {}
            Happening::Arrived(id) => self.draw_late_arrival(row, *id),
            Happening::Dropped { .. } => {}
            Happening::Said { host, text } => {
                let (x, y) = (lane(*host), y(row));
                self.put(format_args!(
                    "<circle class=\"said\" cx=\"{x}\" cy=\"{y}\" r=\"3.5\"/><text class=\"words\" x=\"{}\" y=\"{}\">{}<title>{}</title></text>\n",
                    x + 10,
                    y + 4,
                    escape(&shorten(text, LABEL)),
                    escape(text),
                ));
            }
            Happening::Fault { host, text } => self.draw_fault(row, *host, text, width),
            Happening::Violated { rule, text } => {
                let y = y(row);
                self.put(format_args!(
                    "<rect class=\"bad-band\" x=\"0\" y=\"{}\" width=\"{width}\" height=\"{ROW}\"/>\
                     <text class=\"bad\" x=\"{TIME_COLUMN}\" y=\"{}\">violated: {}<title>{}</title></text>\n",
                    y - ROW / 2,
                    y + 4,
                    escape(&shorten(&format!("{rule}: {text}"), (width - TIME_COLUMN) / 8)),
                    escape(text),
                ));
                if row > 0 && self.rows[row - 1].at == self.rows[row].at {
                    return;
                }
                let at = time(self.rows[row].at);
                self.put(format_args!("<text class=\"bad\" x=\"14\" y=\"{}\">{at}</text>\n", y + 4));
            }
        }
    }

    fn draw_fault(&mut self, row: usize, host: Option<usize>, text: &str, width: usize) {
        let y = y(row);
        let words = shorten(text, LABEL);
        if host.is_none() {
            let start = TIME_COLUMN + 20 + words.chars().count() * 8;
            self.put(format_args!("<line class=\"band\" x1=\"{start}\" y1=\"{y}\" x2=\"{width}\" y2=\"{y}\"/>\n"));
        }
        let x = host.map_or(TIME_COLUMN, lane);
        self.put(format_args!(
            "<path class=\"fault\" d=\"M{x} {} l6 6 l-6 6 l-6 -6 z\"/><text class=\"faults\" x=\"{}\" y=\"{}\">{}<title>{}</title></text>\n",
            y - 6,
            x + 12,
            y + 4,
            escape(&words),
            escape(text),
        ));
    }

    fn draw_arrow(&mut self, row: usize, flight: &Flight) {
        let (from, top) = (lane(flight.from_host), y(row));
        let arrival = self.came.get(&flight.id).copied();
        let lost = arrival.is_some_and(|row| matches!(self.rows[row].what, Happening::Dropped { .. }));
        let colour = self.colour(flight);
        let class = if lost || arrival.is_none() { "arrow lost" } else { "arrow" };
        let bottom = y(arrival.unwrap_or(row));
        let label = flight.carries.summary();
        self.put(format_args!("<g class=\"c{colour}\">"));
        if flight.from_host == flight.to_host {
            let side = from + 26;
            let end = if bottom == top { bottom + ROW / 2 } else { bottom };
            self.put(format_args!("<path class=\"{class}\" d=\"M{from} {top} H{side} V{end} H{}\"/>", from + 7));
            if !lost {
                self.tip(from as i64, end as i64, -1, 0.0);
            }
            self.label(side + 6, top + 4, "start", &label);
        } else {
            let right = flight.to_host > flight.from_host;
            let sign: i64 = if right { 1 } else { -1 };
            let to = lane(flight.to_host);
            let end = if lost || arrival.is_none() { usize::midpoint(from, to) } else { to };
            self.put(format_args!(
                "<line class=\"{class}\" x1=\"{from}\" y1=\"{top}\" x2=\"{}\" y2=\"{bottom}\"/>",
                end as i64 - sign * 7
            ));
            if lost || arrival.is_none() {
                self.put(format_args!("<text class=\"label\" x=\"{end}\" y=\"{}\">&#x2715;</text>", bottom + 4));
            } else {
                let slope = (bottom as f64 - top as f64) / (to as f64 - from as f64);
                self.tip(to as i64, bottom as i64, sign, slope);
            }
            let (x, anchor) = if right { (from + 10, "start") } else { (from - 10, "end") };
            self.label(x, top.saturating_sub(4), anchor, &label);
        }
        let ends = format!("{} to {}: {label}", flight.from, flight.to);
        self.put(format_args!("<title>{}</title></g>\n", escape(&ends)));
    }

    /// A segment that left above the picture.
    fn draw_late_arrival(&mut self, row: usize, id: SegmentId) {
        let Some(flight) = self.flights.get(&id).copied() else { return };
        let (to, bottom, colour) = (lane(flight.to_host), y(row), self.colour(flight));
        let sign: i64 = if flight.to_host >= flight.from_host { 1 } else { -1 };
        let start = to as i64 - sign * 60;
        self.put(format_args!(
            "<g class=\"c{colour}\"><line class=\"arrow\" x1=\"{start}\" y1=\"{}\" x2=\"{}\" y2=\"{bottom}\"/>",
            bottom - ROW / 3,
            to as i64 - sign * 7
        ));
        self.tip(to as i64, bottom as i64, sign, 0.0);
        let anchor = if sign > 0 { "end" } else { "start" };
        let x = usize::try_from(start).unwrap_or(0);
        self.label(x, bottom, anchor, &flight.carries.summary());
        self.out.push_str("</g>\n");
    }

    fn label(&mut self, x: usize, y: usize, anchor: &str, text: &str) {
        self.put(format_args!(
            "<text class=\"label\" x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\">{}</text>",
            escape(&shorten(text, LABEL))
        ));
    }

    /// The head of an arrow that goes right (1) or left (-1).
    fn tip(&mut self, x: i64, y: i64, sign: i64, slope: f64) {
        let angle = slope.atan().to_degrees() + if sign < 0 { 180.0 } else { 0.0 };
        self.put(format_args!(
            "<path class=\"tip\" d=\"M0 0 L-9 -4 L-9 4 z\" transform=\"translate({} {y}) rotate({angle:.1})\"/>",
            x - sign
        ));
    }

    fn colour(&self, flight: &Flight) -> usize {
        let pair = (flight.from.min(flight.to), flight.from.max(flight.to));
        self.colours.get(&pair).copied().unwrap_or(0) % COLOURS
    }

    fn put(&mut self, text: std::fmt::Arguments<'_>) {
        // Writing to a String cannot fail.
        let _ = self.out.write_fmt(text);
    }
}

fn lane(host: usize) -> usize {
    TIME_COLUMN + LANE / 3 + host * LANE
}

fn y(row: usize) -> usize {
    HEAD + row * ROW + ROW / 2
}

/// Seconds and microseconds.
fn time(at: Timestamp) -> String {
    let micros = at.as_nanos() / 1000;
    format!("{:>4}.{:06}", micros / 1_000_000, micros % 1_000_000)
}

fn shorten(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.into();
    }
    let start: String = text.chars().take(most.saturating_sub(3)).collect();
    format!("{start}...")
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            // XML has no place for these.
            control if control.is_control() => escaped.push('\u{fffd}'),
            other => escaped.push(other),
        }
    }
    escaped
}
