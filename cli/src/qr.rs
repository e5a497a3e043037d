//! A text as a QR code for a terminal.

use qrcode::render::unicode::Dense1x2;
use qrcode::{EcLevel, QrCode};

/// The QR code of `text` in half blocks with its quiet zone of four modules: light modules are drawn, as most
/// terminals are dark. `None` where `text` is too long for any code.
///
/// An id in capitals takes the alphanumeric mode and fits version 3: 37 columns, 19 lines.
pub fn qr(text: &str) -> Option<String> {
    let code = QrCode::with_error_correction_level(text, EcLevel::M).ok()?;
    let drawn = code
        .render::<Dense1x2>()
        .dark_color(Dense1x2::Light)
        .light_color(Dense1x2::Dark)
        .quiet_zone(true)
        .build();
    Some(drawn)
}
