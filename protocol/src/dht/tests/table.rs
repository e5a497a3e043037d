//! The routing table: who gets a place in it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use crate::dht::table::{K, Table};
use crate::dht::{Contact, NodeId, NodeKey, Target};

const FAST: Duration = Duration::from_millis(20);

fn node(number: u8) -> Contact {
    let address = SocketAddr::new(Ipv4Addr::new(20, number, 1, 1).into(), 4242);
    Contact::new(NodeKey([number; 32]), address).unwrap()
}

fn me() -> NodeId {
    NodeId::new(&NodeKey([0xff; 32]), Ipv4Addr::new(9, 9, 9, 9).into())
}

/// Nodes of the other half of all.
fn far() -> impl Iterator<Item = Contact> {
    (0..250).map(node).filter(|it| it.distance(&me().target()).common_bits() == 0)
}

#[test]
fn a_contact_is_the_same_by_either_name_of_its_address() {
    let (v4, key) = (Ipv4Addr::new(20, 1, 1, 1), NodeKey([1; 32]));
    let [plain, mapped] = [IpAddr::from(v4), v4.to_ipv6_mapped().into()]
        .map(|ip| Contact::new(key, SocketAddr::new(ip, 4242)).unwrap());
    assert_eq!(plain, mapped);
    assert_eq!(mapped.address(), SocketAddr::new(v4.into(), 4242));
}

#[test]
fn those_that_are_only_named_leave_room_for_those_who_come() {
    let (now, mut table) = (Instant::now(), Table::new(me()));
    let mut nodes = far();
    for named in nodes.by_ref().take(40) {
        table.answered(now, named, FAST, false);
    }
    assert_eq!(table.len(), 3, "names fill no bucket");
    let next = nodes.next().unwrap();
    assert!(!table.wants(&next, false));
    assert!(table.wants(&next, true));
    for came in nodes.by_ref().take(40) {
        table.answered(now, came, FAST, true);
    }
    assert_eq!(table.len(), K);
    let next = nodes.next().unwrap();
    assert!(!table.wants(&next, true), "old nodes stay as long as they answer");
}

#[test]
fn a_silent_node_makes_room_for_one_that_is_named() {
    let (now, mut table) = (Instant::now(), Table::new(me()));
    let nodes: Vec<Contact> = far().take(4).collect();
    let (next, named) = nodes.split_last().unwrap();
    for named in named {
        table.answered(now, *named, FAST, false);
    }
    assert!(table.failed(&named[1]).is_none(), "one answer may be lost");
    assert!(table.wants(next, false));
    let gone = table.answered(now, *next, FAST, false).unwrap();
    assert_eq!((gone.contact, gone.came), (named[1], false), "and it does not come back as one that came");
    assert!(table.contains(next));
}

#[test]
fn searches_begin_with_those_that_nobody_named() {
    let (now, mut table) = (Instant::now(), Table::new(me()));
    for (number, contact) in (0_usize..).zip((0..100).map(node)) {
        table.answered(now, contact, FAST, number % 10 == 0);
    }
    let target = Target([0x77; 32]);
    let unnamed = table.nearest_unnamed(&target, K);
    assert!(!unnamed.is_empty());
    assert!(unnamed.iter().all(|it| (0..100).step_by(10).any(|number| node(number) == *it)));
    assert!(unnamed.is_sorted_by_key(|it| it.distance(&target)));
}
