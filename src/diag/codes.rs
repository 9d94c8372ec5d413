//! The stable codes of diagnostics, each with its page (`codes/E0301.md`): what it means, why it is refused, a
//! wrong and a right example. E01 text, E02 names and arguments, E03 shapes, E04 data and training, E05 other programs'
//! files, E09 dslc's own faults; W warnings of the same subjects, and W05 what a training shows.

/// A code and the page that explains it, in Markdown.
///
/// A page is a heading, paragraphs, and under `## Wrong` and `## Right` an example each: a fenced block `net` is the
/// file itself (`net 5000000`: filled up to that many bytes), `file PATH` one beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    pub code: &'static str,
    pub text: &'static str,
}

impl Page {
    /// What the code means, in one line.
    pub fn title(&self) -> &'static str {
        self.text.lines().next().unwrap_or_default().trim_start_matches("# ")
    }

    /// The paragraphs between the heading and the examples.
    pub fn meaning(&self) -> &'static str {
        let body = self.text.split_once('\n').map_or("", |(_, body)| body);
        body.split("\n## ").next().unwrap_or_default().trim()
    }
}

/// The page of a code.
pub fn page(code: &str) -> Option<&'static Page> {
    PAGES.iter().find(|page| page.code == code)
}

/// Declares each code as a constant and puts it into the table with its page, without which it does not compile.
macro_rules! codes {
    ($($name:ident = $code:literal;)*) => {
        $(pub const $name: &str = $code;)*

        /// Every code, in the order of this file.
        pub static PAGES: &[Page] =
            &[$(Page { code: $code, text: include_str!(concat!("codes/", $code, ".md")) }),*];
    };
}

codes! {
    SYNTAX = "E0101";
    NESTING = "E0102";
    TOO_LARGE = "E0103";
    UNKNOWN_WORD = "E0201";
    UNKNOWN_ARGUMENT = "E0202";
    REPEATED_ARGUMENT = "E0203";
    MISSING_ARGUMENT = "E0204";
    BAD_VALUE = "E0205";
    TOO_MANY_ARGUMENTS = "E0206";
    MISPLACED = "E0207";
    REPEATED_SECTION = "E0208";
    MISSING_SECTION = "E0209";
    BLOCK_MISUSE = "E0210";
    NAME_CLASH = "E0211";
    UNKNOWN_NAME = "E0212";
    RECURSION = "E0213";
    IMPORT = "E0214";
    EXPANSION = "E0215";
    WINDOW_TOO_LARGE = "E0301";
    WRONG_RANK = "E0302";
    GROUPS = "E0303";
    ASSERTION = "E0304";
    TOO_BIG = "E0305";
    BRANCHES_DIFFER = "E0306";
    FEATURES = "E0307";
    ELEMENTS = "E0308";
    SINGLE_VALUE_NORM = "E0309";
    POOL_PADDING = "E0310";
    DATA_SHAPE = "E0401";
    CLASSES = "E0402";
    LEAK = "E0403";
    LOSS = "E0404";
    DATA_FILE = "E0405";
    TRAINING_NEEDS = "E0406";
    EXPECTATION = "E0407";
    BATCH_OF_ONE = "E0408";
    DEVICE = "E0409";
    UNWRITTEN = "E0410";
    RUN = "E0411";
    NOT_FINITE = "E0412";
    EXCHANGE_OUT = "E0501";
    EXCHANGE_IN = "E0502";
    INTERNAL = "E0900";
    UNUSED = "W0201";
    DEAD_BRANCH = "W0202";
    UNUSED_IMPORT = "W0203";
    UNUSED_PARAMETER = "W0204";
    DROPPED_PIXELS = "W0301";
    CHANNELS_LAST = "W0305";
    SOFTMAX_TWICE = "W0401";
    SOFTMAX_INSIDE = "W0402";
    BOUNDED_SCORES = "W0403";
    REPLACED = "W0404";
    DATA_ABSENT = "W0405";
    FLAT = "W0501";
    DEAD_UNITS = "W0502";
    RATE_TOO_HIGH = "W0503";
    OVERFITTING = "W0504";
    NEVER_PREDICTED = "W0505";
    UNSCALED = "W0506";
    SHUFFLED_LABELS = "W0507";
}
