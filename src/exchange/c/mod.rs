//! C: a network → a folder with one C99 file, its header and its weights, for devices without a runtime. Nothing is allocated: what
//! the layers give lies in one array whose places are known here.

mod kernels;
mod layer;
mod memory;

use std::collections::HashSet;
use std::fmt::Write as _;
use std::path::Path;

use crate::data::section::Step;
use crate::diag::{Fault, codes};
use crate::exchange::c::kernels::KERNELS;
use crate::exchange::c::layer::{Places, float, in_place, scratch, write};
use crate::exchange::c::memory::{Life, places};
use crate::exchange::network::Network;
use crate::exchange::onnx::preparation::is_unmeasured;
use crate::exchange::portable::Operation;
use crate::exchange::{Outgoing, Wishes, folder};
use crate::model::{Instance, Wire};
use crate::train::checkpoint::write_atomically;

pub static C: C99 = C99;

pub struct C99;

/// More weights than this make no file that a compiler likes.
const MAX_NUMBERS: usize = 1 << 24;

impl Outgoing for C99 {
    fn name(&self) -> &'static str {
        "c"
    }

    fn summary(&self) -> &'static str {
        "a folder with C99 that needs no library and no memory of its own, for small devices"
    }

    fn ending(&self) -> Option<&'static str> {
        None
    }

    fn write(&self, network: &mut Network<'_>, _wishes: &Wishes, place: &Path) -> Result<Vec<String>, Fault> {
        let written = source(network)?;
        let Source { name, header, code, weights, n_numbers } = written;
        folder(place, |part| {
            write_atomically(&part.join(format!("{name}.h")), header.as_bytes())?;
            write_atomically(&part.join(format!("{name}.c")), code.as_bytes())?;
            write_atomically(&part.join(format!("{name}_weights.h")), weights.as_bytes())
        })?;
        let memory = crate::numbers::bytes(4 * n_numbers as u64);
        Ok(vec![format!("`{name}_run` takes {memory} of memory besides the weights")])
    }
}

struct Source {
    name: String,
    header: String,
    code: String,
    weights: String,
    /// Of the memory that the layers share.
    n_numbers: usize,
}

fn source(network: &Network<'_>) -> Result<Source, Fault> {
    let operations = network.operations()?;
    let model = network.model;
    let n_weights: usize = model
        .layers
        .iter()
        .flat_map(|layer| &layer.inferred)
        .flat_map(|own| &own.parameters)
        .map(|p| p.shape.elements())
        .sum();
    if n_weights > MAX_NUMBERS {
        let message = format!(
            "`{}` has {} weights: C is for networks of at most {}",
            model.name,
            crate::numbers::thousands(n_weights as u64),
            crate::numbers::thousands(MAX_NUMBERS as u64)
        );
        return Err(Fault::new(codes::EXCHANGE_OUT, message).advise("`--to onnx`"));
    }
    let name = snake(&model.name);
    let values = memory(network, &operations)?;
    let (mut body, mut used, mut weights) = (String::new(), Vec::new(), String::new());
    let names = names(model.layers.iter().map(|layer| layer.name.as_str()));
    for (at, (instance, operation)) in model.layers.iter().zip(&operations).enumerate() {
        let shapes =
            instance.inputs.iter().map(|wire| network.shape(*wire)).collect::<Result<Vec<_>, Fault>>()?;
        let inputs: Vec<String> =
            instance.inputs.iter().map(|wire| values.written[wire.index()].clone()).collect();
        let output = Wire::of_layer(at);
        let [weight, bias, out_weight, out_bias] =
            stored(network, instance, &names[at], operation, &mut weights)?;
        let places = Places {
            inputs: &inputs,
            shapes: &shapes,
            output: &values.written[output.index()],
            shape: network.shape(output)?,
            weight: &weight,
            bias: &bias,
            out: [&out_weight, &out_bias],
        };
        let call = write(operation, &places).map_err(|fault| network.located(fault, instance))?;
        used.extend(call.kernels);
        let line = network
            .line(instance)
            .map_or(String::new(), |(line, text)| format!(", line {line}: {}", text.replace("*/", "* /")));
        let _ = writeln!(body, "    /* {}{line} */", instance.name);
        call.lines.iter().for_each(|line| body.push_str(&format!("    {line}\n")));
    }
    let last = &values.written[model.output.index()];
    let (n_in, n_out) = (network.input()?.elements(), network.output()?.elements());
    let _ = writeln!(body, "    memcpy(output, {last}, {n_out} * sizeof(float));");
    let functions: String = KERNELS
        .iter()
        .filter(|kernel| used.contains(&kernel.name))
        .map(|kernel| format!("{}\n\n", kernel.text))
        .collect();
    let prepare = prepare(network, &name)?;
    let text = format!("{functions}{body}");
    let math = ["expf", "sqrtf", "powf", "tanhf", "erff", "logf", "log1pf", "expm1f", "INFINITY", "NAN"]
        .iter()
        .any(|word| text.contains(word) || weights.contains(word));
    let include = if math { "#include <math.h>\n" } else { "" };
    let static_memory =
        if values.len > 0 { format!("    static float memory[{}];\n", values.len) } else { String::new() };
    let code = format!(
        "/* {}, written by dslc {}. */\n\n#include <stddef.h>\n#include <string.h>\n{include}\n#include \"{name}.h\"\n#include \"{name}_weights.h\"\n\n{functions}{}void {name}_run(const float input[{n_in}], float output[{n_out}]) {{\n{static_memory}{body}}}\n",
        model.name,
        env!("CARGO_PKG_VERSION"),
        prepare.as_deref().unwrap_or_default(),
    );
    let header = header(network, &name, prepare.is_some(), [n_in, n_out])?;
    Ok(Source {
        name,
        header,
        code,
        weights: format!("/* The weights of {}. */\n\n{weights}", model.name),
        n_numbers: values.len,
    })
}

