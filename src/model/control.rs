//! Statements of a body that are not layers: `let`, `repeat`, `for`, `if`, and the use of a block.

use std::borrow::Cow;

use crate::diag::{Diagnostic, codes, nearest};
use crate::model::dead::is_word;
use crate::model::definitions::{Block, Origin, not_a_let};
use crate::model::expand::{Call, Expansion, MAX_CALLS};
use crate::model::scope::Frame;
use crate::numbers::plural;
use crate::source::Span;
use crate::spec::{Args, MAX_COUNT, evaluate};
use crate::syntax::ast::{Argument, Chain, Compare, Link, Statement, Value, ValueKind};

/// Statements whose turns and choices name nothing themselves: where a loop's body is one of them, it is named by the loop.
const LOOPS: [&str; 3] = ["repeat", "for", "if"];

/// How the turns of a loop are called.
struct Turns {
    name: String,
    /// Whether the body is one statement, which then has the name.
    is_one: bool,
}

impl<'a> Expansion<'a> {
    /// Reads a control statement; false if `word` is none.
    pub(super) fn control(
        &mut self,
        word: &str,
        statement: &'a Statement,
        previous: Option<&'a Statement>,
    ) -> bool {
        match word {
            "let" => self.bind_constants(statement),
            "repeat" => self.repeat(statement),
            "for" => self.for_each(statement),
            "if" => self.choose(statement),
            "residual" => self.residual(statement),
            "shortcut" | "else" => {
                let partner = if word == "else" { "if" } else { "residual" };
                let message = format!(
                    "`{word}` follows the block of `{partner}` on its line: `{partner} … {{ … }} {word} {{ … }}`"
                );
                let behind = previous.is_some_and(|previous| previous.word.text == partner);
                let label = if behind { "move it up, after the `}`" } else { "nothing to follow here" };
                self.error(codes::MISPLACED, statement.head(), message, label);
            }
            "branch" => {
                let message = "`branch` belongs inside `concat { … }`, `add { … }` or `multiply { … }`";
                self.error(codes::MISPLACED, statement.head(), message, "not inside a join");
            }
            _ => return false,
        }
        true
    }

