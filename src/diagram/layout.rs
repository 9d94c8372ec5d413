//! Where boxes stand in a layered drawing (Sugiyama, Tagawa and Toda, 1981): a row for each distance from the
//! sources, rows ordered so that few arrows cross, each box near the middle of what it is joined to.

use crate::diagram::{Diagram, Role};

/// A placed box: its middle and its size, in pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Place {
    pub x: f64,
    pub y: f64,
    pub width: f64,
    pub height: f64,
}

/// Pixels that a letter takes at the drawing's text size.
const LETTER: f64 = 7.0;
/// Pixels of a line of text.
pub const LINE: f64 = 16.0;
const PADDING: f64 = 10.0;
const GAP_ACROSS: f64 = 24.0;
const GAP_DOWN: f64 = 44.0;
/// Sweeps over the rows that bring boxes near to their neighbours.
const SWEEPS: usize = 6;

/// The place of each box, and the size of the drawing.
pub fn place(diagram: &Diagram) -> (Vec<Place>, [f64; 2]) {
    let rows = ordered_rows(diagram);
    let mut places: Vec<Place> = diagram
        .boxes
        .iter()
        .map(|block| {
            let letters = block.lines.iter().map(|line| line.chars().count()).max().unwrap_or(0);
            let height = LINE * block.lines.len().max(1) as f64 + PADDING;
            Place { x: 0.0, y: 0.0, width: LETTER * letters as f64 + 2.0 * PADDING, height }
        })
        .collect();
    let neighbours = neighbours(diagram);
    let mut y = GAP_DOWN;
    for row in &rows {
        let height = row.iter().map(|&b| places[b].height).fold(0.0, f64::max);
        row.iter().for_each(|&b| places[b].y = y + height / 2.0);
        y += height + GAP_DOWN;
        spread(row, &mut places, &|_| None);
    }
    for _ in 0..SWEEPS {
        for row in &rows {
            let wanted: Vec<Option<f64>> = row
                .iter()
                .map(|&b| {
                    let sum: f64 = neighbours[b].iter().map(|&n| places[n].x).sum();
                    (!neighbours[b].is_empty()).then(|| sum / neighbours[b].len() as f64)
                })
                .collect();
            spread(row, &mut places, &|i| wanted[i]);
        }
    }
    let left = places.iter().map(|p| p.x - p.width / 2.0).fold(f64::INFINITY, f64::min).min(0.0);
    places.iter_mut().for_each(|p| p.x += GAP_ACROSS - left);
    let right = places.iter().map(|p| p.x + p.width / 2.0).fold(0.0, f64::max);
    (places, [right + GAP_ACROSS, y])
}

fn neighbours(diagram: &Diagram) -> Vec<Vec<usize>> {
    let mut neighbours = vec![Vec::new(); diagram.boxes.len()];
    for arrow in &diagram.arrows {
        neighbours[arrow.from].push(arrow.to);
        neighbours[arrow.to].push(arrow.from);
    }
    neighbours
}

/// The boxes row by row. What is given stands just above the first box that takes it.
fn ordered_rows(diagram: &Diagram) -> Vec<Vec<usize>> {
    let mut depth = vec![0usize; diagram.boxes.len()];
    // Arrows point forward, so that one walk over the boxes settles all depths.
    let mut arrows: Vec<_> = diagram.arrows.iter().collect();
    arrows.sort_by_key(|arrow| arrow.from);
    for arrow in &arrows {
        depth[arrow.to] = depth[arrow.to].max(depth[arrow.from] + 1);
    }
    for (i, block) in diagram.boxes.iter().enumerate() {
        let own = &arrows[arrows.partition_point(|arrow| arrow.from < i)..];
        let taken = own.iter().take_while(|arrow| arrow.from == i).map(|arrow| depth[arrow.to]).min();
        if let (Role::Given, Some(taken)) = (block.role, taken) {
            depth[i] = taken.saturating_sub(1);
        }
    }
    let mut rows = vec![Vec::new(); depth.iter().max().map_or(0, |deepest| deepest + 1)];
    (0..depth.len()).for_each(|i| rows[depth[i]].push(i));
    let neighbours = neighbours(diagram);
    let mut at: Vec<f64> = vec![0.0; depth.len()];
    let number = |row: &[usize], at: &mut [f64]| {
        row.iter().enumerate().for_each(|(i, &b)| at[b] = i as f64 - row.len() as f64 / 2.0);
    };
    rows.iter().for_each(|row| number(row, &mut at));
    for _ in 0..SWEEPS {
        for row in &mut rows {
            let mean = |b: usize| match neighbours[b].len() {
                0 => at[b],
                n => neighbours[b].iter().map(|&other| at[other]).sum::<f64>() / n as f64,
            };
            let mut keyed: Vec<(f64, usize)> = row.iter().map(|&b| (mean(b), b)).collect();
            keyed.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            *row = keyed.into_iter().map(|(_, b)| b).collect();
            number(row, &mut at);
        }
    }
    rows
}

/// Places a row's boxes side by side in their order, each as near to where it wants to be as the others allow.
fn spread(row: &[usize], places: &mut [Place], wanted: &dyn Fn(usize) -> Option<f64>) {
    // From the left, each as far left as it wants and can; then the whole row moves by its mean error.
    let mut edge = f64::NEG_INFINITY;
    let mut error = 0.0;
    for (i, &b) in row.iter().enumerate() {
        let half = places[b].width / 2.0;
        let wish = wanted(i).unwrap_or(if edge.is_finite() { edge + half } else { 0.0 });
        let x = if edge.is_finite() { wish.max(edge + half) } else { wish };
        error += wish - x;
        places[b].x = x;
        edge = x + half + GAP_ACROSS;
    }
    let shift = error / row.len().max(1) as f64;
    row.iter().for_each(|&b| places[b].x += shift);
}

#[cfg(test)]
mod tests {
    use super::place;
    use crate::diagram::{Diagram, Role};

    /// Chains with branches and weights, of several shapes.
    fn drawn(n: usize, reach: usize) -> Diagram {
        let mut diagram = Diagram::new("net");
        for i in 0..n {
            let role = if i % 5 == 0 { Role::Given } else { Role::Step };
            let own = diagram.add(role, ["a title".repeat(1 + i % 3), "x".repeat(i % 7)]);
            for back in 1..=reach.min(i) {
                if (i * back) % 3 != 1 && role == Role::Step {
                    diagram.join(i - back, own, "1x2x3");
                }
            }
        }
        diagram
    }

    #[test]
    fn boxes_do_not_overlap_and_arrows_point_down() {
        for (n, reach) in [(1, 1), (2, 1), (12, 1), (40, 3), (60, 8)] {
            let diagram = drawn(n, reach);
            let (places, [width, height]) = place(&diagram);
            for (i, a) in places.iter().enumerate() {
                assert!(a.x - a.width / 2.0 >= 0.0 && a.x + a.width / 2.0 <= width, "{n}: {a:?}");
                assert!(a.y - a.height / 2.0 >= 0.0 && a.y + a.height / 2.0 <= height, "{n}: {a:?}");
                for b in &places[..i] {
                    let apart = (a.x - b.x).abs() * 2.0 >= a.width + b.width - 1e-6
                        || (a.y - b.y).abs() * 2.0 >= a.height + b.height - 1e-6;
                    assert!(apart, "{n}: {a:?} {b:?}");
                }
            }
            for arrow in &diagram.arrows {
                assert!(places[arrow.from].y < places[arrow.to].y, "{arrow:?}");
            }
        }
    }
}
