//! A picture → the pixels of the shape that a model takes, and a word on everything that was done to it on the way.

use std::fmt;

use image::imageops::{self, FilterType};
use image::{DynamicImage, GenericImageView, Pixel, Rgb};

use crate::data::decode::decode;
use crate::data::sample::{Image, extents};
use crate::data::section::DataSection;
use crate::data::transforms::grayscale::brightness;
use crate::data::transforms::normalize;
use crate::diag::{Fault, codes};
use crate::shape::Shape;

/// A picture, decoded.
pub struct Picture {
    image: DynamicImage,
}

/// A picture in a shape of 1 or 3 channels.
#[derive(Clone, Debug, PartialEq)]
pub struct Fitted {
    /// Row by row, channel by channel, 0 (black) to 255 (white).
    pub pixels: Vec<u8>,
    pub remarks: Vec<Remark>,
}

/// What should be known of a picture beside the answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Remark {
    /// It has another size or other colours than the model takes, and was changed.
    Made { from: Kind, to: Kind },
    /// It has transparent parts, which were laid on white.
    OnWhite,
    /// Inverted, it would be as bright as what the model learnt from, by their average brightness (0 to 1); as it is, it
    /// is far from that.
    Inverted { picture: f64, learnt: f64 },
}

/// Size and colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    pub width: usize,
    pub height: usize,
    pub is_colour: bool,
}

impl fmt::Display for Kind {
    /// Width x height, as pictures are measured: `640x480 colour`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let colours = if self.is_colour { "colour" } else { "grey" };
        write!(f, "{}x{} {colours}", self.width, self.height)
    }
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Remark::Made { from, to } => {
                let keeps = from.width * to.height == from.height * to.width;
                write!(f, "{from}, made {to}{}", if keeps { "" } else { "; its proportions changed" })
            }
            Remark::OnWhite => f.write_str("its transparent parts count as white"),
            Remark::Inverted { picture, learnt } => {
                let [own, other] = match picture > learnt {
                    true => ["dark on light", "light on dark"],
                    false => ["light on dark", "dark on light"],
                };
                write!(
                    f,
                    "this looks {own}, but the network learnt {other} (average brightness {picture:.2} and {learnt:.2}); \
                     if the answer is wrong, invert the picture"
                )
            }
        }
    }
}

impl Picture {
    /// Of a file's bytes; see [`decode`] for what is refused.
    pub fn decode(bytes: &[u8]) -> Result<Picture, Fault> {
        Ok(Picture { image: decode(bytes)? })
    }

    /// The picture in its own size, with 1 or 3 channels.
    pub fn whole(&self, channels: usize) -> (Image, Vec<Remark>) {
        let clear = self.is_clear_somewhere().then_some(Remark::OnWhite);
        (pixels(&self.image, channels), clear.into_iter().collect())
    }

    fn is_clear_somewhere(&self) -> bool {
        let has_alpha = self.image.color().has_alpha();
        has_alpha && self.image.pixels().any(|(_, _, pixel)| pixel.channels()[3] < u8::MAX)
    }

    /// The picture in a shape of 1 or 3 channels x height x width.
    ///
    /// Transparent parts are laid on white; 16 bits a channel become 8. For one channel the brightness is taken (ITU-R
    /// BT.601), for three a grey picture is repeated. A picture of another size is scaled, bilinear, each pixel averaged over
    /// what it covers; the sides' ratio is not kept. Each of these is told in a remark, 16 bits aside. Colours are never
    /// inverted.
    pub fn fit(&self, shape: &Shape) -> Result<Fitted, Fault> {
        let [channels, height, width] = match *shape.dims() {
            [_, _, _] => extents(shape)?,
            _ => return Err(not_a_picture(shape)),
        };
        if channels != 1 && channels != 3 {
            return Err(not_a_picture(shape));
        }
        let view = OnWhite(&self.image);
        let (own_width, own_height) = view.dimensions();
        let is_colour =
            self.image.color().has_color() && view.pixels().any(|(_, _, Rgb([r, g, b]))| r != g || g != b);
        let from = Kind { width: own_width as usize, height: own_height as usize, is_colour };
        // A grey picture stays one in three equal channels.
        let to = Kind { width, height, is_colour: channels == 3 && is_colour };
        let mut remarks = Vec::new();
        if from != to {
            remarks.push(Remark::Made { from, to });
        }
        if self.is_clear_somewhere() {
            remarks.push(Remark::OnWhite);
        }
        let pixels = match (from.width, from.height) == (width, height) {
            true => laid_out(view.pixels().map(|(_, _, pixel)| pixel), channels),
            false => {
                let scaled = imageops::resize(&view, width as u32, height as u32, FilterType::Triangle);
                laid_out(scaled.pixels().copied(), channels)
            }
        };
        Ok(Fitted { pixels, remarks })
    }
}

