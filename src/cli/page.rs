//! A page in Markdown → text for a terminal: headings bold where colour is on, paragraphs and lists as wide as the
//! terminal, examples indented. Only what dslc's own pages use is known.

use crate::cli::out::Look;

/// Wider lines are hard to read.
const WIDEST: usize = 100;

/// The page as text that ends in one line end.
pub fn text(markdown: &str, look: Look) -> String {
    let width = look.width.min(WIDEST);
    let mut out = String::new();
    let mut fenced = false;
    for line in markdown.lines() {
        if let Some(info) = line.strip_prefix("```") {
            fenced = !fenced;
            if let Some(path) = info.strip_prefix("file ") {
                out.push_str(&format!("    # {path}\n"));
            }
        } else if fenced {
            out.push_str(format!("    {line}").trim_end());
            out.push('\n');
        } else if line.starts_with('#') {
            let heading = line.trim_start_matches('#').trim_start();
            let style = console::Style::new().bold().force_styling(look.color);
            out.push_str(&format!("{}\n", style.apply_to(heading)));
        } else {
            wrap(&mut out, line, width);
        }
    }
    format!("{}\n", out.trim_end())
}

/// Breaks a line between words; the lines behind the first of a list's item are indented as far as its text.
fn wrap(out: &mut String, line: &str, width: usize) {
    let indent = if line.starts_with("- ") { "  " } else { "" };
    let mut used = 0;
    for word in line.split(' ') {
        let length = word.chars().count();
        if used > 0 && used + 1 + length > width {
            out.push_str(&format!("\n{indent}"));
            used = indent.len();
        } else if used > 0 {
            out.push(' ');
            used += 1;
        }
        out.push_str(word);
        used += length;
    }
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "# A title\n\nSome words here.\n\n- an item of words\n\n```net\nmodel M {\n\n}\n```\n\n```file a.model\nx\n```\n";

    #[test]
    fn a_page_is_laid_out_for_its_width() {
        let plain = text(PAGE, Look { color: false, width: 12 });
        let expected = "A title\n\nSome words\nhere.\n\n- an item of\n  words\n\n    model M {\n\n    }\n\n    # a.model\n    x\n";
        assert_eq!(plain, expected);
        assert!(text(PAGE, Look { color: true, width: 60 }).starts_with("\u{1b}[1mA title\u{1b}[0m\n"));
    }
}
