//! The commands, one file each, and what they share.
//!
//! - `session`: a running node on a home, its events, Ctrl-C
//! - `failure`: how everything that goes wrong ends, in one place
//! - `offer`: an offer in words; `inbox`: what becomes of offers and messages that arrive
//! - `course`: what happens to a transfer between its start and its end; `typed`: the command to go on with
//! - `outgoing`: a transfer from the offer to the receipt
//! - `code`: a code, made or typed here; `send_by_code`, `pair`: what it is for; `keep`: whoever was met becomes a contact
//! - `desk`: how a second command asks the process that has the home
//! - `meter`: progress of a transfer; `pace`: its rate

mod code;
mod contacts;
mod course;
mod demo;
mod desk;
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
mod send;
mod send_by_code;
mod session;
mod share;
mod transfers;
mod typed;
mod up;

use crate::args::{self, Arguments, Command, Global};
use crate::exit::Failure;
use crate::home::Home;
use crate::screen::Screen;
pub(crate) use typed::Typed;

/// Does what `arguments` say; `typed` is how they were typed.
pub(crate) fn run(arguments: Arguments, typed: &Typed, screen: &mut Screen) -> Result<(), Failure> {
    let Arguments { global, command } = arguments;
    let home = |global: &Global| Home::open(global.home.as_deref());
    match command {
        Command::Id { qr } => id::run(&home(&global)?, qr, screen),
        Command::Completions(shell) => screen.data(&args::completions(shell)),
        Command::Demo => demo::run(screen),
        Command::Send { to, content } => send::run(&global, &home(&global)?, to, content, typed, screen),
        Command::Receive { from, by, destination } => {
            receive::run(&global, &home(&global)?, from.as_ref(), by, destination, typed, screen)
        }
        Command::Pair { way, name } => pair::run(&global, &home(&global)?, way, name, screen),
        Command::Msg { to, text } => msg::run(&global, &home(&global)?, &to, &text, screen),
        Command::Share { paths } => share::run(&global, &home(&global)?, &paths, screen),
        Command::Get { tickets, into, stay } => {
            get::run(&global, &home(&global)?, &tickets, into.as_ref(), stay, typed, screen)
        }
        Command::ListPeers => list_peers::run(&global, &home(&global)?, screen),
        Command::Contacts(command) => contacts::run(&global, &home(&global)?, &command, screen),
        Command::Transfers(command) => transfers::run(&global, &home(&global)?, &command, typed, screen),
        Command::Up { into } => up::run(&global, &home(&global)?, into, screen),
    }
}
