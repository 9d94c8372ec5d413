//! What is shown for the word under the cursor: what it came to here, what it is, and what it is made of. The docs
//! are those of the reference.

use crate::editor::Program;
use crate::editor::defined::{Name, NameKind, head, statements as top};
use crate::editor::facts::{facts, parameters};
use crate::editor::meaning::{Meanings, What};
use crate::experiment::expect::of_output;
use crate::model::scope::arriving_names;
use crate::numbers::plural;
use crate::reference::{blocks, expectation, spec, statements};
use crate::source::{LIBRARY, Span};
use crate::syntax::ast::{Argument, Ast, Statement, Value};

/// A text beside the cursor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hover {
    /// What it is about.
    pub span: Span,
    pub markdown: String,
}

/// What there is to say of the word at a place.
pub fn hover(program: &Program, offset: usize) -> Option<Hover> {
    let meanings = Meanings::of(program);
    let word = meanings.find(program.file, offset)?;
    let text = program.sources.slice(word.span);
    let own = statement_at(&program.checked.ast, word.span).filter(|own| own.word.span == word.span);
    let here = own.and_then(|statement| facts(program, statement)).map(|facts| facts.text());
    let docs = match word.what {
        What::Keyword => {
            statements::STATEMENTS.iter().find(|s| s.name == text).map(|s| statements::entry(s).text)
        }
        What::Layer(layer) => Some(spec::entry("", layer).text),
        What::Setting(setting) => Some(spec::entry("", setting).text),
        What::Choice(choice) => {
            let line =
                statement_at(&program.checked.ast, word.span).map_or("", |line| line.word.text.as_str());
            Some(spec::entry(&format!("{line} "), choice).text)
        }
        What::Key(_, param) | What::Word(param) => {
            Some(spec::argument(param).trim_start_matches("- ").to_owned())
        }
        What::Quantity => {
            let whole = statement_at(&program.checked.ast, word.span).map(|line| &line.word);
            let of_output = whole.and_then(of_output).map(|(_, own)| own);
            expectation(of_output.as_deref().unwrap_or(text)).map(|entry| entry.text)
        }
        What::Arriving => arriving(program, word.span, text),
        What::Name(name) => Some(named(program, &meanings, &meanings.names[name])),
        What::Text => used_file(program, word.span),
        What::Bool | What::Unknown => None,
    };
    let parts: Vec<String> = here.into_iter().chain(docs).map(|part| part.trim_end().to_owned()).collect();
    (!parts.is_empty()).then(|| Hover { span: word.span, markdown: parts.join("\n\n---\n\n") })
}

/// The innermost statement that a span lies in.
pub fn statement_at(ast: &Ast, span: Span) -> Option<&Statement> {
    let mut found = None;
    let mut chains = &ast.chains;
    let inside = |outer: Span| outer.file == span.file && outer.start <= span.start && span.end <= outer.end;
    loop {
        // Statements stand in the order of the text.
        let before = chains.partition_point(|chain| {
            chain.links.first().is_none_or(|link| link.statement.span.start <= span.start)
        });
        let Some(chain) = before.checked_sub(1).and_then(|at| chains.get(at)) else { return found };
        let links = chain.links.iter().map(|link| &link.statement);
        let Some(mut statement) = { links }.find(|statement| inside(statement.span)) else { return found };
        found = Some(statement);
        loop {
            let clause = statement.clauses.iter().find(|clause| inside(clause.span));
            match (&statement.block, clause) {
                (Some(block), _) if inside(block.span) => {
                    chains = &block.chains;
                    break;
                }
                (_, Some(clause)) => {
                    statement = clause;
                    found = Some(clause);
                }
                (_, None) => return found,
            }
        }
    }
}

