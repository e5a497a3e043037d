//! Nodes of the table, as they are remembered on this node's own disk.

use std::net::SocketAddr;

use hither_schema::records_capnp::remembered_nodes;

use super::{Malformed, encode_bare, read};
use crate::dht::{read_address, write_address};

/// Addresses at which nodes of the table have answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RememberedNodes {
    pub(crate) addresses: Vec<SocketAddr>,
}

impl RememberedNodes {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut all = Vec::new();
        for address in &self.addresses {
            write_address(&mut all, *address);
        }
        encode_bare::<remembered_nodes::Owned>(|mut root| root.set_addresses(&all))
    }

    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let message = read::<remembered_nodes::Owned>(bytes)?;
        let mut rest = message.get()?.get_addresses()?;
        let mut addresses = Vec::new();
        while let Some(address) = read_address(&mut rest) {
            addresses.push(address);
        }
        if rest.is_empty() { Ok(Self { addresses }) } else { Err(Malformed) }
    }
}
