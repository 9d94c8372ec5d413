//! Values of a setting and what each came to → a picture with a point for each, so that one sees which values do well.

use std::fmt::Write as _;

use crate::report::chart::{Axes, BOTTOM, HEIGHT, LEFT, RIGHT, WIDTH, has_place, powers, steps};
use crate::report::html::{escape, label, measurement, number};

/// More different values than these have round numbers below them instead.
const MOST_VALUES: usize = 8;

/// About the width of a character.
const CHARACTER: f64 = 6.5;

/// A value that was tried.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    pub value: String,
    pub result: f64,
    /// What the pointer shows.
    pub title: String,
    pub is_best: bool,
}

/// Draws points; `name` is that of the measurement, `across` the setting.
pub fn scatter(name: &str, across: &str, points: &[Point]) -> String {
    let scale = Scale::of(points);
    let places: Vec<(f64, f64)> =
        points.iter().map(|point| (scale.place(&point.value), point.result)).collect();
    let Some(axes) = Axes::around(name, room(places.iter().copied().filter(has_place))) else {
        return "<p class=none>Nothing was measured yet.</p>".to_owned();
    };
    let mut svg = format!(
        "<svg class=chart viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=img aria-label=\"{}\">",
        escape(&format!("{} by {across}", label(name)))
    );
    axes.draw_rows(&mut svg, name);
    let mut free = f64::NEG_INFINITY;
    for (x, text) in scale.ticks() {
        let short: String = text.chars().take(12).collect();
        let half = CHARACTER * short.chars().count() as f64 / 2.0;
        let x = axes.x(x).clamp(LEFT, WIDTH - RIGHT);
        // What has no room beside the one before is left out.
        if x - half < free {
            continue;
        }
        free = x + half + CHARACTER;
        let _ = write!(
            svg,
            "<text x={x:.1} y={:.1} text-anchor=middle>{}</text>",
            HEIGHT - BOTTOM + 16.0,
            escape(&short)
        );
    }
    // The best one lies above the others.
    for is_best in [false, true] {
        for (point, place) in
            points.iter().zip(&places).filter(|(point, place)| point.is_best == is_best && has_place(place))
        {
            let (x, y) = (axes.x(place.0), axes.y(place.1));
            let class = if is_best { "point best c1" } else { "point c0" };
            let title = escape(&format!("{}: {}", point.title, measurement(name, point.result)));
            let _ = write!(
                svg,
                "<circle class=\"{class}\" cx={x:.1} cy={y:.1} r=4><title>{title}</title></circle>"
            );
        }
    }
    svg.push_str("</svg>");
    svg
}

/// The same points with some room left and right of them.
fn room(points: impl Iterator<Item = (f64, f64)>) -> impl Iterator<Item = (f64, f64)> {
    let points: Vec<(f64, f64)> = points.collect();
    let ends = points.iter().fold(None, |ends: Option<[f64; 2]>, (x, _)| {
        Some(ends.map_or([*x, *x], |[low, high]| [low.min(*x), high.max(*x)]))
    });
    let height = points.first().map(|(_, y)| *y);
    let [low, high] = ends.unwrap_or_default();
    let margin = if low < high { 0.06 * (high - low) } else { 0.5 };
    let corners = [low - margin, high + margin].map(|x| Some((x, height?)));
    points.into_iter().chain(corners.into_iter().flatten())
}

/// How values stand side by side.
enum Scale {
    /// By their size, or by its logarithm.
    Numbers { values: Vec<(f64, String)>, logarithmic: bool },
    /// Words, in the order in which they come.
    Words(Vec<String>),
}

impl Scale {
    fn of(points: &[Point]) -> Scale {
        let mut words: Vec<String> = Vec::new();
        for point in points {
            if !words.contains(&point.value) {
                words.push(point.value.clone());
            }
        }
        let read =
            |word: &String| word.parse::<f64>().ok().filter(|x| x.is_finite()).map(|x| (x, word.clone()));
        let numbers: Option<Vec<(f64, String)>> = words.iter().map(read).collect();
        let Some(mut values) = numbers else { return Scale::Words(words) };
        values.sort_by(|a, b| a.0.total_cmp(&b.0));
        let ends = values.first().zip(values.last());
        let logarithmic = ends.is_some_and(|(low, high)| low.0 > 0.0 && high.0 / low.0 >= 8.0);
        Scale::Numbers { values, logarithmic }
    }

    fn place(&self, value: &str) -> f64 {
        match self {
            Scale::Words(words) => {
                words.iter().position(|word| word == value).map_or(f64::NAN, |at| at as f64)
            }
            Scale::Numbers { logarithmic, .. } => {
                let x: f64 = value.parse().unwrap_or(f64::NAN);
                if *logarithmic { x.log10() } else { x }
            }
        }
    }

    fn ticks(&self) -> Vec<(f64, String)> {
        match self {
            Scale::Words(words) => {
                words.iter().enumerate().map(|(at, word)| (at as f64, word.clone())).collect()
            }
            Scale::Numbers { values, .. } if values.len() <= MOST_VALUES => {
                values.iter().map(|(_, word)| (self.place(word), word.clone())).collect()
            }
            Scale::Numbers { values, logarithmic } => {
                let ends = [values[0].0, values[values.len() - 1].0];
                match logarithmic {
                    true => powers(ends).into_iter().map(|x| (x.log10(), number(x))).collect(),
                    false => steps(ends, 5.0).into_iter().map(|x| (x, number(x))).collect(),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Point, scatter};

    fn points(values: &[(&str, f64)]) -> Vec<Point> {
        let point = |(value, result): &(&str, f64)| Point {
            value: (*value).to_owned(),
            result: *result,
            title: "trial <1>".to_owned(),
            is_best: *result == 0.9,
        };
        values.iter().map(point).collect()
    }

    #[test]
    fn whatever_is_tried_has_its_place() {
        for values in [
            vec![],
            vec![("8", 0.9)],
            vec![("1e-4", 0.5), ("1e-1", 0.9), ("1e-2", f64::NAN)],
            vec![("adam", 0.5), ("sgd lr=0.1", 0.9)],
            vec![("0", 0.5), ("-3", 0.5)],
            vec![("1e300", 1e299), ("1e-300", -1e299)],
        ] {
            let svg = scatter("validation.accuracy", "train.x", &points(&values));
            assert!(!svg.contains("NaN") && !svg.contains("inf") && !svg.contains("<1>"), "{svg}");
            let finite = values.iter().filter(|(_, y)| y.is_finite()).count();
            assert_eq!(svg.matches("<circle").count(), finite, "{svg}");
        }
        let many: Vec<(String, f64)> = (1..40).map(|i| (format!("{}e-4", i * i), 0.5)).collect();
        let many: Vec<(&str, f64)> = many.iter().map(|(value, y)| (value.as_str(), *y)).collect();
        let svg = scatter("validation.loss", "train.x", &points(&many));
        assert!(svg.contains(">0.001<") && svg.contains(">0.1<"), "{svg}");
    }
}
