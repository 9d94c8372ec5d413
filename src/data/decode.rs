//! The bytes of a picture file → its pixels, whole or not at all. Decoders give what they find of a file that is cut
//! short, so its structure is followed to its end first; and the memory that it will take is known before it is taken.

use std::io::Cursor;

use flate2::Crc;
use image::codecs::png::PngDecoder;
use image::metadata::Orientation;
use image::{DynamicImage, GrayImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits, RgbImage};
use zune_jpeg::JpegDecoder;
use zune_jpeg::errors::DecodeErrors;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use crate::diag::{Fault, codes};

/// The most pixels of a picture: 67 million, such as 8192x8192.
pub const MAX_PIXELS: u64 = 1 << 26;
/// The most bytes that decoding takes beside the file: 256 MiB.
pub const MAX_MEMORY: u64 = 1 << 28;
/// The largest file, in bytes: 128 MiB.
pub const MAX_FILE: u64 = 1 << 27;

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";
const JPEG: &[u8] = &[0xff, 0xd8, 0xff];

/// The pixels of a PNG, JPEG, WebP, BMP, GIF or TIFF (the first picture of it) or PNM file, upright as its camera was held.
///
/// Errors: bytes that are none of these, that end early, that are damaged as far as the formats tell (PNG has checksums; JPEG
/// has none, so that a changed bit may pass as another picture), and pictures above the limits of this file.
pub fn decode(bytes: &[u8]) -> Result<DynamicImage, Fault> {
    if bytes.is_empty() {
        return Err(fault("the file is empty").advise("copy it again"));
    }
    if bytes.len() as u64 > MAX_FILE {
        return Err(too_large(&format!("the file has {} bytes, at most {MAX_FILE} are read", bytes.len())));
    }
    if bytes.starts_with(PNG) {
        return png(bytes);
    }
    if bytes.starts_with(JPEG) {
        return jpeg(bytes);
    }
    if let Ok(
        format @ (ImageFormat::WebP
        | ImageFormat::Bmp
        | ImageFormat::Gif
        | ImageFormat::Pnm
        | ImageFormat::Tiff),
    ) = image::guess_format(bytes)
    {
        return other(bytes, format);
    }
    let early = [PNG, JPEG].iter().any(|magic| magic.starts_with(bytes));
    Err(if early { ends_early(bytes, "its header is not whole") } else { no_picture() })
}

/// Holds a picture's bytes against its format's structure, without decoding it: PNG by its checksums, JPEG and GIF to their end.
///
/// Errors: bytes that [`decode`] would refuse, as far as that tells.
pub fn whole(bytes: &[u8]) -> Result<(), Fault> {
    if bytes.is_empty() || bytes.len() as u64 > MAX_FILE || image::guess_format(bytes).is_err() {
        return decode(bytes).map(drop);
    }
    if bytes.starts_with(PNG) {
        return whole_png(bytes);
    }
    if bytes.starts_with(JPEG) {
        return whole_jpeg(bytes).map(drop);
    }
    whole_blocks(bytes)
}

/// Holds a file of another kind against its structure, as far as its decoder does not: it fills in what is missing at the end.
fn whole_blocks(bytes: &[u8]) -> Result<(), Fault> {
    match bytes.starts_with(b"GIF8") {
        true => whole_gif(bytes),
        false => whole_riff(bytes),
    }
}

/// Follows the blocks of a GIF file to its trailer (GIF89a specification, appendix A).
fn whole_gif(bytes: &[u8]) -> Result<(), Fault> {
    let short = || ends_early(bytes, "its last block is missing");
    // A table of colours, where the highest bit of its flags is set.
    let colours = |flags: u8| if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) };
    let byte = |at: usize| bytes.get(at).copied().ok_or_else(short);
    let mut at = 13 + colours(byte(10)?);
    loop {
        match byte(at)? {
            0x3b => return Ok(()),
            // An extension, and a picture with its own table and the size of its codes.
            0x21 => at += 2,
            0x2c => at += 11 + colours(byte(at + 9)?),
            other => return Err(damaged(format!("it has a block of the unknown kind {other:#04x}"))),
        }
        // Blocks of bytes, each behind its length, until one is empty.
        loop {
            let length = usize::from(byte(at)?);
            at += 1 + length;
            if length == 0 {
                break;
            }
        }
    }
}

/// Holds a WebP file against the length that its container says (RIFF).
fn whole_riff(bytes: &[u8]) -> Result<(), Fault> {
    let Some(length) = bytes.strip_prefix(b"RIFF").and_then(|rest| rest.first_chunk::<4>()) else {
        return Ok(());
    };
    let length = u64::from(u32::from_le_bytes(*length)) + 8;
    match (bytes.len() as u64) < length {
        true => Err(ends_early(bytes, &format!("its header says {length}"))),
        false => Ok(()),
    }
}

