//! The flags and commands as argh reads them. What argh cannot express is checked after it.

use std::net::SocketAddr;
use std::path::PathBuf;

use argh::{ArgsInfo, FromArgs};

use super::file_name::FileName;
use super::network::Bootstrap;
use super::peer::{ContactName, Peer};
use super::rate::Rate;
use super::size::Size;
use super::span::Span;
use super::transfer_prefix::TransferPrefix;
use crate::config::{FromContacts, FromStrangers};
use hither_protocol::identity::PeerId;
use hither_protocol::transfer::Ticket;

/// Messages and files straight between your own devices.
#[derive(FromArgs, ArgsInfo)]
#[argh(
    name = "hither",
    example = "{command_name} send photo.jpg\n{command_name} receive word-word-word\n{command_name} send photo.jpg --to bob\n{command_name} receive --into ~/Downloads",
    note = "PEER is a contact's name, an id (hi1...), or an id with an address (hi1...@192.168.1.7:4242).",
    error_code(0, "done"),
    error_code(1, "a fault of Hither's"),
    error_code(2, "usage"),
    error_code(3, "refused"),
    error_code(4, "wrong code"),
    error_code(5, "peer not found or unreachable"),
    error_code(6, "timed out"),
    error_code(7, "connection lost, can be resumed"),
    error_code(8, "content did not verify"),
    error_code(9, "disk full or not writable"),
    error_code(10, "would overwrite"),
    error_code(11, "peer too old or too new"),
    error_code(130, "interrupted")
)]
pub(super) struct Grammar {
    /// keep keys, contacts and state in this directory (or HITHER_HOME)
    #[argh(option, arg_name = "dir")]
    pub(super) home: Option<PathBuf>,
    /// one JSON object a line on standard output
    #[argh(switch)]
    pub(super) json: bool,
    /// data and errors only
    #[argh(switch, short = 'q')]
    pub(super) quiet: bool,
    /// keep to one network interface (or HITHER_INTERFACE)
    #[argh(option, arg_name = "name")]
    pub(super) interface: Option<String>,
    /// accept an offer; never overwrites
    #[argh(switch, short = 'y')]
    pub(super) yes: bool,
    /// replace files that exist
    #[argh(switch)]
    pub(super) overwrite: bool,
    /// keep files that exist, receive under another name
    #[argh(switch)]
    pub(super) rename: bool,
    /// keep files that exist, leave the new ones out
    #[argh(switch)]
    pub(super) skip: bool,
    /// the UDP port to listen on
    #[argh(option, arg_name = "n")]
    pub(super) port: Option<u16>,
    /// move no more than this, each way: 500KB/s, 5MB/s, 1.5MiB/s
    #[argh(option, arg_name = "rate")]
    pub(super) limit: Option<Rate>,
    /// the same for what is sent only
    #[argh(option, arg_name = "rate")]
    pub(super) limit_up: Option<Rate>,
    /// the same for what is received only
    #[argh(option, arg_name = "rate")]
    pub(super) limit_down: Option<Rate>,
    /// begin with this node of the network; may be given several times (or HITHER_BOOTSTRAP, with commas)
    #[argh(option, arg_name = "address:port")]
    pub(super) bootstrap: Vec<Bootstrap>,
    /// do not ask BitTorrent's Mainline where no nearer way leads on (or HITHER_MAINLINE=off)
    #[argh(switch)]
    pub(super) no_mainline: bool,
    /// take no part in the network beyond the local one
    #[argh(switch)]
    pub(super) no_network: bool,
    /// print the version
    #[argh(switch, short = 'V')]
    #[allow(dead_code, reason = "answered before argh, which wants a command; here for the help")]
    version: bool,
    #[argh(subcommand)]
    pub(super) command: Subcommand,
}

#[derive(FromArgs, ArgsInfo)]
#[argh(subcommand)]
pub(super) enum Subcommand {
    Id(Id),
    Send(Send),
    Receive(Receive),
    Msg(Msg),
    Share(Share),
    Get(Get),
    ListPeers(ListPeers),
    Doctor(Doctor),
    Pair(Pair),
    Contacts(Contacts),
    Transfers(Transfers),
    Up(Up),
    Rules(Rules),
    Demo(Demo),
    Completions(Completions),
}

/// Who I am, as text and as a QR code.
#[derive(FromArgs, ArgsInfo)]
#[argh(subcommand, name = "id")]
pub(super) struct Id {
    /// show the QR code even where standard output is no terminal
    #[argh(switch)]
    pub(super) qr: bool,
    /// be called so by strangers while this node is visible
    #[argh(option)]
    pub(super) name: Option<String>,
}

