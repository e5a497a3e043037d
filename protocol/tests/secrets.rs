//! Secrets cannot be printed by accident, nor copied.

use std::fmt::Debug;
use std::marker::PhantomData;

use hither_protocol::Code;
use hither_protocol::dht::BlindedIdentity;
use hither_protocol::dht::{Datagrams, Gate, ReplySlot};
use hither_protocol::entropy::{Entropy, Seed, Stream};
use hither_protocol::identity::{Identity, KeyFile, PeerId};
use hither_protocol::noise::handshake::{Handshake, Transport};
use hither_protocol::noise::symmetric::{CipherState, SymmetricState};

/// Tells whether a type has a trait: a constant of its own goes before one that every type has.
struct Debugged<T>(PhantomData<T>);
struct Cloned<T>(PhantomData<T>);

trait Otherwise {
    const IS: bool = false;
}

impl<T> Otherwise for Debugged<T> {}
impl<T> Otherwise for Cloned<T> {}

impl<T: Debug> Debugged<T> {
    const IS: bool = true;
}

impl<T: Clone> Cloned<T> {
    const IS: bool = true;
}

#[test]
fn secrets_are_neither_debug_nor_clone() {
    macro_rules! secret {
        ($($type:ty),*) => {
            [$((stringify!($type), <Debugged<$type>>::IS, <Cloned<$type>>::IS)),*]
        };
    }
    assert_eq!(secret!(PeerId), [("PeerId", true, true)], "what is no secret is seen to be both");
    let secrets = secret!(
        Code,
        Identity,
        BlindedIdentity,
        Seed,
        Entropy,
        Stream,
        KeyFile,
        Handshake,
        Transport,
        CipherState,
        SymmetricState,
        Datagrams,
        Gate,
        ReplySlot
    );
    for (name, debug, clone) in secrets {
        assert!(!debug && !clone, "{name}: Debug {debug}, Clone {clone}");
    }
}
