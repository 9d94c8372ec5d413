//! `positions`: numbers that encode where each place is, added to its channels.

use crate::diag::{Fault, codes};
use crate::graph::attrs::Attrs;
use crate::graph::{Init, StateKind, Value};
use crate::layers::lowering::Lowering;
use crate::layers::{Inferred, Layer, Parameter};
use crate::ops::binary::ADD;
use crate::shape::Shape;
use crate::spec::{Args, Kind, Preset, Spec, positional};

pub struct Positions;

static SPEC: Spec = Spec {
    name: "positions",
    summary: "numbers that encode where each place is, added to its channels",
    docs: "The shape stays. `learned` adds a parameter of its shape that starts normal with a standard deviation of 0.02 (Dosovitskiy \
           et al., 2021). `sinusoidal` adds fixed numbers (Vaswani et al., 2017): at place `l` of a sequence, channels `2i` and \
           `2i + 1` get the sine and the cosine of `l / 10000^(2i / C)`; of an image, half of the channels \
           hold the row in this way and half the column.",
    params: &[positional(
        "kind",
        Kind::Choice(&["learned", "sinusoidal"]),
        Preset::Word("learned"),
        "whether the numbers are trained or fixed",
    )],
    example: "patchify 8 4 -> positions",
    elsewhere: &["PositionalEncoding", "PositionEmbedding", "pos_embed", "positional_encoding"],
};

impl Layer for Positions {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn infer(&self, args: &Args, input: &Shape) -> Result<Inferred, Fault> {
        if input.rank() < 2 {
            let message = format!("`positions` needs an image or a sequence, but {input} features arrive");
            return Err(Fault::new(codes::WRONG_RANK, message)
                .label(format!("{input} arrives"))
                .assume(input.clone()));
        }
        let parameter = match args.word("kind")? {
            "sinusoidal" => {
                let (channels, of) = (input.dims()[0], 2 * (input.rank() - 1));
                if !channels.is_multiple_of(of) {
                    let message = format!("`positions sinusoidal` needs a multiple of {of} channels");
                    return Err(Fault::new(codes::GROUPS, message)
                        .at("kind")
                        .label(format!("{input} arrives: {channels} channels"))
                        .set("kind", "learned")
                        .assume(input.clone()));
                }
                let (shape, init) = (input.clone(), Init::Waves);
                Parameter { name: "weight", shape, kind: StateKind::Buffer, init, fans: None }
            }
            _ => Parameter::trained("weight", input.clone(), Init::Truncated { deviation: 0.02 }),
        };
        Ok(Inferred { parameters: vec![parameter], ..Inferred::shape(input.clone()) })
    }

    fn lower(&self, _args: &Args, input: Value, lowering: &mut Lowering<'_>) -> Result<Value, Fault> {
        let weight = lowering.parameter("weight")?;
        lowering.apply(&ADD, Attrs::new(), &[input, weight])
    }
}
