//! The declarations of every word → the reference: chapters of entries in Markdown, for `docs/` and for
//! `dslc explain WORD`. Nothing of a word is told here that its declaration does not say.

pub mod blocks;
pub mod spec;
pub mod statements;

use crate::diag::codes::PAGES;
use crate::experiment::words::{self, Group};
use crate::model::auxiliary::EDGES;
use crate::model::scope::ARRIVING;
use crate::spec::{Spec, elsewhere, functions};

/// The section of layers.
const MODEL: &str = "model";

/// One word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub name: String,
    /// What other tools call it.
    pub elsewhere: &'static [&'static str],
    /// Markdown without a heading.
    pub text: String,
}

/// Words that stand in one place of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chapter {
    pub title: &'static str,
    pub intro: &'static str,
    pub entries: Vec<Entry>,
}

/// Every chapter, in the order of a file.
pub fn chapters() -> Vec<Chapter> {
    [language(), layers(), training()].concat()
}

fn chapter(title: &'static str, intro: &'static str, entries: impl Iterator<Item = Entry>) -> Chapter {
    Chapter { title, intro, entries: entries.collect() }
}

fn language() -> Vec<Chapter> {
    let words = statements::STATEMENTS.iter().map(statements::entry);
    vec![chapter("Statements", "", words)]
}

/// What a model's lines begin with: declared words, and the library's blocks.
fn layers() -> Vec<Chapter> {
    let declared = words::groups().into_iter().filter(|group| group.section == MODEL).map(of_group);
    let library = chapter(
        "Blocks of the library",
        "Written in the language itself and used like layers. A file may define any of these names anew.",
        blocks::entries(),
    );
    declared.chain([library]).collect()
}

fn training() -> Vec<Chapter> {
    words::groups().into_iter().filter(|group| group.section != MODEL).map(of_group).collect()
}

fn of_group(group: Group) -> Chapter {
    let Group { title, intro, section, before, specs } = group;
    let entries = specs.into_iter().map(|spec| match section {
        MODEL if !EDGES.iter().any(|edge| edge.name == spec.name) => spec::layer(spec),
        "expect" => quantity(spec),
        _ => spec::entry(&before, spec),
    });
    chapter(title, intro, entries)
}

/// The entry of a line of `expect`.
pub fn quantity(spec: &Spec) -> Entry {
    let text = format!("{}. {}\n", sentence(spec.summary), spec.docs);
    Entry { name: spec.name.to_owned(), elsewhere: spec.elsewhere, text }
}

/// The entry of a line of `expect` that begins with this word.
pub fn expectation(word: &str) -> Option<Entry> {
    words::lines("expect")?.into_iter().find(|spec| spec.name == word).map(quantity)
}

/// The entries of a word or a function, or of the argument that is called so, or of what another tool calls so.
pub fn find(word: &str) -> Vec<Entry> {
    let entries = || chapters().into_iter().flat_map(|chapter| chapter.entries);
    let function = functions::find(word).map(|function| Entry {
        name: word.to_owned(),
        elsewhere: &[],
        text: format!("{}.\n\n    {}\n", sentence(function.summary), function.usage),
    });
    let arriving = ARRIVING.contains(&word).then(|| Entry {
        name: word.to_owned(),
        elsewhere: &[],
        text: format!(
            "A number in a model's body: the {} of what arrives at that place. An image has `in.channels`, `in.height` and \
             `in.width`, a volume `in.depth` as well, a sequence `in.channels` and `in.length`, a flat vector `in.channels`.\n\n    conv2d (2 * \
             in.channels) 3x3\n",
            word.trim_start_matches("in.")
        ),
    });
    let own: Vec<Entry> =
        entries().filter(|entry| entry.name == word).chain(function).chain(arriving).collect();
    if !own.is_empty() {
        return own;
    }
    if let Some(argument) = argument(word, entries()) {
        return vec![argument];
    }
    let theirs: Vec<Entry> = entries().filter(|entry| entry.elsewhere.contains(&word)).collect();
    match theirs.is_empty() {
        true => elsewhere::arguments(word).filter_map(|own| argument(own, entries())).collect(),
        false => theirs,
    }
}

/// What an argument means to each word that takes it.
fn argument(name: &str, entries: impl Iterator<Item = Entry>) -> Option<Entry> {
    let lines: Vec<String> = entries
        .filter_map(|entry| {
            let line = entry.text.lines().find_map(|line| line.strip_prefix(&format!("- `{name}=`: ")))?;
            Some(format!("- `{}`: {line}\n", entry.name))
        })
        .collect();
    let text = format!("An argument, written `{name}=…`, of:\n\n{}", lines.concat());
    (!lines.is_empty()).then(|| Entry { name: name.to_owned(), elsewhere: &[], text })
}

/// The files of `docs/`, by their names.
pub fn files() -> Vec<(&'static str, String)> {
    let head =
        |title: &str, intro: &str| format!("<!-- Written by `dslc docs`. -->\n\n# {title}\n\n{intro}\n\n");
    let layers_intro = "Shapes never include the batch: an image is channels x height x width, a sequence channels x length, a volume \
                        channels x depth x height x width, and a flat vector a number of features. \
                        See [the language](language.md) for how layers are put together.";
    let train_intro = "The sections `data`, `train` and `expect` of a `.net` file. See [the language](language.md) \
                       for a whole one.";
    let errors_intro =
        "Every finding has a code: E an error, W a warning. `dslc explain CODE` prints these pages.";
    vec![
        ("language.md", include_str!("language.md").replace("{{statements}}\n", &markdown(&language()))),
        ("layers.md", head("Layers", layers_intro) + &markdown(&layers())),
        ("train.md", head("Data and training", train_intro) + &markdown(&training())),
        ("errors.md", head("Findings", errors_intro) + &errors()),
    ]
}

fn markdown(chapters: &[Chapter]) -> String {
    let mut out = String::new();
    for chapter in chapters {
        out.push_str(&format!("## {}\n\n", chapter.title));
        if !chapter.intro.is_empty() {
            out.push_str(&format!("{}\n\n", chapter.intro));
        }
        for entry in &chapter.entries {
            out.push_str(&format!("### `{}`\n\n{}\n", entry.name, entry.text));
        }
    }
    out
}

fn errors() -> String {
    let mut out = String::new();
    for page in PAGES {
        let body = page.text.split_once('\n').map_or("", |(_, body)| body);
        let body = body.replace("\n## ", "\n### ").replace("```file ", "```text ");
        out.push_str(&format!("## {}: {}\n{body}\n", page.code, page.title()));
    }
    out
}

/// A summary with a capital at its beginning.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
