//! What an evaluation found, for people and for machines: per-class scores, confusions, the totals.

use crate::cli::table::{figure, loss, percent, plural, table, thousands};
use crate::train::metrics::confusion::Overlap;
use crate::train::metrics::errors::NumberScore;
use crate::train::metrics::{ClassScore, Confusion, Detail, Evaluation, Further};

/// A matrix of more classes is wider than a terminal; the JSON has it whole.
const MOST_COLUMNS: usize = 14;
/// The width of a count in the matrix, with the space in front.
const COUNT: usize = 5;
/// More rows than these are not read.
const MOST_ROWS: usize = 40;

/// Everything that is said of a test: a row for each class, label or number, and the totals. `names` are theirs; `part` is
/// that of the images.
pub fn report_text(test: &Evaluation, names: &[String], part: &str) -> String {
    let rows = match (&test.classes, &test.detail) {
        (Some(found), _) => Some(scores(&found.confusion, names)),
        (None, Detail::None) => None,
        (None, Detail::Labels(scores)) => Some(labels(scores, names)),
        // One number is what the totals tell already.
        (None, Detail::Numbers(scores)) => (scores.len() > 1).then(|| numbers(scores, names)),
        (None, Detail::Pixels(confusion)) => Some(pixels(confusion, names)),
    };
    let total = result(test, part);
    let own = rows.map_or(total.clone(), |rows| format!("{rows}\n\n{total}"));
    test.outputs.iter().fold(own, |text, Further { name, names, evaluation }| {
        format!("{text}\n\noutput {name}\n{}", report_text(evaluation, names, part))
    })
}

/// Rows that a person reads; the JSON has all of them.
fn readable(head: &[&str], rows: Vec<Vec<String>>) -> String {
    let more = rows.len().saturating_sub(MOST_ROWS);
    let shown = table(head, 1, rows.into_iter().take(MOST_ROWS).collect());
    match more {
        0 => shown,
        more => format!("{shown}\n… and {} more (`dslc eval --json` has all)", thousands(more as u64)),
    }
}

fn share(share: Option<f64>) -> String {
    share.map_or_else(|| "-".to_owned(), |x| format!("{:.1} %", 100.0 * x))
}

fn labels(scores: &[ClassScore], names: &[String]) -> String {
    let row = |(name, score): (&String, &ClassScore)| {
        let shares = [score.precision, score.recall, score.f1()].map(share);
        [vec![name.clone(), thousands(score.support)], shares.to_vec()].concat()
    };
    readable(&["label", "images", "precision", "recall", "F1"], names.iter().zip(scores).map(row).collect())
}

fn numbers(scores: &[NumberScore], names: &[String]) -> String {
    let shown = |number: Option<f64>| number.map_or_else(|| "-".to_owned(), loss);
    let row = |(name, score): (&String, &NumberScore)| {
        [vec![name.clone()], [score.mae, score.rmse, score.r2].map(shown).to_vec()].concat()
    };
    readable(&["number", "MAE", "RMSE", "R²"], names.iter().zip(scores).map(row).collect())
}

fn pixels(confusion: &Confusion, names: &[String]) -> String {
    let row = |(class, name): (usize, &String)| {
        let score = confusion.class(class);
        let shares = [confusion.overlap(class, Overlap::Union), score.precision, score.recall].map(share);
        [vec![name.clone(), thousands(score.support)], shares.to_vec()].concat()
    };
    readable(&["class", "pixels", "IoU", "precision", "recall"], names.iter().enumerate().map(row).collect())
}

/// A row a class: precision, recall, and what its images were predicted as. Ten classes fit into 80 columns.
fn scores(confusion: &Confusion, classes: &[String]) -> String {
    let name = classes.iter().map(|name| name.chars().count()).max().unwrap_or(0).clamp(5, 24);
    let matrix = confusion.n_classes() <= MOST_COLUMNS;
    let mut head = format!("{:<name$} {:>6} {:>9} {:>7}", "class", "images", "precision", "recall");
    let mut rows = Vec::new();
    if matrix {
        rows.push(format!("{:1$}  predicted as", "", head.chars().count()));
        for class in classes {
            let short: String = class.chars().take(COUNT - 1).collect();
            head.push_str(&format!("{short:>COUNT$}"));
        }
    }
    rows.push(head);
    for (truth, class) in classes.iter().enumerate().take(MOST_ROWS) {
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
    if classes.len() > MOST_ROWS {
        let more = thousands((classes.len() - MOST_ROWS) as u64);
        rows.push(format!("… and {more} more (`dslc eval --json` has all)"));
    }
    rows.join("\n")
}

/// `test accuracy 98.72 % (9,872 of 10,000 images), loss 0.0372`, or `test loss 0.0372 (10,000 images), mae 0.12`
fn result(test: &Evaluation, part: &str) -> String {
    let images = plural(test.images as u64, "image", "images");
    let plain = test.plain_loss.map_or_else(String::new, |own| format!(" (without smoothing {})", loss(own)));
    let total = match test.accuracy() {
        Some(accuracy) => format!(
            "{part} accuracy {} ({} of {images}), loss {}{plain}",
            percent(accuracy),
            thousands((accuracy * test.images as f64).round() as u64),
            loss(test.loss),
        ),
        None => format!("{part} loss {}{plain} ({images})", loss(test.loss)),
    };
    // The accuracy is told already.
    let others = test.figures.iter().filter(|own| own.metric.spec.name != "accuracy");
    others.fold(total, |total, own| format!("{total}, {} {}", own.metric.spec.name, figure(own)))
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
