//! What a person types, parsed once into types that cannot be wrong.

mod code;
mod file_name;
mod grammar;
mod network;
mod normal;
mod peer;
mod rate;
mod size;
mod span;
mod transfer_prefix;

use std::ffi::OsString;
use std::path::PathBuf;

use argh::{ArgsInfo, FromArgs};
use hither_protocol::transfer::Ticket;
use hither_protocol::{Limits, OpenName};

use code::CodeFlags;
pub use code::{NewCode, TypedCode};
pub use file_name::FileName;
pub use grammar::{ContactsAdd, ContactsCommand, RulesCommand, Shell, TransfersCommand, TransfersResume};
use grammar::{Grammar, Subcommand};
pub use network::{Bootstrap, Network, ParseBootstrapError};
pub(crate) use normal::nearest;
pub use peer::{ContactName, ParsePeerError, Peer};
pub use rate::{ParseRateError, Rate};
pub use size::{ParseSizeError, Size};
pub use span::{ParseSpanError, Span};
pub use transfer_prefix::{ParseTransferPrefixError, TransferPrefix};

use crate::config::own_name;
use crate::inert::inert;

/// What to do with a command line.
#[allow(clippy::large_enum_variant, reason = "there is one of it in a program's life")]
#[derive(Debug, PartialEq)]
pub enum Parsed {
    /// Run this.
    Run(Arguments),
    /// Print this to standard output and be done: help or the version.
    Print(String),
}

/// A whole command line.
#[derive(Debug, PartialEq)]
pub struct Arguments {
    /// The flags that every command takes.
    pub global: Global,
    /// The command.
    pub command: Command,
}

/// The flags that every command takes, before or after its name.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Global {
    /// `--home`: where keys, contacts and state live, instead of the platform's directories.
    pub home: Option<PathBuf>,
    /// `--json`: one JSON object a line on standard output.
    pub json: bool,
    /// `--quiet`: data and errors only.
    pub quiet: bool,
    /// `--interface`: the one network interface to keep to.
    pub interface: Option<String>,
    /// `--yes`: accepts an offer. Never implies overwriting.
    pub yes: bool,
    /// `--overwrite`, `--rename` or `--skip`: what to do with files that exist.
    pub existing: Option<Existing>,
    /// `--port`: the UDP port to listen on.
    pub port: Option<u16>,
    /// `--limit`, and `--limit-up` and `--limit-down`, which say more about their direction.
    pub limits: Limits,
    /// `--no-network`, `--no-mainline` and `--bootstrap`: how others beyond the local network are found.
    pub network: Network,
}

/// What to do with a file that exists where one is received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// Replace it.
    Overwrite,
    /// Keep both, the new one under another name.
    Rename,
    /// Keep it, and leave the new one out.
    Skip,
}

/// A command with what it needs.
#[derive(Debug, PartialEq)]
pub enum Command {
    /// Who I am.
    Id {
        /// Show the QR code even where standard output is no terminal.
        qr: bool,
        /// The name to show to strangers, from now on, while this node is visible.
        name: Option<OpenName>,
    },
    /// Send content to a peer, or to whoever has the code.
    Send {
        /// To whom.
        to: Recipient,
        /// What.
        content: Content,
    },
    /// Wait for offers.
    Receive {
        /// Take offers of this peer only.
        from: Option<Peer>,
        /// By a code, if by one.
        by: Option<ByCode>,
        /// Where what comes goes.
        destination: Destination,
        /// How long to show name and id to everyone near.
        visible: Option<Span>,
    },
    /// Send one message.
    Msg {
        /// To whom.
        to: Peer,
        /// The message.
        text: String,
    },
    /// Share content with whoever has the ticket.
    Share {
        /// Files and directories, at least one.
        paths: Vec<PathBuf>,
    },
    /// Fetch what tickets stand for.
    Get {
        /// At least one; more are of the same content from other sharers.
        tickets: Vec<Ticket>,
        /// The directory that it goes into, instead of the current one.
        into: Option<PathBuf>,
        /// Go on giving it to others.
        stay: bool,
    },
    /// Who is near and who is known.
    ListPeers {
        /// List every node of the network that is known.
        nodes: bool,
    },
    /// What this network lets through.
    Doctor,
    /// Become contacts.
    Pair {
        /// How the two find each other.
        way: Pairing,
        /// What the other side is to be called; where the own identity is shown, what its owner is called.
        name: Option<ContactName>,
    },
    /// Look at or change the contacts.
    Contacts(ContactsCommand),
    /// Look at or change transfers that are under way or were interrupted.
    Transfers(TransfersCommand),
    /// Stay and receive.
    Up {
        /// The directory that what comes goes into, instead of the platform's downloads.
        into: Option<PathBuf>,
        /// The owner's word that everyone can reach this machine: others begin with it.
        public: bool,
        /// How long to show name and id to everyone near.
        visible: Option<Span>,
    },
    /// Look at or change the rules of consent.
    Rules(RulesCommand),
    /// Two peers on this machine.
    Demo,
    /// Print a shell's completions.
    Completions(Shell),
}

