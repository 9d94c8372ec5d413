//! Where a name is defined, where it is used, and what changes when it is called something else. A name is known by the
//! place that defines it, so that files that are checked one by one agree on it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::PathBuf;

use crate::editor::Program;
use crate::editor::defined::{Name, NameKind};
use crate::editor::meaning::{Meaning, Meanings, What};
use crate::experiment::SECTIONS;
use crate::experiment::imports::normal;
use crate::layers::{self, joins};
use crate::model::definitions::CONTROL;
use crate::source::{FileId, LIBRARY, Span};

/// A place in a file that is known by its path; the library's has none on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    pub path: PathBuf,
    pub range: Range<usize>,
}

impl Ord for Location {
    fn cmp(&self, other: &Location) -> std::cmp::Ordering {
        let key = |location: &Location| (location.range.start, location.range.end);
        self.path.cmp(&other.path).then_with(|| key(self).cmp(&key(other)))
    }
}

impl PartialOrd for Location {
    fn partial_cmp(&self, other: &Location) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Program {
    /// Where a span lies; `None` in the library.
    pub fn location(&self, span: Span) -> Option<Location> {
        let path = (span.file != LIBRARY).then(|| normal(self.sources.get(span.file).path.as_ref()))?;
        Some(Location { path, range: span.range() })
    }
}

/// Where something is defined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Definition {
    File(Location),
    /// In the language's own library: a place in its text.
    Library(Range<usize>),
}

/// The place that defines the name at a byte offset; behind the path of a `use`, the beginning of that file.
pub fn definition(program: &Program, offset: usize) -> Option<Definition> {
    let meanings = Meanings::of(program);
    let word = meanings.find(program.file, offset)?;
    let span = match word.what {
        What::Name(name) => meanings.names[name].span,
        What::Text => {
            let holds =
                |at: Span| at.file == program.file && at.start <= word.span.start && word.span.end <= at.end;
            let line = program.checked.imports.uses.iter().find(|line| holds(line.at))?;
            Span { file: line.to, start: 0, end: 0 }
        }
        _ => return None,
    };
    Some(match program.location(span) {
        Some(location) => Definition::File(location),
        None => Definition::Library(span.range()),
    })
}

/// Every place that names what the byte offset of `program` names, the definition among them, in `program`, the
/// files it uses, and `others`: programs that may use them too.
pub fn references(program: &Program, offset: usize, others: &[&Program]) -> Vec<Location> {
    let meanings = Meanings::of_all(program);
    let Some((_, name)) = name_at(program, &meanings, offset) else { return Vec::new() };
    uses(program, &meanings, name.span, others).into_iter().collect()
}

fn name_at<'m, 'a>(
    program: &Program,
    meanings: &'m Meanings<'a>,
    offset: usize,
) -> Option<(&'m Meaning, &'m Name<'a>)> {
    let word = meanings.find(program.file, offset)?;
    match word.what {
        What::Name(name) => Some((word, &meanings.names[name])),
        _ => None,
    }
}

fn uses(
    program: &Program,
    meanings: &Meanings<'_>,
    defined: Span,
    others: &[&Program],
) -> BTreeSet<Location> {
    let mut found = BTreeSet::new();
    collect(program, meanings, defined, &mut found);
    for other in others {
        let Some(file) = file_of(other, program, defined.file) else { continue };
        collect(other, &Meanings::of_all(other), Span { file, ..defined }, &mut found);
    }
    found
}

/// The file of another program that is `file` in this one.
fn file_of(other: &Program, program: &Program, file: FileId) -> Option<FileId> {
    if file == LIBRARY {
        return Some(LIBRARY);
    }
    let path = normal(program.sources.get(file).path.as_ref());
    let mut files = other.sources.iter().filter(|(id, _)| *id != LIBRARY);
    files.find(|(_, source)| normal(source.path.as_ref()) == path).map(|(id, _)| id)
}

fn collect(program: &Program, meanings: &Meanings<'_>, defined: Span, found: &mut BTreeSet<Location>) {
    let same =
        |word: &&Meaning| matches!(word.what, What::Name(name) if meanings.names[name].span == defined);
    found.extend(meanings.words.iter().filter(same).filter_map(|word| program.location(word.span)));
}

/// The name at a byte offset that can be changed, or why it cannot be.
pub fn renameable(program: &Program, offset: usize) -> Result<Span, String> {
    let meanings = Meanings::of(program);
    let word = meanings.find(program.file, offset).ok_or("there is no name here")?;
    let text = program.sources.slice(word.span);
    match word.what {
        What::Name(name) if meanings.names[name].span.file == LIBRARY => Err(format!(
            "`{text}` belongs to the language's library; a file can override it with a block of the same name"
        )),
        What::Name(_) => Ok(word.span),
        What::Text | What::Unknown => Err("there is no name here".to_owned()),
        _ => Err(format!("`{text}` is a word of the language")),
    }
}

