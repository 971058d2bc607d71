//! Draws a transition table as SVG: where the states stand is chosen by hand, the arrows and their labels come from the table.
//!
//! The picture is made to stand in rustdoc's HTML: it takes its colours from the page, so that it suits every theme, and has no script.

use std::fmt::Write as _;

use sansock::state::{Cell, Table};

/// A point, or a direction, in pixels.
type Vector = (f32, f32);

/// How large the box of a state is.
const BOX: Vector = (108.0, 32.0);

/// Where everything stands.
pub(crate) struct Layout<S: 'static> {
    /// Goes into the names of the file and of what the picture defines.
    pub(crate) name: &'static str,
    pub(crate) size: Vector,
    /// The middle of each state's box.
    pub(crate) places: &'static [(S, f32, f32)],
    /// Arrows that do not run straight from box to box.
    pub(crate) routes: &'static [Route<S>],
}

/// The way of one arrow.
pub(crate) struct Route<S> {
    pub(crate) from: S,
    pub(crate) to: S,
    /// The side of the box that it leaves, and how far from the side's middle.
    pub(crate) leaves: (Side, f32),
    /// The side of the box that it arrives at, and how far from the side's middle.
    pub(crate) arrives: (Side, f32),
    /// Where on the arrow its label stands, from 0 to 1.
    pub(crate) label: f32,
}

#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Side {
    Left,
    Right,
    Top,
    Bottom,
}

use Side::{Bottom, Left, Right, Top};

impl<S: Table + std::fmt::Debug> Layout<S> {
    /// The picture.
    pub(crate) fn draw(&self) -> String {
        self.check();
        let (width, height) = self.size;
        let name = self.name;
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" aria-label=\"States and transitions: {title}\" \
             viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" style=\"max-width: 100%; height: auto\" \
             fill=\"none\" stroke=\"currentColor\" font-family=\"sans-serif\" font-size=\"12\" text-anchor=\"middle\">\n\
             <defs><marker id=\"{name}-arrow\" viewBox=\"0 0 8 8\" refX=\"7.5\" refY=\"4\" markerWidth=\"8\" markerHeight=\"8\" \
             orient=\"auto\"><path d=\"M0 0.5 L8 4 L0 7.5 z\" fill=\"currentColor\" stroke=\"none\"></path></marker></defs>\n",
            title = S::TITLE,
        );
        let arrows: Vec<_> = self.arrows().collect();
        for arrow in &arrows {
            let _ = writeln!(svg, "<path d=\"{}\" marker-end=\"url(#{name}-arrow)\"></path>", arrow.path());
        }
        for state in S::STATES {
            self.draw_state(&mut svg, *state);
        }
        for arrow in &arrows {
            arrow.draw_label(&mut svg);
        }
        svg.push_str("</svg>\n");
        svg
    }

    /// A layout has exactly the states of its table, and no route for an arrow that is not there.
    fn check(&self) {
        let placed: Vec<_> = self.places.iter().map(|(state, ..)| *state).collect();
        assert_eq!(placed, S::STATES, "the layout of {} places each state once, in the table's order", self.name);
        for route in self.routes {
            let drawn = transitions::<S>().any(|(from, to, _)| (from, to) == (route.from, route.to));
            assert!(drawn, "{}: there is a route from {:?} to {:?} and no transition", self.name, route.from, route.to);
        }
    }

    fn draw_state(&self, svg: &mut String, state: S) {
        let (x, y) = self.place(state);
        let rect = |svg: &mut String, inset: f32| {
            let (left, top) = (x - BOX.0 / 2.0 + inset, y - BOX.1 / 2.0 + inset);
            let (width, height, round) = (BOX.0 - 2.0 * inset, BOX.1 - 2.0 * inset, 6.0 - inset);
            let _ = writeln!(
                svg,
                "<rect x=\"{left}\" y=\"{top}\" width=\"{width}\" height=\"{height}\" rx=\"{round}\" stroke-width=\"1.2\"></rect>"
            );
        };
        rect(svg, 0.0);
        if is_last(state) {
            rect(svg, 3.0);
        }
        if S::STATES.first() == Some(&state) {
            let (x, y) = (x - BOX.0 / 2.0, y);
            let name = self.name;
            let _ = writeln!(svg, "<circle cx=\"{}\" cy=\"{y}\" r=\"4\" fill=\"currentColor\"></circle>", x - 26.0);
            let _ = writeln!(svg, "<path d=\"M{} {y} L{x} {y}\" marker-end=\"url(#{name}-arrow)\"></path>", x - 22.0);
        }
        let _ = writeln!(
            svg,
            "<text x=\"{x}\" y=\"{}\" font-size=\"13\" font-weight=\"600\" fill=\"currentColor\" stroke=\"none\">{}</text>",
            y + 4.5,
            state.name()
        );
    }

    fn arrows(&self) -> impl Iterator<Item = Arrow> {
        transitions::<S>().map(|(from, to, label)| {
            let route = self.routes.iter().find(|route| (route.from, route.to) == (from, to));
            let (leaves, arrives, at) = match route {
                Some(route) => (route.leaves, route.arrives, route.label),
                None if from == to => ((Top, -16.0), (Top, 16.0), 0.5),
                None => {
                    let (leaves, arrives) = facing_sides(self.place(from), self.place(to));
                    ((leaves, 0.0), (arrives, 0.0), 0.5)
                }
            };
            Arrow::new(port(self.place(from), leaves), leaves.0, port(self.place(to), arrives), arrives.0, at, label)
        })
    }

    fn place(&self, state: S) -> Vector {
        let place = self.places.iter().find(|(placed, ..)| *placed == state);
        place.map(|(_, x, y)| (*x, *y)).expect("check() has seen every state")
    }
}

