//! What happens, in the words and the JSON objects that the README documents.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use hither_protocol::identity::PeerId;
use hither_protocol::{DropReason, OpenName};
use serde_json::{Value, json};

use super::check::Check;
use super::code::CodeEvent;
use super::course::{Course, Transfer};
use super::human::{count, duration, left, rate, size};
use super::node::NodeRow;
use super::peer::PeerRow;
use crate::config::OwnRules;
use crate::exit::Failure;
use crate::inert::{inert, is_hostile};

/// Characters of the bar.
const BAR: usize = 16;

/// Something that a person or a script is told. Sizes are bytes, rates bytes a second. What a peer said goes in as
/// it came and is made inert where it is shown.
#[derive(Debug, Clone)]
pub enum Event {
    /// This node's id.
    Id {
        /// The id.
        id: PeerId,
    },
    /// The node listens.
    Ready {
        /// Its id.
        id: PeerId,
        /// Where.
        addresses: Vec<SocketAddr>,
    },
    /// A peer offers content.
    Offer {
        /// Names the transfer.
        transfer: String,
        /// Who offers.
        from: PeerId,
        /// The contact's name, if it is one.
        contact: Option<String>,
        /// The name of what is offered, as the peer gives it.
        name: String,
        /// How many files.
        files: u64,
        /// Their size.
        bytes: u64,
    },
    /// How far a transfer is.
    Progress(Progress),
    /// A transfer is complete and verified.
    Done {
        /// The transfer.
        transfer: String,
        /// What it holds.
        bytes: u64,
        /// How long it took.
        took: Duration,
        /// The root hash of its content.
        root: String,
        /// Where it lies.
        paths: Vec<PathBuf>,
        /// Bytes that did not have to travel again.
        resumed: u64,
        /// Over which road it came.
        road: Road,
    },
    /// A message came.
    Message {
        /// Names the message.
        id: String,
        /// Who wrote it.
        from: PeerId,
        /// The contact's name, if it is one.
        contact: Option<String>,
        /// What.
        text: String,
        /// The topic it was written to, if any.
        topic: Option<String>,
    },
    /// A message of ours is on its way.
    Sent {
        /// The message.
        id: String,
        /// How far it is.
        state: Delivery,
    },
    /// A peer, near or known.
    Peer(PeerRow),
    /// A node of the network.
    Node(NodeRow),
    /// One thing that was looked at, of what this network lets through.
    Check(Check),
    /// Others can begin with this node at these addresses.
    Bootstrap {
        /// Where.
        addresses: Vec<SocketAddr>,
    },
    /// Words that only this node and a contact have in common.
    Safety {
        /// Who.
        peer: PeerId,
        /// The contact's name.
        contact: Option<String>,
        /// The words, in order.
        words: Vec<&'static str>,
    },
    /// The name of a contact went to another id.
    KeyChanged {
        /// The contact's name.
        name: String,
        /// The old id.
        from: PeerId,
        /// The new one.
        to: PeerId,
        /// Whether the old one was verified.
        verified: bool,
        /// Whether it was trusted to send.
        trusted: bool,
    },
    /// The rules of consent.
    Rules(OwnRules),
    /// Whether this node shows itself to everyone near: under which name, and for how much longer.
    Visible(Option<(OpenName, Duration)>),
    /// What happens to a transfer between its start and its end.
    Course(Course),
    /// A transfer that is under way, or can be gone on with.
    Transfer(Transfer),
    /// A link that names this node.
    Link {
        /// Its text.
        link: String,
    },
    /// What happens to a code.
    Code(CodeEvent),
    /// What is shared can be fetched with this.
    Ticket {
        /// The ticket's text.
        ticket: String,
        /// The root hash of the content.
        root: String,
        /// Its size.
        bytes: u64,
        /// How many files.
        files: u64,
    },
    /// Someone began to fetch what is shared.
    Taking {
        /// Names the share.
        share: String,
        /// Who.
        peer: PeerId,
        /// The contact's name, if it is one.
        contact: Option<String>,
    },
    /// Someone fetches no more.
    Taken {
        /// The share.
        share: String,
        /// Who.
        peer: PeerId,
        /// The contact's name, if it is one.
        contact: Option<String>,
        /// What was sent to them from here.
        bytes: u64,
        /// Whether they have all they wanted.
        whole: bool,
    },
    /// A shared file has changed and is not sent any more.
    Changed {
        /// The share.
        share: String,
        /// The file.
        path: PathBuf,
    },
    /// A file of what is fetched has changed at someone who gave of it.
    SourceChanged {
        /// The transfer.
        transfer: String,
        /// Who.
        peer: PeerId,
        /// The contact's name, if it is one.
        contact: Option<String>,
        /// The file, as it is called there.
        path: String,
    },
    /// A peer is asked for nothing more of what is fetched.
    Dropped {
        /// The transfer.
        transfer: String,
        /// Who.
        peer: PeerId,
        /// The contact's name, if it is one.
        contact: Option<String>,
        /// Why.
        why: DropReason,
    },
    /// Nobody who is connected has the rest of what is fetched.
    Waiting {
        /// The transfer.
        transfer: String,
    },
    /// The command failed.
    Error(Failure),
}