fn fault(message: impl Into<String>) -> Fault {
    Fault::new(codes::DATA_FILE, message)
}

fn no_picture() -> Fault {
    fault("this is not a picture that can be read, such as PNG or JPEG").advise("save it as PNG")
}

fn damaged(what: impl std::fmt::Display) -> Fault {
    fault(format!("the picture is damaged: {what}")).advise("copy or save it again")
}

fn ends_early(bytes: &[u8], missing: &str) -> Fault {
    fault(format!("the file ends early: it has {} bytes, and {missing}", bytes.len())).advise("copy it again")
}

fn too_large(what: &str) -> Fault {
    fault(format!("the picture is too large: {what}")).advise("scale it down")
}

/// Refuses a picture by what its header says.
fn affordable(width: u64, height: u64, bytes_a_pixel: u64) -> Result<(), Fault> {
    let pixels = width.saturating_mul(height);
    if pixels > MAX_PIXELS {
        return Err(too_large(&format!(
            "{width}x{height} pixels, at most {} million are read",
            MAX_PIXELS / 1_000_000
        )));
    }
    let needed = pixels.saturating_mul(bytes_a_pixel);
    if needed > MAX_MEMORY {
        let [needed, most] = [needed, MAX_MEMORY].map(|bytes| bytes >> 20);
        return Err(too_large(&format!(
            "{width}x{height} pixels of this kind take {needed} MiB, at most {most} are taken"
        )));
    }
    Ok(())
}

fn png(bytes: &[u8]) -> Result<DynamicImage, Fault> {
    whole_png(bytes)?;
    let mut limits = Limits::default();
    limits.max_alloc = Some(MAX_MEMORY);
    let decoder = PngDecoder::with_limits(Cursor::new(bytes), limits).map_err(image_fault)?;
    let (width, height) = decoder.dimensions();
    affordable(width.into(), height.into(), decoder.color_type().bytes_per_pixel().into())?;
    upright(decoder)
}

fn other(bytes: &[u8], format: ImageFormat) -> Result<DynamicImage, Fault> {
    whole_blocks(bytes)?;
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut limits = Limits::default();
    limits.max_alloc = Some(MAX_MEMORY);
    reader.limits(limits);
    let decoder = reader.into_decoder().map_err(image_fault)?;
    let (width, height) = decoder.dimensions();
    affordable(width.into(), height.into(), decoder.color_type().bytes_per_pixel().into())?;
    upright(decoder)
}

fn upright(mut decoder: impl ImageDecoder) -> Result<DynamicImage, Fault> {
    let orientation = decoder.orientation().map_err(image_fault)?;
    let mut picture = DynamicImage::from_decoder(decoder).map_err(image_fault)?;
    picture.apply_orientation(orientation);
    Ok(picture)
}

fn image_fault(error: ImageError) -> Fault {
    match error {
        // Such as a TIFF with a palette.
        ImageError::Unsupported(what) => {
            fault(format!("this is a kind of picture that is not read: {what}")).advise("save it as PNG")
        }
        ImageError::Limits(_) => too_large(&format!("it takes more than {} MiB to decode", MAX_MEMORY >> 20)),
        ImageError::IoError(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            fault("the file ends early: pixels are missing").advise("copy it again")
        }
        // Chunks that are all there may still hold too little.
        ImageError::IoError(error) => damaged(error),
        ImageError::Decoding(_) | ImageError::Encoding(_) | ImageError::Parameter(_) => damaged(error),
    }
}

/// Follows the chunks to the last one (PNG specification, 5.3): each is there with its checksum.
pub fn whole_png(bytes: &[u8]) -> Result<(), Fault> {
    let mut rest = &bytes[PNG.len()..];
    loop {
        let Some((head, behind)) = rest.split_first_chunk::<8>() else {
            return Err(ends_early(bytes, "its last chunk is missing"));
        };
        let [a, b, c, d, name @ ..] = *head;
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        let shown = name.escape_ascii();
        let Some((content, behind)) = behind.split_at_checked(length) else {
            return Err(ends_early(bytes, &format!("its chunk `{shown}` is not whole")));
        };
        let Some((checksum, behind)) = behind.split_first_chunk::<4>() else {
            return Err(ends_early(bytes, &format!("its chunk `{shown}` is not whole")));
        };
        let mut crc = Crc::new();
        crc.update(&name);
        crc.update(content);
        if crc.sum() != u32::from_be_bytes(*checksum) {
            return Err(damaged(format!("its chunk `{shown}` has another checksum")));
        }
        if name == *b"IEND" {
            return Ok(());
        }
        rest = behind;
    }
}

