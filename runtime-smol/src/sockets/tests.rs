use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use hither_protocol::{EcnCodepoint, Transmit};
use smol::Timer;
use smol::future::or;

use super::{Sent, Sockets};
use crate::interfaces::Used;

fn loopback() -> Sockets {
    let name = if_addrs::get_if_addrs().unwrap().into_iter().find(|found| found.is_loopback()).unwrap().name;
    Sockets::bind(&Used::look(Some(&name)).unwrap(), 0).unwrap()
}

fn address(sockets: &Sockets, v4: bool) -> Option<SocketAddr> {
    sockets.addresses().into_iter().find(|address| address.is_ipv4() == v4)
}

/// Sends and receives `data` in segments; gives them, and how many receives there were.
fn exchange(from: &Sockets, to: &mut Sockets, v4: bool, data: &[u8], segment: usize) -> (Vec<u8>, usize) {
    let (source, target) = (address(from, v4).unwrap(), address(to, v4).unwrap());
    // More than fits into one send: the sockets split it. Less than the receiving kernel holds.
    let most = 64 * segment;
    let (mut arrived, mut receives) = (Vec::new(), 0);
    for batch in data.chunks(most) {
        let transmit = Transmit {
            remote: target,
            local: Some(source.ip()),
            ecn: Some(EcnCodepoint::Ect0),
            size: batch.len(),
            segment_size: (batch.len() > segment).then_some(segment),
        };
        assert_eq!(from.send(&transmit, batch, 0), Sent::Yes);
        let until = arrived.len() + batch.len();
        while arrived.len() < until {
            smol::block_on(or(std::future::poll_fn(|context| to.poll_readable(context)), async {
                Timer::after(Duration::from_secs(10)).await;
                panic!("nothing arrived on loopback in ten seconds");
            }));
            while to.receive(|received, bytes| {
                assert_eq!(received.remote, source);
                assert_eq!(received.local, Some(target.ip()));
                assert_eq!(received.ecn, Some(EcnCodepoint::Ect0));
                assert!(received.segment_size == segment || bytes.len() == received.segment_size);
                arrived.extend_from_slice(&bytes);
                receives += 1;
            }) {}
        }
    }
    (arrived, receives)
}

#[test]
fn datagrams_go_both_ways_in_segments() {
    let (mut a, mut b) = (loopback(), loopback());
    let data: Vec<u8> = (0..200_000_usize).map(|at| (at / 7) as u8).collect();
    for v4 in [true, false] {
        if address(&a, v4).is_none() || address(&b, v4).is_none() {
            println!("skipped: no loopback address of this family");
            continue;
        }
        let (arrived, receives) = exchange(&a, &mut b, v4, &data, 1200);
        assert_eq!(arrived, data);
        if cfg!(target_os = "linux") && a.max_segments().get() > 1 {
            assert!(receives < data.len() / 1200 / 4, "{receives} receives: they arrive together");
        }
        assert_eq!(exchange(&b, &mut a, v4, &data[..5000], 1452).0, data[..5000]);
        let wide = &data[..120_000];
        assert_eq!(exchange(&b, &mut a, v4, wide, 9000).0, wide, "segments of a wide path");
    }
}

#[test]
fn the_largest_datagram_fits() {
    let (a, mut b) = (loopback(), loopback());
    let data = vec![7; 65_507];
    assert_eq!(exchange(&a, &mut b, true, &data, 65_507), (data, 1));
}

#[test]
fn both_families_share_a_port() {
    let sockets = loopback();
    let ports: BTreeMap<u16, ()> = sockets.addresses().iter().map(|address| (address.port(), ())).collect();
    assert_eq!(ports.len(), 1);
    assert!(sockets.addresses().iter().all(|address| address.ip().is_loopback()));
}

#[test]
fn a_port_that_is_taken_is_not_shared() {
    let sockets = loopback();
    let port = sockets.addresses()[0].port();
    let name = if_addrs::get_if_addrs().unwrap().into_iter().find(|found| found.is_loopback()).unwrap().name;
    let error = Sockets::bind(&Used::look(Some(&name)).unwrap(), port).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
    let error = Sockets::bind(&Used::look(Some("no such interface")).unwrap(), 0).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::AddrNotAvailable);
}

#[test]
fn what_cannot_be_sent_is_a_loss() {
    let sockets = loopback();
    let target = address(&sockets, true).unwrap();
    let transmit = |remote, size| Transmit { remote, local: None, ecn: None, size, segment_size: None };
    // Larger than UDP can carry; and to an address that loopback does not reach (RFC 5737).
    assert_eq!(sockets.send(&transmit(target, 70_000), &[0; 70_000], 0), Sent::Yes);
    let elsewhere = SocketAddr::from(([192, 0, 2, 255], 9));
    assert_eq!(sockets.send(&transmit(elsewhere, 5), b"never", 0), Sent::Yes);
}