fn not_a_picture(shape: &Shape) -> Fault {
    Fault::new(codes::DATA_SHAPE, format!("a picture cannot be brought to the shape {shape}"))
        .advise("an `input` of 1 or 3 channels x height x width")
}

fn laid_out(pixels: impl Iterator<Item = Rgb<u8>> + Clone, channels: usize) -> Vec<u8> {
    match channels {
        1 => pixels.map(|pixel| brightness(pixel.0.map(f32::from)).round() as u8).collect(),
        _ => (0..channels).flat_map(|channel| pixels.clone().map(move |pixel| pixel.0[channel])).collect(),
    }
}

/// Red, green, blue of each pixel → all red, all green, all blue.
fn planes(pixels: &[u8]) -> Vec<u8> {
    let (pixels, _) = pixels.as_chunks::<3>();
    let mut bytes = vec![0; 3 * pixels.len()];
    for (channel, plane) in bytes.chunks_exact_mut(pixels.len().max(1)).enumerate() {
        plane.iter_mut().zip(pixels).for_each(|(byte, pixel)| *byte = pixel[channel]);
    }
    bytes
}

/// A picture as an image of 1 or 3 channels in bytes: transparent parts on white, 16 bits become 8.
pub fn pixels(picture: &DynamicImage, channels: usize) -> Image {
    let (width, height) = picture.dimensions();
    let bytes = match (picture, channels) {
        (DynamicImage::ImageLuma8(grey), 1) => grey.as_raw().clone(),
        (DynamicImage::ImageLuma8(grey), _) => grey.as_raw().repeat(channels),
        (DynamicImage::ImageRgb8(colours), 3) => planes(colours.as_raw()),
        (DynamicImage::ImageRgb8(colours), _) => laid_out(colours.pixels().copied(), channels),
        (other, _) => laid_out(OnWhite(other).pixels().map(|(_, _, pixel)| pixel), channels),
    };
    Image::of_bytes([channels, height as usize, width as usize], bytes)
}

/// Pixels of the source's shape that are far from what a network learnt from but, inverted, near to it; where `data` tells
/// how bright that is.
pub fn inverted(pixels: &[u8], section: &DataSection) -> Option<Remark> {
    let [mean, std] = normalize::of(&section.preprocess).or_else(|| section.source.brightness())?;
    let sum: u64 = pixels.iter().map(|&pixel| u64::from(pixel)).sum();
    let own = sum as f64 / (255 * pixels.len().max(1)) as f64;
    let [straight, turned] = [own, 1.0 - own].map(|own| (own - mean).abs());
    (straight > std && 3.0 * turned < straight).then_some(Remark::Inverted { picture: own, learnt: mean })
}

/// A picture without transparency, pixel by pixel: nothing of its size is copied.
struct OnWhite<'a>(&'a DynamicImage);

impl GenericImageView for OnWhite<'_> {
    type Pixel = Rgb<u8>;

    fn dimensions(&self) -> (u32, u32) {
        self.0.dimensions()
    }

    fn get_pixel(&self, x: u32, y: u32) -> Rgb<u8> {
        let [red, green, blue, alpha] = self.0.get_pixel(x, y).0;
        let over = |value: u8| {
            let (value, alpha) = (u32::from(value), u32::from(alpha));
            ((value * alpha + 255 * (255 - alpha) + 127) / 255) as u8
        };
        Rgb([over(red), over(green), over(blue)])
    }
}

