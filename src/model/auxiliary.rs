//! `auxiliary { … }`: a head beside the wire, which helps in training and is left out of everything else. It takes what
//! arrives, and what arrived goes on behind it.

use crate::diag::{Diagnostic, codes};
use crate::model::expand::{Expansion, INPUT};
use crate::model::heads::{LOSS, WEIGHT, without_call};
use crate::model::outputs::OUTPUT;
use crate::model::{Model, Wire};
use crate::spec::{Kind, Preset, Spec, keyword};
use crate::syntax::ast::Statement;

pub static AUXILIARY: Spec = Spec {
    name: "auxiliary",
    summary: "a head that only training uses",
    docs: "Its layers take what arrives, and so does the line below. They must give the shape of the model's output, and are \
           compared with the same target. Training minimises `loss of the output + weight · loss of the head`; evaluation, \
           prediction and export leave the head out. The head has the losses of `train`; `loss=huber` or \
           `loss=huber(delta=2)` gives it another one. Its weights are called `auxiliary1` and so on, or by the name in `as \
           NAME` after its `}`.\n\nSzegedy et al., \"Going deeper with convolutions\", 2015, have two with a weight of 0.3.",
    params: &[WEIGHT, keyword(LOSS, Kind::Word, Preset::Absent, "its loss; without it those of `train`")],
    example: "conv2d 8 3x3 -> relu; auxiliary weight=0.3 { global_avg_pool -> linear 10 }; flatten -> linear 10",
    elsewhere: &["aux", "aux_head", "auxiliary_head", "AuxLogits", "InceptionAux", "deep_supervision"],
};

/// The statements of a model that are neither layers nor joins and take arguments like these.
pub static EDGES: [&Spec; 3] = [&INPUT, &OUTPUT, &AUXILIARY];

impl<'a> Expansion<'a> {
    pub(super) fn auxiliary(&mut self, statement: &'a Statement) {
        // A model that is used as a layer leaves its heads out.
        if self.calls.iter().any(|call| call.is_model) {
            return;
        }
        let args = self.resolve(&AUXILIARY, &without_call(statement));
        let Some(block) = &statement.block else {
            let message = "`auxiliary` needs the layers of its head in `{ … }`";
            return self.error(codes::BLOCK_MISUSE, statement.head(), message, "no block follows");
        };
        let head = self.head(statement, block, args.as_ref());
        self.model.auxiliaries.extend(head);
    }

    /// Refuses heads that do not end as the model does.
    pub(super) fn ends_alike(&mut self) {
        let Some(output) = self.flow.shape.clone() else { return };
        for head in self.model.auxiliaries.clone() {
            let Some(shape) = head.shape.clone().filter(|shape| *shape != output) else { continue };
            let message = format!(
                "this `auxiliary` gives {shape}, but the model gives {output}, and both are compared with the same target"
            );
            let mut d =
                Diagnostic::error(codes::LOSS, head.span, message).label(format!("{shape} at its end"));
            if let Some(last) = self.flow.wire.layer().and_then(|at| self.model.layers.get(at)) {
                d = d.related(last.span, format!("the model ends here in {output}"));
            }
            if !self.is_explained(&d) {
                d.notes.extend(self.trace(&[(head.wire, &shape)], head.span));
            }
            d = match (self.last_features(head.wire), output.dims(), shape.rank()) {
                (Some((word, span)), &[n], 1) => {
                    d.replace(format!("make it `{word} {n}`"), span, n.to_string())
                }
                (None, &[n], 1) => head.followed(d, &format!("linear {n}")),
                (_, &[n], 3) => head.followed(d, &format!("global_avg_pool -> linear {n}")),
                (_, _, _) => d.advise(format!("layers at its end that give {output}")),
            };
            self.report(d);
        }
    }
}

impl Model {
    /// Whether the layer at this place is one of a head that only training has.
    pub fn is_auxiliary(&self, at: usize) -> bool {
        self.auxiliaries.iter().any(|head| head.layers.contains(&at))
    }

    /// The model as it is evaluated, predicts and is exported: without the heads that only training has.
    pub fn without_auxiliaries(&self) -> Model {
        let mut model = self.clone();
        if model.auxiliaries.is_empty() {
            return model;
        }
        model.auxiliaries.clear();
        let mut places = vec![Wire::INPUT];
        model.layers.clear();
        for (at, layer) in self.layers.iter().enumerate() {
            if self.is_auxiliary(at) {
                // No layer that stays takes it.
                places.push(Wire::INPUT);
                continue;
            }
            let mut layer = layer.clone();
            layer.inputs.iter_mut().for_each(|wire| *wire = places[wire.index()]);
            model.layers.push(layer);
            places.push(Wire::of_layer(model.layers.len() - 1));
        }
        for input in &mut model.inputs {
            input.wire = places[input.wire.index()];
        }
        let kept = |end: usize| (0..end).filter(|&at| !self.is_auxiliary(at)).count();
        for output in &mut model.outputs {
            let head = &mut output.head;
            head.wire = places[head.wire.index()];
            head.layers = kept(head.layers.start)..kept(head.layers.end);
        }
        model.output = places[self.output.index()];
        model
    }
}