/// New texts, by file.
pub type Edits = BTreeMap<PathBuf, Vec<(Range<usize>, String)>>;

/// The edits that give the name at a byte offset another text everywhere, or why that cannot be.
pub fn rename(program: &Program, offset: usize, new: &str, others: &[&Program]) -> Result<Edits, String> {
    renameable(program, offset)?;
    let meanings = Meanings::of_all(program);
    let (_, name) = name_at(program, &meanings, offset).ok_or("there is no name here")?;
    valid(name, new)?;
    if new == name.text {
        return Ok(Edits::new());
    }
    let places = uses(program, &meanings, name.span, others);
    for (program, meanings) in
        others.iter().map(|other| (*other, Meanings::of_all(other))).chain([(program, meanings)])
    {
        clash(program, &meanings, &places, new)?;
    }
    let mut edits = Edits::new();
    for Location { path, range } in places {
        edits.entry(path).or_default().push((range, new.to_owned()));
    }
    Ok(edits)
}

/// Whether a text can be a name of this kind at all.
fn valid(name: &Name<'_>, new: &str) -> Result<(), String> {
    let letters = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let begins = new.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if !begins || !new.chars().all(letters) {
        return Err(format!(
            "`{new}` is not a name: use letters, digits and `_`, and do not begin with a digit"
        ));
    }
    let words = ["as", "in", "and", "or", "true", "false"];
    let layer = layers::find(new).is_some() || joins::find(new).is_some();
    let taken = words.contains(&new) || CONTROL.contains(&new) || SECTIONS.contains(&new);
    // A value may be called like a layer, but not what stands where layers do.
    let stands_as_layer = matches!(name.kind, NameKind::Block | NameKind::Parameter | NameKind::Variable);
    if taken || (layer && (stands_as_layer || name.kind == NameKind::Constant)) {
        return Err(format!("`{new}` is a word of the language"));
    }
    Ok(())
}

/// Whether the new text already names something where the name is defined or used, or would come to mean it.
fn clash(
    program: &Program,
    meanings: &Meanings<'_>,
    places: &BTreeSet<Location>,
    new: &str,
) -> Result<(), String> {
    let text_is = |span: Span| program.sources.slice(span) == new;
    let renamed = |span: Span| program.location(span).is_some_and(|location| places.contains(&location));
    // The reach of a name is the body of the definition around it, or everywhere for a global one.
    let reach = |name: &Name<'_>| match name.kind {
        NameKind::Block | NameKind::Model => None,
        NameKind::Constant | NameKind::Parameter | NameKind::Variable | NameKind::Value => {
            body(meanings, name.span)
        }
    };
    let Some(own) = meanings.names.iter().find(|name| renamed(name.span)) else { return Ok(()) };
    for other in meanings.names.iter().filter(|other| other.text == new && !renamed(other.span)) {
        let apart = match (reach(own), reach(other)) {
            (Some(a), Some(b)) => a != b,
            (None, _) | (_, None) => false,
        };
        let flows = [own, other].iter().filter(|name| name.kind == NameKind::Value).count();
        let models = [own, other].iter().filter(|name| name.kind == NameKind::Model).count();
        // `as` names and models are looked up among their own.
        if apart || flows == 1 || models == 1 {
            continue;
        }
        // The library's blocks may be defined anew, but what uses them would then mean another.
        let used = meanings
            .words
            .iter()
            .any(|word| matches!(word.what, What::Name(n) if meanings.names[n].span == other.span));
        if other.span.file == LIBRARY && !used {
            continue;
        }
        return Err(match other.span.file {
            LIBRARY => format!("`{new}` is a library block that is used here"),
            _ => {
                let place = program.sources.place(other.span, FileId(u32::MAX));
                format!("`{new}` is already a {} ({place})", other.kind.noun())
            }
        });
    }
    match meanings.words.iter().find(|word| matches!(word.what, What::Word(_)) && text_is(word.span)) {
        // `padding=same` would come to mean the name.
        Some(word) if [NameKind::Constant, NameKind::Parameter, NameKind::Variable].contains(&own.kind) => {
            Err(format!("`{new}` is used as a word ({})", program.sources.place(word.span, FileId(u32::MAX))))
        }
        _ => Ok(()),
    }
}

/// The definition of a block or model that a place lies in.
fn body(meanings: &Meanings<'_>, span: Span) -> Option<Span> {
    let definitions =
        meanings.names.iter().filter(|name| matches!(name.kind, NameKind::Block | NameKind::Model));
    let spans = definitions.map(|name| name.statement.span);
    spans.into_iter().find(|own| own.file == span.file && own.start <= span.start && span.end <= own.end)
}
