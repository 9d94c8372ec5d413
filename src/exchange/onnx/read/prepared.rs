//! The first line of a network, where it prepares pixels → what to know of it: a `data` section must not do the same again.

use crate::exchange::import::line::{Line, Weight};

/// The most channels that pictures have.
const MOST_CHANNELS: usize = 4;

/// What a network does to its pixels first, in the words of `normalize`; `None` where it does nothing of the kind.
pub fn remark(lines: &[Line<'_>]) -> Option<String> {
    let takers = lines.iter().filter(|line| line.inputs.contains(&0)).count();
    let first = lines.iter().find(|line| line.inputs == [0]).filter(|_| takers == 1)?;
    let channels = first.shape.first().copied().filter(|&n| first.shape.len() == 3 && n <= MOST_CHANNELS)?;
    let numbers = |name: &str| -> Option<Vec<f64>> {
        match &first.weights.iter().find(|(own, _)| *own == name)?.1 {
            Weight::Own(numbers) => Some(numbers.to_vec()),
            Weight::All(n, number) => Some(vec![*number; *n]),
            Weight::Stored(_) | Weight::Turned(_) | Weight::Later(_) => None,
        }
    };
    let argument =
        |name: &str| first.args.iter().find(|(own, _)| *own == name).map(|(_, value)| value.as_str());
    let (factors, shifts) = match first.word {
        "batch_norm" if argument("epsilon") == Some("0") => (numbers("weight")?, numbers("bias")?),
        "scale" if argument("learned") == Some("false") => {
            (vec![argument("factor")?.parse().ok()?; channels], vec![0.0; channels])
        }
        "scale" => (numbers("weight")?, vec![0.0; channels]),
        _ => return None,
    };
    if factors.len() != channels || shifts.len() != channels || factors.contains(&0.0) {
        return None;
    }
    let std = factors.iter().map(|factor| 1.0 / factor);
    let mean = factors.iter().zip(&shifts).map(|(factor, shift)| -shift / factor);
    let (mean, std) = (written(mean.collect()), written(std.collect()));
    Some(format!(
        "its first line prepares pixels, as `normalize mean={mean} std={std}` does: leave it out of the `data` section"
    ))
}

/// `0.5`, or `[0.485, 0.456, 0.406]`
fn written(numbers: Vec<f64>) -> String {
    let short: Vec<String> =
        numbers.iter().map(|number| format!("{}", (number * 1e4).round() / 1e4 + 0.0)).collect();
    match short.iter().all(|own| *own == short[0]) {
        true => short[0].clone(),
        false => format!("[{}]", short.join(", ")),
    }
}
