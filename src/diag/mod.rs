//! The one diagnostic type: what is wrong, where, how it came about, and edits that would mend it.
//!
//! A message is written where the fault is found. Code below the language (layers, ops) raises a
//! [`Fault`], which has no position; the stage that knows the position adds it once.

pub mod codes;
pub mod github;
mod near;
pub mod render;
pub mod sarif;

pub use crate::diag::near::{Near, nearest, same_but_case};
use crate::shape::Shape;
use crate::source::Span;

/// How bad a diagnostic is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Warning,
    Error,
}

/// A piece of source with what it has to do with the fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    pub span: Span,
    pub text: String,
}

/// When a machine may apply a fix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Applicability {
    /// Without asking: it corrects a slip of spelling, or says the same in the language's own words.
    Sure,
    /// Without asking, where the whole file has been checked with it: its finding is gone, and no new one has come.
    Proved,
    /// Only where a person asks for it: it guesses what was meant, or drops what somebody wrote.
    Asked,
}

/// A way out. With edits it can be applied by a machine; without, it is advice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fix {
    pub title: String,
    pub edits: Vec<(Span, String)>,
    pub applicability: Applicability,
}

impl Fix {
    /// A fix that has to be proved before it is applied without asking.
    pub fn new(title: impl Into<String>, edits: Vec<(Span, String)>) -> Fix {
        Fix { title: title.into(), edits, applicability: Applicability::Proved }
    }

    pub fn when(self, applicability: Applicability) -> Fix {
        Fix { applicability, ..self }
    }
}

/// One finding about the user's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Stable code, for example `E0301`; see [`codes`].
    pub code: &'static str,
    pub severity: Severity,
    pub message: String,
    pub primary: Label,
    pub related: Vec<Label>,
    /// How it came about, line by line.
    pub notes: Vec<String>,
    pub fixes: Vec<Fix>,
}

impl Diagnostic {
    pub fn error(code: &'static str, span: Span, message: impl Into<String>) -> Diagnostic {
        Diagnostic {
            code,
            severity: Severity::Error,
            message: message.into(),
            primary: Label { span, text: String::new() },
            related: Vec::new(),
            notes: Vec::new(),
            fixes: Vec::new(),
        }
    }

    pub fn warning(code: &'static str, span: Span, message: impl Into<String>) -> Diagnostic {
        Diagnostic { severity: Severity::Warning, ..Diagnostic::error(code, span, message) }
    }

    /// A fault at its place; its remedies stay behind, since they need the statement's text.
    pub fn of(fault: &Fault, span: Span) -> Diagnostic {
        let d = Diagnostic::error(fault.code, span, &fault.message).label(&fault.label);
        Diagnostic { severity: fault.severity, notes: fault.notes.clone(), ..d }
    }

    /// Text shown under the primary span.
    pub fn label(mut self, text: impl Into<String>) -> Diagnostic {
        self.primary.text = text.into();
        self
    }

    pub fn related(mut self, span: Span, text: impl Into<String>) -> Diagnostic {
        self.related.push(Label { span, text: text.into() });
        self
    }

    pub fn note(mut self, text: impl Into<String>) -> Diagnostic {
        self.notes.push(text.into());
        self
    }

    /// Advice that no edit of the text can express.
    pub fn advise(mut self, title: impl Into<String>) -> Diagnostic {
        self.fixes.push(Fix::new(title, Vec::new()));
        self
    }

    pub fn fix(mut self, fix: Fix) -> Diagnostic {
        self.fixes.push(fix);
        self
    }

    /// A fix that replaces the text under `span`, to be proved before it is applied.
    pub fn replace(self, title: impl Into<String>, span: Span, text: impl Into<String>) -> Diagnostic {
        self.fix(Fix::new(title, vec![(span, text.into())]))
    }

    /// The same thing in the language's own words.
    pub fn translate(self, title: impl Into<String>, span: Span, text: impl Into<String>) -> Diagnostic {
        self.fix(Fix::new(title, vec![(span, text.into())]).when(Applicability::Sure))
    }

