//! The declaration of `data { … }`: its settings, its steps, and `augment { … }` inside it.

use crate::data::REGISTRY as SOURCES;
use crate::data::transforms::{AUGMENTATION, PREPARATION};
use crate::spec::section::{Absent, Section, Setting, Steps, Takes};
use crate::spec::{Kind, Preset, Spec, keyword, positional};

pub static DATA: Section = Section {
    name: "data",
    title: "Lines of `data`",
    intro: "",
    settings: &[&SOURCE, &FIELD, &SPLIT, &VALIDATION, &TEST, &SAMPLE, &CACHE, &ON_ERROR, &AUGMENT],
    steps: Steps::Once(&PREPARATION),
    strangers: &[(&AUGMENTATION, "it belongs in `augment { … }`")],
    not_needed: NOT_NEEDED,
    example: "data { source mnist \"data/mnist\" }",
};

pub static AUGMENT_STEPS: Section = Section {
    name: "augment",
    title: "",
    intro: "",
    settings: &[],
    steps: Steps::Repeated(&AUGMENTATION),
    strangers: &[(&PREPARATION, "it belongs in `data { … }`, outside `augment`")],
    not_needed: NOT_NEEDED,
    example: AUGMENT_SPEC.example,
};

/// What other tools need and this one does not.
const NOT_NEEDED: &[(&str, &str)] = &[
    ("ToTensor", "pixels are scaled to 0..1"),
    ("Rescaling", "pixels are scaled to 0..1"),
    ("scale", "pixels are scaled to 0..1"),
    ("shuffle", "every epoch has its own order, drawn by the run's seed"),
];

pub static SOURCE: Setting =
    Setting { spec: &SOURCE_SPEC, takes: Takes::OneOf(&SOURCES), absent: Absent::Refused };
pub static SPLIT: Setting = Setting { spec: &SPLIT_SPEC, takes: Takes::Arguments, absent: Absent::Nothing };
pub static SAMPLE: Setting = Setting { spec: &SAMPLE_SPEC, takes: Takes::Arguments, absent: Absent::Nothing };
pub static CACHE: Setting = Setting { spec: &CACHE_SPEC, takes: Takes::Arguments, absent: Absent::Nothing };
pub static FIELD: Setting = Setting { spec: &FIELD_SPEC, takes: Takes::Each, absent: Absent::Nothing };
pub static ON_ERROR: Setting =
    Setting { spec: &ON_ERROR_SPEC, takes: Takes::Arguments, absent: Absent::Nothing };
pub static VALIDATION: Setting =
    Setting { spec: &VALIDATION_SPEC, takes: Takes::Arguments, absent: Absent::Nothing };
pub static TEST: Setting =
    Setting { spec: &TEST_SPEC, takes: Takes::Arguments, absent: Absent::Holds(&[Preset::Word("test")]) };
pub static AUGMENT: Setting =
    Setting { spec: &AUGMENT_SPEC, takes: Takes::Lines(&AUGMENT_STEPS), absent: Absent::Nothing };

static SOURCE_SPEC: Spec = Spec {
    name: "source",
    summary: "The data set to learn from",
    docs: "The word after `source` names a data set; what follows are that data set's own arguments.",
    params: &[positional("name", Kind::Word, Preset::Required, "a data set, such as `mnist \"data/mnist\"`")],
    example: "source mnist \"data/mnist\"",
    elsewhere: &["dataset", "data_source", "DataLoader"],
};

