//! A node of the network as a line of `list-peers`.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};

/// A node of the network that has answered.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeRow {
    /// Its id in the table of nodes, in hexadecimal. It is nobody's id, and another after each start.
    pub id: String,
    /// Where it answers.
    pub address: SocketAddr,
    /// How long its answers take.
    pub rtt: Duration,
    /// When it last answered, in Unix milliseconds.
    pub seen: u64,
    /// Whether it has answered everything of late.
    pub good: bool,
}

impl NodeRow {
    fn state(&self) -> &'static str {
        if self.good { "good" } else { "doubtful" }
    }

    /// As a script reads it.
    pub(crate) fn value(&self) -> Value {
        json!({
            "event": "node", "id": self.id, "address": self.address.to_string(), "rtt": self.rtt.as_secs_f64(),
            "seen": self.seen, "state": self.state(),
        })
    }

    /// What [`NodeRow::value`] gave.
    pub(crate) fn parse(value: &Value) -> Option<Self> {
        Some(Self {
            id: value["id"].as_str()?.to_owned(),
            address: value["address"].as_str()?.parse().ok()?,
            rtt: Duration::try_from_secs_f64(value["rtt"].as_f64()?).ok()?,
            seen: value["seen"].as_u64()?,
            good: value["state"] == "good",
        })
    }

    /// As a person reads it.
    pub fn human(&self) -> String {
        let (rtt, id) = (self.rtt.as_secs_f64() * 1e3, self.id.get(..12).unwrap_or(&self.id));
        format!("{}  {rtt:.1} ms at {}  node {id}", self.state(), self.address)
    }
}
