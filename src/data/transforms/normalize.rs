//! `normalize`: pixels → numbers with mean 0 and standard deviation 1 over the data set.

use rayon::iter::{IntoParallelRefIterator, ParallelIterator};

use crate::data::loader::middle;
use crate::data::parts::Dataset;
use crate::data::sample::{Form, Sample};
use crate::data::section::{DataSection, Step};
use crate::data::transforms::Transform;
use crate::diag::{Fault, codes};
use crate::spec::{Arg, Args, Kind, Preset, Spec, keyword, positional};
use crate::tensor::random::Random;

pub struct Normalize;

static SPEC: Spec = Spec {
    name: "normalize",
    summary: "Shifts and scales pixels to mean 0 and standard deviation 1",
    docs: "`(x - mean) / std` for every value x: pixels are 0 to 1 before it, signals are as stored. One number for all channels \
           or a list with one per channel. `auto` measures them on the training images (on 10,000 of them, where there are more), prepared as \
           for evaluation, and keeps them with the run to four digits. `imagenet` is mean [0.485, 0.456, 0.406], \
           std [0.229, 0.224, 0.225].",
    params: &[
        positional(
            "by",
            Kind::Choice(&["auto", "imagenet"]),
            Preset::Absent,
            "`auto` or `imagenet`, instead of numbers",
        ),
        keyword("mean", Kind::Numbers, Preset::Absent, "the mean of pixels in 0..1"),
        keyword("std", Kind::Numbers, Preset::Absent, "their standard deviation, above 0"),
    ],
    example: "normalize mean=0.1307 std=0.3081",
    elsewhere: &["Normalize", "Normalization", "mean_subtraction", "standardize"],
};

/// The numbers that torchvision's networks were trained with.
const IMAGENET: [[f64; 3]; 2] = [[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]];

/// Training images that are measured at most.
const MEASURED: usize = 10_000;

impl Transform for Normalize {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn form(&self, args: &Args, input: Form) -> Result<Form, Fault> {
        let has = |name: &str| args.has(name);
        if has("by") {
            if has("mean") || has("std") {
                let message = "`normalize` takes `auto` or `imagenet`, or numbers, not both";
                return Err(Fault::new(codes::BAD_VALUE, message).at("by"));
            }
            let is_imagenet = args.word("by")? == "imagenet";
            if let Some(channels) = input.channels.filter(|&channels| is_imagenet && channels != 3) {
                let message = format!(
                    "`imagenet` has numbers for 3 channels, but the images have {channels} ({input})"
                );
                return Err(Fault::new(codes::BAD_VALUE, message).at("by").set("by", "auto"));
            }
            return Ok(input);
        }
        for (name, doc) in
            [("mean", "the mean of pixels in 0..1"), ("std", "their standard deviation, above 0")]
        {
            if !has(name) {
                return Err(Fault::new(
                    codes::MISSING_ARGUMENT,
                    format!("`normalize` needs its `{name}`: {doc}"),
                )
                .advise("`normalize auto`, which measures the training images"));
            }
        }
        let [means, deviations] = [args.numbers("mean")?.len(), args.numbers("std")?.len()];
        let channels = input.channels.unwrap_or(means.max(deviations));
        for (name, n) in [("mean", means), ("std", deviations)] {
            if n != 1 && n != channels {
                let message =
                    format!("`{name}` has {n} numbers, but the images have {channels} channels ({input})");
                return Err(Fault::new(codes::BAD_VALUE, message)
                    .label(format!("one number, or {channels}"))
                    .at(name));
            }
        }
        let means = args.numbers("mean")?;
        if let Some(mean) = means.iter().find(|mean| **mean > 1.0 && input.is_picture()) {
            let scaled = Arg::Numbers(means.iter().map(|m| (m / 255.0 * 1e4).round() / 1e4).collect());
            let message = format!("a mean of {mean} is for pixels of 0 to 255; here they are 0 to 1");
            return Err(Fault::new(codes::BAD_VALUE, message).at("mean").set("mean", scaled));
        }
        for channel in 0..channels {
            let [mean, std] = numbers(args, channel)?;
            if std.is_nan() || std <= 0.0 {
                return Err(Fault::new(codes::BAD_VALUE, "`std` must be above 0").at("std"));
            }
            if ![0.0, 1.0].iter().all(|x| ((x - mean) / std).is_finite()) {
                return Err(
                    Fault::new(codes::BAD_VALUE, "`(x - mean) / std` is too large a number").at("std")
                );
            }
        }
        Ok(input)
    }

    fn suits_signals(&self) -> bool {
        true
    }

    fn apply(&self, args: &Args, sample: &mut Sample, _random: &mut Random) -> Result<(), Fault> {
        let image = &mut sample.image;
        let channels = (0..image.channels).map(|channel| numbers(args, channel));
        let channels = channels.collect::<Result<Vec<_>, Fault>>()?;
        let plane = (image.height * image.width).max(1);
        image.change(|values| {
            for (plane, [mean, std]) in values.chunks_exact_mut(plane).zip(channels) {
                plane.iter_mut().for_each(|x| *x = (*x - mean) / std);
            }
        });
        Ok(())
    }

