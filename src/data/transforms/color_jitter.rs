//! `color_jitter`: brightness, contrast, saturation and hue, changed at random.

use crate::data::sample::{Form, Image, Sample, Values};
use crate::data::transforms::Transform;
use crate::data::transforms::grayscale::brightness;
use crate::diag::{Fault, codes};
use crate::spec::{Args, Kind, Preset, Spec, keyword};
use crate::tensor::random::Random;

pub struct ColorJitter;

const AMOUNT: Kind = Kind::Number { min: 0.0, max: 1.0 };

static SPEC: Spec = Spec {
    name: "color_jitter",
    summary: "Changes brightness, contrast, saturation and hue at random",
    docs: "The four in random order, each by a factor that is uniform in 1 - x to 1 + x; the hue turns by -x to x of the circle. \
           Brightness multiplies, contrast draws away from the mean brightness of the image, saturation from each pixel's own. \
           Values stay in 0 to 1. Of an image of one channel brightness and contrast change. Same as `ColorJitter` in \
           torchvision.",
    params: &[
        keyword("brightness", AMOUNT, Preset::Number(0.0), "how much the brightness changes"),
        keyword("contrast", AMOUNT, Preset::Number(0.0), "how much the contrast changes"),
        keyword("saturation", AMOUNT, Preset::Number(0.0), "how much the saturation changes"),
        keyword("hue", Kind::Number { min: 0.0, max: 0.5 }, Preset::Number(0.0), "how far the hue turns"),
    ],
    example: "augment { color_jitter brightness=0.2 contrast=0.2 }",
    elsewhere: &["ColorJitter", "RandomBrightness", "RandomContrast", "hsv_jitter"],
};

/// One change of colours.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Change {
    Brightness(f32),
    Contrast(f32),
    Saturation(f32),
    Hue(f32),
}

impl Transform for ColorJitter {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn form(&self, args: &Args, input: Form) -> Result<Form, Fault> {
        for name in ["saturation", "hue"] {
            if args.number(name)? > 0.0 && input.channels == Some(1) {
                let message = format!("images of one channel have no `{name}`");
                return Err(Fault::new(codes::BAD_VALUE, message).at(name).set(name, 0));
            }
        }
        match input.channels {
            Some(1 | 3) | None => Ok(input),
            Some(channels) => {
                let message =
                    format!("`color_jitter` needs 1 or 3 channels, but {channels} arrive ({input})");
                Err(Fault::new(codes::DATA_SHAPE, message))
            }
        }
    }

    fn apply(&self, args: &Args, sample: &mut Sample, random: &mut Random) -> Result<(), Fault> {
        let mut changes = Vec::with_capacity(4);
        for (name, change) in [
            ("brightness", Change::Brightness as fn(f32) -> Change),
            ("contrast", Change::Contrast),
            ("saturation", Change::Saturation),
        ] {
            let amount = args.number(name)? as f32;
            changes.push(change((1.0 + amount * (2.0 * random.uniform() - 1.0)).max(0.0)));
        }
        changes.push(Change::Hue(args.number("hue")? as f32 * (2.0 * random.uniform() - 1.0)));
        random.shuffle(&mut changes);
        changes.into_iter().for_each(|own| change(&mut sample.image, own));
        Ok(())
    }
}

pub(super) fn change(image: &mut Image, change: Change) {
    if matches!(
        change,
        Change::Brightness(1.0) | Change::Contrast(1.0) | Change::Saturation(1.0) | Change::Hue(0.0)
    ) {
        return;
    }
    let was_bytes = matches!(image.values, Values::Bytes(_));
    let (channels, size) = (image.channels, (image.height * image.width).max(1));
    image.change(|values| match change {
        Change::Brightness(factor) => values.iter_mut().for_each(|x| *x = (*x * factor).clamp(0.0, 1.0)),
        Change::Contrast(factor) => {
            let mean = match channels {
                3 => (0..size).map(|i| f64::from(grey(values, size, i))).sum::<f64>(),
                _ => values.iter().map(|&x| f64::from(x)).sum::<f64>(),
            };
            let rest = (mean / size as f64) as f32 * (1.0 - factor);
            values.iter_mut().for_each(|x| *x = (*x * factor + rest).clamp(0.0, 1.0));
        }
        Change::Saturation(factor) if channels == 3 => {
            for i in 0..size {
                let rest = grey(values, size, i) * (1.0 - factor);
                for at in [i, size + i, 2 * size + i] {
                    values[at] = (values[at] * factor + rest).clamp(0.0, 1.0);
                }
            }
        }
        Change::Hue(turn) if channels == 3 => {
            for i in 0..size {
                let turned = turned([values[i], values[size + i], values[2 * size + i]], turn);
                [values[i], values[size + i], values[2 * size + i]] = turned;
            }
        }
        Change::Saturation(_) | Change::Hue(_) => {}
    });
    if was_bytes {
        image.round();
    }
}

fn grey(values: &[f32], size: usize, i: usize) -> f32 {
    brightness([values[i], values[size + i], values[2 * size + i]])
}

/// A colour whose hue is turned by a share of the circle (through HSV; torchvision: `_rgb_to_hsv`, `_hsv_to_rgb`).
fn turned([r, g, b]: [f32; 3], turn: f32) -> [f32; 3] {
    let (most, least) = (r.max(g).max(b), r.min(g).min(b));
    let spread = most - least;
    if spread == 0.0 {
        return [r, g, b];
    }
    let saturation = spread / most;
    let [from_r, from_g, from_b] = [r, g, b].map(|x| (most - x) / spread);
    let hue = if most == r {
        from_b - from_g
    } else if most == g {
        2.0 + from_r - from_b
    } else {
        4.0 + from_g - from_r
    };
    let hue = (hue / 6.0 + 1.0 + turn).rem_euclid(1.0) * 6.0;
    let (sector, within) = (hue.floor(), hue - hue.floor());
    let value = |x: f32| (most * x).clamp(0.0, 1.0);
    let (p, q, t) =
        (value(1.0 - saturation), value(1.0 - saturation * within), value(1.0 - saturation * (1.0 - within)));
    match sector as i32 % 6 {
        0 => [most, t, p],
        1 => [q, most, p],
        2 => [p, most, t],
        3 => [p, q, most],
        4 => [t, p, most],
        _ => [most, p, q],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::testing::section;

    #[test]
    fn a_turn_of_a_third_makes_red_green_and_a_whole_one_nothing() {
        assert_eq!(turned([1.0, 0.0, 0.0], 1.0 / 3.0).map(|x| (x * 1e3).round() / 1e3), [0.0, 1.0, 0.0]);
        let colour = [0.2, 0.5, 0.9];
        assert!(turned(colour, 1.0).iter().zip(colour).all(|(a, b)| (a - b).abs() < 1e-5));
    }

    #[test]
    fn grey_images_have_no_hue() {
        let errors = |line: &str| {
            section(&format!("source mnist \"m\"\naugment {{ color_jitter {line} }}"))
                .err()
                .unwrap_or_default()
        };
        assert_eq!(errors("hue=0.1"), ["E0205 images of one channel have no `hue`"]);
        assert_eq!(errors("brightness=0.3"), Vec::<String>::new());
    }
}
