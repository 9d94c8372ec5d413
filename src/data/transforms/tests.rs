//! The steps against torchvision and Pillow, with the same numbers drawn (tests/fixtures/transforms.py): within one step of 255, masks
//! exactly.

use crate::data::sample::Form;
use crate::data::sample::{Image, Layer, Sample, Target, Values};
use crate::data::section::DataSection;
use crate::data::testing::{Colours, section};
use crate::data::transforms::AUGMENT;
use crate::data::transforms::color_jitter::{Change, change};
use crate::data::transforms::gaussian_blur::blur;
use crate::data::transforms::policy;
use crate::data::transforms::random_erasing::erase;
use crate::data::transforms::random_resized_crop::cut;
use crate::data::transforms::resample::resample_layer;
use crate::data::transforms::warp::{self, Sampling, warp};
use crate::spec::{Preset, preset};
use crate::tensor::random::Random;

#[derive(serde::Deserialize)]
struct Fixture {
    shape: [usize; 3],
    values: Vec<u8>,
    cases: Vec<Case>,
}

#[derive(serde::Deserialize)]
struct Case {
    step: String,
    shape: [usize; 3],
    values: Vec<u8>,
    factor: Option<f64>,
    part: Option<[usize; 4]>,
    #[serde(default)]
    numbers: Vec<f64>,
}

/// A step of `data` on a mask, beside an image of its size.
fn prepared_mask(line: &str, mask: Image) -> Image {
    let step = &section(&format!("source mnist \"m\"\n{line}")).unwrap().preprocess[0];
    let mut sample = Sample::of(mask.clone(), Target::Mask(mask));
    step.transform.apply(&step.args, &mut sample, &mut Random::new(0, "", 0)).unwrap();
    let Target::Mask(mask) = sample.target else { panic!("a mask") };
    mask
}

/// A step of `data` on an image.
fn prepared(line: &str, image: Image) -> Image {
    let mut section: DataSection = section("source mnist \"m\"").unwrap();
    section.source = &Colours;
    section.facts.form = Form::of(image.extents());
    let step = &self::section(&format!("source mnist \"m\"\n{line}")).unwrap().preprocess[0];
    step.transform.form(&step.args, section.facts.form).unwrap();
    let mut sample = Sample::of(image, Target::Unknown);
    step.transform.apply(&step.args, &mut sample, &mut Random::new(0, "", 0)).unwrap();
    sample.image
}

/// A step of `augment` on an image.
fn augmented(line: &str, image: Image) -> Image {
    let (name, argument) = line.split_once(' ').unwrap();
    let transform = AUGMENT.iter().find(|transform| transform.spec().name == name).unwrap();
    let args = preset(transform.spec(), &[Preset::Number(argument.parse().unwrap())]);
    let mut sample = Sample::of(image, Target::Unknown);
    transform.apply(&args, &mut sample, &mut Random::new(0, "", 0)).unwrap();
    sample.image
}

#[test]
fn steps_give_what_torchvision_and_pillow_give() {
    for text in [
        include_str!("../../../tests/fixtures/transforms.json"),
        include_str!("../../../tests/fixtures/augmentation.json"),
    ] {
        held(serde_json::from_str(text).unwrap(), Layer::Picture);
    }
    let masks = include_str!("../../../tests/fixtures/masks.json");
    held(serde_json::from_str(masks).unwrap(), Layer::Mask);
}

fn held(fixture: Fixture, layer: Layer) {
    assert!(fixture.cases.len() > 10);
    for Case { step, shape, values, factor, part, numbers } in fixture.cases {
        let mut image = Image::of_bytes(fixture.shape, fixture.values.clone());
        let factor = factor.unwrap_or(1.0);
        match (step.split_once(' ').unwrap_or((&step, "")), part) {
            (("part", _), Some(part)) => {
                cut(&mut image, part);
                resample_layer(&mut image, layer, [shape[1], shape[2]], "bilinear").unwrap();
            }
            (("brightness", _), _) => change(&mut image, Change::Brightness(factor as f32)),
            (("contrast", _), _) => change(&mut image, Change::Contrast(factor as f32)),
            (("saturation", _), _) => change(&mut image, Change::Saturation(factor as f32)),
            (("hue", _), _) => change(&mut image, Change::Hue(factor as f32)),
            (("flip", _), _) => {
                let Values::Bytes(bytes) = &mut image.values else { panic!("bytes") };
                bytes.chunks_exact_mut(image.width).for_each(<[u8]>::reverse);
            }
            (("affine", filter), _) => {
                let [angle, x, y, scale, shear] = *numbers else { panic!("five numbers") };
                let moved = warp::Change {
                    angle,
                    translate: [x, y],
                    scale,
                    shear: [shear, 0.0],
                    ..warp::Change::NONE
                };
                let sampling = if filter == "nearest" { Sampling::Nearest } else { Sampling::Bilinear };
                warp(&mut image, layer, &moved.affine(), sampling);
            }
            (("blur", size), _) => blur(&mut image, size.parse().unwrap(), factor),
            (("erase", _), Some(part)) => erase(&mut image, part, &numbers),
            (("policy", kind), _) => {
                let kind = policy::KINDS.into_iter().find(|own| format!("{own:?}") == kind).unwrap();
                let mut sample = Sample::of(image, Target::Unknown);
                policy::change(&mut sample, kind, factor, Sampling::Nearest).unwrap();
                image = sample.image;
            }
            (("random_grayscale", _), _) => image = augmented(&step, image),
            _ if layer == Layer::Mask => image = prepared_mask(&step, image),
            _ => image = prepared(&step, image),
        }
        assert_eq!(image.extents(), shape, "{step}");
        let Values::Bytes(bytes) = &image.values else { panic!("{step} gives bytes") };
        let gap = bytes.iter().zip(&values).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
        let most = if layer == Layer::Mask { 0 } else { 1 };
        assert!(gap <= most, "{step} {factor} {part:?}: {gap}");
    }
}

/// What happens to bytes happens to numbers, but for the rounding.
#[test]
fn numbers_are_resampled_as_bytes_are() {
    let bytes: Vec<u8> = (0..3 * 9 * 8).map(|i| (i * 37 % 256) as u8).collect();
    for line in ["resize 5x6", "resize 20x7", "resize 4 antialias=false", "grayscale", "center_crop 5x12"] {
        let whole = prepared(line, Image::of_bytes([3, 9, 8], bytes.clone())).into_numbers();
        let numbers = bytes.iter().map(|&byte| f32::from(byte) / 255.0).collect();
        let exact = prepared(line, Image::of_numbers([3, 9, 8], numbers)).into_numbers();
        assert_eq!(whole.len(), exact.len());
        let gap = whole.iter().zip(&exact).map(|(a, b)| (a - b.clamp(0.0, 1.0)).abs()).fold(0.0, f32::max);
        assert!(gap < 1.6 / 255.0, "{line}: {gap}");
    }
}
