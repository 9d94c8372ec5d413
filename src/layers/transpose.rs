//! `transpose`: rows and columns swapped.

use crate::diag::{Fault, codes};
use crate::graph::Value;
use crate::graph::attrs::Attrs;
use crate::layers::lowering::Lowering;
use crate::layers::{Inferred, Layer, Reach};
use crate::ops;
use crate::shape::Shape;
use crate::spec::{Args, Spec};

pub struct Transpose;

static SPEC: Spec = Spec {
    name: "transpose",
    summary: "rows and columns swapped",
    docs: "`C x L` becomes `L x C`, and `C x H x W` becomes `C x W x H`.",
    params: &[],
    example: "reshape 12x36 -> transpose",
    elsewhere: &["Transpose", "permute", "Permute", "swapaxes"],
};

impl Layer for Transpose {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn infer(&self, _args: &Args, input: &Shape) -> Result<Inferred, Fault> {
        let mut output = input.clone();
        match output.0.as_mut_slice() {
            [.., rows, columns] => std::mem::swap(rows, columns),
            _ => {
                let message = format!("`transpose` needs rows and columns, but {input} features arrive");
                return Err(Fault::new(codes::WRONG_RANK, message).label(format!("{input} arrives")));
            }
        }
        Ok(Inferred::shape(output))
    }

    fn reach(&self, _args: &Args, _input: &Shape) -> Reach {
        Reach::Everything
    }

    fn lower(&self, _args: &Args, input: Value, lowering: &mut Lowering<'_>) -> Result<Value, Fault> {
        let rank = lowering.shape(input).rank();
        let mut axes: Vec<usize> = (0..rank).collect();
        axes.swap(rank - 2, rank - 1);
        lowering.apply(&ops::transpose::TRANSPOSE, Attrs::new().ints("axes", axes), &[input])
    }
}
