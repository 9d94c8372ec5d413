//! `loss cross_entropy`: how surprised the model is by the right class.

use crate::diag::{Fault, Remedy, codes};
use crate::graph::Value;
use crate::graph::attrs::Attrs;
use crate::graph::builder::Builder;
use crate::ops::activation::log::LOG;
use crate::ops::binary::ADD;
use crate::ops::cross_entropy::CROSS_ENTROPY;
use crate::shape::Shape;
use crate::spec::{Args, Kind, Preset, Spec, keyword};
use crate::train::losses::Loss;

pub struct CrossEntropy;

static SPEC: Spec = Spec {
    name: "cross_entropy",
    summary: "how surprised the model is by the right class",
    docs: "`-log p(class)` with `p = softmax(output)`. The model ends in logits, one per class; with \
           `from=probabilities` it ends in a softmax. `smoothing` spreads that share of the target over all classes.",
    params: &[
        keyword("smoothing", Kind::Number { min: 0.0, max: 0.99 }, Preset::Number(0.0), "label smoothing"),
        keyword(
            "from",
            Kind::Choice(&["logits", "probabilities"]),
            Preset::Word("logits"),
            "what the model ends in",
        ),
    ],
    example: "loss cross_entropy smoothing=0.1",
    elsewhere: &[
        "CrossEntropyLoss",
        "categorical_crossentropy",
        "sparse_categorical_crossentropy",
        "SoftmaxWithLoss",
        "ce",
    ],
};

impl Loss for CrossEntropy {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn check(&self, args: &Args, output: &Shape, last: &str) -> Result<(), Fault> {
        let probabilities = args.word("from")? == "probabilities";
        if output.rank() != 1 {
            return Err(Fault::new(
                codes::LOSS,
                format!(
                    "`loss cross_entropy` needs one number per class, but the model gives an image of {output}"
                ),
            )
            .label(format!("{output} arrives at the loss"))
            .advise("`loss mse target=input`, if the model should reproduce the image"));
        }
        match (last, probabilities) {
            ("softmax", false) => Err(Fault::warning(
                codes::SOFTMAX_TWICE,
                "`loss cross_entropy` applies the softmax itself, and the model ends in one: it would be applied twice",
            )
            .label("this loss takes logits")
            .note("the network would still learn, but slowly and to a worse accuracy, without any message")
            .set("from", "probabilities")
            .advise("remove the `softmax` at the model's end")),
            ("softmax", true) | (_, false) => Ok(()),
            (other, true) => Err(Fault::new(
                codes::LOSS,
                format!("`from=probabilities` needs a model that ends in `softmax`, but it ends in `{other}`"),
            )
            .at("from")
            .label("these are not probabilities")
            .remedy(Remedy::Unset { name: "from" })),
        }
    }

    fn lower(
        &self,
        args: &Args,
        output: Value,
        labels: Value,
        builder: &mut Builder,
    ) -> Result<Value, Fault> {
        let logits = match args.word("from")? {
            // The logarithm of probabilities serves as logits: the softmax of it gives them back.
            "probabilities" => {
                let smallest = builder.scalar(1e-12);
                let positive = builder.apply(&ADD, Attrs::new(), &[output, smallest])?;
                builder.apply(&LOG, Attrs::new(), &[positive])?
            }
            _ => output,
        };
        let attrs = Attrs::new().float("smoothing", args.number("smoothing")? as f32);
        builder.apply(&CROSS_ENTROPY, attrs, &[logits, labels])
    }
}
