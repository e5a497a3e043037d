//! A QR as it is drawn on a terminal, as a picture.

use std::fs::File;
use std::path::Path;

/// The modules of a drawn code, `true` for light: two lines for each line of text.
pub fn modules(drawn: &str) -> Vec<Vec<bool>> {
    let half = |line: &str, drawn: [char; 2]| line.chars().map(|c| drawn.contains(&c)).collect();
    drawn.lines().flat_map(|line| [half(line, ['█', '▀']), half(line, ['█', '▄'])]).collect()
}

/// Writes the code as a PNG with so many pixels along a module.
pub fn write_png(drawn: &str, scale: usize, path: &Path) {
    let modules = modules(drawn);
    let (width, height) = (modules[0].len() * scale, modules.len() * scale);
    let light = |place: usize| modules[place / width / scale][place % width / scale];
    let pixels: Vec<u8> = (0..width * height).map(|place| if light(place) { 255 } else { 0 }).collect();
    let file = File::create(path).unwrap();
    let mut encoder = png::Encoder::new(file, width.try_into().unwrap(), height.try_into().unwrap());
    encoder.set_color(png::ColorType::Grayscale);
    encoder.write_header().unwrap().write_image_data(&pixels).unwrap();
}
