//! The first lines of a network, where they prepare pixels → what to know of them: a `data` section must not do the same again.

use crate::exchange::import::line::{Line, Weight};

/// The most channels that pictures have.
const MOST_CHANNELS: usize = 4;
/// Divisors above this are of pixels up to 255.
const OF_BYTES: f64 = 2.0;

/// What a network does to its pixels before anything else; `None` where it does nothing of the kind.
pub fn remark(lines: &[Line<'_>]) -> Option<String> {
    let first = lines.iter().find(|line| line.inputs == [0])?;
    let channels = first.shape.first().copied().filter(|&n| first.shape.len() == 3 && n <= MOST_CHANNELS)?;
    let (mut factors, mut shifts) = (vec![1.0; channels], vec![0.0; channels]);
    let (mut value, mut n_lines) = (0, 0);
    // As long as one line alone takes what the one before gives.
    loop {
        let mut takers = lines.iter().enumerate().filter(|(_, line)| line.inputs.contains(&value));
        let (Some((at, line)), None) = (takers.next(), takers.next()) else { break };
        let Some((own_factors, own_shifts)) = affine(line, channels) else { break };
        for c in 0..channels {
            (factors[c], shifts[c]) =
                (factors[c] * own_factors[c], shifts[c] * own_factors[c] + own_shifts[c]);
        }
        (value, n_lines) = (at + 1, n_lines + 1);
    }
    if n_lines == 0 || factors.contains(&0.0) {
        return None;
    }
    let std: Vec<f64> = factors.iter().map(|factor| 1.0 / factor).collect();
    let mean: Vec<f64> = factors.iter().zip(&shifts).map(|(factor, shift)| -shift / factor).collect();
    let is_of_bytes = std.iter().all(|std| std.abs() > OF_BYTES);
    let lines = if n_lines == 1 { "its first line prepares" } else { "its first lines prepare" };
    let (mean, std) = (written(&mean), written(&std));
    Some(match is_of_bytes {
        false => format!(
            "{lines} pixels, as `normalize mean={mean} std={std}` does: leave it out of the `data` section"
        ),
        true => format!(
            "{lines} pixels from 0 to 255, with the mean {mean} and the standard deviation {std}: leave `normalize` out of the `data` section, and put `scale 255` before them"
        ),
    })
}

/// What a line multiplies each channel by and adds to it, where it does nothing else.
fn affine(line: &Line<'_>, channels: usize) -> Option<(Vec<f64>, Vec<f64>)> {
    let numbers = |name: &str| -> Option<Vec<f64>> {
        match &line.weights.iter().find(|(own, _)| *own == name)?.1 {
            Weight::Own(numbers) => Some(numbers.to_vec()),
            Weight::All(n, number) => Some(vec![*number; *n]),
            Weight::Stored(_) | Weight::Turned(_) | Weight::Later(_) => None,
        }
    };
    let argument =
        |name: &str| line.args.iter().find(|(own, _)| *own == name).map(|(_, value)| value.as_str());
    let none = || vec![0.0; channels];
    let (factors, shifts) = match (line.word, argument("epsilon"), argument("learned")) {
        ("batch_norm", Some("0"), _) => (numbers("weight")?, numbers("bias")?),
        ("scale", _, Some("false")) => (vec![argument("factor")?.parse().ok()?; channels], none()),
        ("scale", _, Some("true")) => (numbers("weight")?, none()),
        _ => return None,
    };
    (factors.len() == channels && shifts.len() == channels).then_some((factors, shifts))
}

/// `0.5`, or `[0.485, 0.456, 0.406]`
fn written(numbers: &[f64]) -> String {
    // Minus nothing is nothing.
    let short = |number: &f64| format!("{}", (number * 1e4).round() / 1e4 + 0.0);
    let all: Vec<String> = numbers.iter().map(short).collect();
    match all.iter().all(|own| *own == all[0]) {
        true => all[0].clone(),
        false => format!("[{}]", all.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::import::line::Origin;

    fn line(word: &'static str, at: usize, factors: &[f64], shifts: &[f64]) -> Line<'static> {
        let own = |numbers: &[f64]| Weight::Own(numbers.to_vec().into());
        let (args, weights) = match word {
            "scale" => (vec![("learned", "true".to_owned())], vec![("weight", own(factors))]),
            _ => (vec![("epsilon", "0".to_owned())], vec![("weight", own(factors)), ("bias", own(shifts))]),
        };
        Line { word, args, inputs: vec![at], shape: vec![2, 8, 8], weights, origin: Origin::default() }
    }

    #[test]
    fn several_lines_count_together() {
        let shifted = line("batch_norm", 0, &[1.0, 1.0], &[-0.4, -0.5]);
        let scaled = line("scale", 1, &[4.0, 5.0], &[]);
        let relu = Line { word: "relu", args: Vec::new(), weights: Vec::new(), ..line("scale", 2, &[], &[]) };
        let found = remark(&[shifted.clone(), scaled, relu.clone()]).unwrap();
        assert!(
            found.contains("lines prepare pixels, as `normalize mean=[0.4, 0.5] std=[0.25, 0.2]`"),
            "{found}"
        );
        let found = remark(&[line("scale", 0, &[0.01, 0.01], &[])]).unwrap();
        assert!(found.contains("from 0 to 255, with the mean 0 and the standard deviation 100"), "{found}");
        // Others take the pixels as they are.
        assert!(remark(&[shifted, line("scale", 0, &[4.0, 5.0], &[])]).is_none());
        assert!(remark(&[Line { inputs: vec![0], ..relu }]).is_none());
    }
}