fn header(
    network: &Network<'_>,
    name: &str,
    prepares: bool,
    [n_in, n_out]: [usize; 2],
) -> Result<String, Fault> {
    let guard = format!("{}_H", name.to_uppercase());
    let mut out = format!(
        "/* {}, written by dslc {}. */\n\n#ifndef {guard}\n#define {guard}\n\n",
        network.model.name,
        env!("CARGO_PKG_VERSION")
    );
    let _ = writeln!(out, "#define {}_INPUTS {n_in}", name.to_uppercase());
    let _ = writeln!(out, "#define {}_OUTPUTS {n_out}\n", name.to_uppercase());
    if prepares {
        let _ = writeln!(
            out,
            "/* Pixels, 0 (black) to 255 (white), channel by channel and row by row, as the network takes them. */"
        );
        let _ =
            writeln!(out, "void {name}_prepare(const unsigned char pixels[{n_in}], float input[{n_in}]);\n");
    }
    let _ = writeln!(
        out,
        "/* Takes {} numbers, channel by channel and row by row, and gives {}.\n   It keeps nothing between calls, but two at the same time would share its memory. */",
        network.input()?,
        network.output()?
    );
    let _ = writeln!(out, "void {name}_run(const float input[{n_in}], float output[{n_out}]);\n\n#endif");
    Ok(out)
}

/// Where each value lies, as C has it.
struct Memory {
    written: Vec<String>,
    len: usize,
}

fn memory(network: &Network<'_>, operations: &[Operation]) -> Result<Memory, Fault> {
    let model = network.model;
    let n = model.layers.len();
    let mut last = vec![0usize; n + 1];
    for (at, layer) in model.layers.iter().enumerate() {
        layer.inputs.iter().for_each(|wire| last[wire.index()] = at);
    }
    last[model.output.index()] = n;
    // The piece of memory that a value shares with those before it; the input's own is outside.
    let mut slots: Vec<Option<usize>> = vec![None; n + 1];
    let mut lives: Vec<Life> = Vec::new();
    for (at, (layer, operation)) in model.layers.iter().zip(operations).enumerate() {
        let value = at + 1;
        let before = layer.inputs[0];
        let alias = matches!(operation, Operation::Same | Operation::Arrange);
        let slot = slots[before.index()];
        let ends = slot.is_some_and(|slot| lives[slot].to == at);
        slots[value] = match (alias, slot) {
            (true, own) => own,
            (false, Some(slot)) if in_place(operation) && ends => Some(slot),
            (false, _) => {
                let shape = network.shape(Wire::of_layer(at))?;
                lives.push(Life { len: shape.elements() + scratch(operation, shape), from: at, to: at });
                Some(lives.len() - 1)
            }
        };
        if let Some(slot) = slots[value] {
            lives[slot].to = lives[slot].to.max(last[value]);
        }
    }
    let (at, len) = places(&lives);
    let written = slots.iter().map(|slot| {
        slot.map_or("input".to_owned(), |slot| match at[slot] {
            0 => "memory".to_owned(),
            at => format!("memory + {at}"),
        })
    });
    Ok(Memory { written: written.collect(), len })
}