fn jpeg(bytes: &[u8]) -> Result<DynamicImage, Fault> {
    let frame = whole_jpeg(bytes)?;
    // A byte a channel; and where a channel comes in several scans, two more for the coefficients between them.
    let bytes_a_sample = if frame.in_scans { 3 } else { 1 };
    affordable(frame.width, frame.height, frame.channels.max(3) * bytes_a_sample)?;
    let mut options =
        DecoderOptions::default().set_strict_mode(true).set_max_width(1 << 16).set_max_height(1 << 16);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(jpeg_fault)?;
    let is_grey = decoder.input_colorspace() == Some(ColorSpace::Luma);
    options = options.jpeg_set_out_colorspace(if is_grey { ColorSpace::Luma } else { ColorSpace::RGB });
    decoder.set_options(options);
    let orientation = decoder.exif().and_then(|exif| Orientation::from_exif_chunk(exif));
    let (width, height) = decoder.dimensions().ok_or_else(|| damaged("it has no size"))?;
    let pixels = decoder.decode().map_err(jpeg_fault)?;
    let (width, height) = (width as u32, height as u32);
    let picture: Option<DynamicImage> = match is_grey {
        true => GrayImage::from_raw(width, height, pixels).map(DynamicImage::from),
        false => RgbImage::from_raw(width, height, pixels).map(DynamicImage::from),
    };
    let mut picture = picture.ok_or_else(|| damaged("it has too few pixels"))?;
    picture.apply_orientation(orientation.unwrap_or(Orientation::NoTransforms));
    Ok(picture)
}

fn jpeg_fault(error: DecodeErrors) -> Fault {
    match error {
        DecodeErrors::Unsupported(_) => {
            fault("this is a kind of JPEG that is not read").advise("save it as PNG")
        }
        DecodeErrors::LargeDimensions(_) => too_large("a side of it"),
        DecodeErrors::ExhaustedData => damaged("it ends before its last pixel"),
        error => damaged(format!("{error:?}")),
    }
}

/// What a JPEG's header says of its picture.
#[derive(Default)]
struct Frame {
    width: u64,
    height: u64,
    channels: u64,
    /// Whether the picture comes in more than one scan, or is progressive.
    in_scans: bool,
}

/// Follows the markers to the end of the picture (ITU-T T.81, annex B): a file that was cut anywhere lacks it. What follows
/// behind it, as cameras append previews, is of no concern.
fn whole_jpeg(bytes: &[u8]) -> Result<Frame, Fault> {
    let mut frame = Frame::default();
    let mut n_scans = 0;
    let mut at = 2;
    let short = || ends_early(bytes, "the end of the picture is missing");
    loop {
        // A marker is 0xff and a byte that is neither 0 nor 0xff; any number of 0xff may come before it.
        at += bytes.get(at..).and_then(|rest| rest.windows(2).position(is_marker)).ok_or_else(short)?;
        let marker = bytes[at + 1];
        at += 2;
        match marker {
            END => {
                frame.in_scans |= n_scans > 1;
                return if n_scans > 0 { Ok(frame) } else { Err(damaged("it has no pixels")) };
            }
            // Markers inside a scan, and those without a length.
            0x01 | 0xd0..=0xd8 => continue,
            _ => {}
        }
        let length = bytes.get(at..at + 2).map(|two| usize::from(u16::from_be_bytes([two[0], two[1]])));
        let segment = bytes.get(at..at + length.ok_or_else(short)?).ok_or_else(short)?;
        match (marker, segment) {
            // A frame's header, of any process.
            (0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf, [_, _, _, y, x, v, u, n, ..]) => {
                frame.height = u64::from(u16::from_be_bytes([*y, *x]));
                frame.width = u64::from(u16::from_be_bytes([*v, *u]));
                frame.channels = u64::from(*n);
                frame.in_scans |= marker == PROGRESSIVE;
            }
            (SCAN, _) => n_scans += 1,
            _ => {}
        }
        at += segment.len();
    }
}

const END: u8 = 0xd9;
const SCAN: u8 = 0xda;
const PROGRESSIVE: u8 = 0xc2;

fn is_marker(two: &[u8]) -> bool {
    two[0] == 0xff && !matches!(two[1], 0 | 0xff)
}

#[cfg(test)]
mod tests {
    use image::{ImageFormat, Luma};

    use super::*;

    fn encoded(picture: &DynamicImage, format: ImageFormat) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        picture.write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    fn grey(side: u32) -> DynamicImage {
        GrayImage::from_fn(side, side, |x, y| Luma([(x * 9 + y * y) as u8])).into()
    }