/// What a name stands for, and where it gets it.
fn named(program: &Program, meanings: &Meanings<'_>, name: &Name<'_>) -> String {
    let written = |span: Span| program.sources.slice(span).to_owned();
    let owner = head(name.statement).map_or("", |((owner, _), _)| owner);
    let what = match name.kind {
        NameKind::Block | NameKind::Model => {
            return place_of(program, name, block(program, name));
        }
        NameKind::Parameter => match name.value {
            Some(value) => {
                format!("`{}`: parameter of `{owner}`, default `{}`", name.text, written(value.span))
            }
            None => format!("`{}`: parameter of `{owner}`", name.text),
        },
        NameKind::Constant => {
            let value = name.value.map_or_else(String::new, |value| written(value.span));
            let known = meanings.definitions.constants.get(name.text).filter(|(_, span)| *span == name.span);
            let worked_out = known.and_then(|(kind, span)| {
                let value = Value { kind: kind.clone(), span: *span };
                Some(value.to_string()).filter(|shown| name.value.is_some_and(|v| v.to_string() != *shown))
            });
            match worked_out {
                Some(shown) => format!("```text\nlet {} = {value}\n```\n\n= `{shown}`", name.text),
                None => format!("```text\nlet {} = {value}\n```", name.text),
            }
        }
        NameKind::Variable => {
            let list = name.value.map_or_else(String::new, |value| written(value.span));
            format!("`{}`: each of `{list}` in turn", name.text)
        }
        NameKind::Value => {
            let given = facts(program, name.statement).map(|facts| facts.text());
            let line = format!("`{}`: the output of `{}`", name.text, written(name.statement.head()));
            given.map_or(line.clone(), |given| format!("{line}\n\n{given}"))
        }
    };
    place_of(program, name, what)
}

/// The entry of a block, or what a model comes to.
fn block(program: &Program, name: &Name<'_>) -> String {
    if name.kind == NameKind::Block {
        return blocks::entry(name.statement)
            .map_or_else(String::new, |entry| entry.text.trim_start().to_owned());
    }
    let usage = blocks::usage(name.statement).map_or_else(String::new, |(_, usage)| usage);
    let mut parts: Vec<String> = name.statement.doc.iter().cloned().collect();
    parts.push(format!("```text\nmodel {usage}\n```"));
    if let Some(model) =
        program.checked.experiment.model.as_ref().filter(|model| model.name_span == name.span)
    {
        let layers = plural(model.layers.len() as u64, "layer", "layers");
        let shapes = match (&model.input, model.output()) {
            (Some(input), Some(output)) => format!("`{input}` → `{output}`: "),
            _ => String::new(),
        };
        parts.push(format!("{shapes}{layers}, {}", parameters(model.n_parameters() as u64)));
    }
    parts.join("\n\n")
}

/// Where a name is defined, if that is not in this file.
fn place_of(program: &Program, name: &Name<'_>, text: String) -> String {
    let text = text.trim_end().to_owned();
    match name.span.file {
        file if file == program.file => text,
        LIBRARY => format!("{text}\n\nIn the language's own library."),
        _ => format!("{text}\n\nIn {}.", program.sources.place(name.span, program.file)),
    }
}

/// `in.channels` where one shape arrives.
fn arriving(program: &Program, span: Span, word: &str) -> Option<String> {
    let axis = word.strip_prefix("in.")?;
    let what = format!("the {axis} of this line's input");
    let value = statement_at(&program.checked.ast, span).and_then(|statement| {
        let passed = program.checked.experiment.passing.of(statement).filter(|passed| passed.n_times == 1)?;
        let model = program.checked.experiment.model.as_ref()?;
        let input =
            model.layers.get(passed.layers.start).filter(|_| !passed.layers.is_empty())?.input.as_ref()?;
        let axis = arriving_names(input.rank()).iter().position(|known| *known == word)?;
        input.dims().get(axis).copied()
    });
    Some(value.map_or_else(|| format!("{what}."), |value| format!("{what}: `{value}`")))
}

/// What a used file defines.
fn used_file(program: &Program, span: Span) -> Option<String> {
    let imports = &program.checked.imports;
    let line = imports
        .uses
        .iter()
        .find(|line| line.at.file == span.file && line.at.start <= span.start && span.end <= line.at.end)?;
    let ast = imports.files.iter().find(|ast| ast.file == line.to)?;
    let mut lines = vec![format!("`{}`", program.sources.get(line.to).path)];
    for statement in top(ast) {
        match (statement.word.text.as_str(), head(statement)) {
            (word @ ("block" | "model"), Some(((name, _), _))) => lines.push(format!("- {word} `{name}`")),
            ("let", _) => {
                let written = |argument: &Argument| program.sources.slice(argument.span()).to_owned();
                lines.extend(
                    statement.arguments.iter().map(|argument| format!("- let `{}`", written(argument))),
                );
            }
            _ => {}
        }
    }
    Some(lines.join("\n"))
}
