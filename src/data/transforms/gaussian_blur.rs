//! `gaussian_blur`: the image blurred, more or less.

use crate::data::sample::{Form, Image, Sample, Size, Values};
use crate::data::transforms::Transform;
use crate::data::transforms::random_resized_crop::between;
use crate::diag::{Fault, codes};
use crate::spec::{Args, Kind, Preset, Spec, keyword, positional};
use crate::tensor::random::Random;

pub struct GaussianBlur;

static SPEC: Spec = Spec {
    name: "gaussian_blur",
    summary: "Blurs the image by a random amount",
    docs: "Each pixel becomes a weighted mean of the `size` x `size` pixels around it. The weights are a Gaussian whose standard \
           deviation, in pixels, is drawn uniformly within `sigma`. At the border the image is mirrored. Same as `GaussianBlur` \
           in torchvision.",
    params: &[
        positional("size", Kind::Count, Preset::Required, "the kernel's side in pixels, an odd number"),
        keyword(
            "sigma",
            Kind::Numbers,
            Preset::Absent,
            "the smallest and the largest standard deviation; `[0.1, 2]` by default",
        ),
    ],
    example: "augment { gaussian_blur 5 sigma=[0.1, 2] }",
    elsewhere: &["GaussianBlur", "RandomGaussianBlur", "blur"],
};

/// A larger one covers images of the sizes that networks take.
const MOST: usize = 101;

impl Transform for GaussianBlur {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn form(&self, args: &Args, input: Form) -> Result<Form, Fault> {
        sigmas(args)?;
        let size = args.whole("size")?;
        if size.is_multiple_of(2) || size > MOST {
            let message = format!("`size` of `gaussian_blur` is an odd number up to {MOST}");
            let odd = (size / 2 * 2 + 1).min(MOST);
            return Err(Fault::new(codes::BAD_VALUE, message).at("size").set("size", odd));
        }
        match input.size {
            // Where the image is mirrored, a pixel of it must be left.
            Size::Fixed([height, width]) if size / 2 >= height.min(width) => {
                let message = format!("a blur of {size} pixels is too wide for {input}");
                Err(Fault::new(codes::WINDOW_TOO_LARGE, message).at("size").set("size", 3))
            }
            Size::Fixed(_) | Size::Length(_) | Size::Deep(_) | Size::Varied | Size::Unknown => Ok(input),
        }
    }

    fn apply(&self, args: &Args, sample: &mut Sample, random: &mut Random) -> Result<(), Fault> {
        let sigma = between(sigmas(args)?, random);
        blur(&mut sample.image, args.whole("size")?, sigma);
        Ok(())
    }
}

fn sigmas(args: &Args) -> Result<[f64; 2], Fault> {
    if !args.has("sigma") {
        return Ok([0.1, 2.0]);
    }
    match *args.numbers("sigma")? {
        [sigma] if sigma > 0.0 && sigma.is_finite() => Ok([sigma, sigma]),
        [least, most] if least > 0.0 && least <= most && most.is_finite() => Ok([least, most]),
        _ => Err(Fault::new(codes::BAD_VALUE, "`sigma` is a number above 0, or two, the smaller first")
            .at("sigma")
            .set("sigma", "[0.1, 2]")),
    }
}

pub(super) fn blur(image: &mut Image, size: usize, sigma: f64) {
    // torchvision: `_get_gaussian_kernel1d`. Of an image that is smaller than it may be, less is taken.
    let half = (size / 2).min(image.height.min(image.width).saturating_sub(1));
    let spread = (size as f64 - 1.0) / (2.0 * 2.0f64.sqrt());
    let at = |i: usize| if half == 0 { 0.0 } else { spread * (i as f64 / half as f64 - 1.0) };
    let weights: Vec<f64> = (0..=2 * half).map(|i| (-(at(i) / sigma).powi(2)).exp()).collect();
    let sum: f64 = weights.iter().sum();
    let weights: Vec<f32> = weights.iter().map(|weight| (weight / sum) as f32).collect();
    let was_bytes = matches!(image.values, Values::Bytes(_));
    let (height, width) = (image.height, image.width);
    image.change(|values| {
        let mut row = vec![0.0; width];
        for line in values.chunks_exact_mut(width.max(1)) {
            row.copy_from_slice(line);
            line.iter_mut().enumerate().for_each(|(x, value)| *value = weighed(&row, 1, x, width, &weights));
        }
        let mut columns = vec![0.0; width * height];
        for plane in values.chunks_exact_mut((width * height).max(1)) {
            columns.copy_from_slice(plane);
            for (y, line) in plane.chunks_exact_mut(width).enumerate() {
                for (x, value) in line.iter_mut().enumerate() {
                    *value = weighed(&columns[x..], width, y, height, &weights);
                }
            }
        }
    });
    if was_bytes {
        image.round();
    }
}

/// The weighed mean around place `at` of `n` values with a stride; at the ends they are mirrored.
fn weighed(values: &[f32], stride: usize, at: usize, n: usize, weights: &[f32]) -> f32 {
    let half = weights.len() / 2;
    // Place `at + i - half`: in front of the first it is as far behind it.
    let place = |i: usize| {
        let place = (at + i).abs_diff(half);
        if place < n { place } else { 2 * (n - 1) - place }
    };
    weights.iter().enumerate().map(|(i, weight)| weight * values[place(i) * stride]).sum()
}

#[cfg(test)]
mod tests {
    use crate::data::testing::section;

    #[test]
    fn sizes_that_cannot_be_meant_are_refused() {
        let errors = |line: &str| {
            section(&format!("source mnist \"m\"\naugment {{ gaussian_blur {line} }}"))
                .err()
                .unwrap_or_default()
        };
        assert_eq!(errors("4"), ["E0205 `size` of `gaussian_blur` is an odd number up to 101"]);
        assert_eq!(errors("57"), ["E0301 a blur of 57 pixels is too wide for 1x28x28"]);
        assert_eq!(errors("3 sigma=[2, 1]").len(), 1);
        assert_eq!(errors("3 sigma=0.5"), Vec::<String>::new());
    }
}