    fn block_of(&mut self, statement: &'a Statement) -> Option<&'a [Chain]> {
        match &statement.block {
            Some(block) => Some(&block.chains),
            None => {
                let word = statement.word.text.as_str();
                let message = format!("`{word}` needs its layers in `{{ … }}`");
                self.error(codes::BLOCK_MISUSE, statement.head(), message, "no block follows");
                None
            }
        }
    }

    fn bind_constants(&mut self, statement: &Statement) {
        for argument in &statement.arguments {
            let Argument::Property { key, value } = argument else {
                self.report(not_a_let(argument.span()));
                continue;
            };
            let value = self.evaluate(value);
            if let (Some(value), Some(frame)) = (value, self.frames.last_mut()) {
                frame.values.insert(key.text.clone(), value.kind);
            }
        }
    }

    fn repeat(&mut self, statement: &'a Statement) {
        let [Argument::Value(value)] = statement.arguments.as_slice() else {
            self.error(
                codes::MISSING_ARGUMENT,
                statement.head(),
                "`repeat` is written `repeat 3 { … }`",
                "one count is expected",
            );
            return;
        };
        let Some(evaluated) = self.evaluate(value) else { return };
        let count = match evaluated.kind {
            ValueKind::Number(n) if n.scaled().fract() == 0.0 && (0.0..=MAX_COUNT).contains(&n.scaled()) => {
                n.scaled() as u64
            }
            _ => {
                self.error(
                    codes::BAD_VALUE,
                    value.span,
                    "`repeat` needs a whole number of at least 0",
                    "not a count",
                );
                return;
            }
        };
        let Some(body) = self.block_of(statement) else { return };
        if count == 0 {
            self.dead_loop(statement, value);
        }
        let turns = self.turns("repeat", body);
        for turn in 0..count as usize {
            if self.stopped {
                return;
            }
            self.spend(1);
            self.turn(&turns, turn, body);
            if body.is_empty() {
                return;
            }
        }
    }

    fn for_each(&mut self, statement: &'a Statement) {
        let (name, list) = match statement.arguments.as_slice() {
            [
                Argument::Value(Value { kind: ValueKind::Word(name), .. }),
                Argument::Value(Value { kind: ValueKind::Word(word), .. }),
                Argument::Value(list),
            ] if word == "in" => (name, list),
            _ => {
                let message = "`for` is written `for width in [64, 128] { … }`";
                self.error(
                    codes::MISSING_ARGUMENT,
                    statement.head(),
                    message,
                    "a name, `in` and a list are expected",
                );
                return;
            }
        };
        let Some(evaluated) = self.evaluate(list) else { return };
        let ValueKind::List(items) = evaluated.kind else {
            self.error(
                codes::BAD_VALUE,
                list.span,
                "`for` loops over a list such as `[64, 128]`",
                "not a list",
            );
            return;
        };
        let Some(body) = self.block_of(statement) else { return };
        if items.is_empty() {
            self.dead_loop(statement, list);
        }
        let turns = self.turns("for", body);
        for (turn, item) in items.into_iter().enumerate() {
            if self.stopped || body.is_empty() {
                return;
            }
            let mut frame = Frame::default();
            frame.values.insert(name.clone(), item.kind);
            self.frames.push(frame);
            self.turn(&turns, turn, body);
            self.pop_frame();
        }
    }

    /// What the turns of a loop are called.
    fn turns(&mut self, word: &str, body: &'a [Chain]) -> Turns {
        let one = match body {
            [Chain { links, .. }] if links.len() == 1 => links.first(),
            _ => None,
        };
        let one = one.filter(|link| !LOOPS.contains(&link.statement.word.text.as_str()));
        let word_of = |link: &'a Link| self.meaning(&link.statement.word).into_owned();
        let one = one.map(|link| (word_of(link), link.alias.as_ref().map(|alias| alias.text.as_str())));
        let of_one = one.as_ref().map(|(word, alias)| (word.as_str(), *alias));
        let name = self.naming.begin_loop(word, of_one);
        Turns { name, is_one: one.is_some() }
    }

    /// The body of a loop, once.
    fn turn(&mut self, turns: &Turns, turn: usize, body: &'a [Chain]) {
        self.spend_name();
        if turns.is_one {
            self.naming.give_turn(&turns.name, turn);
            return self.body(body);
        }
        let outer = self.naming.enter_turn(&turns.name, turn);
        self.body(body);
        self.naming.leave(outer);
    }

    /// `if condition { … } else if condition { … } else { … }`
    fn choose(&mut self, statement: &'a Statement) {
        let outer = self.naming.enter_given();
        self.chosen(statement);
        self.naming.leave(outer);
    }

    fn chosen(&mut self, statement: &'a Statement) {
        let (mut condition, mut statement, mut rest) =
            (statement.arguments.as_slice(), statement, statement.clauses.as_slice());
        loop {
            let Some(holds) = self.condition(condition, statement.head()) else { return };
            self.dead_branch(condition, statement);
            let Some(body) = self.block_of(statement) else { return };
            if holds {
                return self.body(body);
            }
            let Some((next, others)) = rest.split_first() else { return };
            if next.word.text != "else" {
                let message = format!("`{}` cannot follow `if`", next.word.text);
                return self.error(codes::MISPLACED, next.word.span, message, "`else` is expected");
            }
            match next.arguments.split_first() {
                None => {
                    if let Some(body) = self.block_of(next) {
                        self.body(body);
                    }
                    return;
                }
                Some((Argument::Value(Value { kind: ValueKind::Word(word), .. }), others_condition))
                    if word == "if" =>
                {
                    (condition, statement, rest) = (others_condition, next, others);
                }
                Some((other, _)) => {
                    return self.error(
                        codes::BAD_VALUE,
                        other.span(),
                        "`else` is followed by `if` or by its block",
                        "not expected",
                    );
                }
            }
        }
    }

    /// `stride != 1 or in.channels != channels`; `and` binds before `or`.
    fn condition(&mut self, arguments: &[Argument], head: Span) -> Option<bool> {
        let mut any = false;
        for all in arguments.split(|argument| is_word(argument, "or")) {
            let mut every = true;
            for comparison in all.split(|argument| is_word(argument, "and")) {
                every &= self.comparison(comparison, head)?;
            }
            any |= every;
        }
        Some(any)
    }

    pub(super) fn comparison(&mut self, arguments: &[Argument], head: Span) -> Option<bool> {
        match arguments {
            [Argument::Value(value)] => match self.evaluate(value)?.kind {
                ValueKind::Word(word) if word == "true" => Some(true),
                ValueKind::Word(word) if word == "false" => Some(false),
                _ => {
                    let message =
                        "a condition compares two values, such as `stride != 1`, or is `true` or `false`";
                    self.error(codes::BAD_VALUE, value.span, message, "nothing to decide");
                    None
                }
            },
            [Argument::Value(left), Argument::Relation { compare, value: right, span }] => {
                let (a, b) = (self.evaluate(left)?, self.evaluate(right)?);
                match (&a.kind, &b.kind, compare) {
                    (ValueKind::Number(x), ValueKind::Number(y), _) => {
                        Some(compare.holds(x.scaled(), y.scaled()))
                    }
                    (x, y, Compare::Equal) if self.comparable(x, y, left) => Some(x == y),
                    (x, y, Compare::NotEqual) if self.comparable(x, y, left) => Some(x != y),
                    _ => {
                        let message = format!("these cannot be compared with `{}`", compare.symbol());
                        self.error(codes::BAD_VALUE, left.span.to(*span), message, "numbers are expected");
                        None
                    }
                }
            }
            _ => {
                let message = "a condition is written `a == b`, joined by `and` and `or`";
                let span = arguments
                    .first()
                    .map_or(head, |first| first.span().to(arguments[arguments.len() - 1].span()));
                self.error(codes::BAD_VALUE, span, message, "not a condition");
                None
            }
        }
    }

    /// Words may be compared with words, but a name without a value is a mistake.
    fn comparable(&mut self, a: &ValueKind, b: &ValueKind, left: &Value) -> bool {
        let unbound =
            matches!((&left.kind, a), (ValueKind::Word(name), ValueKind::Word(value)) if name == value);
        std::mem::discriminant(a) == std::mem::discriminant(b) && !unbound
    }

    /// Puts a block in where it is used.
    pub(super) fn call(&mut self, block: &'a Block<'a>, statement: &'a Statement) {
        let name = block.name.text.as_str();
        self.used.insert(name.to_owned());
        if let Some(first) = self.calls.iter().find(|call| call.name == name) {
            let d = Diagnostic::error(
                codes::RECURSION,
                statement.head(),
                format!("the {} `{name}` uses itself", block.statement.word.text),
            )
            .label("used inside itself here")
            .related(first.span, "used from here")
            .related(block.name.span, "defined here")
            .advise("`repeat N { … }` to repeat layers");
            self.report(d);
            self.flow.shape = None;
            return;
        }
        if self.calls.len() >= MAX_CALLS {
            let message = format!("blocks are nested more than {MAX_CALLS} deep");
            self.error(codes::EXPANSION, statement.head(), message, "one level too many");
            self.stopped = true;
            return;
        }
        let mut frame = Frame { closed: true, ..Frame::default() };
        let outer = self.naming.enter_block(name);
        self.spend_name();
        let Some(values) = self.arguments(block, &statement.arguments, statement.head()) else {
            self.flow.shape = None;
            self.naming.leave(outer);
            return;
        };
        frame.values.extend(values);
        self.frames.push(frame);
        let is_model = block.statement.word.text == "model";
        self.calls.push(Call {
            name: name.to_owned(),
            span: statement.head(),
            is_model,
            is_changed: is_model && !statement.arguments.is_empty(),
            arriving: self.flow.shape.clone(),
            depth: self.frames.len() + 1,
        });
        self.body(block.body);
        self.pop_frame();
        self.calls.pop();
        self.naming.leave(outer);
    }

    /// The `input` line of a model that is used as a layer: it takes what arrives, of the same kind.
    pub(super) fn input_of_layer(&mut self, args: Option<&Args>) {
        let declared = args.and_then(|args| args.shape("shape").ok());
        let (Some(declared), Some(arriving)) = (declared, self.flow.shape.clone()) else { return };
        let Some(mut call) = self.calls.pop() else { return };
        if *declared != arriving {
            call.is_changed = true;
        }
        if declared.rank() != arriving.rank() {
            let message = format!("`{}` takes inputs such as {declared}, but {arriving} arrives", call.name);
            let d = Diagnostic::error(codes::WRONG_RANK, call.span, message)
                .label(format!("{arriving} arrives here"));
            let d = match args.and_then(|args| args.span("shape")) {
                Some(span) => d.related(span, "its own input"),
                None => d,
            };
            self.report(match (declared.rank(), arriving.rank()) {
                (3, 1) => d.advise("put it before the `flatten` or the global pool above"),
                (_, _) => d.advise(format!("`reshape` to a shape such as {declared} before it")),
            });
            self.flow.shape = None;
        }
        self.calls.push(call);
    }

    /// Binds parameters in the frame at hand.
    pub(super) fn bind_parameters(&mut self, block: &Block<'a>, arguments: &'a [Argument], span: Span) {
        let values = self.arguments(block, arguments, span).unwrap_or_default();
        if let Some(frame) = self.frames.last_mut() {
            frame.values.extend(values);
        }
    }

    fn arguments(
        &mut self,
        block: &Block<'a>,
        arguments: &'a [Argument],
        span: Span,
    ) -> Option<Vec<(String, ValueKind)>> {
        // Each default is worked out with a copy of the values before it.
        self.spend(block.parameters.len() * block.parameters.len() / 16);
        let name = block.name.text.clone();
        let names: Vec<String> = block.parameters.iter().map(|p| p.name.text.clone()).collect();
        let written = |names: &[String]| format!("usage: {name} {}", names.join(" ").to_uppercase());
        let mut values: Vec<(String, ValueKind)> = Vec::new();
        let mut places = block.parameters.iter();
        let mut sound = true;
        for argument in arguments {
            let (parameter, value) = match argument {
                Argument::Value(value) => match places.next() {
                    Some(parameter) => (parameter, value),
                    None => {
                        let message =
                            format!("`{name}` takes {}", plural(names.len() as u64, "value", "values"));
                        let d = Diagnostic::error(codes::TOO_MANY_ARGUMENTS, value.span, message)
                            .label("one value too many")
                            .related(block.name.span, "defined here")
                            .drop("remove it", value.span);
                        self.report(d);
                        sound = false;
                        continue;
                    }
                },
                Argument::Property { key, value } => {
                    match block.parameters.iter().find(|p| p.name.text == key.text) {
                        Some(parameter) => (parameter, value),
                        None => {
                            let message = format!(
                                "the {} `{name}` has no parameter `{}`",
                                block.statement.word.text, key.text
                            );
                            let d = Diagnostic::error(codes::UNKNOWN_ARGUMENT, key.span, message)
                                .related(block.name.span, "defined here");
                            self.report(match nearest(&key.text, names.iter().map(String::as_str)) {
                                Some(near) => d.meant(key.span, near),
                                None => d.label(format!("it has: {}", names.join(", "))),
                            });
                            sound = false;
                            continue;
                        }
                    }
                }
                Argument::Relation { span, .. } => {
                    self.error(
                        codes::MISPLACED,
                        *span,
                        format!("`{name}` takes no comparison"),
                        "a value is expected",
                    );
                    sound = false;
                    continue;
                }
            };
            let key = &parameter.name.text;
            if values.iter().any(|(other, _)| other == key) {
                self.error(
                    codes::REPEATED_ARGUMENT,
                    argument.span(),
                    format!("`{key}` of `{name}` is given twice"),
                    "given again here",
                );
                sound = false;
                continue;
            }
            match self.evaluate(value) {
                Some(value) => values.push((key.clone(), value.kind)),
                None => sound = false,
            }
        }
        for parameter in &block.parameters {
            if values.iter().any(|(other, _)| *other == parameter.name.text) {
                continue;
            }
            match parameter.default {
                Some(default) => {
                    // A default sees the file's constants and the parameters before it.
                    let mut frame = Frame { closed: true, ..Frame::default() };
                    frame.values.extend(values.iter().cloned());
                    self.frames.push(frame);
                    let value = match evaluate(default, &self.visible()).map(Cow::into_owned) {
                        Ok(value) => {
                            let n_items =
                                if let ValueKind::List(items) = &value.kind { items.len() } else { 0 };
                            self.spend(n_items);
                            Some(value)
                        }
                        Err(why) if block.origin == Origin::Library => {
                            let own = &parameter.name.text;
                            let reason = why.message.trim_start_matches("this expression has no value: ");
                            let message = format!("`{own}` of `{name}` has no value here: {reason}");
                            self.report(Diagnostic::error(why.code, span, message).note(written(&names)));
                            None
                        }
                        Err(why) => {
                            self.report(*why);
                            None
                        }
                    };
                    self.frames.pop();
                    match value {
                        Some(value) => values.push((parameter.name.text.clone(), value.kind)),
                        None => sound = false,
                    }
                }
                None => {
                    let message = format!("`{name}` needs `{}`", parameter.name.text);
                    let d = Diagnostic::error(codes::MISSING_ARGUMENT, span, message)
                        .label(format!("`{}` is missing", parameter.name.text))
                        .related(parameter.name.span, "it has no default")
                        .note(written(&names));
                    self.report(d);
                    sound = false;
                }
            }
        }
        sound.then_some(values)
    }
}
