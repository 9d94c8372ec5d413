//! A folder of pictures and one of what they should become → samples whose target is an image.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::data::parts::Dataset;
use crate::data::sample::{Form, Task};
use crate::data::samples::{Images, Samples, Targets};
use crate::data::sources::files::{CHANNELS, Files, SIZE, channels, lengths, size};
use crate::data::sources::paired;
use crate::data::sources::{Facts, Source, Wanted};
use crate::diag::{Fault, codes};
use crate::spec::{Args, Kind, Param, Preset, Spec, keyword, positional};

pub struct Pairs;

/// The argument of the targets' channels.
pub const OUTPUTS: Param = keyword(
    "outputs",
    Kind::Count,
    Preset::Like("channels"),
    "channels of the targets: 3 for colour, 1 for grey",
);

static SPEC: Spec = Spec {
    name: "pairs",
    summary: "A folder of pictures, and one of the pictures that they should become",
    docs: "An input and its target have the same size and, apart from the extension, the same path within their folders. The \
           target's pixels are 0 (black) to 1 (white), whatever `normalize` does to the input. It has `outputs` channels, by \
           default the same number as the input. Where the top-level subfolders of both are `train`, `val` and `test` (or another \
           spelling that `folder` accepts), each is a part; otherwise `split` sets a part aside. Whatever rotates, crops or \
           scales an input does the same to its target; changes of colour leave the target alone.",
    params: &[
        positional(
            "path",
            Kind::Text,
            Preset::Required,
            "the folder of inputs, relative to the experiment's file",
        ),
        positional("targets", Kind::Text, Preset::Required, "the folder of targets"),
        CHANNELS,
        OUTPUTS,
        SIZE,
    ],
    example: "source pairs \"noisy\" \"clean\"",
    elsewhere: &["paired", "image_to_image", "pix2pix", "aligned"],
};

impl Source for Pairs {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn facts(&self, args: &Args) -> Result<Facts, Fault> {
        outputs(args)?;
        Ok(Facts {
            form: Form { channels: Some(channels(args)?), size: size(args)? },
            task: Task::Images,
            classes: Some(outputs(args)?),
            parts: None,
            watched: None,
        })
    }

    fn look(&self, args: &Args, base: &Path) -> Result<Option<Facts>, Fault> {
        let [inputs, targets] = folders(args, base)?;
        if !inputs.exists() && !targets.exists() {
            return Ok(None);
        }
        let parts = paired::pairs([&inputs, &targets], "target", "targets")?.parts;
        let parts = [parts.train.len(), parts.validation.len(), parts.test.len()];
        Ok(Some(self.facts(args)?.with_parts(parts)))
    }

    fn load(&self, args: &Args, base: &Path, _wanted: Wanted) -> Result<Dataset, Fault> {
        let [root, targets] = folders(args, base)?;
        let paired::Pairs { paths, parts } = paired::pairs([&root, &targets], "target", "targets")?;
        let (own, others): (Vec<_>, Vec<_>) = paths.into_iter().map(|[own, other]| (own, other)).unzip();
        let form = self.facts(args)?.form;
        let files = |root: PathBuf, paths: Vec<Box<Path>>, form: Form| -> Result<Images, Fault> {
            let lengths = lengths(&root, &paths)?;
            Ok(Images::Read(Arc::new(Files { root, paths, lengths, form })))
        };
        let other = Form { channels: Some(outputs(args)?), ..form };
        let targets = Targets::Images(files(targets, others, other)?);
        let images = files(root, own, form)?;
        Ok(Dataset { samples: Samples::new(images, targets), parts })
    }
}

fn folders(args: &Args, base: &Path) -> Result<[PathBuf; 2], Fault> {
    Ok([base.join(args.word("path")?), base.join(args.word("targets")?)])
}

pub fn outputs(args: &Args) -> Result<usize, Fault> {
    match args.whole("outputs")? {
        channels @ (1 | 3) => Ok(channels),
        _ => Err(Fault::new(codes::BAD_VALUE, "`outputs` is 3 for colour or 1 for grey")
            .at("outputs")
            .set("outputs", 3)),
    }
}
