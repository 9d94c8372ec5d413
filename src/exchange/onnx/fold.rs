//! Batch norms with their running statistics → factors of the weights before them: `y = (W x + b - mean) · s + shift` with
//! `s = weight / √(var + epsilon)`.

use crate::diag::Fault;
use crate::exchange::network::Network;
use crate::exchange::onnx::layer::Folded;
use crate::exchange::portable::Operation;
use crate::model::{Model, Wire};

/// For each layer the batch norm that becomes part of it: the only one who takes what the layer gives.
pub fn folds(model: &Model, operations: &[Operation]) -> Vec<Option<usize>> {
    let mut n_takers = vec![0usize; model.layers.len() + 1];
    model.layers.iter().flat_map(|layer| &layer.inputs).for_each(|wire| n_takers[wire.index()] += 1);
    n_takers[model.output.index()] += 1;
    let mut folds = vec![None; model.layers.len()];
    for (at, (layer, operation)) in model.layers.iter().zip(operations).enumerate() {
        let (Operation::BatchNorm { .. }, [wire]) = (operation, layer.inputs.as_slice()) else { continue };
        let Some(before) = wire.layer() else { continue };
        let takes = matches!(
            operations[before],
            Operation::Convolution { .. } | Operation::TransposedConvolution(_) | Operation::Linear { .. }
        );
        if takes && n_takers[Wire::of_layer(before).index()] == 1 {
            folds[before] = Some(at);
        }
    }
    folds
}

/// Weight and bias of layer `at` with the batch norm `norm` behind it.
pub fn folded(network: &Network<'_>, at: usize, norm: usize, operation: &Operation) -> Result<Folded, Fault> {
    let (layer, norm) = (&network.model.layers[at], &network.model.layers[norm]);
    let epsilon = norm.args.number("epsilon")? as f32;
    let mut of = Vec::new();
    for name in ["weight", "bias", "running_mean", "running_var"] {
        of.push(network.numbers(norm, name)?);
    }
    let factor = |c: usize| f64::from(of[0][c]) / (f64::from(of[3][c]) + f64::from(epsilon)).sqrt();
    let filters = of[0].len();
    let has_bias = layer.inferred.iter().flat_map(|inferred| &inferred.parameters).any(|p| p.name == "bias");
    let own = if has_bias { network.numbers(layer, "bias")? } else { vec![0.0; filters] };
    let bias = (0..filters)
        .map(|c| ((f64::from(own[c]) - f64::from(of[2][c])) * factor(c) + f64::from(of[1][c])) as f32)
        .collect();
    let mut weight = network.numbers(layer, "weight")?;
    let filter = filter_of(operation, weight.len(), filters);
    for (i, number) in weight.iter_mut().enumerate() {
        *number = (f64::from(*number) * factor(filter(i))) as f32;
    }
    Ok([weight, bias])
}

/// Which filter a number of the weight belongs to.
fn filter_of(operation: &Operation, len: usize, filters: usize) -> impl Fn(usize) -> usize {
    // Of a transposed convolution the filters of a group stand behind each channel.
    let (groups, plane, is_transposed) = match operation {
        Operation::TransposedConvolution(own) => {
            (own.groups.max(1), own.axes.iter().map(|axis| axis.kernel).product(), true)
        }
        _ => (1, len / filters.max(1), false),
    };
    let per_group = filters / groups;
    let channels_of_group = len / (plane * per_group * groups).max(1);
    move |i| match is_transposed {
        false => i / plane,
        true => i / (plane * per_group) / channels_of_group * per_group + i / plane % per_group,
    }
}
