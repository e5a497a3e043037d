//! `hither up`: stays, receives what the rules of consent allow, delivers what waits, until Ctrl-C.

use std::path::PathBuf;

use super::inbox::{Inbox, Manner, Outcome};
use super::receive::absolute;
use super::session::{Next, Part, Session};
use crate::args::Global;
use crate::exit::Failure;
use crate::home::Home;
use crate::inert::inert;
use crate::screen::{Event, Screen};

pub(super) fn run(
    global: &Global,
    home: &Home,
    into: Option<PathBuf>,
    screen: &mut Screen,
) -> Result<(), Failure> {
    let into = absolute(&into.or_else(downloads).unwrap_or_else(|| PathBuf::from(".")))?;
    let manner = Manner::new(global, into);
    let rules = manner.rules(screen.can_ask());
    let session = Session::open(global, home, "up", Part::Reachable, rules, screen)?;
    let outcome = stay(&session, manner, screen);
    session.close();
    outcome
}

fn stay(session: &Session, manner: Manner, screen: &mut Screen) -> Result<(), Failure> {
    session.announce(screen)?;
    let into = inert(&manner.into.to_string_lossy());
    screen.note(&format!("What contacts send goes into {into}. Ctrl-C ends this."))?;
    let mut inbox = Inbox::new(manner);
    loop {
        match session.next()? {
            Next::Event(hither_protocol::Event::MessageSent { id, to, state }) => {
                super::msg::show_state(session, id, to, state, screen)?;
            }
            Next::Event(event) => match inbox.handle(event, session, screen)? {
                Outcome::Open | Outcome::Finished => {}
                Outcome::Failed(failure) => screen.event(&Event::Error(failure))?,
            },
            Next::Told(transfer, paused) => super::course::told(transfer, paused, screen)?,
            Next::Tick => inbox.idle(session),
            Next::Interrupted => {
                let left = match inbox.left_behind(session) {
                    left if left.is_empty() => "What arrived whole stays, nothing partial is left".to_owned(),
                    left => left.trim_end_matches('.').to_owned(),
                };
                let next = format!("{left}; messages that wait are kept. `hither up` goes on.");
                return Err(session.interrupted(&next));
            }
        }
        inbox.tick(session, screen)?;
    }
}

/// The user's directory for downloads: the one that the desktop names, or `Downloads` in their home directory, if
/// it exists.
fn downloads() -> Option<PathBuf> {
    let home = etcetera::home_dir().ok()?;
    let named = || {
        // https://www.freedesktop.org/wiki/Software/xdg-user-dirs/
        let config = std::env::var_os("XDG_CONFIG_HOME").filter(|dir| !dir.is_empty()).map(PathBuf::from);
        let config = config.unwrap_or_else(|| home.join(".config"));
        let text = std::fs::read_to_string(config.join("user-dirs.dirs")).ok()?;
        let value = text.lines().find_map(|line| line.trim().strip_prefix("XDG_DOWNLOAD_DIR="))?;
        let value = value.trim_matches('"');
        Some(match value.strip_prefix("$HOME/") {
            Some(below) => home.join(below),
            None => PathBuf::from(value),
        })
    };
    named().into_iter().chain([home.join("Downloads")]).find(|directory| directory.is_dir())
}
