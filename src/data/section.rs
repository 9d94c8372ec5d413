//! The checked `data { … }` section: source, split, preprocessing and augmentation, and the shape that they
//! give the model. No file has been opened yet.

use std::fmt;
use std::path::Path;

use flate2::Crc;

use crate::data::fields::{DataField, End};
use crate::data::parts::Dataset;
use crate::data::reader::Reader;
use crate::data::sample::Form;
use crate::data::sources::{Facts, Source};
use crate::data::transforms::Cuts;
use crate::data::transforms::Transform;
use crate::diag::{Diagnostic, Diagnostics, Fault, codes};
use crate::shape::Shape;
use crate::source::Span;
use crate::spec::{Arg, Args, Scope};
use crate::syntax::ast::Statement;

/// A checked `data { … }`.
#[derive(Clone)]
pub struct DataSection {
    pub source: &'static dyn Source,
    /// The source's own arguments.
    pub args: Args,
    /// Where the `source` line stands.
    pub source_span: Span,
    pub facts: Facts,
    /// Whether the facts were held against the data.
    pub looked: Looked,
    pub validation: Validation,
    /// Parts that are taken out of the training part, class by class.
    pub split: Option<Split>,
    /// Which training images an epoch goes through.
    pub sampling: Sampling,
    /// What tells the groups of images that stay together in one part.
    pub by: Option<String>,
    pub cache: Cache,
    /// What became of `cache`.
    pub kept: Kept,
    pub test_from: TestFrom,
    /// `n / (K n_class)` of the training images, once the data are open; one that has none counts 0.
    pub balance: Option<Vec<f64>>,
    pub on_error: OnError,
    /// Why pictures were left out that cannot be read, where `on_error` has it so.
    pub skipped: Vec<String>,
    /// Numbers of each sample beside its image, in the order in which the model names them.
    pub fields: Vec<DataField>,
    /// In the order written; applied to every image.
    pub preprocess: Vec<Step>,
    /// In the order written; applied in training only, between the two parts of [`DataSection::stages`].
    pub augment: Vec<Step>,
    pub span: Span,
}

/// A transform with its arguments.
#[derive(Clone)]
pub struct Step {
    pub transform: &'static dyn Transform,
    pub args: Args,
    pub span: Span,
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.title())
    }
}

/// How many training images are set aside.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Validation {
    None,
    Count(usize),
    /// Above 0 and below 1.
    Fraction(f64),
}

/// Shares of each class, from 0 to below 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Split {
    pub test: f64,
    pub validation: f64,
}

/// Which training images an epoch goes through.
#[derive(Clone, Debug, PartialEq)]
pub enum Sampling {
    /// Each once.
    Whole,
    /// As many, drawn with replacement, each class as often as the others.
    Balanced,
    /// As many, drawn with replacement, a weight for each class.
    Weights(Vec<f64>),
}

/// Where images that were read and prepared are kept. It changes no number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cache {
    /// In memory where they take a quarter of what is free there at most, or else on the disk where they do.
    Auto,
    Ram,
    Disk,
    None,
}

/// What becomes of pictures that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnError {
    Stop,
    Skip,
}

/// What became of a look at the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Looked {
    /// Nobody has looked, or could not.
    NotYet,
    /// Nothing lies there.
    Absent,
    There,
}

/// What is known of a data set whose images were read to be kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Where they are and what they take there: `120 MB in memory`.
    pub place: Option<String>,
    /// The data set's fingerprint as it is without a cache.
    pub fingerprint: Option<String>,
}

/// Which images the final accuracy is measured on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TestFrom {
    Test,
    Train,
}

/// Reads the section. `None` when the source or a preprocessing step is not known, so that nothing can be said
/// about what reaches the model; other faults leave out the setting that has them.
pub fn resolve(section: &Statement, scope: &dyn Scope, diagnostics: &mut Diagnostics) -> Option<DataSection> {
    let before = diagnostics.len();
    let found = Reader { scope, diagnostics }.section(section);
    diagnostics[before..].sort_by_key(|d| d.primary.span);
    found
}

