//! The commands, one file each, and what they share.
//!
//! - `session`: a running node on a home, its events, Ctrl-C
//! - `failure`: how everything that goes wrong ends, in one place
//! - `offer`: an offer in words; `inbox`: what becomes of offers and messages that arrive
//! - `course`: what happens to a transfer between its start and its end; `typed`: the command to go on with
//! - `outgoing`: a transfer from the offer to the receipt
//! - `code`: a code, made or typed here; `send_by_code`, `pair`: what it is for; `keep`: whoever was met becomes a contact
//! - `bootstrap`: the nodes to begin with, as addresses
//! - `desk`: how a second command asks the process that has the home
//! - `meter`: progress of a transfer; `pace`: its rate

mod bootstrap;
mod code;
mod contacts;
mod course;
mod demo;
mod desk;
mod doctor;
mod failure;
mod get;
mod id;
mod inbox;
mod keep;
mod list_peers;
mod meter;
mod msg;
mod offer;
mod outgoing;
mod pace;
mod pair;
mod receive;
mod rules;
mod send;
mod send_by_code;
mod session;
mod share;
mod transfers;
mod typed;
mod up;

use crate::args::{self, Arguments, Command};
use crate::config::Config;
use crate::exit::Failure;
use crate::home::Home;
use crate::screen::Screen;
pub(crate) use typed::Typed;

/// Does what `arguments` say; `typed` is how they were typed.
pub(crate) fn run(arguments: Arguments, typed: &Typed, screen: &mut Screen) -> Result<(), Failure> {
    let Arguments { mut global, command } = arguments;
    match &command {
        Command::Completions(shell) => return screen.data(&args::completions(*shell)),
        Command::Demo => return demo::run(screen),
        _ => {}
    }
    let home = &Home::open(global.home.as_deref())?;
    let config = &Config::load(&home.config_file())?;
    global.interface = global.interface.or_else(|| config.interface.clone());
    global.network = std::mem::take(&mut global.network).or(config.network.clone());
    global.limits.send = global.limits.send.or(config.limits.send);
    global.limits.receive = global.limits.receive.or(config.limits.receive);
    let global = &global;
    match command {
        Command::Completions(_) | Command::Demo => Ok(()),
        Command::Id { qr, name } => id::run(home, config, qr, name, screen),
        Command::Send { to, content } => send::run(global, home, to, content, typed, screen),
        Command::Receive { from, by, destination, visible } => {
            let wanted = receive::Wanted { from, by, destination, visible };
            receive::run(global, home, config, wanted, typed, screen)
        }
        Command::Pair { way, name } => pair::run(global, home, way, name, screen),
        Command::Msg { to, text } => msg::run(global, home, &to, &text, screen),
        Command::Share { paths } => share::run(global, home, &paths, screen),
        Command::Get { tickets, into, stay } => {
            get::run(global, home, &tickets, into.as_ref(), stay, typed, screen)
        }
        Command::ListPeers { nodes } => list_peers::run(global, home, nodes, screen),
        Command::Doctor => doctor::run(global, home, screen),
        Command::Contacts(command) => contacts::run(global, home, &command, screen),
        Command::Transfers(command) => transfers::run(global, home, &command, typed, screen),
        Command::Up { into, public, visible } => up::run(global, home, config, into, public, visible, screen),
        Command::Rules(command) => rules::run(home, config, &command, screen),
    }
}
