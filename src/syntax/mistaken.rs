//! Text that cannot be read, in the notation of another language → the same in this one: calls in parentheses, tuples,
//! commas between arguments or layers, other arrows and comments.

use crate::diag::Applicability;

/// Text to be written in the place of the first bytes of a piece.
#[derive(Debug, PartialEq, Eq)]
pub struct Instead {
    /// Where in the piece.
    pub start: usize,
    pub end: usize,
    pub text: String,
    /// What is to be done, in words.
    pub title: String,
    /// What the piece is taken for.
    pub label: &'static str,
    pub applicability: Applicability,
}

/// What a piece that cannot be read stands for. `front` is its line in front of it.
pub fn instead(front: &str, piece: &str) -> Option<Instead> {
    let found = |start, end, text: String, title: String, label| {
        Some(Instead { start, end, text, title, label, applicability: Applicability::Sure })
    };
    for arrow in ["=>", "-->", "|>", "==>", "~>"] {
        if piece.starts_with(arrow) {
            return found(
                0,
                arrow.len(),
                "->".to_owned(),
                "write `->`".to_owned(),
                "statements are joined by `->`",
            );
        }
    }
    if piece.starts_with("//") {
        return found(0, 2, "#".to_owned(), "use `#`".to_owned(), "comments begin with `#`");
    }
    if let Some(behind) = piece.strip_prefix(',') {
        if let Some((end, text)) = rest_of_size(front, piece) {
            let said = format!("write `{}{text}`", last_number(front));
            return found(0, end, text, said, "a size or a shape is written with `x`");
        }
        if begins_statement(front, behind) {
            // Whether the word is a layer's, only the whole file can tell.
            return Some(Instead {
                start: 0,
                end: piece.len() - behind.trim_start().len(),
                text: " -> ".to_owned(),
                title: "write `->`".to_owned(),
                label: "layers are joined by `->`",
                applicability: Applicability::Proved,
            });
        }
        let (end, text) = without_commas(piece);
        let label = "arguments are separated by spaces";
        return found(0, end, text, "separate them by spaces".to_owned(), label);
    }
    let key = piece.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(piece.len());
    let open = match piece[key..].trim_start().strip_prefix('=') {
        Some(rest) if key > 0 => piece.len() - rest.trim_start().len(),
        _ => 0,
    };
    let inside = bracketed(&piece[open..])?;
    let end = open + inside.len() + 2;
    let attached =
        open == 0 && front.chars().next_back().is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
    if attached {
        let arguments: Option<Vec<String>> = parts(inside).into_iter().map(argument).collect();
        let said = arguments?.join(" ");
        let title =
            if said.is_empty() { "remove the brackets".to_owned() } else { format!("write `{said}`") };
        let text = if said.is_empty() { said } else { format!(" {said}") };
        return found(0, end, text, title, "arguments follow the word, without brackets");
    }
    let said = tuple(inside)?;
    let title = format!("write `{said}`");
    found(open, end, said, title, "a size is written `3x5`, a list `[1, 2]`")
}

/// Arithmetic without its parentheses: how many bytes of it are in front of the piece and in it, and how it is written.
/// `front` is the piece's line in front of it.
pub fn arithmetic(front: &str, piece: &str) -> Option<(usize, usize, String)> {
    if let Some(rest) = piece.strip_prefix('[') {
        let inside = &rest[..rest.find(']')?];
        let bare = |part: &str| !part.starts_with('(') && part.contains(['+', '*', '/', '%']);
        let values = parts(inside);
        values.iter().any(|part| bare(part)).then_some(())?;
        let written: Vec<String> = values
            .iter()
            .map(|part| if bare(part) { format!("({part})") } else { (*part).to_owned() })
            .collect();
        return Some((0, inside.len() + 2, format!("[{}]", written.join(", "))));
    }
    let is_operand = |c: char| c.is_ascii_alphanumeric() || "_.".contains(c);
    let operator = |text: &str| {
        let text = text.trim_start();
        ["//", "*", "/", "%", "+", "-"]
            .into_iter()
            .find(|own| text.starts_with(own) && !text.starts_with("->"))
    };
    let left = front.trim_end().rsplit([' ', '=', ',']).next().unwrap_or_default();
    let behind = front.len() - front.trim_end().len();
    (!left.is_empty() && left.chars().all(is_operand)).then_some(())?;
    let (mut end, mut written) = (0, left.to_owned());
    while let Some(own) = operator(&piece[end..]) {
        let rest = piece[end..].trim_start()[own.len()..].trim_start();
        let operand = &rest[..rest.find(|c| !is_operand(c)).unwrap_or(rest.len())];
        if operand.is_empty() {
            return None;
        }
        written.push_str(&format!(" {own} {operand}"));
        end = piece.len() - rest.len() + operand.len();
    }
    (end > 0).then(|| (left.len() + behind, end, format!("({written})")))
}

