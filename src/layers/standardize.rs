//! What the normalisations that do not look at the batch share: parts of each image brought to mean 0 and
//! variance 1, and a learned weight and bias.

use crate::diag::{Fault, codes};
use crate::graph::attrs::Attrs;
use crate::graph::{Init, Value};
use crate::layers::Parameter;
use crate::layers::lowering::Lowering;
use crate::ops::binary::{ADD, MULTIPLY};
use crate::ops::standardize::STANDARDIZE;
use crate::shape::Shape;
use crate::spec::{Kind, Param, Preset, keyword};

pub(crate) const EPSILON: Param =
    keyword("epsilon", Kind::Number { min: 0.0, max: 1.0 }, Preset::Number(1e-5), "added to the variance");

/// The learned weight and bias of a normalisation; both begin at what changes nothing.
pub(crate) fn affine(shape: &Shape) -> Vec<Parameter> {
    vec![
        Parameter::trained("weight", shape.clone(), Init::Constant(1.0)),
        Parameter::trained("bias", shape.clone(), Init::Constant(0.0)),
    ]
}

/// Refuses parts of one number, whose variance is 0.
pub(crate) fn check_parts(layer: &str, input: &Shape, parts: usize) -> Result<(), Fault> {
    if input.elements() > parts {
        return Ok(());
    }
    Err(Fault::new(
        codes::SINGLE_VALUE_NORM,
        format!("`{layer}` sees one number in each part of {input}: its variance is 0"),
    )
    .label(format!("{input} arrives"))
    .assume(input.clone())
    .advise("fewer groups, or a larger image"))
}

/// Brings each of `parts` equal, contiguous parts of every image to mean 0 and variance 1.
pub(crate) fn standardize(
    lowering: &mut Lowering<'_>,
    input: Value,
    parts: usize,
    epsilon: f64,
) -> Result<Value, Fault> {
    let attrs = Attrs::new().int("parts", parts as i64).float("epsilon", epsilon as f32);
    lowering.apply(&STANDARDIZE, attrs, &[input])
}

/// Applies the parameters `weight` and `bias`, one number a channel, where the layer has them.
pub(crate) fn affine_per_channel(lowering: &mut Lowering<'_>, value: Value) -> Result<Value, Fault> {
    let (Some(weight), Some(bias)) = (lowering.find_parameter("weight"), lowering.find_parameter("bias"))
    else {
        return Ok(value);
    };
    let weight = lowering.per_channel(weight, value)?;
    let bias = lowering.per_channel(bias, value)?;
    let scaled = lowering.apply(&MULTIPLY, Attrs::new(), &[value, weight])?;
    lowering.apply(&ADD, Attrs::new(), &[scaled, bias])
}
