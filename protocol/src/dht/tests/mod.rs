//! The tests of the table, and what they begin with.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    clippy::cast_possible_truncation,
    reason = "tests, of what is known"
)]

mod datagram;
mod gate;
mod hostile;
mod introductions;
mod machine;
mod notes;
mod observed;
mod records;
mod store;
mod table;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::{BlindedIdentity, Contact, Content, Introduced, NodeKey, Period, Record, RecordKind};
use crate::entropy::{Entropy, Seed, Stream};
use crate::identity::Identity;
use crate::noise::quic::NetworkId;

/// Some day.
const DAY: Period = Period(20_454);
/// Its noon, in Unix milliseconds.
const NOON: u64 = 20_454 * 86_400_000 + 43_200_000;
const HOUR: Duration = Duration::from_secs(60 * 60);

fn random(seed: u8) -> Stream {
    Entropy::new(Seed::new([seed; 32])).stream("test")
}

fn identity(seed: u8) -> Identity {
    Identity::generate(&mut random(seed))
}

fn v4(last: u8) -> SocketAddr {
    SocketAddr::new(IpAddr::from([192, 0, 2, last]), 4242)
}

fn v6(last: u8) -> SocketAddr {
    SocketAddr::new(IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, last.into()]), 4242)
}

/// As much as there may be.
fn much() -> Content {
    let at = |number| if number == 0 { v4(9) } else { v6(number) };
    let by = (0..3).map(|number| Contact::new(NodeKey([number; 32]), at(number)).unwrap()).collect();
    let introduced = Some(Introduced { key: NodeKey([7; 32]), by });
    let at: Vec<_> = (1..=5).map(v6).chain([v4(1)]).collect();
    Content::Addresses { at, introduced }
}

fn little() -> Content {
    Content::Addresses { at: vec![v4(1)], introduced: None }
}

fn signer(of: &Identity, kind: RecordKind, day: Period) -> BlindedIdentity {
    BlindedIdentity::new(of, kind, day, &NetworkId::default())
}

/// A record of addresses for [`DAY`].
fn record(of: u8, sequence: u64) -> Record {
    let signer = signer(&identity(of), RecordKind::Addresses, DAY);
    signer.sign(sequence, HOUR, &little(), &mut random(of)).unwrap()
}
