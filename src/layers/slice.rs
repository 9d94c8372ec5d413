//! `slice`: some of the channels, or of the places along one axis.

use crate::diag::{Fault, codes};
use crate::graph::Value;
use crate::graph::attrs::Attrs;
use crate::layers::lowering::Lowering;
use crate::layers::{Inferred, Layer};
use crate::ops::slice::SLICE;
use crate::shape::Shape;
use crate::spec::{Args, Kind, Preset, Spec, keyword, positional};

pub struct Slice;

static SPEC: Spec = Spec {
    name: "slice",
    summary: "some of the channels, or of the places along one axis",
    docs: "`slice FROM TO` keeps channels FROM to TO - 1, counted from 0; without TO, all from FROM on. With `axis=height`, \
           `axis=width`, of a volume `axis=depth` or of a sequence `axis=length` it keeps places. A split is a slice in each of several branches: \
           `branch { slice 0 (in.channels // 2) } branch { slice (in.channels // 2) }`.",
    params: &[
        positional("from", Kind::Whole, Preset::Required, "the first that is kept"),
        positional("to", Kind::Count, Preset::Absent, "the first that is no longer kept"),
        keyword(
            "axis",
            Kind::Choice(&["channels", "depth", "height", "width", "length"]),
            Preset::Word("channels"),
            "the axis that it cuts",
        ),
    ],
    example: "slice 0 2 -> slice 2 10 axis=height",
    elsewhere: &["Slice", "split", "Split", "chunk", "narrow", "torch.split", "torch.chunk", "strided_slice"],
};

/// The axis, its first place and the one after its last, without the batch; after every check.
pub(crate) fn range(args: &Args, input: &Shape) -> Result<(usize, [usize; 2]), Fault> {
    let word = args.word("axis")?;
    let names: &[&str] = match input.rank() {
        1 => &["channels"],
        2 => &["channels", "length"],
        4 => &["channels", "depth", "height", "width"],
        _ => &["channels", "height", "width"],
    };
    let Some(axis) = names.iter().position(|name| *name == word) else {
        let shown: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        let message = format!("`slice` has no `{word}` to cut: {input} has {}", shown.join(", "));
        let fault = Fault::new(codes::BAD_VALUE, message).at("axis").label(format!("{input} arrives"));
        return Err(match (input.rank(), word) {
            (2, _) => fault.set("axis", "length"),
            _ => fault,
        });
    };
    let extent = input.dims()[axis];
    let (from, to) = (args.whole("from")?, args.whole_if_given("to")?.unwrap_or(extent));
    let what = match word {
        "channels" if input.rank() == 1 => "features".to_owned(),
        "channels" => "channels".to_owned(),
        _ => format!("places of {word}"),
    };
    let outside = |name: &'static str, message: String| {
        Fault::new(codes::WINDOW_TOO_LARGE, message).at(name).label(format!("{input} arrives"))
    };
    if to > extent {
        let message = format!("`slice` reaches to {to}, but {extent} {what} arrive");
        return Err(outside("to", message).set("to", extent));
    }
    if from >= to {
        let message = match args.has("to") {
            true => format!("`slice` begins at {from} and ends before {to}: nothing is left"),
            false => {
                format!("`slice` begins at {from}, but the last of the {extent} {what} is {}", extent - 1)
            }
        };
        return Err(outside("from", message));
    }
    Ok((axis, [from, to]))
}

impl Layer for Slice {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn infer(&self, args: &Args, input: &Shape) -> Result<Inferred, Fault> {
        let (axis, [from, to]) = range(args, input)?;
        let mut output = input.clone();
        output.0[axis] = to - from;
        let arithmetic = format!("{} {from} to {}", args.word("axis")?, to - 1);
        Ok(Inferred { arithmetic: arithmetic.into(), ..Inferred::shape(output) })
    }

    fn lower(&self, args: &Args, input: Value, lowering: &mut Lowering<'_>) -> Result<Value, Fault> {
        let mut shape = lowering.shape(input);
        let (axis, [from, to]) = range(args, &shape.unbatched())?;
        let mut start = vec![0; shape.rank()];
        (start[axis + 1], shape.0[axis + 1]) = (from, to - from);
        let attrs = Attrs::new().ints("start", start).ints("shape", shape.dims());
        lowering.apply(&SLICE, attrs, &[input])
    }
}
