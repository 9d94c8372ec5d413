//! Tables and numbers as people read them.

use comfy_table::{CellAlignment, Table, presets};

use crate::train::metrics::{Figure, Shown};

pub use crate::numbers::{bytes, duration, percent, plural, short, thousands};

/// A table with a line under its head; all columns but the first `n_text` are flush right.
pub fn table(head: &[&str], n_text: usize, rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(head.iter().map(|h| h.to_string()).collect::<Vec<_>>());
    for row in rows {
        table.add_row(row);
    }
    for (i, column) in table.column_iter_mut().enumerate() {
        column.set_cell_alignment(if i < n_text { CellAlignment::Left } else { CellAlignment::Right });
    }
    table.trim_fmt()
}

/// `0.0372`; large ones as `1.34e17`
pub fn loss(loss: f64) -> String {
    if loss.abs() < 1e4 { format!("{loss:.4}") } else { format!("{loss:.2e}") }
}

/// `2,206 images/s`
pub fn speed(images_per_second: f64) -> String {
    format!("{} images/s", thousands(images_per_second.round() as u64))
}

/// What a metric came to, as people read it: `98.72 %` or `0.0372`.
pub fn figure(figure: &Figure) -> String {
    match figure.metric.shown {
        Shown::Share => percent(figure.value),
        Shown::Number => loss(figure.value),
    }
}
