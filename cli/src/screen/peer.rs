//! A peer as a line of `contacts` and `list-peers`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hither_protocol::Trust;
use hither_protocol::identity::PeerId;
use serde_json::{Value, json};

use super::event::Road;
use super::human::size;
use crate::inert::inert;

/// A peer, near or known.
#[derive(Debug, Clone, PartialEq)]
pub struct PeerRow {
    /// Who, if that is known: a stranger who is near does not say so, unless it is visible.
    pub id: Option<PeerId>,
    /// What it is called here: a contact's name.
    pub name: Option<String>,
    /// Whether it can be reached.
    pub state: PeerState,
    /// Over which road, if connected.
    pub road: Option<Road>,
    /// The round trip, if measured.
    pub rtt: Option<Duration>,
    /// When it was last heard of, in Unix milliseconds.
    pub seen: Option<u64>,
    /// Where it would be reached, best first.
    pub addresses: Vec<SocketAddr>,
    /// Whether the safety words of this contact were compared.
    pub verified: bool,
    /// What this contact sends without asking.
    pub trust: Option<Trust>,
    /// The name by which it shows itself openly to everyone near, in its own words; `None` if it does not.
    pub calls_itself: Option<String>,
    /// The contact of the same name that it is not.
    pub namesake: Option<String>,
}

/// Whether a peer can be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeerState {
    /// A connection stands.
    Connected,
    /// Seen on this network.
    Near,
    /// Known, not seen now.
    Known,
    /// Not heard any more, by our own choice.
    Blocked,
}

impl PeerState {
    const ALL: [Self; 4] = [Self::Connected, Self::Near, Self::Known, Self::Blocked];

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::Near => "near",
            Self::Known => "known",
            Self::Blocked => "blocked",
        }
    }
}

impl PeerRow {
    /// Of someone of whom nothing but this is known.
    pub fn new(id: Option<PeerId>, name: Option<String>, state: PeerState) -> Self {
        Self {
            id,
            name,
            state,
            road: None,
            rtt: None,
            seen: None,
            addresses: Vec::new(),
            verified: false,
            trust: None,
            calls_itself: None,
            namesake: None,
        }
    }

    /// As a script reads it.
    pub(crate) fn value(&self) -> Value {
        let addresses: Vec<String> = self.addresses.iter().map(SocketAddr::to_string).collect();
        let trust = self.trust.as_ref();
        let trust = trust.map(|trust| json!({"into": trust.into.to_string_lossy(), "up_to": trust.up_to}));
        json!({
            "event": "peer", "id": self.id.map(|id| id.to_string()), "name": self.name, "state": self.state.name(),
            "road": self.road.map(Road::name), "rtt": self.rtt.map(|rtt| rtt.as_secs_f64()), "seen": self.seen,
            "addresses": addresses, "verified": self.verified, "trust": trust, "calls_itself": self.calls_itself,
            "namesake": self.namesake,
        })
    }

    /// What [`PeerRow::value`] gave.
    pub(crate) fn parse(value: &Value) -> Option<Self> {
        let text = |key: &str| value[key].as_str().map(str::to_owned);
        let road =
            |name: &str| [Road::Lan, Road::Direct, Road::Relayed].into_iter().find(|it| it.name() == name);
        let addresses = value["addresses"].as_array()?.iter();
        let trust = || {
            let trust = &value["trust"];
            Some(Trust { into: PathBuf::from(trust["into"].as_str()?), up_to: trust["up_to"].as_u64() })
        };
        Some(Self {
            id: text("id").map(|id| id.parse()).transpose().ok()?,
            name: text("name"),
            state: PeerState::ALL.into_iter().find(|state| value["state"] == state.name())?,
            road: value["road"].as_str().and_then(road),
            rtt: value["rtt"].as_f64().and_then(|rtt| Duration::try_from_secs_f64(rtt).ok()),
            seen: value["seen"].as_u64(),
            addresses: addresses.map(|at| at.as_str()?.parse().ok()).collect::<Option<_>>()?,
            verified: value["verified"].as_bool()?,
            trust: trust(),
            calls_itself: text("calls_itself"),
            namesake: text("namesake"),
        })
    }

    /// As a person reads it. A name that someone gives themselves stands in quotation marks, and never alone.
    pub(super) fn human(&self) -> String {
        let theirs = self.calls_itself.as_ref().map(|theirs| format!("\u{201c}{}\u{201d}", inert(theirs)));
        let mut marks = Vec::new();
        let name = match (&self.name, self.id) {
            (Some(name), _) => {
                marks.push("contact".to_owned());
                marks.extend(self.verified.then(|| "verified".to_owned()));
                let trust = self.trust.as_ref();
                marks
                    .extend(trust.map(|trust| format!("what they send {}", taken(&trust.into, trust.up_to))));
                inert(name)
            }
            (None, Some(_)) => {
                marks.push("not a contact".to_owned());
                let not = self.namesake.as_ref();
                marks.extend(not.map(|contact| format!("not your {}, who has another id", inert(contact))));
                theirs.clone().unwrap_or_else(|| "-".to_owned())
            }
            (None, None) => "someone who is not a contact".to_owned(),
        };
        marks.extend(theirs.map(|theirs| format!("visible to everyone near as {theirs}")));
        let marks = if marks.is_empty() { String::new() } else { format!("  ({})", marks.join("; ")) };
        let id = self.id.map(|id| format!("  {id}")).unwrap_or_default();
        let road = self.road.map(|road| format!(" {}", road.name())).unwrap_or_default();
        let rtt = self.rtt.map(|rtt| format!(" {:.1} ms", rtt.as_secs_f64() * 1e3)).unwrap_or_default();
        let at = self.addresses.first().map(|at| format!(" at {at}")).unwrap_or_default();
        format!("{name}  {}{road}{rtt}{at}{id}{marks}", self.state.name())
    }
}

/// What becomes of what a trusted contact sends, after "what they send".
pub fn taken(into: &Path, up_to: Option<u64>) -> String {
    let most = up_to.map(|bytes| format!(", up to {}", size(bytes))).unwrap_or_default();
    format!("goes into {} without asking{most}", inert(&into.to_string_lossy()))
}
