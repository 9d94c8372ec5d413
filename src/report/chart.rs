//! Lines over epochs → a picture in SVG that shows the values at the pointer without a script.

use std::fmt::Write as _;

use crate::report::html::{escape, label, measurement, number};

/// Units of the picture, which are pixels where a card is as wide as most are.
pub(super) const WIDTH: f64 = 400.0;
pub(super) const HEIGHT: f64 = 216.0;
pub(super) const LEFT: f64 = 50.0;
pub(super) const RIGHT: f64 = 12.0;
const TOP: f64 = 24.0;
pub(super) const BOTTOM: f64 = 26.0;
/// More points of a line nobody can tell apart,
const MOST_POINTS: usize = 400;
/// nor more places of the pointer.
const MOST_PLACES: usize = 100;
/// Larger numbers, and what is none, have no place.
const HUGE: f64 = 1e300;
/// Beyond this ratio of the largest loss to the least, the axis is logarithmic.
const LOGARITHMIC: f64 = 200.0;

/// A line of a chart.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    pub name: String,
    /// Which of the page's colours.
    pub color: usize,
    /// Where and how much, in ascending order.
    pub points: Vec<(f64, f64)>,
    /// A point that is marked.
    pub mark: Option<(f64, f64)>,
}

/// Whether a point can stand in a picture.
pub(super) fn has_place(&(x, y): &(f64, f64)) -> bool {
    x.abs() < HUGE && y.abs() < HUGE
}

/// Draws lines; `name` is that of the measurement, `across` what the other axis counts.
pub fn chart(name: &str, across: &str, lines: &[Line]) -> String {
    let finite = |line: &Line| {
        let points = line.points.iter().copied().filter(has_place).collect();
        Line { points: thinned(points, MOST_POINTS), mark: line.mark.filter(has_place), ..line.clone() }
    };
    let lines: Vec<Line> = lines.iter().map(finite).collect();
    let points = || {
        let marks = lines.iter().filter_map(|line| line.mark);
        lines.iter().flat_map(|line| line.points.iter().copied()).chain(marks)
    };
    let Some(axes) = Axes::around(name, points()) else {
        return "<p class=none>Nothing was measured yet.</p>".to_owned();
    };
    let mut svg = format!(
        "<svg class=chart viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=img aria-label=\"{}\">",
        escape(&format!("{} by {across}", label(name)))
    );
    axes.draw(&mut svg, name, across);
    for line in &lines {
        let mut path = String::new();
        for (i, &(x, y)) in line.points.iter().enumerate() {
            let _ = write!(path, "{}{:.1} {:.1}", if i == 0 { "M" } else { "L" }, axes.x(x), axes.y(y));
        }
        let _ = write!(svg, "<path class=\"line c{}\" d=\"{path}\"/>", line.color);
        if let [(x, y)] = line.points[..] {
            let _ = write!(
                svg,
                "<circle class=\"dot c{}\" cx={:.1} cy={:.1} r=3 />",
                line.color,
                axes.x(x),
                axes.y(y)
            );
        }
        if let Some((x, y)) = line.mark {
            let (x, y) = (axes.x(x), axes.y(y));
            let _ = write!(svg, "<circle class=\"mark c{}\" cx={x:.1} cy={y:.1} r=4 />", line.color);
        }
    }
    pointer(&mut svg, name, across, &lines, &axes);
    svg.push_str("</svg>");
    svg
}

/// A line without axes, as high as text.
pub fn spark(values: &[f64]) -> String {
    let values: Vec<(f64, f64)> =
        values.iter().enumerate().map(|(i, &y)| (i as f64, y)).filter(|(_, y)| y.is_finite()).collect();
    if values.len() < 2 {
        return String::new();
    }
    let values = thinned(values, 60);
    let (low, high) = bounds(values.iter().map(|(_, y)| *y));
    let end = values.last().map_or(1.0, |(x, _)| x.max(1.0));
    let place = |(x, y): &(f64, f64)| {
        format!("{:.1},{:.1}", 1.0 + 58.0 * x / end, 15.0 - 13.0 * (y - low) / (high - low).max(1e-300))
    };
    let places: Vec<String> = values.iter().map(place).collect();
    format!(
        "<svg class=spark viewBox=\"0 0 60 16\" aria-hidden=true><polyline points=\"{}\"/></svg>",
        places.join(" ")
    )
}

