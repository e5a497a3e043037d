//! `hither up`: stays, receives what the rules of consent allow, delivers what waits, until Ctrl-C.

use std::net::SocketAddr;
use std::path::PathBuf;

use hither_protocol::dht::Scope;

use super::doctor::widest;
use super::inbox::{Inbox, Manner, Outcome};
use super::receive::absolute;
use super::session::{Next, PORT, Part, Session};
use crate::args::{Global, Span};
use crate::config::{Config, FromContacts};
use crate::exit::{Exit, Failure};
use crate::home::Home;
use crate::inert::inert;
use crate::screen::{Event, Screen};

pub(super) fn run(
    global: &Global,
    home: &Home,
    config: &Config,
    into: Option<PathBuf>,
    public: bool,
    visible: Option<Span>,
    screen: &mut Screen,
) -> Result<(), Failure> {
    let into = absolute(&into.or_else(downloads).unwrap_or_else(|| PathBuf::from(".")))?;
    let manner = Manner { rules: config.rules, ..Manner::new(global, into) };
    let rules = manner.rules(screen.can_ask());
    if public && !global.network.is_on() {
        let text = "the configuration says `network = false`, and --public is for the network: change one of them. Nothing \
                    was done.";
        return Err(Failure::new(Exit::Usage, text));
    }
    let part = if public { Part::Public } else { Part::Reachable };
    let session = Session::open(global, home, "up", part, rules, screen)?;
    let shown = visible.or(config.visible).map(|lasts| session.show(config, lasts, screen)).transpose();
    let outcome = shown.and_then(|_| stay(&session, manner, public.then(Bootstrap::default), screen));
    session.close();
    outcome
}

fn stay(
    session: &Session,
    manner: Manner,
    mut bootstrap: Option<Bootstrap>,
    screen: &mut Screen,
) -> Result<(), Failure> {
    session.announce(screen)?;
    if let Some(bootstrap) = &mut bootstrap {
        bootstrap.begin(session, screen)?;
    }
    let into = inert(&manner.into.to_string_lossy());
    screen.note(&match manner.rules.contacts {
        _ if manner.yes => format!("What anyone sends goes into {into}. Ctrl-C ends this."),
        FromContacts::Accept => format!("What contacts send goes into {into}. Ctrl-C ends this."),
        FromContacts::Ask if screen.can_ask() => {
            format!("What you say yes to goes into {into}. Ctrl-C ends this.")
        }
        FromContacts::Ask => {
            "There is no terminal to ask at, so only what trusted contacts send is taken: `hither \
             rules contacts accept` or --yes takes more. Ctrl-C ends this."
                .to_owned()
        }
    })?;
    let mut inbox = Inbox::new(manner);
    loop {
        let next = session.next()?;
        if let (Next::Event(hither_protocol::Event::NearbyChanged), Some(bootstrap)) = (&next, &mut bootstrap)
        {
            bootstrap.tell(session, screen)?;
        }
        match next {
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

/// What others put into their configuration to begin with this node, as far as it was told.
#[derive(Default)]
struct Bootstrap {
    told: Vec<SocketAddr>,
}

impl Bootstrap {
    fn begin(&mut self, session: &Session, screen: &mut Screen) -> Result<(), Failure> {
        let port = session.addresses().first().map(SocketAddr::port);
        if let Some(port) = port.filter(|port| *port != PORT && session.told().port.is_none()) {
            screen.note(&format!(
                "UDP port {PORT} is taken by another program, so this is port {port}, and another one after the next \
                 start: end that program, or choose one with --port."
            ))?;
        }
        self.tell(session, screen)
    }

    /// Says it where it was not said, or is another address now: the one that others see counts for more than one's own.
    fn tell(&mut self, session: &Session, screen: &mut Screen) -> Result<(), Failure> {
        let network = session.ask(|node, _| node.network());
        let seen = network.map(|network| network.reachable).unwrap_or_default();
        let own = session.addresses();
        let addresses = widest(if seen.is_empty() { &own } else { &seen });
        if addresses.is_empty() || addresses == self.told {
            return Ok(());
        }
        self.told.clone_from(&addresses);
        if addresses.iter().all(|at| Scope::of(at.ip()) == Scope::Private) {
            screen.note(
                "This is the address inside the local network; the one that others see is told when they have said it. \
                 The router has to forward the port to this machine.",
            )?;
        }
        screen.note("In the configuration (`config.toml`) of those who are to begin with this machine:")?;
        screen.event(&Event::Bootstrap { addresses })
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
