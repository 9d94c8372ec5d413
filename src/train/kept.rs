//! Sets of images → the stock that a session keeps of them on its device, where the device can make their batches itself and
//! has the memory.

use crate::data::Images;
use crate::data::loader::{Loader, Mode};
use crate::data::section::DataSection;
use crate::diag::Fault;
use crate::model::lower::IMAGES;
use crate::run::stock::{Set, Stock};
use crate::train::program::LABELS;

/// The stock of these sets for graphs that see their images so, where `spare` bytes of memory are left beside the graphs;
/// `None` is as many as it takes.
pub fn stock<'a>(
    data: &DataSection,
    sets: &[&'a Images],
    modes: &[Mode],
    seed: u64,
    spare: Option<u64>,
) -> Result<Option<Stock<'a>>, Fault> {
    let Some(first) = sets.first() else { return Ok(None) };
    let loader = Loader::new(data, first)?;
    let recipes = modes.iter().map(|&mode| loader.recipe(mode, seed).transpose());
    let Some(recipes) = recipes.collect::<Option<Result<Vec<_>, _>>>().transpose()? else {
        return Ok(None);
    };
    let longest = sets.iter().map(|images| images.len()).max().unwrap_or(0);
    let sets = sets.iter().map(|images| Set { pixels: &images.pixels, labels: &images.labels }).collect();
    let stock = Stock { sets, recipes, longest, images: IMAGES, labels: LABELS };
    let bytes = bytes(&stock)?;
    // What the libraries' code takes is not known before.
    let fits = spare.is_none_or(|spare| bytes <= spare - spare / 8);
    Ok(fits.then_some(stock))
}

/// Bytes that a stock takes.
pub fn bytes(stock: &Stock<'_>) -> Result<u64, Fault> {
    Ok(stock.lay(0)?.end as u64 * size_of::<f32>() as u64)
}
