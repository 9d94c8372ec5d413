//! Source files and positions in them: byte spans that every later stage carries, and the only place
//! that turns a byte offset into a line and a column.

use std::ops::Range;

/// Index of a file in [`Sources`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub u32);

/// A range of bytes in one file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    pub file: FileId,
    pub start: u32,
    pub end: u32,
}

impl Span {
    pub fn new(file: FileId, range: Range<usize>) -> Span {
        Span { file, start: range.start as u32, end: range.end as u32 }
    }

    pub fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    /// The smallest span that holds both; this one alone where the other is in another file, as an argument given
    /// by `--set` is.
    pub fn to(self, other: Span) -> Span {
        if other.file != self.file {
            return self;
        }
        Span { file: self.file, start: self.start.min(other.start), end: self.end.max(other.end) }
    }

    /// The empty span just behind this one, where text is inserted.
    pub fn after(self) -> Span {
        Span { start: self.end, ..self }
    }
}

/// A text and the path it is known by to the user.
#[derive(Clone, Debug)]
pub struct SourceFile {
    pub path: String,
    pub text: String,
    line_starts: Vec<usize>,
}

impl SourceFile {
    /// 1-based line of a byte offset.
    pub fn line(&self, offset: usize) -> usize {
        self.line_starts.partition_point(|&start| start <= offset).max(1)
    }

    /// 1-based line and column (in characters) of a byte offset.
    pub fn line_column(&self, offset: usize) -> (usize, usize) {
        let line = self.line(offset);
        let start = self.line_starts[line - 1];
        let end = offset.min(self.text.len());
        (line, self.text.get(start..end).map_or(0, |before| before.chars().count()) + 1)
    }
}

/// All files of one compilation: the language's own library, then the main file, then its imports.
#[derive(Clone, Debug)]
pub struct Sources {
    files: Vec<SourceFile>,
}

/// The library of blocks that comes with the language.
pub const LIBRARY: FileId = FileId(0);
/// What stands for a path in a source that was given as `--set PATH=VALUE`.
pub const SETTING: &str = "--set";

impl Default for Sources {
    fn default() -> Sources {
        let mut sources = Sources { files: Vec::new() };
        sources.add("std.model", include_str!("layers/std.model"));
        sources
    }
}

impl Sources {
    pub fn add(&mut self, path: impl Into<String>, text: impl Into<String>) -> FileId {
        let text = text.into();
        let line_starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        self.files.push(SourceFile { path: path.into(), text, line_starts });
        FileId(self.files.len() as u32 - 1)
    }

    pub fn get(&self, id: FileId) -> &SourceFile {
        &self.files[id.0 as usize]
    }

    /// Whether this is a file of the user's, and neither the library nor a setting of the command line.
    pub fn on_disk(&self, id: FileId) -> bool {
        id != LIBRARY && self.get(id).path != SETTING
    }

    pub fn iter(&self) -> impl Iterator<Item = (FileId, &SourceFile)> {
        self.files.iter().enumerate().map(|(i, file)| (FileId(i as u32), file))
    }

    /// The text under a span.
    pub fn slice(&self, span: Span) -> &str {
        self.get(span.file).text.get(span.range()).unwrap_or_default()
    }

    /// The span with the rest of its lines, the last line's end included, where nothing else stands on them.
    pub fn whole_line(&self, span: Span) -> Span {
        let text = self.get(span.file).text.as_str();
        let (before, after) = (text.get(..span.start as usize), text.get(span.end as usize..));
        let (Some(before), Some(after)) = (before, after) else { return span };
        let front = before.rfind('\n').map_or(0, |at| at + 1);
        let back = after.find('\n').map_or(after.len(), |at| at + 1);
        match before[front..].trim().is_empty() && after[..back].trim().is_empty() {
            true => Span { start: front as u32, end: span.end + back as u32, ..span },
            false => span,
        }
    }

    /// The line of a span's start as seen from the file `home`: `24`, or `std.model:24` in another file.
    pub fn place(&self, span: Span, home: FileId) -> String {
        match span.file == home {
            true => self.line(span).to_string(),
            false => format!("{}:{}", self.get(span.file).path, self.line(span)),
        }
    }

    /// 1-based line of a span's start.
    pub fn line(&self, span: Span) -> usize {
        self.get(span.file).line(span.start as usize)
    }
}
