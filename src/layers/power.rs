//! `power`: every number raised to the same power.

use crate::diag::Fault;
use crate::graph::Value;
use crate::graph::attrs::Attrs;
use crate::layers::lowering::Lowering;
use crate::layers::{Inferred, Layer, UNBOUNDED};
use crate::ops::activation::power::POWER;
use crate::ops::activation::{sqrt::SQRT, square::SQUARE};
use crate::ops::binary::{DIVIDE, MULTIPLY};
use crate::shape::Shape;
use crate::spec::{Args, Kind, Preset, Spec, positional};

pub struct Power;

static SPEC: Spec = Spec {
    name: "power",
    summary: "every number raised to the same power",
    docs: "`x^EXPONENT`, as `torch.pow`. Of negative numbers, rely on the powers 2, 3, 4 and -1 alone; powers below 1 have no \
           slope at 0. `clamp` before it keeps x above 0.",
    params: &[positional(
        "exponent",
        Kind::Number { min: -100.0, max: 100.0 },
        Preset::Required,
        "the power",
    )],
    example: "power 2",
    elsewhere: &["pow", "Pow", "Power", "torch.pow", "square", "torch.square"],
};

impl Layer for Power {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn infer(&self, _args: &Args, input: &Shape) -> Result<Inferred, Fault> {
        Ok(Inferred::shape(input.clone()))
    }

    fn range(&self, args: &Args) -> [f64; 2] {
        match args.number("exponent") {
            // An odd power keeps the sign.
            Ok(exponent) if (exponent % 2.0).abs() == 1.0 => UNBOUNDED,
            _ => [0.0, f64::INFINITY],
        }
    }

    fn lower(&self, args: &Args, input: Value, lowering: &mut Lowering<'_>) -> Result<Value, Fault> {
        let exponent = args.number("exponent")?;
        let square = |lowering: &mut Lowering<'_>, value| lowering.apply(&SQUARE, Attrs::new(), &[value]);
        // Powers that negative numbers have, too, and those with a faster op of their own.
        if exponent == 2.0 {
            return square(lowering, input);
        }
        if exponent == 3.0 {
            let squared = square(lowering, input)?;
            return lowering.apply(&MULTIPLY, Attrs::new(), &[squared, input]);
        }
        if exponent == 4.0 {
            let squared = square(lowering, input)?;
            return square(lowering, squared);
        }
        if exponent == 0.5 {
            return lowering.apply(&SQRT, Attrs::new(), &[input]);
        }
        if exponent == -1.0 {
            let one = lowering.builder.scalar(1.0);
            return lowering.apply(&DIVIDE, Attrs::new(), &[one, input]);
        }
        lowering.apply(&POWER, Attrs::new().float("alpha", exponent as f32), &[input])
    }
}

#[cfg(test)]
mod tests {
    use super::Power;
    use crate::layers::{Layer, UNBOUNDED};
    use crate::spec::{Arg, Args};

    #[test]
    fn odd_powers_may_be_negative() {
        let range = |exponent: f64| Power.range(&Args::default().set("exponent", Arg::Number(exponent)));
        for odd in [-3.0, -1.0, 1.0, 3.0, 5.0] {
            assert_eq!(range(odd), UNBOUNDED, "{odd}");
        }
        for other in [-2.0, 0.0, 0.5, 2.0, 2.5, 4.0] {
            assert_eq!(range(other), [0.0, f64::INFINITY], "{other}");
        }
    }
}
