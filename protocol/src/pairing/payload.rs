//! What a QR shows and a link holds: a code, or who someone is.
//!
//! ```text
//! hither:c/WORD-WORD-WORD      a code
//! hither:p/hi1…                an id
//! hither:p/hi1…/NAME           and what its owner is called, percent-encoded (RFC 3986, section 2.1)
//! ```
//!
//! All in capitals, codes and ids without a name fit a QR's alphanumeric mode. Everything fits version 6 at its lowest
//! level of correction: 195 characters of that mode, 134 bytes else (ISO/IEC 18004, table 7).

use zeroize::Zeroizing;

use super::code::{BadCode, Code};
use crate::identity::{ParsePeerIdError, PeerId};

/// Bytes of a payload at most.
pub const MAX_PAYLOAD: usize = 134;
const SCHEME: &str = "hither:";

/// What a QR or a link says.
pub enum Payload {
    /// A code, to be typed into the other device.
    Code(Code),
    /// Who someone is.
    Peer {
        /// The id.
        peer: PeerId,
        /// What they call themselves: a proposal. Without control characters, not empty, and not to be trusted.
        name: Option<String>,
    },
}

/// Why a text is no payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadPayload {
    /// It does not begin like one: it is about something else.
    Other,
    /// It is one of a kind that this version does not know, or longer than any.
    Unknown,
    /// Its code is none.
    Code(BadCode),
    /// Its id is none.
    Id(ParsePeerIdError),
    /// Its name is not UTF-8, is empty, or holds control characters.
    Name,
}

impl Payload {
    /// Reads a payload. Spaces around it are passed over, and the case of everything but a name does not matter.
    pub fn parse(text: &str) -> Result<Self, BadPayload> {
        let text = text.trim();
        let (scheme, rest) = text.split_at_checked(SCHEME.len()).ok_or(BadPayload::Other)?;
        if !scheme.eq_ignore_ascii_case(SCHEME) {
            return Err(BadPayload::Other);
        }
        if text.len() > MAX_PAYLOAD {
            return Err(BadPayload::Unknown);
        }
        let (kind, rest) = rest.split_once('/').ok_or(BadPayload::Unknown)?;
        match kind {
            "c" | "C" => Code::parse(rest).map(Self::Code).map_err(BadPayload::Code),
            "p" | "P" => {
                let (id, name) = rest.split_once('/').map_or((rest, None), |(id, name)| (id, Some(name)));
                let peer = id.parse().map_err(BadPayload::Id)?;
                Ok(Self::Peer { peer, name: name.map(decoded).transpose()? })
            }
            _ => Err(BadPayload::Unknown),
        }
    }

    /// A link, for text.
    pub fn link(&self) -> Zeroizing<String> {
        match self {
            Self::Code(code) => Zeroizing::new([SCHEME, "c/", &code.text()].concat()),
            Self::Peer { peer, name } => {
                let mut link = format!("{SCHEME}p/{peer}");
                if let Some(name) = name {
                    encode(name, &mut link);
                }
                Zeroizing::new(link)
            }
        }
    }

    /// The same for a QR: in capitals where it fits the alphanumeric mode then.
    pub fn qr(&self) -> Zeroizing<String> {
        match self {
            Self::Peer { name: Some(_), .. } => self.link(),
            Self::Code(_) | Self::Peer { name: None, .. } => Zeroizing::new(self.link().to_ascii_uppercase()),
        }
    }
}

/// Adds `/` and as much of a name as there is room for.
fn encode(name: &str, link: &mut String) {
    let before = link.len();
    link.push('/');
    for char in name.chars().filter(|char| !char.is_control()) {
        let mut bytes = [0; 4];
        let mut piece = String::new();
        for byte in char.encode_utf8(&mut bytes).bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                piece.push(char::from(byte));
            } else {
                piece.push_str(&format!("%{byte:02X}"));
            }
        }
        if link.len().saturating_add(piece.len()) > MAX_PAYLOAD {
            break;
        }
        link.push_str(&piece);
    }
    if link.len() == before.saturating_add(1) {
        link.truncate(before);
    }
}

fn decoded(text: &str) -> Result<String, BadPayload> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digit =
                |byte: Option<u8>| char::from(byte?).to_digit(16).and_then(|it| u8::try_from(it).ok());
            let (high, low) = (digit(rest.next()), digit(rest.next()));
            let (Some(high), Some(low)) = (high, low) else { return Err(BadPayload::Name) };
            bytes.push(high << 4 | low);
        } else {
            bytes.push(byte);
        }
    }
    let name = String::from_utf8(bytes).map_err(|_| BadPayload::Name)?;
    if name.is_empty() || name.contains(char::is_control) { Err(BadPayload::Name) } else { Ok(name) }
}
