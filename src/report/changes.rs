//! Two texts → the lines that differ, with a few around them.

use std::fmt::Write as _;

use similar::{ChangeTag, TextDiff};

use crate::report::html::escape;

/// Lines around a change.
const AROUND: usize = 2;

/// The lines that differ, each after ` `, `-` or `+`, and a line `@` between places; empty if none does.
pub fn changes(before: &str, now: &str) -> String {
    let diff = TextDiff::from_lines(before, now);
    let mut out = String::new();
    for (i, place) in diff.grouped_ops(AROUND).iter().enumerate() {
        if i > 0 {
            out.push_str("@\n");
        }
        for change in place.iter().flat_map(|op| diff.iter_changes(op)) {
            let sign = match change.tag() {
                ChangeTag::Equal => ' ',
                ChangeTag::Delete => '-',
                ChangeTag::Insert => '+',
            };
            let _ = writeln!(out, "{sign}{}", change.value().trim_end_matches('\n'));
        }
    }
    out
}

/// Such lines as they stand in a page.
pub fn shown(changes: &str) -> String {
    let line = |line: &str| {
        let (kind, rest) = match line.split_at_checked(1) {
            Some(("-", rest)) => ("del", rest),
            Some(("+", rest)) => ("ins", rest),
            Some(("@", _)) => return "<span class=gap>⋯</span>".to_owned(),
            Some((_, rest)) => return format!("<span>{}</span>", escape(rest)),
            None => return String::new(),
        };
        format!("<{kind}>{}</{kind}>", escape(rest))
    };
    let lines: Vec<String> = changes.lines().map(line).collect();
    format!("<pre class=changes>{}</pre>", lines.concat())
}

/// A network's file as it stands in a page, its comments apart.
pub fn source(text: &str) -> String {
    let line = |line: &str| {
        let mut quoted = false;
        let comment = line.char_indices().find(|&(_, c)| {
            quoted ^= c == '"';
            c == '#' && !quoted
        });
        match comment {
            Some((at, _)) => format!("{}<i>{}</i>", escape(&line[..at]), escape(&line[at..])),
            None => escape(line),
        }
    };
    let lines: Vec<String> = text.lines().map(line).collect();
    format!("<pre>{}</pre>", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::{changes, shown, source};

    #[test]
    fn only_what_differs_is_shown() {
        let before = (0..20).map(|i| format!("{i}\n")).collect::<String>();
        let now = before.replace("\n9\n", "\nnine <b>\n").replace("\n18\n", "\n");
        let found = changes(&before, &now);
        assert_eq!(found, " 7\n 8\n-9\n+nine <b>\n 10\n 11\n@\n 16\n 17\n-18\n 19\n");
        assert!(shown(&found).contains("<ins>nine &lt;b&gt;</ins><span>10</span>"));
        assert_eq!(changes(&now, &now), "");
    }

    #[test]
    fn comments_are_set_apart() {
        let shown = source("a \"#\" # b\nc");
        assert_eq!(shown, "<pre>a &quot;#&quot; <i># b</i>\nc</pre>");
    }
}