/// Every two states between which there are transitions, with the events that cause them.
fn transitions<S: Table>() -> impl Iterator<Item = (S, S, String)> {
    S::STATES.iter().flat_map(|from| {
        S::STATES.iter().filter_map(|to| {
            let events = S::EVENTS.iter().filter(|event| from.cell(**event) == Cell::To(*to));
            let names: Vec<_> = events.map(|event| S::event_name(*event)).collect();
            (!names.is_empty()).then(|| (*from, *to, names.join(", ")))
        })
    })
}

fn is_last<S: Table>(state: S) -> bool {
    transitions::<S>().all(|(from, ..)| from != state)
}

/// The sides of two boxes that look at each other.
fn facing_sides(from: Vector, to: Vector) -> (Side, Side) {
    match ((to.0 - from.0).abs() < BOX.0, to.0 > from.0, to.1 > from.1) {
        (true, _, true) => (Bottom, Top),
        (true, _, false) => (Top, Bottom),
        (false, true, _) => (Right, Left),
        (false, false, _) => (Left, Right),
    }
}

/// The point on the side of a box.
fn port(middle: Vector, (side, offset): (Side, f32)) -> Vector {
    let (x, y) = middle;
    match side {
        Left => (x - BOX.0 / 2.0, y + offset),
        Right => (x + BOX.0 / 2.0, y + offset),
        Top => (x + offset, y - BOX.1 / 2.0),
        Bottom => (x + offset, y + BOX.1 / 2.0),
    }
}

/// A cubic curve that leaves and arrives at right angles to the boxes.
struct Arrow {
    points: [Vector; 4],
    /// The middle of the label.
    middle: Vector,
    label: String,
}

impl Arrow {
    fn new(start: Vector, leaves: Side, end: Vector, arrives: Side, at: f32, label: String) -> Self {
        let distance = (end.0 - start.0).hypot(end.1 - start.1);
        // Between two ports of one side the curve bends far out, so that it gets around what is between them.
        let reach = if leaves == arrives { (distance * 0.55).max(34.0) } else { (distance * 0.4).min(110.0) };
        let points = [start, control(start, leaves, reach), control(end, arrives, reach), end];
        let middle = match point_of(points, at) {
            // A loop is too small to be interrupted.
            (x, y) if leaves == arrives && leaves == Top => (x, y - 9.0),
            (x, y) if leaves == arrives && leaves == Bottom => (x, y + 9.0),
            on_arrow => on_arrow,
        };
        Self { points, middle, label }
    }

    fn path(&self) -> String {
        let [start, one, two, end] = self.points.map(|(x, y)| format!("{x:.1} {y:.1}"));
        format!("M{start} C{one} {two} {end}")
    }

    /// The label interrupts the arrow: it is drawn with an edge in the colour of the page.
    fn draw_label(&self, svg: &mut String) {
        let (x, y) = self.middle;
        let _ = writeln!(
            svg,
            "<text x=\"{x:.1}\" y=\"{:.1}\" fill=\"currentColor\" style=\"paint-order: stroke; stroke: \
             var(--main-background-color, Canvas); stroke-width: 8px; stroke-linejoin: round\">{}</text>",
            y + 4.0,
            self.label
        );
    }
}

/// The point of a cubic curve at a place from 0 to 1.
fn point_of(points: [Vector; 4], at: f32) -> Vector {
    let back = 1.0 - at;
    let weights = [back * back * back, 3.0 * back * back * at, 3.0 * back * at * at, at * at * at];
    points.iter().zip(weights).fold((0.0, 0.0), |sum, (point, weight)| (sum.0 + point.0 * weight, sum.1 + point.1 * weight))
}

fn control(point: Vector, side: Side, reach: f32) -> Vector {
    match side {
        Left => (point.0 - reach, point.1),
        Right => (point.0 + reach, point.1),
        Top => (point.0, point.1 - reach),
        Bottom => (point.0, point.1 + reach),
    }
}