/// Send files, directories, standard input (-) or a line of text: to whoever is told the code that is printed, or to a
/// peer. Also: tx.
#[derive(FromArgs, ArgsInfo)]
#[argh(
    subcommand,
    name = "send",
    note = "Without --to and --code a code is made; the other side types `hither receive CODE`. The same command gives the same code for as long as it is good."
)]
pub(super) struct Send {
    /// the peer to send to, instead of making a code
    #[argh(option, arg_name = "peer")]
    pub(super) to: Option<Peer>,
    /// the code that `hither receive --new-code` printed on the other side
    #[argh(option, arg_name = "code")]
    pub(super) code: Option<String>,
    /// how many words the code has: 3 to 8, else 5, or 3 where it can be used on this network only
    #[argh(option, arg_name = "n")]
    pub(super) words: Option<u8>,
    /// how long the code is good: 90s, 30m, 2h; else an hour
    #[argh(option, arg_name = "time")]
    pub(super) expire: Option<Span>,
    /// how many may use the code, else one
    #[argh(option, arg_name = "n")]
    pub(super) receivers: Option<u16>,
    /// a line of text instead of paths
    #[argh(option)]
    pub(super) text: Option<String>,
    /// send symbolic links as links, instead of leaving them out; those that lead out of what is sent stay out
    #[argh(switch)]
    pub(super) links: bool,
    /// the name that standard input or the text arrives under
    #[argh(option)]
    pub(super) name: Option<FileName>,
    /// files and directories, or - for standard input
    #[argh(positional, arg_name = "path")]
    pub(super) paths: Vec<PathBuf>,
}

/// Receive: with a code, from whoever made it; without, wait for offers. Also: recv, rx.
#[derive(FromArgs, ArgsInfo)]
#[argh(
    subcommand,
    name = "receive",
    note = "A code's words stand with - or spaces between them; the first four letters of each are enough."
)]
pub(super) struct Receive {
    /// the directory to receive into, instead of the current one
    #[argh(option, arg_name = "dir")]
    pub(super) into: Option<PathBuf>,
    /// the file to receive to, or - for standard output: a file or text, as it is
    #[argh(option, short = 'o', arg_name = "file")]
    pub(super) output: Option<PathBuf>,
    /// take offers of this peer only
    #[argh(option, arg_name = "peer")]
    pub(super) from: Option<Peer>,
    /// show name and id to everyone near, for 10m or for so long
    #[argh(option, arg_name = "time")]
    pub(super) visible: Option<Span>,
    /// make a code here; the other side types `hither send FILE --code CODE`
    #[argh(switch)]
    pub(super) new_code: bool,
    /// how many words the new code has: 3 to 8, else 5, or 3 where it can be used on this network only
    #[argh(option, arg_name = "n")]
    pub(super) words: Option<u8>,
    /// how long the new code is good: 90s, 30m, 2h; else an hour
    #[argh(option, arg_name = "time")]
    pub(super) expire: Option<Span>,
    /// the code that the other side has
    #[argh(positional, arg_name = "code")]
    pub(super) code: Vec<String>,
}

/// Send one message: delivered now, or kept and delivered later.
#[derive(FromArgs, ArgsInfo)]
#[argh(subcommand, name = "msg")]
pub(super) struct Msg {
    /// to whom
    #[argh(positional)]
    pub(super) peer: Peer,
    /// the message
    #[argh(positional)]
    pub(super) text: Vec<String>,
}

/// Share files and directories with whoever has the ticket, until Ctrl-C.
#[derive(FromArgs, ArgsInfo)]
#[argh(subcommand, name = "share")]
pub(super) struct Share {
    /// files and directories
    #[argh(positional, arg_name = "path")]
    pub(super) paths: Vec<PathBuf>,
}

/// Fetch what a ticket stands for, from everyone who has some of it.
#[derive(FromArgs, ArgsInfo)]
#[argh(subcommand, name = "get")]
pub(super) struct Get {
    /// the directory to receive into, instead of the current one
    #[argh(option, arg_name = "dir")]
    pub(super) into: Option<PathBuf>,
    /// go on giving it to others once it is complete, until Ctrl-C, with a ticket of its own
    #[argh(switch)]
    pub(super) stay: bool,
    /// the ticket; several of the same content are asked at once
    #[argh(positional, arg_name = "ticket")]
    pub(super) tickets: Vec<Ticket>,
}

/// Who is near, who is known, how each would be reached. Also: peers.
#[derive(FromArgs, ArgsInfo)]
#[argh(subcommand, name = "list-peers")]
pub(super) struct ListPeers {
    /// list every node of the network that is known, not only the nearest few
    #[argh(switch)]
    pub(super) nodes: bool,
}

/// What this network lets through, and what to do about it.
#[derive(FromArgs, ArgsInfo)]
#[argh(subcommand, name = "doctor")]
pub(super) struct Doctor {}

