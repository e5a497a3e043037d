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
    assert!(table.wants(&next));
    for came in nodes.by_ref().take(40) {
        table.answered(now, came, FAST, true);
    }
    assert_eq!(table.len(), K);
    let next = nodes.next().unwrap();
    assert!(!table.wants(&next), "old nodes stay as long as they answer");
}

#[test]
fn a_silent_node_makes_room_for_one_that_is_named() {
    let (now, mut table) = (Instant::now(), Table::new(me()));
    let nodes: Vec<Contact> = far().take(4).collect();
    let (next, named) = nodes.split_last().unwrap();
    for named in named {
        table.answered(now, *named, FAST, false);
    }
    assert!(table.failed(&named[1]).is_empty(), "one answer may be lost");
    let gone = table.answered(now, *next, FAST, false).unwrap();
    assert_eq!((gone.contact, gone.came), (named[1], false), "and it does not come back as one that came");
    assert!(table.contains(next));
}

#[test]
fn whoever_makes_room_for_one_that_waited_is_told_of_too() {
    let (now, mut table) = (Instant::now(), Table::new(me()));
    let nodes: Vec<Contact> = far().take(22).collect();
    let (came, named) = nodes.split_at(K - 2);
    for contact in came {
        table.answered(now, *contact, FAST, true);
    }
    // Two get the last places, and two wait.
    for contact in named {
        table.answered(now, *contact, FAST, false);
    }
    let silent = |table: &mut Table, contact: &Contact| {
        table.failed(contact);
        table.failed(contact).into_iter().map(|gone| gone.contact).collect::<Vec<_>>()
    };
    assert_eq!(silent(&mut table, &came[0]), [came[0]]);
    assert!(table.contains(&named[3]), "whoever answered last is the first of those that wait");
    table.failed(&named[0]);
    // Names have three places, so the other one gets that of the name that is silent.
    assert_eq!(silent(&mut table, &came[1]), [came[1], named[0]]);
    assert!(table.contains(&named[2]));
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

#[test]
fn the_nearest_are_those_of_all_that_are_nearest() {
    let (now, mut table) = (Instant::now(), Table::new(me()));
    for number in 0..250 {
        table.answered(now, node(number), FAST, number % 3 != 0);
    }
    for number in (0..250).step_by(7) {
        table.failed(&node(number));
    }
    assert!(table.len() > 4 * K);
    let mut targets = vec![me().target(), Target([0; 32]), Target([0xff; 32])];
    targets.extend((0..250).map(|number| node(number).id().target()));
    for target in targets {
        let mut all: Vec<_> = table.entries().collect();
        all.sort_by_key(|it| (it.failures > 0, it.contact.distance(&target)));
        for most in [1, 8, K, 500] {
            let expected: Vec<Contact> = all.iter().map(|it| it.contact).take(most).collect();
            assert_eq!(table.nearest(&target, most), expected);
        }
    }
}

#[test]
fn a_place_that_is_left_is_free_for_others_of_its_prefix() {
    let (now, mut table) = (Instant::now(), Table::new(me()));
    let at = |key: u8, ip: IpAddr| Contact::new(NodeKey([key; 32]), SocketAddr::new(ip, 4242)).unwrap();
    let all: Vec<Contact> =
        (1..=40).map(|number| at(number, Ipv4Addr::new(20, 1, 1, number).into())).collect();
    all.iter().for_each(|it| assert!(table.answered(now, *it, FAST, true).is_none()));
    let inside: Vec<Contact> = all.iter().copied().filter(|it| table.contains(it)).collect();
    assert_eq!((inside.len(), table.len()), (3, 3), "no owner of a prefix has more");
    assert!(all.iter().all(|it| !table.wants(it)));
    table.remove(&inside[0]);
    table.remove(&inside[0]);
    assert_eq!(table.len(), 2);
    assert!(table.wants(&inside[0]));
    // Another key at the address of one that answers has no place, and takes over once that one is silent.
    let heir = at(99, inside[1].address().ip());
    table.answered(now, heir, FAST, true);
    assert!(!table.contains(&heir));
    table.failed(&inside[1]);
    table.answered(now, heir, FAST, true);
    assert!(table.contains(&heir) && !table.contains(&inside[1]));
    assert_eq!(table.len(), 2);
}