#[cfg(test)]
mod tests {
    use image::{GrayImage, Luma, Rgba, RgbaImage};

    use super::*;
    use crate::data::testing::section;

    fn fitted(image: impl Into<DynamicImage>, shape: [usize; 3]) -> (Vec<u8>, Vec<String>) {
        let Fitted { pixels, remarks } = Picture { image: image.into() }.fit(&Shape::from(shape)).unwrap();
        (pixels, remarks.iter().map(Remark::to_string).collect())
    }

    fn filled(pixel: [u8; 4], width: u32, height: u32) -> RgbaImage {
        RgbaImage::from_pixel(width, height, Rgba(pixel))
    }

    #[test]
    fn what_fits_stays_as_it_is() {
        let grey = GrayImage::from_fn(28, 28, |x, y| Luma([(x * 9 + y) as u8]));
        let rgb = DynamicImage::from(grey.clone()).to_rgb8();
        assert_eq!(fitted(grey.clone(), [1, 28, 28]), (grey.as_raw().clone(), vec![]));
        // A grey picture in a file of colours is one all the same.
        assert_eq!(fitted(rgb, [1, 28, 28]), (grey.as_raw().clone(), vec![]));
        assert_eq!(fitted(grey.clone(), [3, 28, 28]).0, [grey.as_raw().as_slice(); 3].concat());
    }

    #[test]
    fn whatever_is_done_is_told() {
        let (pixels, told) = fitted(filled([200, 10, 0, 255], 640, 480), [1, 28, 28]);
        assert_eq!(
            (pixels[0], told),
            (66, vec!["640x480 colour, made 28x28 grey; its proportions changed".to_owned()])
        );
        assert_eq!(fitted(filled([9, 9, 9, 255], 56, 56), [3, 28, 28]).1, ["56x56 grey, made 28x28 grey"]);
        let clear = fitted(filled([0, 0, 0, 0], 2, 2), [1, 2, 2]);
        assert_eq!(clear, (vec![255; 4], vec!["its transparent parts count as white".to_owned()]));
        let checked = RgbaImage::from_fn(280, 140, |x, y| Rgba([if (x + y) % 2 == 0 { 0 } else { 255 }; 4]));
        assert!(
            fitted(DynamicImage::from(checked).to_luma8(), [1, 28, 28]).0.iter().all(|p| p.abs_diff(128) < 6)
        );
    }

    #[test]
    fn shapes_that_are_no_pictures_are_refused() {
        let picture = Picture { image: GrayImage::new(2, 2).into() };
        for shape in [Shape::from([784]), Shape::from([2, 2, 2])] {
            let fault = picture.fit(&shape).unwrap_err();
            assert_eq!(fault.message, format!("a picture cannot be brought to the shape {shape}"));
        }
    }

    #[test]
    fn dark_on_light_for_a_network_that_learnt_light_on_dark_deserves_a_word() {
        let told = |lines: &str, brightness: f64| {
            let section = section(&format!("source mnist \"m\"\n{lines}")).unwrap();
            inverted(&[(255.0 * brightness) as u8; 784], &section).map(|remark| remark.to_string())
        };
        let known = "normalize mean=0.1307 std=0.3081";
        for lines in [known, ""] {
            let remark = told(lines, 0.87).unwrap();
            assert!(
                remark.starts_with("this looks dark on light, but the network learnt light on dark (average"),
                "{remark}"
            );
            assert_eq!(
                [0.02, 0.13, 0.35, 0.5].map(|brightness| told(lines, brightness)),
                [None, None, None, None]
            );
        }
        assert!(told("normalize mean=0.9 std=0.2", 0.1).unwrap().starts_with("this looks light on dark"));
        // Photographs are bright and dark as they come.
        assert_eq!(
            [0.05, 0.3, 0.7, 0.95].map(|brightness| told("normalize mean=0.45 std=0.22", brightness)),
            [None, None, None, None]
        );
    }
}