/// How far a transfer is.
#[derive(Debug, Clone)]
pub struct Progress {
    /// The transfer.
    pub transfer: String,
    /// What it is called, as its sender has it.
    pub name: String,
    /// Bytes that are here and verified.
    pub done: u64,
    /// Bytes in all.
    pub total: u64,
    /// Bytes a second, lately.
    pub rate: u64,
    /// Over which road; `None` while it is hashed here, before anything travels.
    pub road: Option<Road>,
}

/// How content travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Road {
    /// Within the local network.
    Lan,
    /// Straight between the two, across the internet.
    Direct,
    /// Through a third peer, which cannot read it.
    Relayed,
}

impl Road {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lan => "LAN",
            Self::Direct => "direct",
            Self::Relayed => "relayed",
        }
    }
}

/// How far a message of ours is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// The peer has it.
    Delivered,
    /// A mailbox keeps it for the peer.
    Stored,
    /// It waits here.
    Waiting,
}

impl Delivery {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Stored => "stored",
            Self::Waiting => "waiting",
        }
    }
}

impl Event {
    /// Whether it is what the command was run for, and so belongs on standard output.
    pub(super) fn is_data(&self) -> bool {
        let listed = matches!(self, Self::Peer(_) | Self::Node(_) | Self::Transfer(_) | Self::Rules(_));
        let looked_at = matches!(self, Self::Check(_) | Self::Bootstrap { .. });
        let shown = matches!(self, Self::Id { .. } | Self::Message { .. } | Self::Ticket { .. });
        listed
            || looked_at
            || shown
            || matches!(self, Self::Link { .. } | Self::Safety { .. })
            || matches!(self, Self::Code(code) if code.is_data())
    }

    /// The event as one JSON object without a line end, `time` in Unix milliseconds.
    pub fn json(&self, time: u64) -> String {
        let mut object = self.value();
        object["time"] = time.into();
        escaped(&object.to_string())
    }

    fn value(&self) -> Value {
        match self {
            Self::Id { id } => json!({"event": "id", "id": id.to_string()}),
            Self::Ready { id, addresses } => {
                let addresses: Vec<String> = addresses.iter().map(SocketAddr::to_string).collect();
                json!({"event": "ready", "id": id.to_string(), "addresses": addresses})
            }
            Self::Offer { transfer, from, contact, name, files, bytes } => json!({
                "event": "offer", "transfer": transfer, "from": from.to_string(), "contact": contact, "name": name,
                "files": files, "bytes": bytes,
            }),
            Self::Progress(Progress { transfer, done, total, rate, road, .. }) => json!({
                "event": "progress", "transfer": transfer, "done": done, "total": total, "rate": rate,
                "stage": if road.is_some() { "moving" } else { "hashing" }, "road": road.map(Road::name),
            }),
            Self::Done { transfer, bytes, took, root, paths, resumed, road } => {
                let paths: Vec<_> = paths.iter().map(|path| path.to_string_lossy()).collect();
                json!({
                    "event": "done", "transfer": transfer, "bytes": bytes, "seconds": took.as_secs_f64(),
                    "root": root, "paths": paths, "resumed": resumed, "road": road.name(),
                })
            }
            Self::Message { id, from, contact, text, topic } => json!({
                "event": "message", "id": id, "from": from.to_string(), "contact": contact, "text": text, "topic": topic,
            }),
            Self::Sent { id, state } => json!({"event": "sent", "id": id, "state": state.name()}),
            Self::Peer(peer) => peer.value(),
            Self::Node(node) => node.value(),
            Self::Check(check) => check.value(),
            Self::Bootstrap { addresses } => {
                let addresses: Vec<String> = addresses.iter().map(SocketAddr::to_string).collect();
                json!({"event": "bootstrap", "addresses": addresses})
            }
            Self::Safety { peer, contact, words } => {
                json!({"event": "safety", "peer": peer.to_string(), "contact": contact, "words": words})
            }
            Self::KeyChanged { name, from, to, verified, trusted } => json!({
                "event": "key_changed", "name": name, "from": from.to_string(), "to": to.to_string(),
                "verified": verified, "trusted": trusted,
            }),
            Self::Rules(OwnRules { strangers, contacts }) => {
                json!({"event": "rules", "strangers": strangers.name(), "contacts": contacts.name()})
            }
            Self::Visible(shown) => {
                let (name, left) = shown.as_ref().map(|(name, left)| (name.as_str(), left.as_secs())).unzip();
                json!({"event": "visible", "name": name, "seconds": left})
            }
            Self::Course(course) => course.value(),
            Self::Transfer(transfer) => transfer.value(),
            Self::Link { link } => json!({"event": "link", "link": link}),
            Self::Code(code) => code.value(),
            Self::Ticket { ticket, root, bytes, files } => {
                json!({"event": "ticket", "ticket": ticket, "root": root, "bytes": bytes, "files": files})
            }
            Self::Taking { share, peer, contact } => {
                json!({"event": "taking", "share": share, "peer": peer.to_string(), "contact": contact})
            }
            Self::Taken { share, peer, contact, bytes, whole } => json!({
                "event": "taken", "share": share, "peer": peer.to_string(), "contact": contact, "bytes": bytes,
                "whole": whole,
            }),
            Self::Changed { share, path } => {
                json!({"event": "changed", "share": share, "path": path.to_string_lossy()})
            }
            Self::SourceChanged { transfer, peer, contact, path } => json!({
                "event": "changed", "transfer": transfer, "peer": peer.to_string(), "contact": contact, "path": path,
            }),
            Self::Dropped { transfer, peer, contact, why } => json!({
                "event": "dropped", "transfer": transfer, "peer": peer.to_string(), "contact": contact,
                "why": dropped_name(*why),
            }),
            Self::Waiting { transfer } => json!({"event": "waiting", "transfer": transfer}),
            Self::Error(Failure { exit, text }) => {
                json!({"event": "error", "code": exit.code(), "name": exit.name(), "text": text})
            }
        }
    }

