//! `matmul`: the matrix product of two values.

use crate::diag::Fault;
use crate::graph::Value;
use crate::layers::joins::{Join, differ};
use crate::layers::lowering::Lowering;
use crate::layers::{Inferred, Reach};
use crate::ops::batch_matmul::BATCH_MATMUL;
use crate::ops::matmul::attrs;
use crate::shape::Shape;
use crate::spec::Spec;

pub struct Matmul;

static SPEC: Spec = Spec {
    name: "matmul",
    summary: "the matrix product of what arrives and a named value",
    docs: "`matmul NAME`: M x K times K x N becomes M x N, for each image by itself; values with three axes are multiplied matrix \
           by matrix along the first one. `torch.matmul`. `transpose` swaps rows and columns; `attention` has two such products.",
    params: &[],
    example: "reshape 12x36 as x; transpose; matmul x",
    elsewhere: &["MatMul", "Matmul", "bmm", "Dot"],
};

impl Join for Matmul {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Inferred, Fault> {
        let [a, b] = inputs else {
            let message = format!("`matmul` multiplies two values, not {}", inputs.len());
            return Err(Fault::new(crate::diag::codes::BRANCHES_DIFFER, message).label("name one value"));
        };
        match (a.dims(), b.dims()) {
            (&[m, k], &[rows, n]) if k == rows => {
                let arithmetic = format!("{m} x {k} times {k} x {n}");
                Ok(Inferred { arithmetic: arithmetic.into(), ..Inferred::shape(Shape::from([m, n])) })
            }
            (&[each, m, k], &[other, rows, n]) if k == rows && each == other => {
                let arithmetic = format!("{each} times {m} x {k} times {k} x {n}");
                Ok(Inferred { arithmetic: arithmetic.into(), ..Inferred::shape(Shape::from([each, m, n])) })
            }
            (&[each, _, _], &[other, _, _]) if each != other => {
                Err(differ(SPEC.name, a, b, "the first axis must be the same on both sides"))
            }
            (&[_, _], &[_, _]) | (&[_, _, _], &[_, _, _]) => {
                let why = "the columns of the first must equal the rows of the second";
                let fault = differ(SPEC.name, a, b, why);
                Err(match a.dims()[a.rank() - 2] == b.dims()[b.rank() - 2] {
                    true => {
                        fault.advise("`transpose` before it, which swaps the rows and columns of the first")
                    }
                    false => fault,
                })
            }
            _ => Err(differ(SPEC.name, a, b, "matrices have two axes, or three on both sides")),
        }
    }

    fn reach(&self) -> Reach {
        Reach::Everything
    }

    fn lower(&self, inputs: &[Value], lowering: &mut Lowering<'_>) -> Result<Value, Fault> {
        lowering.apply(&BATCH_MATMUL, attrs(0, 0), inputs)
    }
}

#[cfg(test)]
mod tests {
    use super::Matmul;
    use crate::layers::joins::Join;
    use crate::shape::Shape;

    #[test]
    fn what_does_not_meet_is_said() {
        let message = |a: [usize; 3], b: [usize; 3]| {
            let (a, b) = (Shape::from(a), Shape::from(b));
            Matmul.infer(&[&a, &b]).unwrap_err().message
        };
        assert!(message([2, 3, 4], [5, 4, 3]).ends_with("the first axis must be the same on both sides"));
        assert!(message([2, 3, 4], [2, 3, 4]).contains("must equal the rows"));
        let product = Matmul.infer(&[&Shape::from([2, 3, 4]), &Shape::from([2, 4, 5])]).unwrap();
        assert_eq!(product.output, Shape::from([2, 3, 5]));
    }
}
