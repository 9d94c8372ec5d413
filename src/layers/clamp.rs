//! `clamp`: numbers limited to a range.

use crate::diag::{Fault, codes};
use crate::graph::Value;
use crate::graph::attrs::Attrs;
use crate::layers::lowering::Lowering;
use crate::layers::{Inferred, Layer};
use crate::ops::activation::{at_least::AT_LEAST, at_most::AT_MOST};
use crate::shape::Shape;
use crate::spec::{Args, Kind, Preset, Spec, positional};

pub struct Clamp;

const BOUND: Kind = Kind::Number { min: -1e9, max: 1e9 };

static SPEC: Spec = Spec {
    name: "clamp",
    summary: "numbers limited to a range",
    docs: "`min(max(x, LEAST), MOST)`, as `torch.clamp`: the gradient passes where x lies between the bounds or on one of them.",
    params: &[
        positional("least", BOUND, Preset::Required, "the lower bound"),
        positional("most", BOUND, Preset::Required, "the upper bound"),
    ],
    example: "clamp -1 1",
    elsewhere: &["Clip", "clip", "hardtanh", "Hardtanh", "nn.Hardtanh", "clip_by_value", "torch.clamp"],
};

impl Layer for Clamp {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn infer(&self, args: &Args, input: &Shape) -> Result<Inferred, Fault> {
        let (least, most) = (args.number("least")?, args.number("most")?);
        if least >= most {
            let message = format!("`clamp` needs a lower bound below the upper one, not {least} and {most}");
            return Err(Fault::new(codes::BAD_VALUE, message).at("most").assume(input.clone()));
        }
        Ok(Inferred::shape(input.clone()))
    }

    fn range(&self, args: &Args) -> [f64; 2] {
        ["least", "most"].map(|name| args.number(name).unwrap_or_default())
    }

    fn lower(&self, args: &Args, input: Value, lowering: &mut Lowering<'_>) -> Result<Value, Fault> {
        let bound = |name: &str| args.number(name).map(|bound| Attrs::new().float("alpha", bound as f32));
        let above = lowering.apply(&AT_LEAST, bound("least")?, &[input])?;
        lowering.apply(&AT_MOST, bound("most")?, &[above])
    }
}