/// A code, made here or on the other side.
#[derive(Debug, PartialEq)]
pub enum ByCode {
    /// One is made here.
    New(NewCode),
    /// The other side has made it.
    Typed(TypedCode),
}

/// Who is sent to.
#[derive(Debug, PartialEq)]
pub enum Recipient {
    /// A peer.
    Peer(Peer),
    /// Whoever has the code.
    Code(ByCode),
}

/// How two become contacts.
#[derive(Debug, PartialEq)]
pub enum Pairing {
    /// By a code.
    Code(ByCode),
    /// The own identity is shown as a QR.
    ShowQr,
    /// A picture of a QR is read.
    Scan(PathBuf),
}

/// What is sent.
#[derive(Debug, PartialEq, Eq)]
pub enum Content {
    /// Files and directories, at least one.
    Paths {
        /// As they were typed.
        paths: Vec<PathBuf>,
        /// `--links`: symbolic links go as such.
        links: bool,
    },
    /// What comes on standard input, to arrive under this name.
    StandardInput(FileName),
    /// A line of text, to arrive under this name.
    Text(String, FileName),
}

/// Where received content goes.
#[derive(Debug, PartialEq, Eq)]
pub enum Destination {
    /// Under its own name into the current directory.
    Here,
    /// Under its own name into this directory.
    Into(PathBuf),
    /// To this file.
    File(PathBuf),
    /// To standard output.
    StandardOutput,
}

/// A command line that cannot be understood; the process ends with [`crate::exit::Exit::Usage`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageError {
    /// What is wrong, and what to type instead.
    pub text: String,
    /// Whether `--json` was there, so that this too is said as JSON.
    pub json: bool,
}

/// Parses the arguments that follow the program's name.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Parsed, UsageError> {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let json = arguments.iter().take_while(|argument| *argument != "--").any(|argument| argument == "--json");
    parse_words(arguments).map_err(|text| UsageError { text, json })
}

fn parse_words(arguments: Vec<OsString>) -> Result<Parsed, String> {
    let words = arguments.into_iter().map(|argument| {
        argument.into_string().map_err(|bad| format!("this argument is not UTF-8: {}", bad.to_string_lossy()))
    });
    let words = words.collect::<Result<Vec<String>, String>>()?;
    let line = normal::normalise(&Grammar::get_args_info(), words)?;
    if line.version {
        return Ok(Parsed::Print(concat!("hither ", env!("CARGO_PKG_VERSION"), "\n").to_owned()));
    }
    let words: Vec<&str> = line.words.iter().map(String::as_str).collect();
    match Grammar::from_args(&["hither"], &words) {
        Ok(grammar) => arguments_of(grammar).map(Parsed::Run).map_err(|text| with_help(&text, line.command)),
        Err(exit) if exit.status.is_ok() => Ok(Parsed::Print(help(&exit.output, line.command))),
        Err(exit) => Err(with_help(&exit.output, line.command)),
    }
}

fn with_help(text: &str, command: Option<&str>) -> String {
    let command = command.map(|command| format!(" {command}")).unwrap_or_default();
    // argh quotes what was typed, as it was typed.
    let lines: Vec<String> = text.trim_end().lines().map(inert).collect();
    format!("{}\nFor help: hither{command} --help", lines.join("\n"))
}

fn help(text: &str, command: Option<&str>) -> String {
    let rest = if command.is_some() { "\nFlags for every command: hither --help\n" } else { "" };
    format!("{}\n{rest}", text.trim_end())
}

