//! `resize`: an image of another height and width.

use crate::data::sample::{Form, Image, Layer, Sample, Size, Values};
use crate::data::transforms::resample::{FILTERS, resample_layer};
use crate::data::transforms::{Transform, bounded};
use crate::diag::{Fault, codes};
use crate::spec::{Args, Kind, Preset, Spec, keyword, positional};
use crate::tensor::random::Random;

pub struct Resize;

static SPEC: Spec = Spec {
    name: "resize",
    summary: "Scales every image",
    docs: "To `size`, whatever the ratio of its sides; or with `short=` so that the shorter side has so many pixels and the other \
           `int(short * long / own)`. Each pixel is the weighted mean of those that it covers, as in Pillow and in torchvision's \
           `Resize`; bytes stay bytes. With `antialias=false` two pixels along each axis count, bilinear, however much it \
           shrinks: `interpolate(mode=\"bilinear\", align_corners=False)` in PyTorch.",
    params: &[
        positional("size", Kind::Pair, Preset::Absent, "height x width in pixels"),
        keyword("short", Kind::Count, Preset::Absent, "pixels of the shorter side, instead of `size`"),
        keyword("filter", Kind::Choice(FILTERS), Preset::Word("bilinear"), "how pixels are interpolated"),
        keyword(
            "antialias",
            Kind::Bool,
            Preset::Bool(true),
            "whether all covered pixels count where it shrinks",
        ),
    ],
    example: "resize 32x32",
    elsewhere: &["Resize", "Resizing", "imresize", "Rescale", "SmallestMaxSize"],
};

impl Transform for Resize {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn form(&self, args: &Args, input: Form) -> Result<Form, Fault> {
        if args.word("filter")? != "bilinear" && !args.bool("antialias")? {
            let message = "`antialias=false` is for `filter=bilinear` alone";
            return Err(Fault::new(codes::BAD_VALUE, message).at("antialias").set("antialias", true));
        }
        match (args.has("size"), args.has("short"), input.size) {
            (true, false, _) => bounded(Form { size: Size::Fixed(args.pair("size")?), ..input }),
            (false, true, Size::Fixed(size)) => {
                bounded(Form { size: Size::Fixed(shortened(size, args.whole("short")?)), ..input })
            }
            (false, true, Size::Length(_) | Size::Deep(_) | Size::Varied | Size::Unknown) => Ok(input),
            (true, true, _) => {
                Err(Fault::new(codes::BAD_VALUE, "`resize` takes `size` or `short`, not both").at("short"))
            }
            (false, false, _) => Err(Fault::new(
                codes::MISSING_ARGUMENT,
                "`resize` needs its `size`: height x width in pixels",
            )
            .advise("`resize 64x64`")
            .advise("`resize short=64`, which keeps the ratio of the sides")),
        }
    }

    fn apply(&self, args: &Args, sample: &mut Sample, _random: &mut Random) -> Result<(), Fault> {
        let [height, width] = match args.has("short") {
            true => shortened([sample.image.height, sample.image.width], args.whole("short")?),
            false => args.pair("size")?,
        };
        let (antialias, filter) = (args.bool("antialias")?, args.word("filter")?);
        sample.each(|image, layer| {
            if antialias || layer == Layer::Mask {
                return resample_layer(image, layer, [height, width], filter);
            }
            let was_bytes = matches!(image.values, Values::Bytes(_));
            interpolate(image, height, width);
            if was_bytes {
                image.round();
            }
            Ok(())
        })
    }
}

/// Height and width of an image whose shorter side gets so many pixels (torchvision: `_compute_resized_output_size`).
fn shortened([height, width]: [usize; 2], short: usize) -> [usize; 2] {
    let long = |long: usize, own: usize| (short * long / own.max(1)).max(1);
    if width <= height { [long(height, width), short] } else { [short, long(width, height)] }
}

/// Two pixels along each axis, in numbers.
fn interpolate(image: &mut Image, height: usize, width: usize) {
    let rows = taps(image.height, height);
    let columns = taps(image.width, width);
    let stride = image.width;
    image.redrawn(height, width, |plane, y, x| {
        let ([top, bottom], down) = rows[y];
        let ([left, right], along) = columns[x];
        let upper = mix(plane[top * stride + left], plane[top * stride + right], along);
        let lower = mix(plane[bottom * stride + left], plane[bottom * stride + right], along);
        mix(upper, lower, down)
    });
}

/// For every output position the two input positions around it and the weight of the second.
fn taps(input: usize, output: usize) -> Vec<([usize; 2], f32)> {
    let scale = input as f64 / output as f64;
    let at = |i: usize| {
        let centre = ((i as f64 + 0.5) * scale - 0.5).max(0.0);
        let first = (centre as usize).min(input - 1);
        ([first, (first + 1).min(input - 1)], (centre - first as f64) as f32)
    };
    (0..output).map(at).collect()
}

fn mix(a: f32, b: f32, weight: f32) -> f32 {
    a + (b - a) * weight
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::testing::{numbers, section};

    fn resized(values: &[f32], input: [usize; 2], size: &str) -> Vec<f32> {
        let section = section(&format!("source mnist \"m\"\nresize {size} antialias=false")).unwrap();
        let mut sample = numbers([1, input[0], input[1]], values);
        let step = &section.preprocess[0];
        step.transform.apply(&step.args, &mut sample, &mut Random::new(0, "", 0)).unwrap();
        sample.image.into_numbers()
    }

    /// The numbers of `torch.nn.functional.interpolate(x, size, mode="bilinear", align_corners=False)`.
    #[test]
    fn the_numbers_are_pytorchs() {
        assert_eq!(resized(&[0.0, 1.0], [1, 2], "1x4"), [0.0, 0.25, 0.75, 1.0]);
        assert_eq!(resized(&[0.0, 1.0, 2.0, 3.0], [1, 4], "1x2"), [0.5, 2.5]);
        assert_eq!(resized(&[0.0, 1.0, 2.0, 3.0], [2, 2], "1"), [1.5]);
        assert_eq!(resized(&[0.0, 3.0, 6.0, 9.0], [2, 2], "2"), [0.0, 3.0, 6.0, 9.0]);
    }

    #[test]
    fn sizes_that_cannot_be_meant_are_refused() {
        let errors = |line: &str| section(&format!("source mnist \"m\"\nresize {line}")).err().unwrap();
        assert_eq!(
            errors("100000x100000"),
            ["E0305 an image of 1x100000x100000 is too large: at most 67108864 values"]
        );
        assert_eq!(errors("32 short=32"), ["E0205 `resize` takes `size` or `short`, not both"]);
        assert_eq!(errors(""), ["E0204 `resize` needs its `size`: height x width in pixels"]);
        assert_eq!(
            errors("32 filter=box antialias=false"),
            ["E0205 `antialias=false` is for `filter=bilinear` alone"]
        );
    }

    #[test]
    fn the_shorter_side_gets_the_number_and_the_other_is_cut_off() {
        assert_eq!(shortened([100, 65], 32), [49, 32]);
        assert_eq!(shortened([65, 100], 32), [32, 49]);
        assert_eq!(shortened([10_000, 3], 2), [6666, 2]);
    }
}