/// What stands in the parentheses that a text begins with, if they are closed on its first line.
fn bracketed(text: &str) -> Option<&str> {
    let rest = text.strip_prefix('(')?;
    let mut depth = 1;
    for (at, c) in rest.char_indices() {
        match c {
            '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            '\n' => return None,
            _ => {}
        }
        if depth == 0 {
            return Some(&rest[..at]).filter(|_| c == ')');
        }
    }
    None
}

/// A text cut at the commas that are in no brackets; nothing of an empty one.
fn parts(text: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0, 0);
    for (at, c) in text.char_indices() {
        match c {
            '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    let last = text[start..].trim();
    if !last.is_empty() {
        parts.push(last);
    }
    parts
}

/// An argument of a call as it is written here.
fn argument(text: &str) -> Option<String> {
    match text.split_once('=') {
        Some((key, value)) if is_word(key.trim()) => {
            Some(format!("{}={}", key.trim(), value_of(value.trim())?))
        }
        Some(_) => None,
        None => value_of(text),
    }
}

fn value_of(text: &str) -> Option<String> {
    if let Some(inside) = bracketed(text).filter(|inside| inside.len() + 2 == text.len()) {
        return tuple(inside);
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || "_.+-%\"/[], ".contains(c);
    let whole = text.starts_with(['"', '[']) || !text.contains([' ', ',']);
    (!text.is_empty() && whole && text.chars().all(plain)).then(|| text.to_owned())
}

/// `3x5` of whole numbers, a list of others; a single value stays alone.
fn tuple(inside: &str) -> Option<String> {
    let values = parts(inside);
    let plain = |value: &&str| {
        !value.is_empty() && value.chars().all(|c| c.is_ascii_alphanumeric() || "._-+%".contains(c))
    };
    let whole = |value: &&str| value.bytes().all(|byte| byte.is_ascii_digit());
    if values.is_empty() || !values.iter().all(plain) {
        return None;
    }
    Some(match values.as_slice() {
        [one] => (*one).to_owned(),
        all if all.iter().all(whole) => all.join("x"),
        all => format!("[{}]", all.join(", ")),
    })
}

/// `x28x28` of `,28,28` behind a number that is one argument with it: the value of a name (`stride=2,2`) or the shape of an
/// `input`. Between other numbers a comma separates arguments.
fn rest_of_size(front: &str, piece: &str) -> Option<(usize, String)> {
    let number = last_number(front);
    let before = front.strip_suffix(number)?;
    let is_named = before.ends_with('=');
    let is_input = before.ends_with(' ') && before.trim_end().ends_with("input");
    let end = piece.find(|c: char| !c.is_ascii_digit() && c != ',' && c != ' ').unwrap_or(piece.len());
    let numbers = piece[..end].trim_end();
    let is_whole = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let rest: Vec<&str> = numbers.strip_prefix(',')?.split(',').map(str::trim).collect();
    let holds = !number.is_empty() && (is_named || is_input) && rest.iter().all(|part| is_whole(part));
    // `padding=1, 3`: what follows a blank may be the next argument.
    let holds = holds && (is_input || !numbers.contains(' '));
    let ends = piece[end..].starts_with(['-', ':', '{', ';', '#'])
        || piece[end..].is_empty()
        || piece[..end].ends_with(' ');
    (holds && ends).then(|| (numbers.len(), rest.iter().map(|part| format!("x{part}")).collect()))
}

/// The digits that a text ends with.
fn last_number(text: &str) -> &str {
    &text[text.trim_end_matches(|c: char| c.is_ascii_digit()).len()..]
}

/// Whether what follows a comma is a layer of its own and no argument: a word with a number (`, max_pool2d 2`), or a word
/// alone after a number (`3x3, relu`).
fn begins_statement(before: &str, after: &str) -> bool {
    let after = after.trim_start();
    let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(after.len());
    let (word, rest) = (&after[..end], after[end..].trim_start());
    let is_digit = |c: char| c.is_ascii_digit();
    let is_alone = rest.is_empty() || rest.starts_with([',', ':', '{', ';']) || rest.starts_with("->");
    let last = before.trim_end().rsplit([' ', ',']).next().unwrap_or_default();
    is_word(word) && (rest.starts_with(is_digit) || is_alone && last.starts_with(is_digit))
}

/// A text up to its arrow, name, shape, block or next layer, with blanks for the commas that are in no brackets.
fn without_commas(piece: &str) -> (usize, String) {
    let end =
        ["->", ":", "{", ";", "\n"].iter().filter_map(|stop| piece.find(stop)).min().unwrap_or(piece.len());
    let piece = piece[..end].trim_end();
    let (mut text, mut depth) = (String::new(), 0);
    for (at, c) in piece.char_indices() {
        match c {
            '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            _ => {}
        }
        let rest = &piece[at + c.len_utf8()..];
        match c {
            ',' if depth == 0 && at > 0 && begins_statement(&piece[..at], rest) => return (at, text),
            ',' if depth == 0 && !rest.is_empty() && !rest.starts_with(' ') => text.push(' '),
            ',' if depth == 0 => {}
            _ => text.push(c),
        }
    }
    (piece.len(), text)
}

fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A line with what stands for its part behind `|`, which cannot be read.
    fn said(line: &str) -> Option<String> {
        let (front, piece) = line.split_once('|').unwrap();
        let found = instead(front, piece)?;
        Some(format!("{front}{}{}{}", &piece[..found.start], found.text, &piece[found.end..]))
    }

    #[test]
    fn arithmetic_gets_its_parentheses() {
        for (line, expected) in [
            ("let wide = width |* 2", Some("let wide = (width * 2)")),
            ("conv2d in.channels |* 2 + 1 3x3", Some("conv2d (in.channels * 2 + 1) 3x3")),
            ("conv2d 8 3 stride=a |// 2 -> relu", Some("conv2d 8 3 stride=(a // 2) -> relu")),
            ("reshape |[c, in.height * in.width]", Some("reshape [c, (in.height * in.width)]")),
            ("relu |-> tanh", None),
            ("reshape |[c, d", None),
            ("relu |* ", None),
        ] {
            let (front, piece) = line.split_once('|').unwrap();
            let found = arithmetic(front, piece).map(|(before, end, text)| {
                format!("{}{text}{}", &front[..front.len() - before], &piece[end..])
            });
            assert_eq!(found.as_deref(), expected, "{line}");
        }
    }

    #[test]
    fn other_notations_are_translated() {
        for (line, expected) in [
            ("conv2d|(8, 3) -> relu", "conv2d 8 3 -> relu"),
            ("conv2d|(8, kernel_size=(3, 5), padding='same')", "conv2d 8 kernel_size=3x5 padding='same'"),
            ("relu|()", "relu"),
            ("conv2d 8 3 |stride=(2,2) padding=1", "conv2d 8 3 stride=2x2 padding=1"),
            ("adam |betas=(0.9, 0.999)", "adam betas=[0.9, 0.999]"),
            ("max_pool2d |(2, 2)", "max_pool2d 2x2"),
            ("conv2d 8|, 3x3, padding=[1, 1, 1, 1] -> relu", "conv2d 8 3x3 padding=[1, 1, 1, 1] -> relu"),
            ("conv2d 8|,3x3", "conv2d 8 3x3"),
            ("conv2d 8|,3", "conv2d 8 3"),
            ("max_pool2d 2|,    max_pool2d 2", "max_pool2d 2 -> max_pool2d 2"),
            ("conv2d 8 3x3|, relu", "conv2d 8 3x3 -> relu"),
            ("relu|, conv2d 8, 3", "relu -> conv2d 8, 3"),
            ("conv2d 8|, 3, relu, max_pool2d 2", "conv2d 8 3, relu, max_pool2d 2"),
            ("metrics accuracy|, auc", "metrics accuracy auc"),
            ("metrics top_5|, auc", "metrics top_5 auc"),
            ("conv2d 8 3 stride=2|,2 padding=1", "conv2d 8 3 stride=2x2 padding=1"),
            ("conv2d 8 3 stride=2|, padding=1", "conv2d 8 3 stride=2 padding=1"),
            ("input 3|,224,224", "input 3x224x224"),
            ("input 3|, 224, 224; relu", "input 3x224x224; relu"),
            ("relu |=> tanh", "relu -> tanh"),
            ("|// ten classes", "# ten classes"),
        ] {
            let expected = expected.replace('\'', "\"");
            assert_eq!(said(&line.replace('\'', "\"")), Some(expected), "{line}");
        }
        for line in
            ["conv2d|(8, f(x))", "relu |(", "conv2d |stride=(a b)", "relu |?", "conv2d|(x for x in y)"]
        {
            assert_eq!(said(line), None, "{line}");
        }
    }
}
