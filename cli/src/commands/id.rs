//! `hither id`: who I am, as text and as a QR code.

use std::io::IsTerminal;

use hither_protocol::identity::Identity;

use crate::exit::Failure;
use crate::home::Home;
use crate::inert::inert;
use crate::screen::{Event, Screen};

pub(super) fn run(home: &Home, qr: bool, screen: &mut Screen) -> Result<(), Failure> {
    let id = identity(home, screen)?.peer_id();
    screen.event(&Event::Id { id })?;
    let qr = qr || std::io::stdout().is_terminal();
    if qr { screen.qr(&id.to_string().to_uppercase(), true) } else { Ok(()) }
}

/// The identity of a home, made at first use; its owner is told what there is to know about it.
pub(super) fn identity(home: &Home, screen: &mut Screen) -> Result<Identity, Failure> {
    let opened = home.identity()?;
    let key = inert(&home.key_file().to_string_lossy());
    if opened.made {
        screen.note(&format!("made your key: {key} (keep it to yourself, and a copy safe)"))?;
    }
    if opened.tightened {
        screen.note(&format!(
            "others could read {key}; now only you can. If this machine has other users, they may hold your key: \
             move it away and make a new one."
        ))?;
    }
    Ok(opened.identity)
}
