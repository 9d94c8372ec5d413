//! How a device that keeps the bytes of images makes its batches itself: the numbers of [`Loader::fill`], to the bit.
//!
//! [`Loader::fill`]: crate::data::loader::Loader::fill

/// What the name of the stream of an image's random words begins with; behind it stands the image's position.
pub const STREAM: &str = "augment ";

/// A change of an image that is drawn at random.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Draw {
    /// A window of one of so many places (rows first, as in all pairs) in an image of the extents `from` with black
    /// around it, `before` of which stands above and to the left.
    Crop { places: [u32; 2], before: [usize; 2], from: [usize; 2] },
    /// An image of this width mirrored left to right where the first 24 bits of a word are below a number.
    Flip { width: usize, below: u32 },
}

/// How the bytes of an image become what reaches the model.
#[derive(Clone, Debug, PartialEq)]
pub struct Recipe {
    /// Channels, height and width, before and behind.
    pub shape: [usize; 3],
    /// In order.
    pub draws: Vec<Draw>,
    /// What each byte becomes in each channel.
    pub tables: Vec<[f32; 256]>,
    pub seed: u64,
}