    fn pointwise(&self, args: &Args, channel: usize, value: f32) -> Option<Result<f32, Fault>> {
        Some(numbers(args, channel).map(|[mean, std]| (value - mean) / std))
    }
}

/// Mean and standard deviation of the pixels that a data set's preprocessing counts on, over all channels; `None` where it
/// does not normalise.
pub fn of(steps: &[Step]) -> Option<[f64; 2]> {
    let step = steps.iter().find(|step| step.transform.spec().name == SPEC.name)?;
    let average = |name| {
        let numbers = step.args.numbers(name).ok()?;
        Some(numbers.iter().sum::<f64>() / numbers.len().max(1) as f64)
    };
    Some([average("mean")?, average("std")?])
}

/// Gives `normalize auto` its numbers: those of the training images, in front of the steps that treat each value by itself.
pub fn measure(section: &mut DataSection, dataset: &Dataset) -> Result<(), Fault> {
    let asks = |step: &Step| {
        step.transform.spec().name == SPEC.name && step.args.word("by").is_ok_and(|word| word == "auto")
    };
    let Some(at) = section.preprocess.iter().position(asks) else { return Ok(()) };
    let train = &dataset.parts.train;
    let every = train.len().div_ceil(MEASURED).max(1);
    let some: Vec<u32> = train.iter().step_by(every).copied().collect();
    let sums = some
        .par_iter()
        .map(|&index| Ok(middle(section, &dataset.samples, index)?.sums()))
        .collect::<Result<Vec<_>, Fault>>()?;
    // Of numbers the sum depends on the order, which is that of the images.
    let channels = sums.first().map_or(0, Vec::len);
    let (mut means, mut deviations) = (Vec::new(), Vec::new());
    for channel in 0..channels {
        let of = |which: usize| sums.iter().map(|own| own[channel][which]).sum::<f64>();
        let (n, sum, squares) = (of(0).max(1.0), of(1), of(2));
        let mean = sum / n;
        let deviation = (squares / n - mean * mean).max(0.0).sqrt();
        let rounded = |value: f64| (value * 1e4).round() / 1e4;
        means.push(rounded(mean));
        // A channel of one value has no spread; dividing by 1 leaves it as it is.
        deviations.push(if rounded(deviation) > 0.0 { rounded(deviation) } else { 1.0 });
    }
    section.preprocess[at].args = section.preprocess[at]
        .args
        .without("by")
        .set("mean", Arg::Numbers(means))
        .set("std", Arg::Numbers(deviations));
    Ok(())
}

/// Mean and standard deviation of a channel.
fn numbers(args: &Args, channel: usize) -> Result<[f32; 2], Fault> {
    if args.has("by") {
        let wanted = |numbers: [f64; 3]| numbers.get(channel).map(|x| *x as f32);
        return match (args.word("by")?, IMAGENET.map(wanted)) {
            ("imagenet", [Some(mean), Some(std)]) => Ok([mean, std]),
            _ => Err(Fault::internal("`normalize auto` was not measured")),
        };
    }
    let pick = |name| -> Result<f32, Fault> {
        let numbers = args.numbers(name)?;
        let found = if numbers.len() == 1 { numbers.first() } else { numbers.get(channel) };
        found.map(|x| *x as f32).ok_or_else(|| Fault::internal(format!("no `{name}` for channel {channel}")))
    };
    Ok([pick("mean")?, pick("std")?])
}

#[cfg(test)]
mod tests {
    use crate::data::testing::section;

    fn errors_of(line: &str) -> Vec<String> {
        section(&format!("source mnist \"m\"\nnormalize {line}")).err().unwrap_or_default()
    }

    #[test]
    fn numbers_that_cannot_be_meant_are_refused() {
        assert_eq!(errors_of("auto"), Vec::<String>::new());
        assert_eq!(errors_of("auto mean=0.5").len(), 1);
        assert_eq!(
            errors_of("mean=0.5"),
            ["E0204 `normalize` needs its `std`: their standard deviation, above 0"]
        );
        assert_eq!(
            errors_of("imagenet"),
            ["E0205 `imagenet` has numbers for 3 channels, but the images have 1 (1x28x28)"]
        );
        let errors =
            |line: &str| section(&format!("source mnist \"m\"\nnormalize {line}")).err().unwrap_or_default();
        assert_eq!(errors("mean=0.5 std=[0.5]"), Vec::<String>::new());
        assert_eq!(
            errors("mean=[0.5, 0.5, 0.5] std=0.5"),
            ["E0205 `mean` has 3 numbers, but the images have 1 channels (1x28x28)"]
        );
        assert_eq!(errors("mean=0.5 std=0"), ["E0205 `std` must be above 0"]);
        assert_eq!(errors("mean=0.5 std=-1"), ["E0205 `std` must be above 0"]);
        assert_eq!(errors("mean=0.5 std=1e-50"), ["E0205 `std` must be above 0"]);
        assert_eq!(errors("mean=0.5 std=1e-39"), ["E0205 `(x - mean) / std` is too large a number"]);
        assert_eq!(
            errors("mean=33.3 std=78.6"),
            ["E0205 a mean of 33.3 is for pixels of 0 to 255; here they are 0 to 1"]
        );
    }
}
