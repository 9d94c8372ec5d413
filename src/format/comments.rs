//! The comments of a text, which its tree does not hold.

/// A `#` with the rest of its line, by bytes.
#[derive(Clone, Copy, Debug)]
pub struct Comment {
    pub start: usize,
    pub end: usize,
    /// Whether code stands in front of it on its line.
    pub trailing: bool,
}

/// Every comment in order. A `#` inside a string is none.
pub fn find(text: &str) -> Vec<Comment> {
    let mut found = Vec::new();
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let (mut quoted, mut code) = (false, false);
        for (offset, c) in line.char_indices() {
            match c {
                '#' if !quoted => {
                    let end = offset + line[offset..].trim_end().len();
                    found.push(Comment { start: at + offset, end: at + end, trailing: code });
                    break;
                }
                '"' => quoted = !quoted,
                _ => {}
            }
            // An empty statement is not code: it leaves no trace in the tree.
            code |= !(c.is_whitespace() || c == ';');
        }
        at += line.len();
    }
    found
}
