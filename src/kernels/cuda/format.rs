//! The order in which the axes of images lie in memory. Shapes are always `N x C x H x W`; with channels last the numbers
//! of a position lie beside each other, as tensor cores read them ("Tensor Layouts In Memory: NCHW vs NHWC" in NVIDIA's
//! performance guide for convolutions).

use crate::shape::Shape;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Format {
    #[default]
    ChannelsFirst,
    /// `N x H x W x C`; of weights `O x kH x kW x C`.
    ChannelsLast,
}

/// Axes of images.
pub const AXES: usize = 4;

impl Format {
    /// The axes from the outside in.
    pub fn axes(self) -> [usize; AXES] {
        match self {
            Format::ChannelsFirst => [0, 1, 2, 3],
            Format::ChannelsLast => [0, 2, 3, 1],
        }
    }

    /// The extents of a value of up to four axes as they lie in memory, from the outside in. Fewer axes are the last
    /// ones, as where values are repeated to the shape of others; the order of channels first keeps their number.
    pub fn in_memory(self, shape: &Shape) -> Shape {
        match self {
            Format::ChannelsFirst => shape.clone(),
            Format::ChannelsLast => Shape::from(self.axes().map(|axis| aligned(shape)[axis])),
        }
    }

    /// Where an axis lies.
    pub fn place(self, axis: usize) -> usize {
        self.axes().iter().position(|&own| own == axis).unwrap_or(axis)
    }

    /// The format of a value of this shape, which is channels first where both are the same.
    pub fn of(self, shape: &Shape) -> Format {
        let [_, channels, height, width] = aligned(shape);
        let matters = shape.rank() <= AXES && channels > 1 && height * width > 1;
        if matters { self } else { Format::ChannelsFirst }
    }

    /// How many neighbouring numbers belong to one position of images of so many channels.
    pub fn depth(self, channels: usize) -> usize {
        match self {
            Format::ChannelsFirst => 1,
            Format::ChannelsLast => channels,
        }
    }
}

fn aligned(shape: &Shape) -> [usize; AXES] {
    let dims = shape.dims();
    std::array::from_fn(|axis| (axis + dims.len()).checked_sub(AXES).map_or(1, |axis| dims[axis]))
}

#[cfg(test)]
mod tests {
    use super::Format::{ChannelsFirst, ChannelsLast};
    use crate::shape::Shape;

    #[test]
    fn channels_lie_where_the_format_says() {
        let shape = Shape::from([2, 3, 5, 7]);
        assert_eq!(ChannelsLast.in_memory(&shape), Shape::from([2, 5, 7, 3]));
        assert_eq!(ChannelsFirst.in_memory(&shape), shape);
        assert_eq!(ChannelsLast.in_memory(&Shape::from([3, 1, 1])), Shape::from([1, 1, 1, 3]));
        assert_eq!(ChannelsLast.in_memory(&Shape::default()), Shape::from([1, 1, 1, 1]));
        assert_eq!([0, 1, 2, 3].map(|axis| ChannelsLast.place(axis)), [0, 3, 1, 2]);
        assert_eq!((ChannelsFirst.depth(3), ChannelsLast.depth(3)), (1, 3));
    }

    #[test]
    fn one_channel_or_one_position_lies_alike_in_both() {
        for (dims, matters) in [
            (&[2, 3, 5, 7][..], true),
            (&[3, 5, 1], true),
            (&[2, 1, 5, 7], false),
            (&[2, 3, 1, 1], false),
            (&[5, 7], false),
            (&[2, 2, 3, 5, 7], false),
        ] {
            assert_eq!(ChannelsLast.of(&Shape::new(dims)) == ChannelsLast, matters, "{dims:?}");
            assert_eq!(ChannelsFirst.of(&Shape::new(dims)), ChannelsFirst);
        }
    }
}
