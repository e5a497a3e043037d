//! How others beyond the local network are found, as the owner of a node says it.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

/// How others beyond the local network are found. What is not said is left to who says less.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Network {
    /// Whether this node takes part in the network of nodes.
    pub on: Option<bool>,
    /// Whether BitTorrent's Mainline may be asked.
    pub mainline: Option<bool>,
    /// Nodes to begin with.
    pub bootstrap: Vec<Bootstrap>,
}

/// A node to begin with, as it was typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bootstrap {
    /// Its address.
    Address(SocketAddr),
    /// The name of its host, and its port.
    Host(String, u16),
}

/// A text names no node to begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParseBootstrapError;

impl Network {
    /// What the environment says: HITHER_MAINLINE and HITHER_BOOTSTRAP. `variable` gives one of them.
    pub fn of_environment(variable: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let mainline = match variable("HITHER_MAINLINE").as_deref().map(str::trim) {
            None | Some("") => None,
            Some("on") => Some(true),
            Some("off") => Some(false),
            Some(_) => return Err("HITHER_MAINLINE is `on` or `off`".to_owned()),
        };
        let nodes = variable("HITHER_BOOTSTRAP").unwrap_or_default();
        let nodes = nodes.split(',').map(str::trim).filter(|node| !node.is_empty());
        let bootstrap = nodes
            .map(|node| node.parse().map_err(|why: ParseBootstrapError| format!("HITHER_BOOTSTRAP: {why}")))
            .collect::<Result<_, _>>()?;
        Ok(Self { on: None, mainline, bootstrap })
    }

    /// What is said here, and elsewhere what is not said here.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            on: self.on.or(other.on),
            mainline: self.mainline.or(other.mainline),
            bootstrap: if self.bootstrap.is_empty() { other.bootstrap } else { self.bootstrap },
        }
    }

    /// Whether this node takes part: it does where nobody says anything else.
    pub fn is_on(&self) -> bool {
        self.on.unwrap_or(true)
    }

    /// Whether Mainline may be asked. `kept`: to one interface, to which Mainline cannot be kept.
    pub fn asks_mainline(&self, kept: bool) -> bool {
        self.is_on() && !kept && self.mainline.unwrap_or(true)
    }
}

impl FromStr for Bootstrap {
    type Err = ParseBootstrapError;

    fn from_str(text: &str) -> Result<Self, ParseBootstrapError> {
        if let Ok(address) = text.parse::<SocketAddr>() {
            let usable = address.port() != 0 && !address.ip().is_unspecified();
            return if usable { Ok(Self::Address(address)) } else { Err(ParseBootstrapError) };
        }
        let (host, port) = text.rsplit_once(':').ok_or(ParseBootstrapError)?;
        let port = port.parse::<u16>().ok().filter(|port| *port != 0).ok_or(ParseBootstrapError)?;
        let part = |part: &str| {
            let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
            !part.is_empty() && part.len() <= 63 && part.bytes().all(fits)
        };
        let name = host.strip_suffix('.').unwrap_or(host);
        // What ends in digits alone was meant as an address (RFC 3696, section 2).
        let last = name.rsplit('.').next().unwrap_or_default();
        let is_name =
            name.len() <= 253 && name.split('.').all(part) && !last.bytes().all(|byte| byte.is_ascii_digit());
        if is_name { Ok(Self::Host(host.to_owned(), port)) } else { Err(ParseBootstrapError) }
    }
}

impl fmt::Display for Bootstrap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => write!(f, "{address}"),
            Self::Host(host, port) => write!(f, "{host}:{port}"),
        }
    }
}

impl fmt::Display for ParseBootstrapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a node to begin with is an address and a port, such as 203.0.113.5:4242 or [2001:db8::1]:4242, or a host's \
             name and a port",
        )
    }
}

impl std::error::Error for ParseBootstrapError {}