/// Holds a section against what a look at its data told, which fills in what the section does not state.
pub fn hold(
    section: &mut DataSection,
    looked: Result<Option<Facts>, Fault>,
    scope: &dyn Scope,
    diagnostics: &mut Diagnostics,
) {
    let before = diagnostics.len();
    Reader { scope, diagnostics }.hold(section, looked);
    diagnostics[before..].sort_by_key(|d| d.primary.span);
}

/// That a section's data are not where it says, which is no error where it states all that a check needs.
pub fn absent(section: &DataSection, base: &Path) -> Option<Diagnostic> {
    let path = section.args.word("path").ok().filter(|_| section.looked == Looked::Absent)?;
    let span = section.args.span("path").unwrap_or(section.source_span);
    let message = format!("there is no data at `{path}`: the file can be checked here, but not run");
    Some(
        Diagnostic::warning(codes::DATA_ABSENT, span, message)
            .label("does not exist")
            .note(format!("looked for {}", base.join(path).display()))
            .note("sizes and classes are those that the file states; they were not compared with the data"),
    )
}

impl DataSection {
    /// What is known of the images that reach the model.
    pub fn form(&self) -> Form {
        self.preprocess.iter().fold(self.facts.form, |form, step| step.form(form))
    }

    /// The shape that reaches the model, where it is known.
    pub fn shape(&self) -> Option<Shape> {
        self.form().shape()
    }

    /// The fingerprint of this section's data set, the same whatever `cache` says.
    pub fn fingerprint(&self, dataset: &Dataset) -> String {
        let own = self.kept.fingerprint.clone().unwrap_or_else(|| dataset.fingerprint());
        if self.fields.is_empty() {
            return own;
        }
        let mut sum = Crc::new();
        self.fields.iter().for_each(|field| field.digest(&mut sum));
        format!("{own}, fields {:08x}", sum.sum())
    }

    /// The fields that outputs are held against: each one's name, and those of its classes or numbers.
    pub fn names_of_outputs(&self) -> Vec<(String, Vec<String>)> {
        let of_outputs = self.fields.iter().filter(|field| matches!(field.end, End::Output(_)));
        of_outputs.map(|field| (field.name.clone(), field.names())).collect()
    }

    /// The number of classes, where it is known.
    pub fn classes(&self) -> Option<usize> {
        self.facts.classes
    }

    /// How the model's input came about, line by line.
    pub fn shape_trace(&self) -> Vec<String> {
        let mut form = self.facts.form;
        let mut trace = vec![format!("source {} gives {form}", self.source.spec().name)];
        for step in &self.preprocess {
            let next = step.form(form);
            if next != form {
                trace.push(format!("{} makes it {next}", step.title()));
            }
            form = next;
        }
        trace
    }

    /// Whether images are set aside to watch the training; `None` where that is not known yet.
    pub fn watches(&self) -> Option<bool> {
        if self.watches_by_itself() { Some(true) } else { self.facts.watched }
    }

    /// Whether the section sets images aside to watch the training.
    pub fn watches_by_itself(&self) -> bool {
        self.validation != Validation::None || self.split.is_some_and(|split| split.validation > 0.0)
    }

    /// The preparation, taken apart.
    pub fn stages(&self) -> Stages<'_> {
        let steps = self.preprocess.as_slice();
        let pointwise = |step: &Step| step.transform.pointwise(&step.args, 0, 0.0).is_some();
        let (first, last) = steps.split_at(steps.iter().position(pointwise).unwrap_or(steps.len()));
        let cuts = self.augment.iter().any(|step| step.transform.cuts() == Cuts::ARandomPart);
        let centred = |step: &Step| step.transform.cuts() == Cuts::TheMiddle;
        let at = first.iter().position(centred).filter(|_| cuts).unwrap_or(first.len());
        let (first, window) = first.split_at(at);
        Stages { first, window, last }
    }

    /// What is known of images behind the first so many steps of preparation.
    pub fn form_behind(&self, n_steps: usize) -> Form {
        self.preprocess.iter().take(n_steps).fold(self.facts.form, |form, step| step.form(form))
    }
}

