//! Receptive fields: how much of the model's input one pixel behind each layer is made of. Araujo, Norris, Sim:
//! Computing receptive fields of convolutional neural networks (Distill, 2019).

use crate::layers::Reach;
use crate::model::{Model, Unit};

/// What one pixel of a value is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// A window of the input's pixels; it moves by `step` pixels from one pixel of the value to the next. Depth, height
    /// and width.
    Window {
        extent: [usize; 3],
        step: [usize; 3],
    },
    Whole,
    /// Not known, as behind an upsampling.
    Unknown,
}

/// The field of each layer's output, in the order of the layers.
pub fn fields(model: &Model) -> Vec<Field> {
    let mut fields = vec![Field::Window { extent: [1; 3], step: [1; 3] }];
    for instance in &model.layers {
        let arriving = instance.inputs.iter().filter_map(|wire| fields.get(wire.index()).copied());
        let arriving = arriving.reduce(joined).unwrap_or(Field::Unknown);
        let reach = match (instance.unit, &instance.input, &instance.inferred) {
            (Unit::Layer(layer), Some(input), Some(_)) => layer.reach(&instance.args, input),
            (Unit::Layer(_), ..) => Reach::Rescaled,
            (Unit::Join(join), ..) => join.reach(),
        };
        fields.push(match (arriving, reach) {
            (_, Reach::Nothing) => NOTHING,
            (Field::Whole, _) | (_, Reach::Everything) => Field::Whole,
            (field, Reach::Pixel) => field,
            (Field::Unknown, _) | (_, Reach::Rescaled) => Field::Unknown,
            (Field::Window { extent, step }, Reach::Window(windows)) => {
                let grown =
                    |i: usize| (windows[i].reach() - 1).saturating_mul(step[i]).saturating_add(extent[i]);
                Field::Window {
                    extent: std::array::from_fn(grown),
                    step: [0, 1, 2].map(|i| step[i].saturating_mul(windows[i].stride)),
                }
            }
        });
    }
    fields.split_off(1)
}

/// Of a value that no image has a part in.
const NOTHING: Field = Field::Window { extent: [0; 3], step: [1; 3] };

/// The field of a value that two others make together.
fn joined(a: Field, b: Field) -> Field {
    match (a, b) {
        (other, NOTHING) | (NOTHING, other) => other,
        (Field::Whole, _) | (_, Field::Whole) => Field::Whole,
        (Field::Window { extent: a, step }, Field::Window { extent: b, step: other }) if step == other => {
            Field::Window { extent: std::array::from_fn(|i| a[i].max(b[i])), step }
        }
        _ => Field::Unknown,
    }
}