fn arguments_of(grammar: Grammar) -> Result<Arguments, String> {
    let existing = match (grammar.overwrite, grammar.rename, grammar.skip) {
        (false, false, false) => None,
        (true, false, false) => Some(Existing::Overwrite),
        (false, true, false) => Some(Existing::Rename),
        (false, false, true) => Some(Existing::Skip),
        _ => return Err("--overwrite, --rename and --skip exclude each other: give one of them".to_owned()),
    };
    let global = Global {
        home: grammar.home,
        json: grammar.json,
        quiet: grammar.quiet,
        interface: grammar.interface,
        yes: grammar.yes,
        existing,
        port: grammar.port,
        limits: Limits {
            send: grammar.limit_up.or(grammar.limit).map(Rate::bytes),
            receive: grammar.limit_down.or(grammar.limit).map(Rate::bytes),
        },
        network: Network {
            on: grammar.no_network.then_some(false),
            mainline: grammar.no_mainline.then_some(false),
            bootstrap: grammar.bootstrap,
        },
    };
    if global.network.on == Some(false) {
        let public = matches!(&grammar.command, Subcommand::Up(up) if up.public);
        let flag = [("--bootstrap", !global.network.bootstrap.is_empty()), ("--public", public)];
        if let Some((flag, _)) = flag.into_iter().find(|(_, given)| *given) {
            return Err(format!("--no-network and {flag} exclude each other: give one of them"));
        }
    }
    let json = global.json;
    Ok(Arguments { global, command: command_of(grammar.command, json)? })
}

fn command_of(command: Subcommand, json: bool) -> Result<Command, String> {
    Ok(match command {
        Subcommand::Id(id) => {
            let name = id.name.as_deref().map(own_name).transpose()?;
            Command::Id { qr: id.qr, name }
        }
        Subcommand::Send(send) => {
            let content = content_of(send.text, send.name, send.paths, send.links)?;
            let flags = CodeFlags { words: send.words, expire: send.expire, receivers: send.receivers };
            let to = match (send.to, send.code) {
                (Some(_), Some(_)) => {
                    return Err("--to and --code exclude each other: give one of them".to_owned());
                }
                (Some(peer), None) => flags.none("--to").map(|()| Recipient::Peer(peer))?,
                (None, Some(code)) => {
                    flags.none("--code")?;
                    Recipient::Code(typed_code(&[code], json)?)
                }
                (None, None) => Recipient::Code(ByCode::New(flags.new_code()?)),
            };
            if let (Recipient::Code(ByCode::New(NewCode { receivers: 2.., .. })), Content::StandardInput(_)) =
                (&to, &content)
            {
                return Err("standard input can be read once: --receivers is for paths and text".to_owned());
            }
            Command::Send { to, content }
        }
        Subcommand::Receive(receive) => {
            let flags = CodeFlags { words: receive.words, expire: receive.expire, receivers: None };
            let by = match (receive.new_code, receive.code.is_empty()) {
                (true, true) => Some(ByCode::New(flags.new_code()?)),
                (true, false) => {
                    return Err("--new-code and a code exclude each other: leave one of them out".to_owned());
                }
                (false, false) => {
                    flags.none("the code")?;
                    Some(typed_code(&receive.code, json)?)
                }
                (false, true) => flags.none("it, or give --new-code too").map(|()| None)?,
            };
            let destination = match (receive.into, receive.output) {
                (None, None) => Destination::Here,
                (Some(directory), None) => Destination::Into(directory),
                (None, Some(file)) if file.as_os_str() == "-" => Destination::StandardOutput,
                (None, Some(file)) => Destination::File(file),
                (Some(_), Some(_)) => {
                    return Err("--into and -o exclude each other: give one of them".to_owned());
                }
            };
            Command::Receive { from: receive.from, by, destination, visible: receive.visible }
        }
        Subcommand::Msg(msg) => {
            let text = msg.text.join(" ");
            if text.is_empty() {
                return Err("there is no message: hither msg PEER TEXT".to_owned());
            }
            Command::Msg { to: msg.peer, text }
        }
        Subcommand::Share(share) if share.paths.is_empty() => {
            return Err("say what to share: files or directories".to_owned());
        }
        Subcommand::Share(share) => Command::Share { paths: share.paths },
        Subcommand::Get(get) if get.tickets.is_empty() => {
            return Err("give the ticket that `hither share` printed: hither get TICKET".to_owned());
        }
        Subcommand::Get(get) => Command::Get { tickets: get.tickets, into: get.into, stay: get.stay },
        Subcommand::ListPeers(list) => Command::ListPeers { nodes: list.nodes },
        Subcommand::Doctor(_) => Command::Doctor,
        Subcommand::Pair(pair) => {
            let flags = CodeFlags { words: pair.words, expire: pair.expire, receivers: None };
            let way = match (pair.code.is_empty(), pair.qr, pair.scan) {
                (true, false, None) => Pairing::Code(ByCode::New(flags.new_code()?)),
                (false, false, None) => {
                    flags.none("the code")?;
                    Pairing::Code(typed_code(&pair.code, json)?)
                }
                (true, true, None) => flags.none("--qr").map(|()| Pairing::ShowQr)?,
                (true, false, Some(file)) => flags.none("--scan").map(|()| Pairing::Scan(file))?,
                _ => return Err("a code, --qr and --scan exclude each other: give one of them".to_owned()),
            };
            Command::Pair { way, name: pair.name }
        }
        Subcommand::Contacts(contacts) => {
            Command::Contacts(contacts.command.unwrap_or(ContactsCommand::List(grammar::ContactsList {})))
        }
        Subcommand::Transfers(transfers) => {
            Command::Transfers(transfers.command.unwrap_or(TransfersCommand::List(grammar::TransfersList {})))
        }
        Subcommand::Up(up) => Command::Up { into: up.into, public: up.public, visible: up.visible },
        Subcommand::Rules(rules) => {
            Command::Rules(rules.command.unwrap_or(RulesCommand::Show(grammar::RulesShow {})))
        }
        Subcommand::Demo(_) => Command::Demo,
        Subcommand::Completions(completions) => Command::Completions(completions.shell),
    })
}

