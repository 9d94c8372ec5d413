//! Numbers along a line → a picture of letters for a terminal.

/// Eighths of a letter's height, from below.
const PARTS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Columns of a picture at most.
const COLUMNS: usize = 64;
const ROWS: usize = 10;

/// The curve of some numbers, which are equally far apart: `left` writes a number at the left edge, `ends` stand below the first
/// and the last one. Numbers that are not finite leave a gap.
pub fn curve(numbers: &[f64], left: &dyn Fn(f64) -> String, ends: [&str; 2]) -> String {
    let finite = || numbers.iter().copied().filter(|number| number.is_finite());
    let (low, high) = (finite().fold(f64::INFINITY, f64::min), finite().fold(f64::NEG_INFINITY, f64::max));
    if low > high {
        return String::new();
    }
    let n = numbers.len();
    let columns = n.min(COLUMNS);
    // The mean of the numbers of each column.
    let column = |at: usize| {
        let own = &numbers[at * n / columns..((at + 1) * n / columns).max(at * n / columns + 1)];
        own.iter().sum::<f64>() / own.len() as f64
    };
    let span = if high > low { high - low } else { 1.0 };
    let heights: Vec<Option<usize>> = (0..columns)
        .map(column)
        .map(|mean| {
            mean.is_finite().then(|| 1 + ((mean - low) / span * (8 * ROWS - 1) as f64).round() as usize)
        })
        .collect();
    let (top, bottom) = (left(high), left(low));
    let width = top.chars().count().max(bottom.chars().count());
    let mut out = String::new();
    for row in (0..ROWS).rev() {
        let edge = match row {
            0 => bottom.as_str(),
            _ if row == ROWS - 1 => top.as_str(),
            _ => "",
        };
        let letters =
            heights.iter().map(|height| height.map_or(' ', |h| PARTS[h.saturating_sub(8 * row).min(8)]));
        out.push_str(format!("{edge:>width$} │{}", letters.collect::<String>()).trim_end());
        out.push('\n');
    }
    let [first, last] = ends;
    let gap = columns.saturating_sub(first.chars().count() + last.chars().count()).max(1);
    out.push_str(&format!("{:>width$} ╰{}\n", "", "─".repeat(columns)));
    out.push_str(&format!("{:>width$}  {first}{}{last}\n", "", " ".repeat(gap)));
    out
}

#[cfg(test)]
mod tests {
    use super::curve;

    #[test]
    fn a_curve_reaches_from_its_least_to_its_most() {
        let numbers: Vec<f64> = (0..8).map(f64::from).collect();
        let picture = curve(&numbers, &|number| format!("{number}"), ["a", "b"]);
        let lines: Vec<&str> = picture.lines().collect();
        assert_eq!(lines.len(), 12);
        assert_eq!(lines[0], "7 │       █");
        assert!(lines[9].starts_with("0 │▁█") && lines[11] == "   a      b", "{picture}");
        // One number, none, and gaps.
        assert!(curve(&[2.0], &|n| n.to_string(), ["", ""]).contains('▁'));
        assert_eq!(curve(&[f64::NAN], &|n| n.to_string(), ["", ""]), "");
        assert!(curve(&[1.0, f64::NAN, 2.0], &|n| n.to_string(), ["", ""]).contains("│▁ █"));
    }
}
