//! `random_resized_crop`: a part of random size, ratio and place, scaled to one size.

use crate::data::sample::{Form, Image, Sample, Size, Values};
use crate::data::samples::Lent;
use crate::data::transforms::resample::{FILTERS, resample_layer, resampled};
use crate::data::transforms::{Cuts, Transform, bounded};
use crate::diag::{Fault, codes};
use crate::spec::{Args, Kind, Preset, Spec, keyword, positional};
use crate::tensor::random::Random;

pub struct RandomResizedCrop;

static SPEC: Spec = Spec {
    name: "random_resized_crop",
    summary: "Cuts out a part of random size, ratio and place, and scales it to one size",
    docs: "The part's area is uniform between the two numbers of `scale`, times the image's; the ratio of width to height is \
           log-uniform between those of `ratio`. Up to ten parts are drawn; if none fits, the middle is taken in the nearest \
           ratio that is allowed. In training it takes the place of `center_crop`. Same as `RandomResizedCrop` in \
           torchvision.",
    params: &[
        positional("size", Kind::Pair, Preset::Required, "height x width in pixels"),
        keyword(
            "scale",
            Kind::Numbers,
            Preset::Absent,
            "least and most of the image's area; [0.08, 1] without it",
        ),
        keyword(
            "ratio",
            Kind::Numbers,
            Preset::Absent,
            "least and most ratio of width to height; [0.75, 1.3333] without it",
        ),
        keyword("filter", Kind::Choice(FILTERS), Preset::Word("bilinear"), "how pixels are interpolated"),
    ],
    example: "augment { random_resized_crop 28x28 scale=[0.5, 1] }",
    elsewhere: &["RandomResizedCrop", "RandomSizedCrop", "random_sized_crop"],
};

/// Top, left, height and width of a part.
pub(super) type Part = [usize; 4];

impl Transform for RandomResizedCrop {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn form(&self, args: &Args, input: Form) -> Result<Form, Fault> {
        let [least, most] = range(args, "scale", [0.08, 1.0])?;
        if least <= 0.0 || most > 1.0 || least > most {
            let message =
                "`scale` is two shares of the image's area, above 0 and at most 1, the smaller first";
            return Err(Fault::new(codes::BAD_VALUE, message).at("scale").set("scale", "[0.08, 1]"));
        }
        let [least, most] = range(args, "ratio", RATIO)?;
        if least <= 0.0 || least > most || !most.is_finite() {
            let message = "`ratio` is two ratios of width to height, above 0, the smaller first";
            return Err(Fault::new(codes::BAD_VALUE, message).at("ratio").set("ratio", "[0.75, 1.3333]"));
        }
        bounded(Form { size: Size::Fixed(args.pair("size")?), ..input })
    }

    fn cuts(&self) -> Cuts {
        Cuts::ARandomPart
    }

    fn taken(&self, args: &Args, image: &Lent<'_>, random: &mut Random) -> Option<Result<Image, Fault>> {
        let [_, height, width] = image.shape;
        let mut taken = || {
            let part = drawn(args, [height, width], random)?;
            resampled(image, part, args.pair("size")?, args.word("filter")?)
        };
        Some(taken())
    }

    fn apply(&self, args: &Args, sample: &mut Sample, random: &mut Random) -> Result<(), Fault> {
        let part = drawn(args, [sample.image.height, sample.image.width], random)?;
        let [height, width] = args.pair("size")?;
        let filter = args.word("filter")?;
        sample.each(|image, layer| {
            cut(image, part);
            resample_layer(image, layer, [height, width], filter)
        })
    }
}

const RATIO: [f64; 2] = [3.0 / 4.0, 4.0 / 3.0];

pub(super) fn range(args: &Args, name: &str, otherwise: [f64; 2]) -> Result<[f64; 2], Fault> {
    if !args.has(name) {
        return Ok(otherwise);
    }
    <[f64; 2]>::try_from(args.numbers(name)?).map_err(|_| {
        let name = if name == "scale" { "scale" } else { "ratio" };
        Fault::new(codes::BAD_VALUE, format!("`{name}` is two numbers, such as `[0.5, 1]`")).at(name)
    })
}

