//! Pictures of QRs: PNG and JPEG files, read for what the QRs in them say.

use std::fmt;
use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::Path;

use png::{ColorType, Transformations};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

/// Bytes of a picture's file, and pixels along one of its sides, at most: more than phones make.
const MAX_FILE: u64 = 64 * 1024 * 1024;
const MAX_SIDE: usize = 16_384;
/// Pixels of a picture at most.
const MAX_PIXELS: usize = 128 * 1024 * 1024;
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";
const JPEG: &[u8] = b"\xff\xd8\xff";

/// Why a picture cannot be read.
#[derive(Debug)]
pub enum PictureError {
    /// The file cannot be.
    File(io::Error),
    /// It is neither PNG nor JPEG.
    Format,
    /// It is damaged.
    Damaged,
    /// It is larger than any that a camera makes.
    TooLarge,
}

impl fmt::Display for PictureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(error) => write!(f, "{error}"),
            Self::Format => f.write_str("it is neither PNG nor JPEG"),
            Self::Damaged => f.write_str("it is damaged, or of a kind of PNG or JPEG that is not read here"),
            Self::TooLarge => f.write_str("it is too large"),
        }
    }
}

impl std::error::Error for PictureError {}

/// A picture in shades of grey, row by row, one byte each.
struct Grey {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
}

/// What the QRs in a picture say, as far as they can be read.
pub fn qr_codes(file: &Path) -> Result<Vec<String>, PictureError> {
    let mut bytes = Vec::new();
    let mut file = File::open(file).map_err(PictureError::File)?.take(MAX_FILE + 1);
    file.read_to_end(&mut bytes).map_err(PictureError::File)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > MAX_FILE {
        return Err(PictureError::TooLarge);
    }
    let Grey { width, height, pixels } = if bytes.starts_with(PNG) {
        read_png(&bytes)?
    } else if bytes.starts_with(JPEG) {
        read_jpeg(&bytes)?
    } else {
        return Err(PictureError::Format);
    };
    let at = |x: usize, y: usize| pixels.get(y * width + x).copied().unwrap_or(u8::MAX);
    let mut image = rqrr::PreparedImage::prepare_from_greyscale(width, height, at);
    let grids = image.detect_grids();
    Ok(grids.iter().filter_map(|grid| grid.decode().ok()).map(|(_, text)| text).collect())
}

fn read_png(bytes: &[u8]) -> Result<Grey, PictureError> {
    let damaged = |_| PictureError::Damaged;
    let mut decoder = png::Decoder::new(Cursor::new(bytes));
    decoder.set_transformations(Transformations::normalize_to_color8());
    let mut reader = decoder.read_info().map_err(damaged)?;
    let (width, height) = sides(reader.info().width, reader.info().height)?;
    let size = reader.output_buffer_size().ok_or(PictureError::TooLarge)?;
    let mut samples = vec![0; size];
    let info = reader.next_frame(&mut samples).map_err(damaged)?;
    let channels = match info.color_type {
        ColorType::Grayscale => 1,
        ColorType::GrayscaleAlpha => 2,
        ColorType::Rgb => 3,
        ColorType::Rgba => 4,
        ColorType::Indexed => return Err(PictureError::Damaged),
    };
    Ok(Grey { width, height, pixels: grey(&samples, channels) })
}

fn read_jpeg(bytes: &[u8]) -> Result<Grey, PictureError> {
    let options = DecoderOptions::default()
        .set_max_width(MAX_SIDE)
        .set_max_height(MAX_SIDE)
        .jpeg_set_out_colorspace(ColorSpace::Luma);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(|_| PictureError::Damaged)?;
    let info = decoder.info().ok_or(PictureError::Damaged)?;
    let (width, height) = sides(info.width.into(), info.height.into())?;
    let pixels = decoder.decode().map_err(|_| PictureError::Damaged)?;
    Ok(Grey { width, height, pixels })
}

fn sides(width: u32, height: u32) -> Result<(usize, usize), PictureError> {
    let side = |length: u32| usize::try_from(length).ok().filter(|length| (1..=MAX_SIDE).contains(length));
    let (Some(width), Some(height)) = (side(width), side(height)) else {
        return Err(PictureError::TooLarge);
    };
    if width.saturating_mul(height) > MAX_PIXELS {
        return Err(PictureError::TooLarge);
    }
    Ok((width, height))
}

/// Samples of so many channels as shades of grey, on white where they are transparent.
fn grey(samples: &[u8], channels: usize) -> Vec<u8> {
    let shade = |pixel: &[u8]| {
        let (light, alpha) = match *pixel {
            [grey] => (u32::from(grey), 255),
            [grey, alpha] => (u32::from(grey), u32::from(alpha)),
            [red, green, blue] => (luma(red, green, blue), 255),
            [red, green, blue, alpha] => (luma(red, green, blue), u32::from(alpha)),
            _ => (255, 255),
        };
        u8::try_from((light * alpha + 255 * (255 - alpha)) / 255).unwrap_or(u8::MAX)
    };
    samples.chunks_exact(channels).map(shade).collect()
}

/// How light a colour is (ITU-R BT.601), in 256ths.
fn luma(red: u8, green: u8, blue: u8) -> u32 {
    (77 * u32::from(red) + 150 * u32::from(green) + 29 * u32::from(blue)) >> 8
}