/// The steps of preparation around augmentation.
#[derive(Clone, Copy)]
pub struct Stages<'a> {
    /// In front of augmentation.
    pub first: &'a [Step],
    /// Instead of augmentation, where that is left out: from the `center_crop` on that a random cut stands for in training.
    pub window: &'a [Step],
    /// Behind augmentation: from the first step on that treats each value by itself (`normalize`), so that what augmentation
    /// fills in is black.
    pub last: &'a [Step],
}

impl Step {
    /// The step as written, without its named arguments: `resize 32x32`.
    pub fn title(&self) -> String {
        let spec = self.transform.spec();
        let mut title = spec.name.to_owned();
        for param in spec.params.iter().filter(|param| param.positional) {
            match self.args.get(param.name).map(|given| &given.arg) {
                Some(Arg::Pair([a, b])) => title.push_str(&format!(" {a}x{b}")),
                Some(other) => title.push_str(&format!(" {other}")),
                None => {}
            }
        }
        title
    }

    /// What becomes of a form by this step, which was checked when the section was read.
    pub fn form(&self, input: Form) -> Form {
        self.transform.form(&self.args, input).unwrap_or(input)
    }
}

impl Validation {
    /// The number of images set aside out of `n_train`; at least one, and at least one is left to train on.
    pub fn count(self, n_train: usize) -> Result<usize, Fault> {
        let count = match self {
            Validation::None => return Ok(0),
            Validation::Count(count) => count,
            Validation::Fraction(fraction) => (n_train as f64 * fraction).round() as usize,
        };
        if count >= 1 && count < n_train {
            return Ok(count);
        }
        let message = format!(
            "validation would take {count} of {n_train} training images; both parts need at least one image"
        );
        Err(Fault::new(codes::BAD_VALUE, message).at("amount").advise("ask for another number or percentage"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::REGISTRY;
    use crate::data::settings::DATA;
    use crate::data::testing::{check, section};
    use crate::data::transforms::AUGMENTATION;
    use crate::diag::has_errors;

    const MNIST: &str = "source mnist \"m\"\n";

    fn errors(lines: &str) -> Vec<String> {
        section(lines).err().unwrap_or_default()
    }

    #[test]
    fn the_readme_section_is_read() {
        let lines = "validation 5000\nnormalize mean=0.1307 std=0.3081\nresize 32x30\n\
                     augment { random_crop 28x28 padding=2 -> random_rotation 10 }\ntest test";
        let section = section(&format!("{MNIST}{lines}")).unwrap();
        assert_eq!((section.validation, section.test_from), (Validation::Count(5000), TestFrom::Test));
        assert_eq!((section.preprocess.len(), section.augment.len()), (2, 2));
        assert_eq!((section.shape(), section.classes()), (Some(Shape::from([1, 32, 30])), Some(10)));
        assert_eq!(section.shape_trace(), ["source mnist gives 1x28x28", "resize 32x30 makes it 1x32x30"]);
    }

    #[test]
    fn every_example_checks() {
        for spec in [DATA.specs(), (REGISTRY.specs)(), (AUGMENTATION.specs)()].concat() {
            let source = if spec.example.starts_with("source") { "" } else { MNIST };
            assert_eq!(errors(&format!("{source}{}", spec.example)), Vec::<String>::new(), "{}", spec.name);
        }
    }

    #[test]
    fn words_of_other_tools_are_answered() {
        let fix = |line: &str| {
            let (_, diagnostics) = check(&format!("{MNIST}{line}"));
            assert!(diagnostics.len() == 1 && has_errors(&diagnostics), "{diagnostics:?}");
            let d = &diagnostics[0];
            let edit = d.fixes.first().and_then(|fix| fix.edits.first()).map(|(_, text)| text.clone());
            (d.code, d.message.clone(), edit.unwrap_or_else(|| d.primary.text.clone()))
        };
        let unknown = |word: &str| format!("`data` has no setting `{word}`");
        let edit = |word: &str| word.to_owned();
        assert_eq!(
            fix("Normalize mean=0 std=1"),
            (codes::UNKNOWN_WORD, unknown("Normalize"), edit("normalize"))
        );
        assert_eq!(
            fix("normalise mean=0 std=1"),
            (codes::UNKNOWN_WORD, unknown("normalise"), edit("normalize"))
        );
        assert_eq!(
            fix("ToTensor"),
            (codes::UNKNOWN_WORD, "`ToTensor` is not needed: pixels are scaled to 0..1".to_owned(), edit(""))
        );
        let belongs = edit("it belongs in `augment { … }`");
        assert_eq!(
            fix("random_flip"),
            (codes::MISPLACED, "`random_flip` does not belong here".to_owned(), belongs)
        );
        assert_eq!(
            fix("RandomHorizontalFlip"),
            (codes::UNKNOWN_WORD, unknown("RandomHorizontalFlip"), edit("here it is called `random_flip`"))
        );
        assert_eq!(
            fix("augment { RandomCrop 28 }"),
            (codes::UNKNOWN_WORD, "`augment` has no step `RandomCrop`".to_owned(), edit("random_crop"))
        );
        assert_eq!(fix("augment { resize 28 }").0, codes::MISPLACED);
        assert_eq!(
            fix("test train"),
            (codes::LEAK, "accuracy would be measured on training data".to_owned(), edit("test test"))
        );
        assert_eq!(fix("validation 0.1").2, "10%");
        assert_eq!(fix("augment { random_crop 24x24 }").2, "28x28");
    }

    #[test]
    fn all_errors_are_reported_in_the_order_of_the_text() {
        assert_eq!(
            errors(
                "validation 100%\ncenter_crop\nvalidation 5\nsource mnits \"m\"\naugment { random_crop }\ngrayscale { }"
            ),
            [
                "E0205 `validation` is a whole number of images from 1 or a percentage between 0% and 100%",
                "E0204 `center_crop` needs `size`: height x width of the window",
                "E0208 `validation` is given twice",
                "E0201 there is no data set called `mnits`",
                "E0204 `random_crop` needs `size`: height x width of the window",
                "E0210 `grayscale` takes no block",
            ]
        );
        assert_eq!(errors(""), ["E0204 `data` needs its `source`"]);
        let said = errors("source").concat();
        assert!(said.starts_with("E0204 `source` needs the name of a data set: mnist, folder, "), "{said}");
        assert_eq!(errors("source \"m\"").len(), 1);
        assert_eq!(errors("source mnist").len(), 1);
        assert_eq!(errors("source mnist \"m\" as x")[0], "E0207 only lines of a model can be named (`as`)");
        assert_eq!(errors(&format!("{MNIST}augment")), ["E0210 `augment` needs a block"]);
        for amount in ["0", "-5", "1.5", "0%", "\"x\"", "5 6", "2ms"] {
            assert_eq!(errors(&format!("{MNIST}validation {amount}")).len(), 1, "{amount}");
        }
    }

    #[test]
    fn a_faulty_setting_leaves_the_shape_known() {
        let (found, diagnostics) =
            check(&format!("{MNIST}validation 0\nresize 32\naugment {{ random_crop 99 }}"));
        assert_eq!(diagnostics.len(), 2);
        let found = found.unwrap();
        assert_eq!((found.shape(), found.augment.len()), (Some(Shape::from([1, 32, 32])), 0));
        assert!(check(&format!("{MNIST}resize 0")).0.is_none());
    }

    #[test]
    fn the_registries_have_no_word_twice() {
        let all = [DATA.specs(), (AUGMENTATION.specs)()].concat();
        let mut names: Vec<&str> = all.iter().map(|spec| spec.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all.len());
    }
}