static FIELD_SPEC: Spec = Spec {
    name: "field",
    summary: "What a further input or output of the model has of each sample, from columns of the data",
    docs: "`field clinical [age, bmi]` reads these columns of a `table`, `parquet` or `webdataset`, one number each, in this order. \
           The model takes the field by its name, as `input clinical 2`: one number per column. Numbers reach the model as they are written; a \
           `batch_norm` after the input brings them to one scale. `field other image=COLUMN` is a second picture of a `table`, \
           prepared and augmented like the first, for `input other 1x28x28`.\n\n\
           The target of an `output` is also a field of its name. `field size [height, width]` are numbers to predict. `field \
           grade label=COLUMN classes=5` is a class, its names sorted as those of `source table`. `field weather labels=[rain, wind]` \
           are labels, each true or false for an image; `labels=COLUMN names=[rain, wind]` reads them from one column that lists \
           those that hold. `field lesion mask=COLUMN classes=2` holds the path of a mask, with the class of each pixel as `source \
           masks` reads it, for an output of 2xHxW. `field depth image=COLUMN channels=1` holds the path of a picture to predict, \
           whose pixels are 0 (black) to 1 (white). Masks and pictures to predict need a `source table` and have the size of the first \
           picture; whatever rotates, crops or scales that picture does the same to them.\n\n\
           Several lines give several fields. `mix` cannot be used with them.",
    params: &[
        positional("name", Kind::Name, Preset::Required, "the name of the model's input or output"),
        positional("columns", Kind::Names, Preset::Absent, "columns of numbers, such as `[age, bmi]`"),
        keyword(
            "image",
            Kind::Name,
            Preset::Absent,
            "instead, the column of a second picture's path: what an `input` takes or an `output` predicts",
        ),
        keyword(
            "channels",
            Kind::Count,
            Preset::Absent,
            "with `image`, for an `output`: 3 for colour, 1 for grey; by default the same number as the first picture",
        ),
        keyword("label", Kind::Name, Preset::Absent, "instead, the column of a class, for an `output`"),
        keyword(
            "labels",
            Kind::Names,
            Preset::Absent,
            "instead, the columns of labels, or the one column that lists them, for an `output`",
        ),
        keyword("mask", Kind::Name, Preset::Absent, "instead, the column of a mask's path, for an `output`"),
        keyword("classes", Kind::Count, Preset::Absent, "with `label` or `mask`, how many classes there are"),
        keyword(
            "names",
            Kind::Names,
            Preset::Absent,
            "with `mask`, the names of the classes in the order of their numbers, instead of `classes`; with `labels`, those that one column lists",
        ),
        keyword(
            "values",
            Kind::Numbers,
            Preset::Absent,
            "with `mask`, the pixel value of each class; 0, 1, 2 and so on by default",
        ),
        keyword(
            "ignore",
            Kind::Whole,
            Preset::Absent,
            "with `mask`, the pixel value to ignore; 255 by default",
        ),
    ],
    example: "field clinical [age, bmi]",
    elsewhere: &["tabular", "metadata", "numerical_features", "features"],
};

static SPLIT_SPEC: Spec = Spec {
    name: "split",
    summary: "Sets a share of each class aside for testing and validation",
    docs: "For data sets without a test or validation part. Takes the given share of each class, at least one image, chosen by \
           the run's seed and the images' names, so adding images moves few of the others. With `by`, all images of a group, such \
           as one patient's, go into the same part, and the shares are met as closely as the groups allow. A group is a value of \
           a column (`table`, `parquet`), of a key in the .json (`webdataset`), or whatever the first `*` of a pattern matches in \
           the names: `by=\"*_*\"` for `anna_01.jpg`; with `/`, folders are part of the name: `by=\"*/*\"`.",
    params: &[
        keyword("test", SHARE, Preset::Number(0.0), "the share of each class to test on, such as `20%`"),
        keyword("validation", SHARE, Preset::Number(0.0), "the share of each class for validation"),
        keyword(
            "by",
            Kind::Name,
            Preset::Absent,
            "the column that names the group, or a name pattern whose first `*` matches it",
        ),
    ],
    example: "split test=20% validation=10%",
    elsewhere: &["train_test_split", "test_split", "holdout"],
};

const SHARE: Kind = Kind::Number { min: 0.0, max: 0.9 };

