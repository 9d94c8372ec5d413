//! The declarations of every word → the reference: chapters of entries in Markdown, for `docs/` and for
//! `dslc explain WORD`. Nothing of a word is told here that its declaration does not say.

pub mod blocks;
pub mod spec;
pub mod statements;

use crate::data::transforms::{AUGMENT, PREPROCESS};
use crate::data::{SOURCES, settings as data_settings};
use crate::diag::codes::PAGES;
use crate::experiment::expect::QUANTITIES;
use crate::layers::LAYERS;
use crate::layers::joins::JOINS;
use crate::model::expand::INPUT;
use crate::train::losses::LOSSES;
use crate::train::optimizers::OPTIMIZERS;
use crate::train::schedules::SCHEDULES;
use crate::train::settings as train_settings;

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

fn layers() -> Vec<Chapter> {
    let layers = LAYERS.iter().map(|layer| spec::layer(layer.spec()));
    let joins = JOINS.iter().map(|join| spec::layer(join.spec()));
    vec![
        chapter("Input", "The first line of a model.", std::iter::once(spec::entry("", &INPUT))),
        chapter("Layers", "One line each, or several joined by `->`.", layers),
        chapter("Joins", "Several values become one.", joins),
        chapter(
            "Blocks of the library",
            "Written in the language itself and used like layers. A file may define any of these names anew.",
            blocks::entries(),
        ),
    ]
}

fn training() -> Vec<Chapter> {
    let preprocess = PREPROCESS.iter().map(|transform| spec::entry("", transform.spec()));
    let augment = AUGMENT.iter().map(|transform| spec::entry("", transform.spec()));
    let settings = |specs: &'static [&'static crate::spec::Spec]| specs.iter().map(|s| spec::entry("", s));
    vec![
        chapter("Lines of `data`", "", settings(data_settings::SETTINGS)),
        chapter(
            "Data sets",
            "The name behind `source`.",
            SOURCES.iter().map(|source| spec::entry("source ", source.spec())),
        ),
        chapter(
            "Preparation",
            "Lines of `data` that change every image, in training, evaluation and prediction alike.",
            preprocess,
        ),
        chapter("Augmentation", "Steps of `augment { … }`, in training only.", augment),
        chapter("Lines of `train`", "", settings(train_settings::SETTINGS)),
        chapter(
            "Losses",
            "The name behind `loss`.",
            LOSSES.iter().map(|loss| spec::entry("loss ", loss.spec())),
        ),
        chapter(
            "Optimizers",
            "The name behind `optimizer`.",
            OPTIMIZERS.iter().map(|optimizer| spec::entry("optimizer ", optimizer.spec())),
        ),
        chapter(
            "Schedules",
            "The name behind `schedule`.",
            SCHEDULES.iter().map(|schedule| spec::entry("schedule ", schedule.spec())),
        ),
        chapter(
            "Quantities of `expect`",
            "Each is compared with a number by `<`, `<=`, `>`, `>=`, `==` or `!=`.",
            QUANTITIES.iter().map(quantity),
        ),
    ]
}

fn quantity(&(name, fixed, what): &(&str, bool, &str)) -> Entry {
    let known = if fixed { "known with every check" } else { "measured by a run" };
    Entry { name: name.to_owned(), elsewhere: &[], text: format!("{}; {known}.\n", sentence(what)) }
}

/// The entry of a line of `expect`.
pub fn expectation(word: &str) -> Option<Entry> {
    QUANTITIES.iter().find(|(name, ..)| *name == word).map(quantity)
}

/// The entries of a word, or of what another tool calls so.
pub fn find(word: &str) -> Vec<Entry> {
    let entries = || chapters().into_iter().flat_map(|chapter| chapter.entries);
    let own: Vec<Entry> = entries().filter(|entry| entry.name == word).collect();
    if own.is_empty() { entries().filter(|entry| entry.elsewhere.contains(&word)).collect() } else { own }
}

/// The files of `docs/`, by their names.
pub fn files() -> Vec<(&'static str, String)> {
    let head =
        |title: &str, intro: &str| format!("<!-- Written by `dslc docs`. -->\n\n# {title}\n\n{intro}\n\n");
    let layers_intro = "Shapes are channels x height x width, or a number of features, always without the batch. \
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
