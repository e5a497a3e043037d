//! The command line's parts: what is typed, what is shown, where things are kept.
//!
//! - [`args`]: what a person types, parsed once into types that cannot be wrong
//! - [`config`]: what the owner of a home has chosen
//! - [`home`]: where the key and the state live, and who is using them
//! - [`screen`]: the one way to the terminal, for people and as JSON lines
//! - [`inert`]: makes a peer's text harmless for a terminal
//! - [`qr`]: a text as a QR code; [`picture`]: what the QR codes in a picture say
//! - [`exit`]: how a command ends

pub mod args;
mod commands;
pub mod config;
pub mod exit;
pub mod home;
pub mod inert;
pub mod picture;
pub mod qr;
pub mod screen;

use std::ffi::OsString;
use std::process::ExitCode;

use crate::args::{Network, Parsed};
use crate::commands::Typed;
use crate::exit::{Exit, Failure};
use crate::screen::{Event, Screen};

/// Runs the command line `arguments`, without the program's name, and says how it ended.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let typed = Typed::new(&arguments);
    let (mut screen, outcome) = match args::parse(arguments) {
        Ok(Parsed::Print(text)) => {
            let mut screen = Screen::new(false, false);
            let outcome = screen.data(&text);
            (screen, outcome)
        }
        Ok(Parsed::Run(mut arguments)) => {
            let interface = &mut arguments.global.interface;
            *interface = interface.take().or_else(|| std::env::var("HITHER_INTERFACE").ok());
            let mut screen = Screen::new(arguments.global.json, arguments.global.quiet);
            let environment = Network::of_environment(|name| std::env::var(name).ok());
            let outcome = match environment {
                Ok(said) => {
                    let network = &mut arguments.global.network;
                    *network = std::mem::take(network).or(said);
                    commands::run(arguments, &typed, &mut screen)
                }
                Err(wrong) => Err(Failure::new(Exit::Usage, format!("{wrong}. Nothing was done."))),
            };
            (screen, outcome)
        }
        Err(error) => {
            let screen = Screen::new(error.json, false);
            (screen, Err(Failure::new(Exit::Usage, error.text)))
        }
    };
    match outcome {
        Ok(()) => Exit::Done.into(),
        Err(failure) => {
            // Where even this cannot be written, the exit code still says it.
            let _ = screen.event(&Event::Error(failure.clone()));
            failure.exit.into()
        }
    }
}