    fn message(bytes: &[u8]) -> String {
        let fault = decode(bytes).unwrap_err();
        assert!(!fault.remedies.is_empty(), "{fault}");
        fault.message
    }

    #[test]
    fn a_file_that_is_cut_anywhere_ends_early() {
        let progressive = include_bytes!("../../tests/fixtures/progressive.jpg");
        for whole in [
            encoded(&grey(28), ImageFormat::Png),
            encoded(&grey(28), ImageFormat::Jpeg),
            progressive.to_vec(),
        ] {
            assert!(decode(&whole).is_ok());
            for end in 1..whole.len() {
                let message = message(&whole[..end]);
                assert!(message.starts_with("the file ends early"), "{end} of {}: {message}", whole.len());
            }
            assert_eq!(message(&[]), "the file is empty");
            assert!(decode(&[&whole[..], b"what a camera appends"].concat()).is_ok());
        }
    }

    /// What is read of a file that is cut is nothing, or all of it.
    #[test]
    fn other_formats_are_whole_or_refused() {
        let grey = grey(20);
        for format in
            [ImageFormat::Bmp, ImageFormat::Gif, ImageFormat::WebP, ImageFormat::Pnm, ImageFormat::Tiff]
        {
            let picture = match format {
                ImageFormat::Gif | ImageFormat::WebP => DynamicImage::from(grey.to_rgba8()),
                _ => grey.clone(),
            };
            let whole = encoded(&picture, format);
            let found = decode(&whole).unwrap();
            assert_eq!(found.to_luma8().as_raw(), picture.to_luma8().as_raw(), "{format:?}");
            assert!(super::whole(&whole).is_ok(), "{format:?}");
            for end in 0..whole.len() {
                let is_told = [ImageFormat::Gif, ImageFormat::WebP].contains(&format);
                assert!(!is_told || super::whole(&whole[..end]).is_err(), "{format:?} cut at {end}");
                match decode(&whole[..end]) {
                    Ok(cut) => assert_eq!(cut.to_luma8(), found.to_luma8(), "{format:?} cut at {end}"),
                    Err(fault) => assert!(!fault.remedies.is_empty(), "{format:?} cut at {end}: {fault}"),
                }
            }
        }
    }

    #[test]
    fn damage_inside_is_named() {
        let png = encoded(&grey(28), ImageFormat::Png);
        for at in [20, 45, png.len() - 3] {
            let mut png = png.clone();
            png[at] ^= 1;
            assert!(message(&png).starts_with("the picture is damaged"), "{at}");
        }
        assert!(message(b"hello").starts_with("this is not a picture that can be read"));
        assert!(message(&[0xff, 0xd8, 0xff, 0xd9]).contains("no pixels"));
    }

    /// A PNG whose header claims these sides, and whose pixels are zeros packed as tightly as can be.
    fn bomb(width: u32, height: u32) -> Vec<u8> {
        let chunk = |name: &[u8], content: &[u8]| {
            let mut crc = Crc::new();
            crc.update(name);
            crc.update(content);
            [&(content.len() as u32).to_be_bytes(), name, content, &crc.sum().to_be_bytes()].concat()
        };
        let head = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[8, 0, 0, 0, 0]].concat();
        let rows = vec![0; (1 + width as usize) * height as usize];
        let mut packed = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
        std::io::Write::write_all(&mut packed, &rows).unwrap();
        [PNG, &chunk(b"IHDR", &head), &chunk(b"IDAT", &packed.finish().unwrap()), &chunk(b"IEND", b"")]
            .concat()
    }

    #[test]
    fn a_picture_is_as_large_as_its_header_says_and_no_larger_than_may_be() {
        assert_eq!(decode(&bomb(100, 3)).unwrap().height(), 3);
        assert!(
            message(&bomb(8193, 8192))
                .starts_with("the picture is too large: 8193x8192 pixels, at most 67 million")
        );
        let colours = encoded(&RgbImage::new(64, 64).into(), ImageFormat::Jpeg);
        let at = colours.windows(2).position(|two| two == [0xff, 0xc0]).unwrap();
        let mut wide = colours.clone();
        wide[at + 5..at + 9].copy_from_slice(&[0xff; 4]);
        assert!(message(&wide).contains("65535x65535 pixels"));
        let mut progressive = include_bytes!("../../tests/fixtures/progressive.jpg").to_vec();
        let at = progressive.windows(2).position(|two| two == [0xff, 0xc2]).unwrap();
        progressive[at + 5..at + 9].copy_from_slice(&[0x1f, 0xff, 0x1f, 0xff]);
        assert!(message(&progressive).contains("pixels of this kind take"));
    }
}
