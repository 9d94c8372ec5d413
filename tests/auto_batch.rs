//! `batch auto` against the plans themselves: what is chosen fits the limit to the byte, and one image more does not.
#![allow(clippy::unwrap_used)]

use dslc::model::Model;
use dslc::run::{Backend, Cpu};
use dslc::tensor::Device;
use dslc::train::auto_batch::{Batch, Bound, batch};
use dslc::train::programs::{Programs, Sizes};
use dslc::train::section::{BatchSize, TrainSection};

use crate::support::check;

const NET: &str = "model M {
    input 1x28x28
    conv2d 8 3x3 padding=1 -> batch_norm -> relu
    max_pool2d 2
    conv2d 16 3x3 -> relu
    dropout 0.2
    global_avg_pool
    linear 10 -> batch_norm
}
data { source mnist \"data\" }
train { loss cross_entropy; optimizer adam lr=0.01; batch auto }
";

/// Bytes of a session for such batches.
fn planned(model: &Model, train: &TrainSection, images: usize, sizes: Sizes) -> u64 {
    let programs = Programs::new(model, train, images, sizes).unwrap();
    Cpu.compile(programs.graphs).unwrap().bytes()
}

#[test]
fn the_chosen_batch_fits_to_the_byte_and_one_more_does_not() {
    let (experiment, found) = check(NET);
    assert!(found.is_empty(), "{found:#?}");
    let (model, mut train) = (experiment.model.unwrap(), experiment.train.unwrap());
    let sizes = Sizes { train: 1001, evaluated: [0, 130] };
    let bytes = |train: &_, images| planned(&model, train, images, sizes);
    let mut chosen = |limit: u64| {
        train.batch = BatchSize::Auto { memory: Some(limit) };
        batch(&model, &train, sizes, &Device::Cpu).map(|chosen| {
            assert_eq!(chosen.bound, Some(Bound::Memory(limit)));
            (chosen.images, bytes(&train, chosen.images), bytes(&train, chosen.images + 1))
        })
    };
    let mut before = 0;
    for limit in [700_000, 1_234_567, 5_000_000, 20_000_001] {
        let (images, taken, more) = chosen(limit).unwrap();
        assert!(taken <= limit && limit < more, "{images} images take {taken}, one more {more}, of {limit}");
        assert!(images > before, "{images} after {before}");
        before = images;
        // To the byte: what is taken is enough, and one byte less is not.
        assert!(chosen(taken).unwrap().0 >= images);
        assert!(chosen(taken - 1).unwrap().1 < taken);
    }
    assert_eq!(chosen(1 << 40).unwrap().0, 1001);
}

#[test]
fn the_least_is_two_images_where_a_batch_norm_sees_one_value_each() {
    let (experiment, _) = check(NET);
    let (model, mut train) = (experiment.model.unwrap(), experiment.train.unwrap());
    let sizes = Sizes { train: 5, evaluated: [0, 0] };
    let two = planned(&model, &train, 2, sizes);
    train.batch = BatchSize::Auto { memory: Some(two) };
    let chosen = batch(&model, &train, sizes, &Device::Cpu);
    assert_eq!(chosen, Ok(Batch { images: 2, bound: Some(Bound::Memory(two)) }));
    train.batch = BatchSize::Auto { memory: Some(two - 1) };
    let fault = batch(&model, &train, sizes, &Device::Cpu).unwrap_err();
    assert!(fault.message.contains("batches of 2 images need"), "{fault}");
    assert_eq!(fault.notes, ["`batch_norm` needs two images to train on"]);
    // One training image alone is no batch for it.
    let one = Sizes { train: 1, evaluated: [0, 0] };
    assert_eq!(batch(&model, &train, one, &Device::Cpu).unwrap_err().code, dslc::diag::codes::BATCH_OF_ONE);
}

#[test]
fn without_a_size_an_epoch_keeps_its_steps_and_with_one_the_memory_decides() {
    let (experiment, _) = check(NET);
    let (model, mut train) = (experiment.model.unwrap(), experiment.train.unwrap());
    let mut chosen = |memory: Option<u64>, images: usize| {
        train.batch = BatchSize::Auto { memory };
        batch(&model, &train, Sizes { train: images, evaluated: [0, 0] }, &Device::Cpu).unwrap()
    };
    let most = |images| Batch { images, bound: Some(Bound::Steps) };
    assert_eq!(chosen(None, 60_000), most(512));
    assert_eq!(chosen(None, 5_000), most(50));
    assert_eq!(chosen(None, 300), most(16));
    let few = chosen(None, 10);
    assert_eq!(few.images, 10);
    assert!(matches!(few.bound, Some(Bound::Memory(_))), "{few:?}");
    assert_eq!(chosen(Some(1 << 40), 5_000), Batch { images: 5_000, bound: Some(Bound::Memory(1 << 40)) });
}
