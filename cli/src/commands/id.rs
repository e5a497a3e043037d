//! `hither id`: who I am, as text and as a QR code.

use std::io::IsTerminal;

use hither_protocol::OpenName;
use hither_protocol::identity::Identity;

use crate::config::{Config, Setting};
use crate::exit::Failure;
use crate::home::Home;
use crate::inert::inert;
use crate::screen::{Event, Screen};

pub(super) fn run(
    home: &Home,
    config: &Config,
    qr: bool,
    name: Option<OpenName>,
    screen: &mut Screen,
) -> Result<(), Failure> {
    if let Some(name) = &name {
        Config::set(&home.config_file(), &Setting::Name(name.clone()))?;
    }
    if let Some(name) = name.as_ref().or(config.name.as_ref()) {
        let name = inert(name.as_str());
        screen.note(&format!("to strangers, while this machine is visible: \u{201c}{name}\u{201d}"))?;
    }
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