/// Become contacts: make a code, or type the one that the other side has made; or by a QR.
#[derive(FromArgs, ArgsInfo)]
#[argh(subcommand, name = "pair")]
pub(super) struct Pair {
    /// what to call the other side, instead of being asked; with --qr, what you are called in it
    #[argh(option)]
    pub(super) name: Option<ContactName>,
    /// show who I am as a QR, for the other side to scan
    #[argh(switch)]
    pub(super) qr: bool,
    /// read the QR in this picture (PNG or JPEG)
    #[argh(option, arg_name = "file")]
    pub(super) scan: Option<PathBuf>,
    /// how many words the code has: 3 to 8, else 5, or 3 where it can be used on this network only
    #[argh(option, arg_name = "n")]
    pub(super) words: Option<u8>,
    /// how long the code is good: 90s, 30m, 2h; else an hour
    #[argh(option, arg_name = "time")]
    pub(super) expire: Option<Span>,
    /// the code that the other side has made
    #[argh(positional, arg_name = "code")]
    pub(super) code: Vec<String>,
}

/// List, add, rename, remove, verify, trust, block or unblock contacts.
#[derive(FromArgs, ArgsInfo)]
#[argh(subcommand, name = "contacts")]
pub(super) struct Contacts {
    #[argh(subcommand)]
    pub(super) command: Option<ContactsCommand>,
}

/// What to do with the contacts.
#[derive(Debug, PartialEq, FromArgs, ArgsInfo)]
#[argh(subcommand)]
pub enum ContactsCommand {
    /// Show them.
    List(ContactsList),
    /// A new one.
    Add(ContactsAdd),
    /// Another name for one.
    Rename(ContactsRename),
    /// Forget one.
    Remove(ContactsRemove),
    /// Make sure that one is who you think.
    Verify(ContactsVerify),
    /// Take what one sends without asking.
    Trust(ContactsTrust),
    /// Ask again before taking what one sends.
    Untrust(ContactsUntrust),
    /// Hear no more from a peer.
    Block(ContactsBlock),
    /// Hear a peer again.
    Unblock(ContactsUnblock),
}

/// List the contacts.
#[derive(Debug, PartialEq, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "list")]
pub struct ContactsList {}

/// Add a contact.
#[derive(Debug, PartialEq, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "add")]
pub struct ContactsAdd {
    /// the contact of this name has a new id: forget the old one
    #[argh(switch)]
    pub replace: bool,
    /// what to call the peer
    #[argh(positional)]
    pub name: ContactName,
    /// the peer's id
    #[argh(positional)]
    pub id: PeerId,
}

/// Give a contact another name.
#[derive(Debug, PartialEq, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "rename")]
pub struct ContactsRename {
    /// the name now
    #[argh(positional)]
    pub name: ContactName,
    /// the new name
    #[argh(positional)]
    pub new_name: ContactName,
}

/// Forget a contact.
#[derive(Debug, PartialEq, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "remove")]
pub struct ContactsRemove {
    /// the name
    #[argh(positional)]
    pub name: ContactName,
}

/// Show words that only the two of you see the same, and note that you have compared them.
#[derive(Debug, PartialEq, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "verify")]
pub struct ContactsVerify {
    /// the name
    #[argh(positional)]
    pub name: ContactName,
}

/// Take what a contact sends without asking, into a folder, under free names where names are taken.
#[derive(Debug, PartialEq, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "trust")]
pub struct ContactsTrust {
    /// the folder that it goes into
    #[argh(option, arg_name = "dir")]
    pub into: PathBuf,
    /// ask about offers that are larger: 500MB, 2GB, 1.5GiB
    #[argh(option, arg_name = "size")]
    pub up_to: Option<Size>,
    /// the name
    #[argh(positional)]
    pub name: ContactName,
}

/// Ask again before taking what a contact sends.
#[derive(Debug, PartialEq, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "untrust")]
pub struct ContactsUntrust {
    /// the name
    #[argh(positional)]
    pub name: ContactName,
}

/// Block a peer: it is not heard any more.
#[derive(Debug, PartialEq, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "block")]
pub struct ContactsBlock {
    /// a contact's name or an id
    #[argh(positional)]
    pub peer: Peer,
}

/// Hear a blocked peer again.
#[derive(Debug, PartialEq, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "unblock")]
pub struct ContactsUnblock {
    /// a contact's name or an id
    #[argh(positional)]
    pub peer: Peer,
}

/// List, pause, resume or cancel transfers; clean up what interrupted ones left.
#[derive(FromArgs, ArgsInfo)]
#[argh(
    subcommand,
    name = "transfers",
    note = "ID is the id of a transfer, or as much of its beginning as belongs to no other."
)]
pub(super) struct Transfers {
    #[argh(subcommand)]
    pub(super) command: Option<TransfersCommand>,
}

