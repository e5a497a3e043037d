//! A text as a QR code for a terminal.

use qrcode::render::unicode::Dense1x2;
use qrcode::{EcLevel, QrCode};

/// Modules along a side of version 6, the largest that a phone reads well at arm's length.
const SIDE: usize = 41;

/// The QR code of `text` in half blocks with its quiet zone of four modules: light modules are drawn, as most
/// terminals are dark. `None` where `text` is too long for any code.
///
/// An id in capitals takes the alphanumeric mode and fits version 3: 37 columns, 19 lines. Less correction is taken
/// where more would need a code that is too large.
pub fn qr(text: &str) -> Option<String> {
    let code = |level| QrCode::with_error_correction_level(text, level).ok();
    let code = code(EcLevel::M).filter(|code| code.width() <= SIDE).or_else(|| code(EcLevel::L))?;
    let drawn = code
        .render::<Dense1x2>()
        .dark_color(Dense1x2::Light)
        .light_color(Dense1x2::Dark)
        .quiet_zone(true)
        .build();
    Some(drawn)
}