/// Bands over the picture; the one below the pointer shows its values.
fn pointer(svg: &mut String, name: &str, across: &str, lines: &[Line], axes: &Axes) {
    let mut places: Vec<f64> = lines.iter().flat_map(|line| line.points.iter().map(|(x, _)| *x)).collect();
    places.sort_by(f64::total_cmp);
    places.dedup();
    let places: Vec<f64> = thinned(places.into_iter().map(|x| (x, x)).collect(), MOST_PLACES)
        .into_iter()
        .map(|(x, _)| x)
        .collect();
    for (i, &place) in places.iter().enumerate() {
        let x = axes.x(place);
        let middle = |other: Option<&f64>, end: f64| other.map_or(end, |&other| (axes.x(other) + x) / 2.0);
        let left = middle(i.checked_sub(1).and_then(|i| places.get(i)), LEFT);
        let right = middle(places.get(i + 1), WIDTH - RIGHT);
        let _ = write!(
            svg,
            "<g class=at><rect x={left:.1} y=0 width={:.1} height={HEIGHT} /><path d=\"M{x:.1} {TOP}V{:.1}\"/>",
            (right - left).max(0.5),
            HEIGHT - BOTTOM
        );
        let mut said = format!("<tspan>{across} {}</tspan>", number(place));
        for line in lines {
            let Some(&(_, y)) = line.points.iter().find(|(x, _)| *x == place) else { continue };
            let _ = write!(svg, "<circle class=c{} cx={x:.1} cy={:.1} r=3 />", line.color, axes.y(y));
            let short: String = line.name.chars().take(if lines.len() > 2 { 8 } else { 12 }).collect();
            if lines.len() <= 4 {
                let _ = write!(
                    said,
                    "<tspan class=c{} dx=8>{} {}</tspan>",
                    line.color,
                    escape(&short),
                    measurement(name, y)
                );
            }
        }
        let _ = write!(svg, "<text x={:.1} y=13 text-anchor=end>{said}</text></g>", WIDTH - RIGHT);
    }
}

/// Where numbers stand in the picture.
pub(super) struct Axes {
    x: [f64; 2],
    y: [f64; 2],
    logarithmic: bool,
}

impl Axes {
    pub(super) fn around(name: &str, points: impl Iterator<Item = (f64, f64)>) -> Option<Axes> {
        let (xs, ys): (Vec<f64>, Vec<f64>) = points.unzip();
        if xs.is_empty() {
            return None;
        }
        let (mut left, mut right) = bounds(xs.iter().copied());
        if left == right {
            (left, right) = (left - 0.5, right + 0.5);
        }
        let (low, high) = bounds(ys.iter().copied());
        let logarithmic = name.contains("loss") && low > 0.0 && high / low > LOGARITHMIC;
        let y = match logarithmic {
            true => [low / 1.2, high * 1.2],
            false if low == high => [low - 0.05 * low.abs().max(1e-3), high + 0.05 * high.abs().max(1e-3)],
            false => {
                let room = 0.06 * (high - low);
                let foot = if low >= 0.0 && low < 0.35 * high { 0.0 } else { low - room };
                // A share does not go beyond 1.
                [foot, if high <= 1.0 && high + room > 1.0 { 1.0 } else { high + room }]
            }
        };
        Some(Axes { x: [left, right], y, logarithmic })
    }

    pub(super) fn x(&self, x: f64) -> f64 {
        LEFT + (WIDTH - LEFT - RIGHT) * (x - self.x[0]) / (self.x[1] - self.x[0])
    }

    pub(super) fn y(&self, y: f64) -> f64 {
        let [low, high] = self.y;
        let share = match self.logarithmic {
            true => (y.ln() - low.ln()) / (high.ln() - low.ln()),
            false => (y - low) / (high - low),
        };
        HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share
    }

    /// The grid, with the numbers beside it.
    pub(super) fn draw_rows(&self, svg: &mut String, name: &str) {
        let ticks = match self.logarithmic {
            true => powers(self.y),
            false => steps(self.y, 4.0),
        };
        for tick in ticks {
            let y = self.y(tick);
            let _ = write!(svg, "<path class=grid d=\"M{LEFT} {y:.1}H{:.1}\"/>", WIDTH - RIGHT);
            let text = short(name, tick, self.y);
            let _ = write!(svg, "<text x={:.1} y={:.1} text-anchor=end>{text}</text>", LEFT - 6.0, y + 4.0);
        }
    }

