//! The worked example of PROTOCOL.md, section 15.

use std::collections::BTreeMap;

use noq_proto::ConnectionId;
use zeroize::Zeroizing;

use crate::identity::Identity;
use crate::noise::quic::tagged;
use crate::pairing::confirm::{Begun, Side, reply};
use crate::pairing::{Channel, Code, safety_words};
use crate::wire::Wants;

const PAGE: &str = include_str!("../../../../PROTOCOL.md");

fn unhex(text: &str) -> [u8; 32] {
    std::array::from_fn(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn the_example_is_what_the_code_does() {
    let block = PAGE.split("```code-examples\n").nth(1).unwrap().split("```").next().unwrap();
    let page: BTreeMap<_, _> = block.lines().filter_map(|line| line.split_once(" = ")).collect();
    let alice = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
    let bob = "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb";
    let [alice, bob] = [alice, bob].map(|secret| Identity::from_secret(&unhex(secret)).unwrap());
    let Ok(code) = Code::parse("abandon-zoo-monkey") else { panic!("a code") };
    let place = code.place();
    let channel = Channel { session: [7; 32], typer: alice.peer_id(), maker: bob.peer_id(), place };
    let begun = Begun::new(&code, channel, &Zeroizing::new([8; 64]));
    let begin = begun.share();
    let Ok((replied, makers)) = reply(&code, channel, &begin, &Zeroizing::new([9; 64])) else {
        panic!("a reply")
    };
    let Ok(typers) = begun.keys(&replied) else { panic!("keys") };
    let prove = typers.prove(Side::Typer, &alice, Wants::Receive);
    let proven = makers.prove(Side::Maker, &bob, Wants::Send);
    assert_eq!(makers.check(Side::Typer, &prove), Ok((alice.peer_id(), Wants::Receive)));
    assert_eq!(typers.check(Side::Maker, &proven), Ok((bob.peer_id(), Wants::Send)));
    let id = tagged(&bob.peer_id(), &ConnectionId::new(&[0, 1, 2, 3, 4, 5, 6, 7, 0, 0, 0, 0, 0, 0, 0, 0]));
    let computed = [
        ("place", hex(&place.0)),
        ("tagged", hex(&id)),
        ("begin", hex(&begin)),
        ("reply", hex(&replied)),
        ("transcript", hex(typers.transcript())),
        ("prove.confirmation", hex(&prove.confirmation)),
        ("prove.identity", hex(&prove.identity)),
        ("proven.confirmation", hex(&proven.confirmation)),
        ("proven.identity", hex(&proven.identity)),
        ("safety", safety_words(&alice.peer_id(), &bob.peer_id()).join(" ")),
    ];
    let listed =
        computed.iter().map(|(name, value)| format!("{name} = {value}")).collect::<Vec<_>>().join("\n");
    assert_eq!(page.len(), computed.len(), "\n{listed}");
    for (name, value) in &computed {
        assert_eq!(page.get(name).copied(), Some(value.as_str()), "{name}\n{listed}");
    }
}
