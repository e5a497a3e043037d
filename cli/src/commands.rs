//! Runs the commands.

use std::io::IsTerminal;

use anstyle::{AnsiColor, Style};

use crate::args::{self, Arguments, Command};
use crate::exit::{Exit, Failure};
use crate::home::Home;
use crate::qr;
use crate::screen::{Event, Screen};

/// Does what `arguments` say.
pub(crate) fn run(arguments: Arguments, screen: &mut Screen) -> Result<(), Failure> {
    let home = || Home::open(arguments.global.home.as_deref());
    match arguments.command {
        Command::Id { qr } => id(&home()?, qr, screen),
        Command::Completions(shell) => screen.data(&args::completions(shell)),
        _ => {
            Err(Failure::new(Exit::Usage, "this build has no network yet: it can do `id` and `completions`"))
        }
    }
}

fn id(home: &Home, qr: bool, screen: &mut Screen) -> Result<(), Failure> {
    let opened = home.identity()?;
    let key = home.key_file();
    if opened.made {
        screen.note(&format!("made your key: {} (keep it to yourself, and a copy safe)", key.display()))?;
    }
    if opened.tightened {
        screen.note(&format!(
            "others could read {}; now only you can. If this machine has other users, they may hold your key: \
             move it away and make a new one.",
            key.display()
        ))?;
    }
    let id = opened.identity.peer_id();
    screen.event(&Event::Id { id })?;
    if qr || std::io::stdout().is_terminal() {
        show_qr(&id.to_string().to_uppercase(), screen)?;
    }
    Ok(())
}

fn show_qr(text: &str, screen: &mut Screen) -> Result<(), Failure> {
    // Light modules are drawn, so a light terminal would turn the code inside out without these colours.
    let style =
        Style::new().fg_color(Some(AnsiColor::BrightWhite.into())).bg_color(Some(AnsiColor::Black.into()));
    let Some(drawn) = qr::qr(text) else { return Ok(()) };
    drawn.lines().try_for_each(|line| screen.note(&format!("{style}{line}{style:#}")))
}
