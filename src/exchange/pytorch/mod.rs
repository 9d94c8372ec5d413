//! PyTorch: a network → a folder with `model.py`, an `nn.Module` as a person would write it, `model.safetensors`, whose names are
//! the module's own, and `example.safetensors`, an input and what the network makes of it.

mod classes;
mod flat;
mod forward;
mod helpers;
mod layer;

use std::collections::HashMap;
use std::path::Path;

use safetensors::tensor::{Dtype, TensorView};

use crate::diag::{Fault, codes};
use crate::exchange::network::{Network, Peculiarity};
use crate::exchange::onnx::preparation;
use crate::exchange::pytorch::helpers::HELPERS;
use crate::exchange::pytorch::layer::{Code, code};
use crate::exchange::safetensors::SAFETENSORS;
use crate::exchange::{Outgoing, Wishes, folder};
use crate::model::Wire;
use crate::train::checkpoint::write_atomically;

pub static PYTORCH: PyTorch = PyTorch;

pub struct PyTorch;

impl Outgoing for PyTorch {
    fn name(&self) -> &'static str {
        "pytorch"
    }

    fn summary(&self) -> &'static str {
        "a folder with an nn.Module and its weights"
    }

    fn ending(&self) -> Option<&'static str> {
        None
    }

    fn knows(&self, what: Peculiarity) -> bool {
        match what {
            Peculiarity::Inputs | Peculiarity::Outputs | Peculiarity::SharedWeights => true,
        }
    }

    fn write(&self, network: &mut Network<'_>, wishes: &Wishes, place: &Path) -> Result<Vec<String>, Fault> {
        let text = source(network)?;
        let given = network.random_image(0)?;
        let outputs = network.run(&given)?;
        folder(place, |part| {
            write_atomically(&part.join("model.py"), text.as_bytes())?;
            SAFETENSORS.write(network, wishes, &part.join("model.safetensors"))?;
            write_atomically(&part.join("example.safetensors"), &example(network, &given, &outputs)?)
        })?;
        Ok(vec![format!(
            "`python {}` loads the weights and checks them on an example",
            place.join("model.py").display()
        )])
    }
}

/// Inputs and what the network makes of them, each of a batch of one.
fn example(network: &Network<'_>, given: &[Vec<f32>], outputs: &[Vec<f32>]) -> Result<Vec<u8>, Fault> {
    let bytes =
        |numbers: &Vec<f32>| numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<u8>>();
    let (given, outputs): (Vec<_>, Vec<_>) =
        (given.iter().map(bytes).collect(), outputs.iter().map(bytes).collect());
    let unsaid = |e: safetensors::SafeTensorError| {
        Fault::new(codes::EXCHANGE_OUT, format!("the example cannot be written: {e}"))
    };
    let view = |dims: &[usize], bytes| {
        let shape = std::iter::once(1).chain(dims.iter().copied()).collect();
        TensorView::new(Dtype::F32, shape, bytes).map_err(unsaid)
    };
    let mut ends = vec![network.input()?];
    for input in &network.model.inputs {
        ends.push(network.shape(input.wire)?);
    }
    ends.push(network.output()?);
    for output in &network.model.outputs {
        ends.push(network.shape(output.head.wire)?);
    }
    let keys = flat::keys("input", network.model.inputs.iter().map(|own| own.name.as_str()))
        .into_iter()
        .chain(flat::keys("output", network.model.outputs.iter().map(|own| own.name.text.as_str())));
    let mut tensors = Vec::with_capacity(ends.len());
    for ((key, shape), numbers) in keys.zip(ends).zip(given.iter().chain(&outputs)) {
        tensors.push((key, view(shape.dims(), numbers)?));
    }
    safetensors::serialize(tensors, None::<HashMap<String, String>>).map_err(unsaid)
}

/// The text of `model.py`.
fn source(network: &Network<'_>) -> Result<String, Fault> {
    let operations = network.operations()?;
    let mut codes: Vec<Code> = Vec::new();
    for (at, (instance, operation)) in network.model.layers.iter().zip(&operations).enumerate() {
        let shapes =
            instance.inputs.iter().map(|wire| network.shape(*wire)).collect::<Result<Vec<_>, Fault>>()?;
        let output = network.shape(Wire::of_layer(at))?;
        let whole = network.whole(instance);
        codes.push(
            code(&whole, operation, &shapes, output).map_err(|fault| network.located(fault, instance))?,
        );
    }
    let name = &network.model.name;
    let input: Vec<String> = network.input()?.dims().iter().map(usize::to_string).collect();
    let mut out = format!("\"\"\"{name}, written by dslc {}.\n\n", env!("CARGO_PKG_VERSION"));
    out.push_str(&format!("It takes a batch of {} numbers.", input.join(" x ")));
    out.push_str(&flat::told(network)?);
    if let Some(data) = network.data.filter(|data| !data.preprocess.is_empty()) {
        let steps: Vec<String> = data.preprocess.iter().map(preparation::line).collect();
        out.push_str(&format!(
            " They are pixels from 0 to 1 after:\n{}",
            steps.iter().map(|step| format!("    {step}\n")).collect::<String>()
        ));
    } else {
        out.push('\n');
    }
    out.push_str("\"\"\"\n\nfrom pathlib import Path\n\nimport torch\nimport torch.nn.functional as F\nfrom safetensors.torch import load_file\nfrom torch import nn\n");
    if !network.classes.is_empty() {
        let quoted: Vec<String> =
            network.classes.iter().map(|class| serde_json::to_string(class).unwrap_or_default()).collect();
        out.push_str(&format!("\nCLASSES = [{}]\n", quoted.join(", ")));
    }
    let needed = HELPERS.iter().filter(|helper| operations.iter().any(helper.serves));
    needed.for_each(|helper| out.push_str(helper.text));
    let nested = network.peculiar().is_none().then(|| classes::nested(network.model)).flatten();
    let (classes, class) = match nested {
        Some(whole) => classes::classes(network, &codes, &whole)?,
        None => flat::class(network, &codes)?,
    };
    out.push_str(&classes);
    let example = |keys: Vec<String>| {
        let read: Vec<String> = keys.iter().map(|key| format!("example[\"{key}\"]")).collect();
        read.join(", ")
    };
    let given = example(flat::keys("input", network.model.inputs.iter().map(|own| own.name.as_str())));
    let wanted =
        example(flat::keys("output", network.model.outputs.iter().map(|own| own.name.text.as_str())));
    let wanted = if network.model.outputs.is_empty() { wanted } else { format!("({wanted})") };
    out.push_str(&format!(
        "\n\ndef load(folder=Path(__file__).parent):\n    \"\"\"The network with its weights, for inference.\"\"\"\n    model = {class}()\n    model.load_state_dict(load_file(Path(folder) / \"model.safetensors\"))\n    return model.eval()\n\n\nif __name__ == \"__main__\":\n    example = load_file(Path(__file__).with_name(\"example.safetensors\"))\n    with torch.no_grad():\n        found = load()({given})\n    torch.testing.assert_close(found, {wanted}, rtol=1e-4, atol=1e-4)\n    print(\"the outputs are the same\")\n"
    ));
    Ok(out)
}