    /// The event in words, on one line (an error may have several).
    pub fn human(&self) -> String {
        match self {
            Self::Id { id } => id.to_string(),
            Self::Ready { id, addresses } => {
                let addresses: Vec<String> = addresses.iter().map(SocketAddr::to_string).collect();
                format!("ready as {id} at {}", addresses.join(", "))
            }
            Self::Offer { from, contact, name, files, bytes, .. } => {
                let from = who(*from, contact.as_deref());
                format!("{from} offers {}: {}, {}", inert(name), count(*files, "file"), size(*bytes))
            }
            Self::Progress(progress) => progress.human(),
            Self::Done { bytes, took, root, paths, resumed, road, .. } => {
                let mut text = format!("done: {} in {}", size(*bytes), duration(*took));
                if let Some(fast) = bytes_a_second(*bytes, *took) {
                    text += &format!(", {}", rate(fast));
                }
                text += &format!(", {}, root {root}", road.name());
                if *resumed > 0 {
                    text += &format!(" ({} were here already)", size(*resumed));
                }
                for path in paths {
                    text += &format!(", {}", inert(&path.to_string_lossy()));
                }
                text
            }
            Self::Message { from, contact, text, topic, .. } => {
                let from = who(*from, contact.as_deref());
                let topic = topic.as_ref().map(|topic| format!(" in {}", inert(topic))).unwrap_or_default();
                format!("{from}{topic}: {}", inert(text))
            }
            Self::Sent { state, .. } => match state {
                Delivery::Delivered => "delivered".to_owned(),
                Delivery::Stored => "stored in a mailbox; delivered when the peer comes".to_owned(),
                Delivery::Waiting => "kept here; delivered when the peer can be reached".to_owned(),
            },
            Self::Peer(peer) => peer.human(),
            Self::Node(node) => node.human(),
            Self::Check(check) => check.human(),
            // As it stands in a configuration.
            Self::Bootstrap { addresses } => {
                let addresses: Vec<String> = addresses.iter().map(|at| format!("\"{at}\"")).collect();
                format!("bootstrap = [{}]", addresses.join(", "))
            }
            Self::Safety { words, .. } => {
                let rows: Vec<String> = words.chunks(4).map(|row| format!("    {}", row.join(" "))).collect();
                rows.join("\n")
            }
            Self::KeyChanged { name, from, to, verified, trusted } => {
                let name = inert(name);
                let gone = match (verified, trusted) {
                    (true, true) => ". The old one was verified and trusted to send: the new one is neither",
                    (true, false) => ". The old one was verified: the new one is not",
                    (false, true) => ". The old one was trusted to send: the new one is not",
                    (false, false) => ". The new one is not verified",
                };
                format!(
                    "the key of {name} changed: it was {from}, and is {to} now{gone}; `hither contacts verify {name}`."
                )
            }
            Self::Rules(OwnRules { strangers, contacts }) => {
                format!("{}\n{}", strangers.words(), contacts.words())
            }
            Self::Visible(Some((name, lasts))) => {
                let (name, lasts) = (inert(name.as_str()), left(lasts.as_secs()));
                format!(
                    "This machine is visible to everyone near as \u{201c}{name}\u{201d}, with its id, for {lasts}."
                )
            }
            Self::Visible(None) => "Only contacts recognise this machine on the local network.".to_owned(),
            Self::Course(course) => course.human(),
            Self::Transfer(transfer) => transfer.human(),
            Self::Link { link } => link.clone(),
            Self::Code(code) => code.human(),
            Self::Ticket { ticket, .. } => ticket.clone(),
            Self::Taking { peer, contact, .. } => format!("{} fetches it", who(*peer, contact.as_deref())),
            Self::Taken { peer, contact, bytes, whole, .. } => {
                let peer = who(*peer, contact.as_deref());
                let end = if *whole { "has all of it" } else { "is gone" };
                format!("{peer} {end}; {} of it came from here", size(*bytes))
            }
            Self::Changed { path, .. } => {
                let path = inert(&path.to_string_lossy());
                format!(
                    "{path} is not any more what was shared: nobody gets it from here now. Share it again."
                )
            }
            Self::SourceChanged { peer, contact, path, .. } => {
                let (peer, path) = (who(*peer, contact.as_deref()), inert(path));
                format!(
                    "{path} has changed at {peer}'s side: that copy is not taken; others may still have it."
                )
            }
            Self::Dropped { peer, contact, why, .. } => {
                let what = match why {
                    DropReason::WrongContent => "sent what does not belong to this ticket",
                    DropReason::Misleading => "announced or sent what nobody can use",
                    DropReason::Silent => "was asked and did not answer",
                };
                let peer = who(*peer, contact.as_deref());
                format!("dropped {peer}: it {what}. Nothing wrong was kept; the others go on.")
            }
            Self::Waiting { .. } => {
                "nobody who is connected has the rest; looking for others for some minutes (Ctrl-C ends this)"
                    .to_owned()
            }
            Self::Error(failure) => failure.text.clone(),
        }
    }
}