    fn draw(&self, svg: &mut String, name: &str, across: &str) {
        self.draw_rows(svg, name);
        let whole = steps(self.x, 6.0).into_iter().filter(|x| x.fract().abs() < 1e-9);
        for tick in whole {
            let _ = write!(
                svg,
                "<text x={:.1} y={:.1} text-anchor=middle>{tick:.0}</text>",
                self.x(tick),
                HEIGHT - BOTTOM + 16.0
            );
        }
        let _ = write!(
            svg,
            "<text x={:.1} y={:.1} text-anchor=end>{across}</text>",
            LEFT - 6.0,
            HEIGHT - BOTTOM + 16.0
        );
    }
}

fn bounds(numbers: impl Iterator<Item = f64>) -> (f64, f64) {
    numbers.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(x), high.max(x)))
}

/// About this many round numbers in a range.
pub(super) fn steps([low, high]: [f64; 2], about: f64) -> Vec<f64> {
    let rough = (high - low) / about;
    let power = 10f64.powf(rough.log10().floor());
    let step =
        [1.0, 2.0, 5.0, 10.0].into_iter().map(|n| n * power).find(|&step| step >= rough).unwrap_or(rough);
    let first = (low / step - 1e-9).ceil();
    (0..20).map(|i| (first + f64::from(i)) * step).take_while(|&x| x <= high + 1e-9 * step).collect()
}

/// Powers of 10 in a range, few of them.
pub(super) fn powers([low, high]: [f64; 2]) -> Vec<f64> {
    let (first, last) = (low.log10().ceil() as i32, high.log10().floor() as i32);
    let every = ((last - first) / 5 + 1).max(1);
    (first..=last).step_by(every as usize).map(|power| 10f64.powi(power)).collect()
}

/// A number beside its axis.
fn short(name: &str, tick: f64, [low, high]: [f64; 2]) -> String {
    if measurement(name, tick).ends_with('%') {
        let decimals = if high - low < 0.03 { 1 } else { 0 };
        return format!("{:.decimals$} %", 100.0 * tick);
    }
    match tick.abs() {
        0.0 => "0".to_owned(),
        size if size >= 1e9 => format!("{tick:.0e}"),
        size if size >= 1e6 => format!("{:.1} M", tick / 1e6),
        size if size >= 1e4 => format!("{:.0} k", tick / 1e3),
        size if size < 1e-3 => format!("{tick:.0e}").replace('-', "−"),
        _ => number(tick),
    }
}

/// At most `most` of the points: the first, the last, and between them evenly.
fn thinned(points: Vec<(f64, f64)>, most: usize) -> Vec<(f64, f64)> {
    let n = points.len();
    match n > most && most > 1 {
        true => (0..most).map(|i| points[i * (n - 1) / (most - 1)]).collect(),
        false => points,
    }
}

#[cfg(test)]
mod tests {
    use super::{Line, chart, powers, steps};

    #[test]
    fn axes_have_round_numbers() {
        assert_eq!(steps([0.0, 1.0], 4.0), [0.0, 0.5, 1.0]);
        assert_eq!(steps([1.0, 5.0], 6.0), [1.0, 2.0, 3.0, 4.0, 5.0]);
        assert_eq!(powers([0.005, 20.0]), [0.01, 0.1, 1.0, 10.0]);
    }

    #[test]
    fn whatever_the_numbers_are_a_picture_has_numbers_in_it() {
        let strange = [
            vec![],
            vec![(1.0, 0.0)],
            vec![(1.0, f64::NAN), (2.0, f64::INFINITY)],
            vec![(1.0, -3.0), (2.0, 1e300), (3.0, 1e-300)],
            vec![(1.0, 1e-300), (2.0, 1e299)],
            (0..5000).map(|i| (f64::from(i), f64::from(i % 7))).collect(),
            vec![(3.0, 0.25); 2],
        ];
        for points in strange {
            let mark = Some((1.0, f64::INFINITY));
            let line = Line { name: "train".to_owned(), color: 0, points, mark };
            let svg = chart("loss", "epoch", &[line]);
            assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
            assert!(svg.len() < 120_000, "{}", svg.len());
        }
    }
}
