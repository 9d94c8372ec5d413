//! The argument that says how a changed image's pixels are made of the old ones'.

use crate::data::transforms::warp::Sampling;
use crate::diag::Fault;
use crate::spec::{Args, Kind, Param, Preset, keyword};

pub const PARAM: Param = keyword(
    "filter",
    Kind::Choice(&["nearest", "bilinear"]),
    Preset::Word("nearest"),
    "how geometric changes sample pixels: the nearest, as in torchvision, or a mean of four",
);

/// What it says.
pub fn sampling(args: &Args) -> Result<Sampling, Fault> {
    Ok(if args.word("filter")? == "nearest" { Sampling::Nearest } else { Sampling::Bilinear })
}