fn typed_code(words: &[String], json: bool) -> Result<ByCode, String> {
    TypedCode::parse(words).map(ByCode::Typed).map_err(|error| code::wrong(error, json))
}

fn content_of(
    text: Option<String>,
    name: Option<FileName>,
    paths: Vec<PathBuf>,
    links: bool,
) -> Result<Content, String> {
    let dashes = paths.iter().filter(|path| path.as_os_str() == "-").count();
    if links && (text.is_some() || dashes > 0) {
        return Err("--links is for paths: text and standard input hold no links".to_owned());
    }
    match (text, paths.len(), dashes) {
        (None, 1.., 0) if name.is_some() => {
            Err("--name is for standard input and --text: files keep their names".to_owned())
        }
        (Some(_), 1.., _) => Err("--text and paths exclude each other: send one after the other".to_owned()),
        (Some(text), 0, _) => Ok(Content::Text(text, name.unwrap_or_else(FileName::of_text))),
        (None, 0, _) => Err("say what to send: paths, - for standard input, or --text TEXT".to_owned()),
        (None, 1, 1) => Ok(Content::StandardInput(name.unwrap_or_else(FileName::of_input))),
        (None, _, 1..) => Err("- for standard input goes alone (./- is a file of that name)".to_owned()),
        (None, _, 0) => Ok(Content::Paths { paths, links }),
    }
}

/// The words of a command by a code as one with a peer in its place: `flag`, `--to` or `--from`, names them. `None` for a
/// line that cannot be understood.
pub(crate) fn with_peer_for_code(
    arguments: Vec<String>,
    flag: &'static str,
    peer: String,
) -> Option<Vec<String>> {
    let words = normal::normalise(&Grammar::get_args_info(), arguments).ok()?.words;
    let (flags, rest) = match words.iter().position(|word| word == "--") {
        Some(at) => words.split_at(at),
        None => (words.as_slice(), &[][..]),
    };
    // What stands at the end is what is sent; for everyone else it is the code.
    let rest = if flag == "--to" { rest } else { &[] };
    let mut line = Vec::new();
    let mut flags = flags.iter();
    while let Some(word) = flags.next() {
        match word.as_str() {
            "--code" | "--words" | "--expire" | "--receivers" | "--from" => drop(flags.next()),
            "--new-code" => {}
            _ => line.push(word.clone()),
        }
    }
    line.extend([flag.to_owned(), peer]);
    let needless = rest.iter().skip(1).all(|word| word == "-" || !word.starts_with('-'));
    line.extend(rest.iter().skip(usize::from(needless)).cloned());
    Some(line)
}

/// The completions of a shell, as a script for it.
pub fn completions(shell: Shell) -> String {
    use argh_complete::{Generator, bash::Bash, fish::Fish, nushell::Nushell, zsh::Zsh};
    let grammar = Grammar::get_args_info();
    match shell {
        Shell::Bash => Bash::generate("hither", &grammar),
        Shell::Fish => Fish::generate("hither", &grammar),
        Shell::Nushell => Nushell::generate("hither", &grammar),
        Shell::Zsh => Zsh::generate("hither", &grammar),
    }
}
