//! The lines that a `data { … }` section may hold: declarations of those that are not transforms, and the
//! list of all.

use crate::data::transforms::PREPROCESS;
use crate::spec::{Kind, Preset, Spec, positional};

/// Every setting of `data`, the preprocessing steps among them.
pub fn all() -> impl Iterator<Item = &'static Spec> {
    SETTINGS.iter().copied().chain(PREPROCESS.iter().map(|transform| transform.spec()))
}

/// The settings that are not preprocessing steps.
pub static SETTINGS: &[&Spec] = &[&SOURCE, &VALIDATION, &TEST, &AUGMENT];

pub static SOURCE: Spec = Spec {
    name: "source",
    summary: "The data set to learn from",
    docs: "The word after `source` names a data set; what follows are that data set's own arguments.",
    params: &[positional("name", Kind::Word, Preset::Required, "a data set, such as `mnist \"data/mnist\"`")],
    example: "source mnist \"data/mnist\"",
    elsewhere: &["dataset", "data_source", "DataLoader"],
};

pub static VALIDATION: Spec = Spec {
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

pub static TEST: Spec = Spec {
    name: "test",
    summary: "Which images the final accuracy is measured on",
    docs: "`test`: the data set's own test images. `train` is refused: accuracy on training data says nothing.",
    params: &[positional("images", Kind::Choice(&["test", "train"]), Preset::Word("test"), "`test`")],
    example: "test test",
    elsewhere: &["evaluate_on", "eval"],
};

pub static AUGMENT: Spec = Spec {
    name: "augment",
    summary: "Random changes of the training images, new in every epoch",
    docs: "A block of steps, in order. They apply in training only, behind `resize` and `grayscale` and before \
           `normalize`, and must leave the image's shape as it was. What they draw depends on the run's seed, \
           the epoch and the image alone.",
    params: &[],
    example: "augment { random_crop 28x28 padding=2 -> random_rotation 10 }",
    elsewhere: &["augmentation", "transforms", "transform", "Compose"],
};
