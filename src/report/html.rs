//! Text, numbers and bytes as they stand in a page.

use crate::numbers::{percent, thousands};
use crate::train::metrics::{METRICS, Metric, Shown};

/// Text inside an element or an attribute. Characters that no text has, such as escapes of a terminal, become U+FFFD.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(c),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// Four figures: `0.03721`, `98.72`, `1,204`, `3.1e-7`.
pub fn number(x: f64) -> String {
    let size = x.abs();
    if !x.is_finite() {
        return if x.is_nan() { "not a number".to_owned() } else { "infinite".to_owned() };
    }
    if size == 0.0 {
        return "0".to_owned();
    }
    if !(1e-3..1e5).contains(&size) {
        return format!("{x:.2e}").replace('-', "−");
    }
    let decimals = (3 - size.log10().floor() as i32).clamp(0, 4) as usize;
    let text = format!("{x:.decimals$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    match text.split_once('.') {
        _ if size < 1e4 => text.replace('-', "−"),
        _ => format!("{}{}", if x < 0.0 { "−" } else { "" }, thousands(size.round() as u64)),
    }
}

/// The metric that a measurement such as `validation.macro_f1` is of; a loss is of none.
pub fn metric(name: &str) -> Option<&'static Metric> {
    let own = name.rsplit('.').next().unwrap_or(name);
    METRICS.iter().copied().find(|metric| metric.spec.name == own)
}

/// A measurement by its name: in percent where its metric is a share.
pub fn measurement(name: &str, x: f64) -> String {
    let is_share = metric(name).is_some_and(|metric| metric.shown == Shown::Share);
    if is_share && (0.0..=1.0).contains(&x) { percent(x) } else { number(x) }
}

/// `validation.macro_f1` → `validation macro F1`
pub fn label(name: &str) -> String {
    name.replace(['_', '.'], " ").replace(" f1", " F1")
}

/// A file as the address of a picture. Base64 of RFC 4648.
pub fn data_url(kind: &str, bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = format!("data:{kind};base64,");
    for three in bytes.chunks(3) {
        let word =
            three.iter().fold(0u32, |word, &byte| word << 8 | u32::from(byte)) << (8 * (3 - three.len()));
        for digit in 0..4 {
            let sextet = (word >> (18 - 6 * digit)) as usize & 63;
            out.push(if digit <= three.len() { char::from(DIGITS[sextet]) } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{data_url, escape, label, measurement, number};

    #[test]
    fn numbers_have_four_figures() {
        let cases = [
            (0.0, "0"),
            (0.037_214, "0.0372"),
            (0.5, "0.5"),
            (2.345_678, "2.346"),
            (98.7, "98.7"),
            (1204.4, "1204"),
            (12_345.6, "12,346"),
            (-0.25, "−0.25"),
            (1e-7, "1.00e−7"),
            (2.5e9, "2.50e9"),
        ];
        for (x, text) in cases {
            assert_eq!(number(x), text);
        }
        assert_eq!(measurement("validation.macro_f1", 0.25), "25.00 %");
        assert_eq!(measurement("mae", 0.25), "0.25");
        assert_eq!(label("validation.macro_f1"), "validation macro F1");
    }

    #[test]
    fn text_is_text_and_bytes_are_rfc_4648() {
        assert_eq!(escape("<a href=\"x\">&\u{1b}"), "&lt;a href=&quot;x&quot;&gt;&amp;\u{fffd}");
        for (bytes, text) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(data_url("x", bytes.as_bytes()), format!("data:x;base64,{text}"));
        }
    }
}
