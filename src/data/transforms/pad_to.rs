//! `pad_to`: black around images that are smaller than a size.

use crate::data::sample::{Form, Sample, Size};
use crate::data::transforms::{Transform, bounded};
use crate::diag::Fault;
use crate::spec::{Args, Kind, Preset, Spec, positional};
use crate::tensor::random::Random;

pub struct PadTo;

static SPEC: Spec = Spec {
    name: "pad_to",
    summary: "Pads images that are smaller than a size with black",
    docs: "The image stays in the middle; if the padding is odd, the extra pixel goes below or to the right. A side that is large \
           enough stays as it is; `resize` and `center_crop` make it smaller. In a mask, the padding is ignored.",
    params: &[positional("size", Kind::Pair, Preset::Required, "the least height x width")],
    example: "pad_to 32x32",
    elsewhere: &["Pad", "PadIfNeeded", "pad_if_needed", "ZeroPadding", "resize_with_pad"],
};

impl Transform for PadTo {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn form(&self, args: &Args, input: Form) -> Result<Form, Fault> {
        let least = args.pair("size")?;
        match input.size {
            Size::Fixed(own) => bounded(Form { size: Size::Fixed(padded(own, least)), ..input }),
            // Whether the size alone is not too large.
            Size::Length(_) | Size::Deep(_) | Size::Varied | Size::Unknown => {
                bounded(Form { size: Size::Fixed(least), ..input }).map(|_| input)
            }
        }
    }

    fn apply(&self, args: &Args, sample: &mut Sample, _random: &mut Random) -> Result<(), Fault> {
        let (own_height, own_width) = (sample.image.height, sample.image.width);
        let [height, width] = padded([own_height, own_width], args.pair("size")?);
        let [above, left] = [(height - own_height) / 2, (width - own_width) / 2];
        sample.moved(height, width, |y, x| {
            let y = y.checked_sub(above).filter(|y| *y < own_height)?;
            let x = x.checked_sub(left).filter(|x| *x < own_width)?;
            Some(y * own_width + x)
        });
        Ok(())
    }
}

fn padded(own: [usize; 2], least: [usize; 2]) -> [usize; 2] {
    [own[0].max(least[0]), own[1].max(least[1])]
}

#[cfg(test)]
mod tests {
    use crate::data::testing::section;
    use crate::shape::Shape;

    #[test]
    fn sides_that_are_large_enough_stay() {
        let shape = |line: &str| section(&format!("source mnist \"m\"\n{line}")).unwrap().shape();
        assert_eq!(shape("pad_to 32x20"), Some(Shape::from([1, 32, 28])));
        let refused = section("source mnist \"m\"\npad_to 100000x100000").err().unwrap();
        assert!(refused[0].contains("is too large"), "{refused:?}");
    }
}
