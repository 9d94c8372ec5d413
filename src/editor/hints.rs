//! Inlay hints: the output shape behind each layer line, what the whole model comes to at its head, and what the data hold behind
//! their source.

use std::ops::Range;

use crate::data::sample::Task;
use crate::data::section::Looked;
use crate::editor::Program;
use crate::editor::defined::{head, statements};
use crate::editor::facts::{facts, parameters};
use crate::model::passing::{MOST_SHAPES, is_layer_line};
use crate::numbers::{plural, short, thousands};
use crate::syntax::ast::{Chain, Link, Statement};

/// Text that is shown in a line without being in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hint {
    pub offset: usize,
    /// `: 32x26x26`; shapes that differ from use to use stand beside each other.
    pub label: String,
    /// Markdown.
    pub tooltip: String,
    /// What makes the hint part of the file: an asserted shape.
    pub insert: Option<String>,
}

/// The hints whose place lies in a range of the text. A line that says its shape itself has none.
pub fn hints(program: &Program, range: Range<usize>) -> Vec<Hint> {
    let mut found = Vec::new();
    found.extend(data(program).filter(|hint| within(&range, hint.offset)));
    for statement in statements(&program.checked.ast) {
        let word = statement.word.text.as_str();
        if word == "model" {
            found.extend(totals(program, statement).filter(|hint| within(&range, hint.offset)));
        }
        if ["model", "block"].contains(&word) {
            bodies(program, statement, &range, &mut found);
        }
    }
    found.sort_by_key(|hint| hint.offset);
    found
}

/// What lies where the `source` says, once it was looked at.
fn data(program: &Program) -> Option<Hint> {
    let section =
        program.checked.experiment.data.as_ref().filter(|section| section.looked == Looked::There)?;
    let [train, validation, test] = section.facts.parts?;
    let classes = section.facts.classes.map(|n| {
        let [one, several] = match section.facts.task {
            Task::Classes | Task::Masks => ["class", "classes"],
            Task::Labels => ["label", "labels"],
            Task::Numbers => ["number", "numbers"],
            Task::Images => ["target channel", "target channels"],
        };
        format!("{}, ", plural(n as u64, one, several))
    });
    let parts = match validation {
        0 => format!("{} + {}", thousands(train as u64), thousands(test as u64)),
        n => format!("{} + {} + {}", thousands(train as u64), thousands(n as u64), thousands(test as u64)),
    };
    let label = format!(" {}{parts} images, {}", classes.unwrap_or_default(), section.facts.form);
    let tooltip = "Images to train on, to watch the training where there are such, and to test on; channels x height x width.";
    let offset = section.source_span.range().end;
    Some(Hint { offset, label, tooltip: tooltip.to_owned(), insert: None })
}

/// Parameters and operations of the model that is run, if every line of it is known.
fn totals(program: &Program, statement: &Statement) -> Option<Hint> {
    let model = program.checked.experiment.model.as_ref()?;
    let ((_, name), _) = head(statement)?;
    if name != model.name_span || model.output().is_none() || !program.checked.experiment.passing.is_whole() {
        return None;
    }
    let each = program.flops()?.iter().enumerate();
    let flops: u64 = each.filter(|(at, _)| !model.is_auxiliary(*at)).map(|(_, own)| own).sum();
    let figures = format!("{}, {} FLOPs", parameters(model.n_parameters() as u64), short(flops));
    let layers = plural(model.layers.len() as u64, "layer", "layers");
    Some(Hint {
        offset: statement.head().end as usize,
        label: figures,
        tooltip: format!("{layers}; FLOPs for one image, forward, a multiply-add counted as two"),
        insert: None,
    })
}

/// The blocks of a statement.
fn bodies(program: &Program, statement: &Statement, range: &Range<usize>, found: &mut Vec<Hint>) {
    let blocks = std::iter::once(statement).chain(&statement.clauses).filter_map(|s| s.block.as_ref());
    for block in blocks.filter(|block| touches(block.span.range(), range)) {
        let lines = program.text().get(block.span.range()).is_some_and(|body| body.contains('\n'));
        for (i, chain) in block.chains.iter().enumerate() {
            // Of several chains on a line, the last one has the hint.
            let next = block.chains.get(i + 1).and_then(|next| next.links.first());
            if lines && next.is_none_or(|next| ends_line(program, chain, next)) {
                hint(program, chain, range, found);
            }
            chain.links.iter().for_each(|link| bodies(program, &link.statement, range, found));
        }
    }
}

/// Whether a place lies in a range or at its end.
fn within(range: &Range<usize>, offset: usize) -> bool {
    range.start <= offset && offset <= range.end
}

fn touches(a: Range<usize>, b: &Range<usize>) -> bool {
    a.start <= b.end && b.start <= a.end
}

/// Whether a line ends between a chain and the next.
fn ends_line(program: &Program, chain: &Chain, next: &Link) -> bool {
    let Some(last) = chain.links.last() else { return false };
    let between = last.statement.span.end as usize..next.statement.span.start as usize;
    program.text().get(between).is_some_and(|gap| gap.contains('\n'))
}

/// The hints of a chain: one at the end of each of its lines.
fn hint(program: &Program, chain: &Chain, range: &Range<usize>, found: &mut Vec<Hint>) {
    let text = program.text();
    for (i, link) in chain.links.iter().enumerate() {
        let end = link.alias.iter().fold(link.statement.span.end, |_, alias| alias.span.end) as usize;
        let next = chain.links.get(i + 1).map(|next| next.statement.span.start as usize);
        let ends = next.is_none_or(|next| text.get(end..next).is_some_and(|gap| gap.contains('\n')));
        if !ends || !within(range, end) || link.assertion.is_some() || !is_layer_line(link, text) {
            continue;
        }
        let Some(facts) = facts(program, &link.statement) else { continue };
        let mut shapes: Vec<String> = facts.outputs.iter().map(ToString::to_string).collect();
        let insert = (shapes.len() == 1).then(|| format!(" : {}", shapes[0]));
        if shapes.len() > MOST_SHAPES {
            shapes.truncate(MOST_SHAPES);
            shapes.push("…".to_owned());
        }
        let label = format!(": {}", shapes.join(" | "));
        found.push(Hint { offset: end, label, tooltip: facts.text(), insert });
    }
}