static SAMPLE_SPEC: Spec = Spec {
    name: "sample",
    summary: "How often each class is drawn in a training epoch",
    docs: "By default an epoch uses every training image once. With `sample` it has the same number of images, drawn with \
           replacement by the run's seed: `balanced` draws every class equally often, however few images it has; `weights=[1, 4]` \
           draws them in this ratio, in the order of the class names. An image drawn twice in an epoch is augmented the same way \
           both times. Validation and test still use every image. Same as `WeightedRandomSampler` in PyTorch.",
    params: &[
        positional(
            "how",
            Kind::Choice(&["balanced"]),
            Preset::Absent,
            "`balanced`; omit it to give `weights`",
        ),
        keyword(
            "weights",
            Kind::Numbers,
            Preset::Absent,
            "how often to draw each class, relative to the others",
        ),
    ],
    example: "sample balanced",
    elsewhere: &["WeightedRandomSampler", "sampler", "class_weight", "oversample"],
};

static CACHE_SPEC: Spec = Spec {
    name: "cache",
    summary: "Where decoded and prepared images are kept",
    docs: "For sources that read picture files. It does not change the results. `ram`: in memory. `disk`: in a file in \
           `$DSLC_CACHE`, otherwise `$XDG_CACHE_HOME/dslc`, otherwise `~/.cache/dslc`. Later runs reuse this file; it is rebuilt \
           when a picture or the preparation changes, and deleted after 30 days without use. `auto`, the default: in memory if \
           the images need at most a quarter of the free memory, otherwise on disk if they need at most a quarter of its free \
           space, otherwise nowhere. `none`: every epoch reads the pictures again. Cached images are read before the first step, \
           and unreadable ones are reported then. The second pictures of a `field` are not cached.",
    params: &[positional(
        "kind",
        Kind::Choice(&["auto", "ram", "disk", "none"]),
        Preset::Required,
        "`auto`, `ram`, `disk` or `none`",
    )],
    example: "cache none",
    elsewhere: &["cache_images", "in_memory", "persist"],
};

static ON_ERROR_SPEC: Spec = Spec {
    name: "on_error",
    summary: "What to do with pictures that cannot be read",
    docs: "For sources that read picture files. `stop`, the default: reads every file before the first step and names those that \
           are truncated or damaged. `skip`: decodes every picture before the first step, leaves out those that fail, and says \
           how many and which.",
    params: &[positional("action", Kind::Choice(&["stop", "skip"]), Preset::Required, "`stop` or `skip`")],
    example: "on_error skip",
    elsewhere: &["ignore_errors", "on_corrupt", "skip_errors", "LOAD_TRUNCATED_IMAGES"],
};

static VALIDATION_SPEC: Spec = Spec {
    name: "validation",
    summary: "How many training images are set aside to watch the training",
    docs: "A number of images or a percentage of the training images, drawn by the run's seed. Without it \
           nothing is set aside. The test images are never used for it.",
    params: &[positional(
        "amount",
        Kind::Number { min: 0.0, max: f64::MAX },
        Preset::Required,
        "a number of images or a percentage",
    )],
    example: "validation 5000",
    elsewhere: &["validation_split", "val_split", "valid", "val", "random_split"],
};

static TEST_SPEC: Spec = Spec {
    name: "test",
    summary: "Which images the final accuracy is measured on",
    docs: "`test`: the data set's own test images. `train` is refused: accuracy on training data says nothing.",
    params: &[positional("images", Kind::Choice(&["test", "train"]), Preset::Word("test"), "`test`")],
    example: "test test",
    elsewhere: &["evaluate_on", "eval"],
};

static AUGMENT_SPEC: Spec = Spec {
    name: "augment",
    summary: "Random changes of the training images, new in every epoch",
    docs: "A block of steps, in order. They apply in training only, after `resize` and `grayscale` and before \
           `normalize`, and must leave the image's shape as it was. What they draw depends on the run's seed, \
           the epoch and the image alone.",
    params: &[],
    example: "augment { random_crop 28x28 padding=2 -> random_rotation 10 }",
    elsewhere: &["augmentation", "transforms", "transform", "Compose"],
};
