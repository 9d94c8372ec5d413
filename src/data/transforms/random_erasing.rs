//! `random_erasing`: a rectangle of the image covered, or none.

use crate::data::sample::{Form, Image, Sample, Values};
use crate::data::transforms::Transform;
use crate::data::transforms::random_resized_crop::{Part, between, range};
use crate::diag::{Fault, codes};
use crate::spec::{Args, Kind, Preset, Spec, keyword, positional};
use crate::tensor::random::Random;

pub struct RandomErasing;

static SPEC: Spec = Spec {
    name: "random_erasing",
    summary: "Covers a random rectangle of the image, with a probability",
    docs: "The area is a fraction of the image's, drawn uniformly within `scale`. The ratio of height to width is drawn within \
           `ratio`, uniformly in its logarithm. The first of ten tries that fits is used. `value` is the brightness that fills \
           the rectangle, 0 (black) to 1 (white), one for all channels or one per channel. It is normalised afterwards like the \
           rest of the image, so the mean of `normalize` becomes the 0 that torchvision's `RandomErasing` fills in after \
           `Normalize`. A mask stays as it is.",
    params: &[
        positional("probability", Kind::Number { min: 0.0, max: 1.0 }, Preset::Number(0.5), "how often"),
        keyword(
            "scale",
            Kind::Numbers,
            Preset::Absent,
            "fractions of the image's area; `[0.02, 0.33]` by default",
        ),
        keyword("ratio", Kind::Numbers, Preset::Absent, "height to width; `[0.3, 3.3]` by default"),
        keyword("value", Kind::Numbers, Preset::Absent, "what fills it; 0, black, by default"),
    ],
    example: "augment { random_erasing 0.25 }",
    elsewhere: &["RandomErasing", "Cutout", "CoarseDropout", "erasing"],
};

const SCALE: [f64; 2] = [0.02, 0.33];
const RATIO: [f64; 2] = [0.3, 3.3];

impl Transform for RandomErasing {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn form(&self, args: &Args, input: Form) -> Result<Form, Fault> {
        let [least, most] = range(args, "scale", SCALE)?;
        if least < 0.0 || most > 1.0 || least > most {
            let message = "`scale` is two shares of the image's area, at most 1, the smaller first";
            return Err(Fault::new(codes::BAD_VALUE, message).at("scale").set("scale", "[0.02, 0.33]"));
        }
        let [least, most] = range(args, "ratio", RATIO)?;
        if least <= 0.0 || least > most || !most.is_finite() {
            let message = "`ratio` is two ratios of height to width, above 0, the smaller first";
            return Err(Fault::new(codes::BAD_VALUE, message).at("ratio").set("ratio", "[0.3, 3.3]"));
        }
        let values = values(args)?;
        let fits = values.len() == 1 || input.channels.is_none_or(|channels| channels == values.len());
        if !fits || values.iter().any(|value| !(0.0..=1.0).contains(value)) {
            let message = format!("`value` is one number from 0 to 1, or one a channel of {input}");
            return Err(Fault::new(codes::BAD_VALUE, message).at("value").set("value", 0.5));
        }
        Ok(input)
    }

    fn apply(&self, args: &Args, sample: &mut Sample, random: &mut Random) -> Result<(), Fault> {
        if f64::from(random.uniform()) >= args.number("probability")? {
            return Ok(());
        }
        let image = &mut sample.image;
        let (scale, ratio) = (range(args, "scale", SCALE)?, range(args, "ratio", RATIO)?);
        if let Some(part) = part([image.height, image.width], scale, ratio, random) {
            erase(image, part, &values(args)?);
        }
        Ok(())
    }
}

fn values(args: &Args) -> Result<Vec<f64>, Fault> {
    if args.has("value") { args.numbers("value").map(<[f64]>::to_vec) } else { Ok(vec![0.0]) }
}

/// torchvision: `RandomErasing.make_params`.
fn part([height, width]: [usize; 2], scale: [f64; 2], ratio: [f64; 2], random: &mut Random) -> Option<Part> {
    let area = height as f64 * width as f64;
    for _ in 0..10 {
        let share = area * between(scale, random);
        let aspect = between(ratio.map(f64::ln), random).exp();
        let [h, w] = [share * aspect, share / aspect].map(|square| square.sqrt().round_ties_even() as usize);
        if h < height && w < width {
            let [top, left] = [height - h, width - w].map(|room| random.below(room as u32 + 1) as usize);
            return Some([top, left, h, w]);
        }
    }
    None
}

pub(super) fn erase(image: &mut Image, [top, left, height, width]: Part, values: &[f64]) {
    let (rows, plane) = (image.width.max(1), (image.height * image.width).max(1));
    let value = |channel: usize| values.get(channel).or(values.first()).copied().unwrap_or(0.0);
    match &mut image.values {
        Values::Bytes(bytes) => {
            for (channel, plane) in bytes.chunks_exact_mut(plane).enumerate() {
                let byte = (value(channel) * 255.0).round() as u8;
                let lines = plane.chunks_exact_mut(rows).skip(top).take(height);
                lines.for_each(|line| line[left..left + width].fill(byte));
            }
        }
        Values::Numbers(numbers) => {
            for (channel, plane) in numbers.chunks_exact_mut(plane).enumerate() {
                let lines = plane.chunks_exact_mut(rows).skip(top).take(height);
                lines.for_each(|line| line[left..left + width].fill(value(channel) as f32));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::testing::section;

    #[test]
    fn parts_have_the_areas_and_ratios_that_are_asked_for() {
        let mut random = Random::new(1, "parts", 0);
        let mut areas = Vec::new();
        for _ in 0..1000 {
            let [top, left, h, w] = part([90, 120], SCALE, RATIO, &mut random).unwrap();
            assert!(top + h <= 90 && left + w <= 120);
            let ratio = h as f64 / w as f64;
            assert!((0.27..3.7).contains(&ratio), "{ratio}");
            areas.push((h * w) as f64 / (90.0 * 120.0));
        }
        let mean = areas.iter().sum::<f64>() / 1000.0;
        assert!((0.15..0.19).contains(&mean), "{mean}");
        assert_eq!(part([90, 120], [1.0, 1.0], RATIO, &mut random), None);
    }

    #[test]
    fn values_cover_the_part_channel_by_channel() {
        let mut image = Image::of_bytes([2, 2, 3], vec![9; 12]);
        erase(&mut image, [0, 1, 2, 1], &[1.0, 0.5]);
        assert_eq!(image.values, Values::Bytes(vec![9, 255, 9, 9, 255, 9, 9, 128, 9, 9, 128, 9]));
        let errors = |line: &str| {
            section(&format!("source mnist \"m\"\naugment {{ random_erasing {line} }}"))
                .err()
                .unwrap_or_default()
        };
        assert_eq!(
            errors("value=[0, 1]"),
            ["E0205 `value` is one number from 0 to 1, or one a channel of 1x28x28"]
        );
        assert_eq!((errors("scale=[0.5, 0.1]").len(), errors("ratio=[0, 1]").len()), (1, 1));
        assert_eq!(errors("0.3 value=0.5 scale=[0, 0.2]"), Vec::<String>::new());
    }
}