/// Writes the numbers of a layer as arrays, and gives their names; a batch norm's are a factor and a summand for each channel.
fn stored(
    network: &Network<'_>,
    instance: &Instance,
    prefix: &str,
    operation: &Operation,
    out: &mut String,
) -> Result<[String; 4], Fault> {
    const ARRAYS: [&str; 4] = ["weight", "bias", "out_weight", "out_bias"];
    let mut arrays: [Option<Vec<f32>>; 4] = Default::default();
    if let Operation::BatchNorm { epsilon } = operation {
        let [weight, bias, mean, var] =
            ["weight", "bias", "running_mean", "running_var"].map(|name| network.numbers(instance, name));
        let (weight, bias, mean, var) = (weight?, bias?, mean?, var?);
        let factor: Vec<f64> = weight
            .iter()
            .zip(&var)
            .map(|(w, v)| f64::from(*w) / (f64::from(*v) + f64::from(*epsilon)).sqrt())
            .collect();
        let shift = factor
            .iter()
            .zip(&mean)
            .zip(&bias)
            .map(|((f, m), b)| (f64::from(*b) - f * f64::from(*m)) as f32)
            .collect();
        arrays[0] = Some(factor.iter().map(|f| *f as f32).collect());
        arrays[1] = Some(shift);
    } else {
        for parameter in instance.inferred.iter().flat_map(|inferred| &inferred.parameters) {
            let place = ARRAYS.iter().position(|name| *name == parameter.name).ok_or_else(|| {
                let (layer, name) = (&instance.name, parameter.name);
                Fault::internal(format!("`{layer}` has a `{name}` that C does not know"))
            })?;
            arrays[place] = Some(network.numbers(instance, parameter.name)?);
        }
    }
    let mut names = std::array::from_fn(|_| "0".to_owned());
    for ((numbers, what), name) in arrays.into_iter().zip(ARRAYS).zip(&mut names) {
        let Some(numbers) = numbers else { continue };
        *name = format!("{prefix}_{what}");
        let _ = write!(out, "static const float {name}[{}] = {{", numbers.len());
        for (i, number) in numbers.iter().enumerate() {
            out.push_str(if i % 8 == 0 { "\n    " } else { " " });
            out.push_str(&float(*number));
            out.push(',');
        }
        out.push_str("\n};\n\n");
    }
    Ok(names)
}

/// Layers' names as C has them; `a.b` and `a_b` stay apart.
fn names<'n>(layers: impl Iterator<Item = &'n str>) -> Vec<String> {
    let mut taken = HashSet::new();
    let mut name = |layer: &str| {
        let plain = layer.replace('.', "_");
        let own = (1..).map(|n| if n == 1 { plain.clone() } else { format!("{plain}_{n}") });
        own.into_iter().find(|name| taken.insert(name.clone())).unwrap_or_default()
    };
    layers.map(&mut name).collect()
}

/// The function that prepares pixels, where each is prepared by itself.
fn prepare(network: &Network<'_>, name: &str) -> Result<Option<String>, Fault> {
    let Some(data) = network.data else { return Ok(None) };
    let input = network.input()?;
    if data.facts.form.shape().as_ref() != Some(input) || input.rank() != 3 {
        return Ok(None);
    }
    let [channels, height, width] = layer::image(input);
    let value =
        |step: &Step, channel: usize, value: f32| step.transform.pointwise(&step.args, channel, value);
    if data.preprocess.iter().any(is_unmeasured) {
        return Ok(None);
    }
    let (mut factors, mut shifts) = (vec![1.0f32; channels], vec![0.0f32; channels]);
    for step in &data.preprocess {
        for channel in 0..channels {
            let (Some(zero), Some(one)) = (value(step, channel, 0.0), value(step, channel, 1.0)) else {
                // What keeps its images as they are does nothing to the pixels.
                if step.transform.spec().name == "grayscale" && channels == 1
                    || step.transform.spec().name == "rgb" && channels == 3
                {
                    continue;
                }
                return Ok(None);
            };
            let (zero, one) = (zero?, one?);
            (factors[channel], shifts[channel]) =
                (factors[channel] * (one - zero), shifts[channel] * (one - zero) + zero);
        }
    }
    let list = |numbers: &[f32]| numbers.iter().map(|number| float(*number)).collect::<Vec<_>>().join(", ");
    let (n, over) = (input.elements(), height * width);
    Ok(Some(format!(
        "void {name}_prepare(const unsigned char pixels[{n}], float input[{n}]) {{\n    static const float factors[{channels}] = {{{}}}, shifts[{channels}] = {{{}}};\n    for (int i = 0; i < {n}; i++) input[i] = (float)pixels[i] / 255.0f * factors[i / {over}] + shifts[i / {over}];\n}}\n\n",
        list(&factors),
        list(&shifts),
    )))
}

/// `TwoConvs` → `two_convs`
fn snake(name: &str) -> String {
    let mut out = String::new();
    let mut before = '_';
    for c in name.chars() {
        if c.is_ascii_uppercase() && before.is_ascii_lowercase() {
            out.push('_');
        }
        out.push(if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' });
        before = c;
    }
    let word = ["int", "float", "double", "char", "memory", "input", "output"].contains(&out.as_str());
    if word || !out.starts_with(|c: char| c.is_ascii_alphabetic()) { format!("net_{out}") } else { out }
}

#[cfg(test)]
mod tests {
    use super::names;

    #[test]
    fn names_that_differ_stay_apart() {
        assert_eq!(names(["a.b", "a_b", "a.b_2", "c"].into_iter()), ["a_b", "a_b_2", "a_b_2_2", "c"]);
    }
}
