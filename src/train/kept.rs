//! Samples → the stock that a session keeps of them on its device, where the device can make their batches itself and has the
//! memory.

use crate::data::loader::{Loader, Mode};
use crate::data::parts::Dataset;
use crate::data::samples::{Images, LABELS, Targets};
use crate::data::section::DataSection;
use crate::diag::Fault;
use crate::model::lower::IMAGES;
use crate::run::stock::{Stock, is_short};

/// The stock of a data set for graphs that see their images so, where `spare` bytes of memory are left beside the graphs;
/// `None` is as many as it takes.
pub fn stock<'a>(
    data: &DataSection,
    dataset: &'a Dataset,
    modes: &[Mode],
    seed: u64,
    spare: Option<u64>,
) -> Result<Option<Stock<'a>>, Fault> {
    let Images::Bytes { values: pixels, .. } = &dataset.samples.images else { return Ok(None) };
    if !data.fields.is_empty() {
        return Ok(None);
    }
    // It makes batches of classes alone.
    let Targets::Classes { values: classes, .. } = &dataset.samples.targets else { return Ok(None) };
    let loader = Loader::new(data, &dataset.samples)?;
    let recipes = modes.iter().map(|&mode| loader.recipe(mode, seed).transpose());
    let Some(recipes) = recipes.collect::<Option<Result<Vec<_>, _>>>().transpose()? else {
        return Ok(None);
    };
    if !recipes.iter().all(is_short) {
        return Ok(None);
    }
    let parts = &dataset.parts;
    let longest = [&parts.train, &parts.validation, &parts.test].map(Vec::len).into_iter().max().unwrap_or(0);
    let stock = Stock { pixels, classes, recipes, longest, images: IMAGES, labels: LABELS };
    let bytes = bytes(&stock)?;
    // What the libraries' code takes is not known before.
    let fits = spare.is_none_or(|spare| bytes <= spare - spare / 8);
    Ok(fits.then_some(stock))
}

/// Bytes that a stock takes.
pub fn bytes(stock: &Stock<'_>) -> Result<u64, Fault> {
    Ok(stock.lay(0)?.end as u64 * size_of::<f32>() as u64)
}