    /// A fix that drops what somebody wrote: only a person can say whether it is to go.
    pub fn drop(self, title: impl Into<String>, span: Span) -> Diagnostic {
        self.fix(Fix::new(title, vec![(span, String::new())]).when(Applicability::Asked))
    }

    /// The known word that the one under `span` is near to.
    pub fn meant(self, span: Span, near: Near<'_>) -> Diagnostic {
        let fix = Fix::new(format!("write `{}`", near.word), vec![(span, near.word.to_owned())]);
        self.label(format!("did you mean `{}`?", near.word)).fix(fix.when(near.applicability))
    }

    /// Every place in the text that it has to do with.
    pub fn spans(&mut self) -> impl Iterator<Item = &mut Span> {
        let edits = self.fixes.iter_mut().flat_map(|fix| &mut fix.edits).map(|(span, _)| span);
        let labels = std::iter::once(&mut self.primary).chain(&mut self.related).map(|label| &mut label.span);
        labels.chain(edits)
    }
}

/// What findings a stage made, in the order of the text.
pub type Diagnostics = Vec<Diagnostic>;

/// Whether any finding is an error.
pub fn has_errors(diagnostics: &[Diagnostic]) -> bool {
    diagnostics.iter().any(|d| d.severity == Severity::Error)
}

/// A change of the faulty statement that would mend it, still without a position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// Give argument `name` this value.
    Set { name: &'static str, value: String },
    /// Drop argument `name`, so that its default holds.
    Unset { name: &'static str },
    /// Put a statement in front.
    Before(String),
    /// Put a statement behind.
    After(String),
    /// Write another statement in its place.
    Instead(String),
    /// Remove the statement.
    Remove,
    /// Words only.
    Advice(String),
}

/// A refusal by a layer or an op: no position yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub code: &'static str,
    pub message: String,
    /// Short text for the faulty place itself.
    pub label: String,
    pub notes: Vec<String>,
    /// The argument that is at fault, when it is one.
    pub argument: Option<&'static str>,
    pub remedies: Vec<Remedy>,
    pub severity: Severity,
    /// The shape to go on with, where it is known all the same.
    pub assume: Option<Shape>,
}

impl Fault {
    pub fn new(code: &'static str, message: impl Into<String>) -> Fault {
        Fault {
            code,
            message: message.into(),
            label: String::new(),
            notes: Vec::new(),
            argument: None,
            remedies: Vec::new(),
            severity: Severity::Error,
            assume: None,
        }
    }

    pub fn warning(code: &'static str, message: impl Into<String>) -> Fault {
        Fault { severity: Severity::Warning, ..Fault::new(code, message) }
    }

    pub fn label(mut self, text: impl Into<String>) -> Fault {
        self.label = text.into();
        self
    }

    pub fn note(mut self, text: impl Into<String>) -> Fault {
        self.notes.push(text.into());
        self
    }

    pub fn assume(mut self, shape: Shape) -> Fault {
        self.assume = Some(shape);
        self
    }

    pub fn at(mut self, argument: &'static str) -> Fault {
        self.argument = Some(argument);
        self
    }

    pub fn set(mut self, name: &'static str, value: impl ToString) -> Fault {
        self.remedies.push(Remedy::Set { name, value: value.to_string() });
        self
    }

    pub fn remedy(mut self, remedy: Remedy) -> Fault {
        self.remedies.push(remedy);
        self
    }

    pub fn advise(self, text: impl Into<String>) -> Fault {
        self.remedy(Remedy::Advice(text.into()))
    }

    /// A fault that only a defect of dslc itself can cause.
    pub fn internal(message: impl std::fmt::Display) -> Fault {
        Fault::new(codes::INTERNAL, format!("internal error: {message}"))
            .note("this is a bug in dslc, not in your file: please report it, with the file")
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Fault {}
