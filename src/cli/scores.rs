//! What an evaluation found, for people and for machines: per-class scores, confusions, the totals.

use crate::cli::table::{loss, percent, plural, thousands};
use crate::train::metrics::{Confusion, Evaluation};

/// A matrix of more classes is wider than a terminal; the JSON has it whole.
const MOST_COLUMNS: usize = 14;
/// The width of a count in the matrix, with the space in front.
const COUNT: usize = 5;

/// Everything that is said of a test: per-class scores where there are classes, and the totals.
pub fn report_text(test: &Evaluation, classes: &[String]) -> String {
    let total = result(test);
    match &test.classes {
        Some(found) => format!("{}\n\n{total}", scores(&found.confusion, classes)),
        None => total,
    }
}

/// A row a class: precision, recall, and what its images were taken for. Ten classes fit into 80 columns.
fn scores(confusion: &Confusion, classes: &[String]) -> String {
    let share = |share: Option<f64>| share.map_or_else(|| "-".to_owned(), |x| format!("{:.1} %", 100.0 * x));
    let name = classes.iter().map(|name| name.chars().count()).max().unwrap_or(0).clamp(5, 24);
    let matrix = confusion.n_classes() <= MOST_COLUMNS;
    let mut head = format!("{:<name$} {:>6} {:>9} {:>7}", "class", "images", "precision", "recall");
    let mut rows = Vec::new();
    if matrix {
        rows.push(format!("{:1$}  taken for", "", head.chars().count()));
        for class in classes {
            let short: String = class.chars().take(COUNT - 1).collect();
            head.push_str(&format!("{short:>COUNT$}"));
        }
    }
    rows.push(head);
    for (truth, class) in classes.iter().enumerate() {
        let found = confusion.class(truth);
        let short: String = class.chars().take(name).collect();
        let (precision, recall) = (share(found.precision), share(found.recall));
        let mut row = format!("{short:<name$} {:>6} {precision:>9} {recall:>7}", thousands(found.support));
        for predicted in 0..if matrix { confusion.n_classes() } else { 0 } {
            let count = confusion.count(truth, predicted);
            let count = if count == 0 { "·".to_owned() } else { count.to_string() };
            row.push_str(&format!("{count:>COUNT$}"));
        }
        rows.push(row);
    }
    rows.join("\n")
}

/// `test accuracy 98.72 % (9,872 of 10,000 images), loss 0.0372`, or `test loss 0.0372 (10,000 images)`
fn result(test: &Evaluation) -> String {
    let images = plural(test.images as u64, "image", "images");
    match test.accuracy() {
        Some(accuracy) => format!(
            "test accuracy {} ({} of {images}), loss {}",
            percent(accuracy),
            thousands((accuracy * test.images as f64).round() as u64),
            loss(test.loss),
        ),
        None => format!("test loss {} ({images})", loss(test.loss)),
    }
}

#[cfg(test)]
mod tests {
    use super::scores;
    use crate::train::metrics::Confusion;

    #[test]
    fn ten_classes_of_a_thousand_images_fit_into_eighty_columns() {
        let mut confusion = Confusion::new(10);
        for _ in 0..1135 {
            confusion.add(1, 1);
        }
        confusion.add(2, 7);
        let classes: Vec<String> = (0..10).map(|k| k.to_string()).collect();
        let text = scores(&confusion, &classes);
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        assert!(text.contains("\n1      1,135   100.0 % 100.0 %    · 1135    ·"), "{text}");
        assert!(
            text.contains("\n2          1         -   0.0 %    ·    ·    ·    ·    ·    ·    ·    1"),
            "{text}"
        );
    }
}