/// Draws a part of an image of this size.
fn drawn(args: &Args, own: [usize; 2], random: &mut Random) -> Result<Part, Fault> {
    Ok(part(own, range(args, "scale", [0.08, 1.0])?, range(args, "ratio", RATIO)?, random))
}

/// Draws a part (torchvision: `RandomResizedCrop.make_params`).
fn part([height, width]: [usize; 2], scale: [f64; 2], ratio: [f64; 2], random: &mut Random) -> Part {
    let area = height as f64 * width as f64;
    for _ in 0..10 {
        let part = area * between(scale, random);
        let aspect = between(ratio.map(f64::ln), random).exp();
        let [w, h] = [(part * aspect).sqrt().round() as usize, (part / aspect).sqrt().round() as usize];
        if (1..=width).contains(&w) && (1..=height).contains(&h) {
            let [top, left] = [height - h, width - w].map(|room| random.below(room as u32 + 1) as usize);
            return [top, left, h, w];
        }
    }
    let own = width as f64 / height as f64;
    let [h, w] = if own < ratio[0] {
        [(width as f64 / ratio[0]).round() as usize, width]
    } else if own > ratio[1] {
        [height, (height as f64 * ratio[1]).round() as usize]
    } else {
        [height, width]
    };
    let [h, w] = [h.clamp(1, height), w.clamp(1, width)];
    [(height - h) / 2, (width - w) / 2, h, w]
}

pub(super) fn between([least, most]: [f64; 2], random: &mut Random) -> f64 {
    least + (most - least) * f64::from(random.uniform())
}

pub(super) fn cut(image: &mut Image, part: Part) {
    let own = [image.height, image.width];
    match &mut image.values {
        Values::Bytes(bytes) => *bytes = rows(bytes, own, part),
        Values::Numbers(numbers) => *numbers = rows(numbers, own, part),
    }
    [_, _, image.height, image.width] = part;
}

fn rows<T: Copy>(values: &[T], [height, width]: [usize; 2], part: Part) -> Vec<T> {
    let [top, left, part_height, part_width] = part;
    let n_planes = values.len() / (height * width).max(1);
    let mut cut = Vec::with_capacity(n_planes * part_height * part_width);
    for plane in values.chunks_exact((height * width).max(1)) {
        let rows = plane.chunks_exact(width.max(1)).skip(top).take(part_height);
        rows.for_each(|row| cut.extend_from_slice(&row[left..left + part_width]));
    }
    cut
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::testing::section;

    #[test]
    fn parts_lie_inside_and_have_the_areas_and_ratios_that_are_asked_for() {
        let mut random = Random::new(1, "parts", 0);
        let mut areas = Vec::new();
        for _ in 0..2000 {
            let [top, left, h, w] = part([90, 120], [0.3, 0.6], RATIO, &mut random);
            assert!(top + h <= 90 && left + w <= 120);
            let (area, ratio) = ((h * w) as f64 / (90.0 * 120.0), w as f64 / h as f64);
            assert!((0.28..0.62).contains(&area) && (0.73..1.37).contains(&ratio), "{area} {ratio}");
            areas.push(area);
        }
        let mean = areas.iter().sum::<f64>() / 2000.0;
        assert!((mean - 0.45).abs() < 0.01, "{mean}");
        // Of a strip no part fits.
        assert_eq!(part([10, 1000], [0.9, 1.0], RATIO, &mut random), [0, 493, 10, 13]);
        assert_eq!(part([1000, 10], [0.9, 1.0], RATIO, &mut random), [493, 0, 13, 10]);
    }

    #[test]
    fn ranges_that_cannot_be_meant_are_refused() {
        let errors = |line: &str| {
            section(&format!("source mnist \"m\"\naugment {{ random_resized_crop 28 {line} }}"))
                .err()
                .unwrap_or_default()
        };
        assert_eq!(errors("scale=[0.2, 1] ratio=1"), ["E0205 `ratio` is two numbers, such as `[0.5, 1]`"]);
        assert_eq!(errors("scale=[0, 1]").len(), 1);
        assert_eq!(errors("ratio=[2, 1]").len(), 1);
        assert_eq!(errors("scale=[0.2, 1] ratio=[1, 1]"), Vec::<String>::new());
    }
}