/// What to do with transfers.
#[derive(Debug, PartialEq, FromArgs, ArgsInfo)]
#[argh(subcommand)]
pub enum TransfersCommand {
    /// Show them.
    List(TransfersList),
    /// Let one stand still.
    Pause(TransfersPause),
    /// Go on with one.
    Resume(TransfersResume),
    /// Give one up.
    Cancel(TransfersCancel),
    /// Give up all that were interrupted.
    Clean(TransfersClean),
}

/// List the transfers that are under way or can be gone on with.
#[derive(Debug, PartialEq, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "list")]
pub struct TransfersList {}

/// Let a transfer stand still until it is resumed.
#[derive(Debug, PartialEq, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "pause")]
pub struct TransfersPause {
    /// the beginning of its id
    #[argh(positional)]
    pub id: TransferPrefix,
}

/// Go on with a transfer: send the rest, or ask its sender for the rest.
#[derive(Debug, PartialEq, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "resume")]
pub struct TransfersResume {
    /// where the other side is, if it is not found by itself
    #[argh(option, arg_name = "address:port")]
    pub at: Option<SocketAddr>,
    /// the beginning of its id
    #[argh(positional)]
    pub id: TransferPrefix,
}

/// Give a transfer up: its partial files are removed.
#[derive(Debug, PartialEq, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "cancel")]
pub struct TransfersCancel {
    /// the beginning of its id
    #[argh(positional)]
    pub id: TransferPrefix,
}

/// Give up all interrupted transfers: their partial files are removed, and nothing else.
#[derive(Debug, PartialEq, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "clean")]
pub struct TransfersClean {}

/// Stay: receive what contacts send.
#[derive(FromArgs, ArgsInfo)]
#[argh(subcommand, name = "up")]
pub(super) struct Up {
    /// the directory to receive into, instead of your downloads
    #[argh(option, arg_name = "dir")]
    pub(super) into: Option<PathBuf>,
    /// everyone can reach this machine: let others begin with it, at port 4242
    #[argh(switch)]
    pub(super) public: bool,
    /// show name and id to everyone near, for 10m or for so long
    #[argh(option, arg_name = "time")]
    pub(super) visible: Option<Span>,
}

/// Show or set what becomes of offers: the rules of consent.
#[derive(FromArgs, ArgsInfo)]
#[argh(subcommand, name = "rules")]
pub(super) struct Rules {
    #[argh(subcommand)]
    pub(super) command: Option<RulesCommand>,
}

/// What to do with the rules.
#[derive(Debug, PartialEq, FromArgs, ArgsInfo)]
#[argh(subcommand)]
pub enum RulesCommand {
    /// Show them.
    Show(RulesShow),
    /// What becomes of strangers' offers and messages.
    Strangers(RulesStrangers),
    /// What becomes of contacts' offers.
    Contacts(RulesContacts),
}

/// Show the rules.
#[derive(Debug, PartialEq, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "show")]
pub struct RulesShow {}

/// What becomes of offers and messages of people who are not contacts.
#[derive(Debug, PartialEq, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "strangers")]
pub struct RulesStrangers {
    /// ask (on a terminal; refused elsewhere) or refuse
    #[argh(positional)]
    pub rule: FromStrangers,
}

/// What becomes of offers of contacts who are not trusted with them.
#[derive(Debug, PartialEq, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "contacts")]
pub struct RulesContacts {
    /// ask (on a terminal; refused elsewhere) or accept
    #[argh(positional)]
    pub rule: FromContacts,
}

/// Two peers on this machine, real sockets, a message and a file, in a few seconds.
#[derive(FromArgs, ArgsInfo)]
#[argh(subcommand, name = "demo")]
pub(super) struct Demo {}

/// Print the completions for a shell: bash, fish, nushell or zsh.
#[derive(FromArgs, ArgsInfo)]
#[argh(subcommand, name = "completions")]
pub(super) struct Completions {
    /// bash, fish, nushell or zsh
    #[argh(positional)]
    pub(super) shell: Shell,
}

/// A shell that there are completions for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shell {
    /// GNU Bash.
    Bash,
    /// Fish.
    Fish,
    /// Nushell.
    Nushell,
    /// Z shell.
    Zsh,
}

impl std::str::FromStr for Shell {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "bash" => Ok(Self::Bash),
            "fish" => Ok(Self::Fish),
            "nushell" | "nu" => Ok(Self::Nushell),
            "zsh" => Ok(Self::Zsh),
            _ => Err("there are completions for bash, fish, nushell and zsh"),
        }
    }
}