impl Progress {
    /// On one line without the bar: percent, done and total, rate, time left, road, name.
    pub fn human(&self) -> String {
        if self.is_stream() { self.tail() } else { format!("{:>3}% {}", self.parts(100), self.tail()) }
    }

    /// The same with the bar. What does not fit a terminal is the name, at the end.
    pub fn drawn(&self) -> String {
        if self.is_stream() {
            return self.tail();
        }
        let full = self.parts(BAR);
        let tip = if full < BAR { ">" } else { "" };
        format!("{:>3}% [{:<BAR$}] {}", self.parts(100), "=".repeat(full) + tip, self.tail())
    }

    /// Of a stream nobody knows how much there will be.
    fn is_stream(&self) -> bool {
        self.total == 0 && self.done > 0
    }

    /// How many of so many parts are done.
    fn parts(&self, parts: usize) -> usize {
        let done = u128::from(self.done.min(self.total)) * parts as u128;
        done.checked_div(u128::from(self.total)).map_or(parts, |done| usize::try_from(done).unwrap_or(parts))
    }

    fn tail(&self) -> String {
        let to_come = self.total.saturating_sub(self.done);
        let time = match to_come.checked_div(self.rate) {
            Some(seconds) => format!("{} left", left(seconds)),
            None => "waiting".to_owned(),
        };
        let (done, total, name) = (size(self.done), size(self.total), inert(&self.name));
        let how = self.road.map_or("hashing", Road::name);
        if self.is_stream() {
            return format!("{done}  {}  {how}  {name}", rate(self.rate));
        }
        format!("{done}/{total}  {}  {time}  {how}  {name}", rate(self.rate))
    }
}

/// Why a peer was dropped, as scripts read it.
fn dropped_name(why: DropReason) -> &'static str {
    match why {
        DropReason::WrongContent => "wrong_content",
        DropReason::Misleading => "misleading",
        DropReason::Silent => "silent",
    }
}

/// Who it is, in a form for people.
fn who(id: PeerId, contact: Option<&str>) -> String {
    contact.map_or_else(|| id.to_string(), inert)
}

/// Bytes a second; `None` where the time is too short to tell.
fn bytes_a_second(bytes: u64, took: Duration) -> Option<u64> {
    let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    bytes.saturating_mul(1000).checked_div(millis)
}

/// JSON text in which the characters that a terminal acts on are written as `\u` escapes: the same JSON, and safe
/// to look at. serde_json does so for the first 32 only.
fn escaped(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for character in json.chars() {
        if is_hostile(character) {
            let mut units = [0; 2];
            out.extend(character.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")));
        } else {
            out.push(character);
        }
    }
    out
}
