use std::cell::Cell;
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::time::Duration;

use hither_protocol::{EcnCodepoint, Transmit};
use smol::Timer;
use smol::future::or;

use super::{SEND, Sent, Sockets, in_parts};
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
                // Wine tells neither.
                assert!(received.local == Some(target.ip()) || cfg!(windows) && received.local.is_none());
                assert!(received.ecn == Some(EcnCodepoint::Ect0) || cfg!(windows) && received.ecn.is_none());
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

#[test]
fn what_is_not_segmented_goes_out_one_by_one() {
    let allowed = Cell::new(NonZeroUsize::new(4).unwrap());
    let data: Vec<u8> = (0..10).collect();
    let mut sent: Vec<Vec<u8>> = Vec::new();
    let limit = || allowed.get();
    let result = in_parts(&data, 0, Some(2), limit, |contents| {
        if contents.len() > 2 {
            // EIO, and what noq-udp does about it.
            allowed.set(NonZeroUsize::MIN);
            return Err(io::Error::from_raw_os_error(5));
        }
        sent.push(contents.to_vec());
        // What is lost for other reasons is not sent again.
        if sent.len() == 2 { Err(io::ErrorKind::NetworkUnreachable.into()) } else { Ok(()) }
    });
    assert_eq!((result, sent.concat(), sent.len()), (Sent::Yes, data.clone(), 5), "each of them, once");

    let full =
        |contents: &[u8]| if contents[0] == 2 { Ok(()) } else { Err(io::ErrorKind::WouldBlock.into()) };
    assert_eq!(in_parts(&data, 2, Some(2), limit, full), Sent::Blocked(4));

    allowed.set(NonZeroUsize::new(64).unwrap());
    let mut largest = 0;
    in_parts(&vec![0; 2 * SEND], 0, Some(9000), limit, |contents| {
        largest = largest.max(contents.len());
        Ok(())
    });
    assert_eq!(largest, SEND / 9000 * 9000);
}

/// As Android does; Windows takes none away.
#[cfg(unix)]
#[test]
fn a_socket_that_was_taken_away_is_opened_anew() {
    let (mut a, mut b) = (loopback(), loopback());
    let source = address(&b, true).unwrap();
    // What the system leaves of a socket that it takes away: no port of its own.
    let other = loopback();
    let taken = a.sockets.iter_mut().find(|bound| bound.address.is_ipv4()).unwrap();
    let lost = std::mem::replace(&mut taken.socket, {
        let mut other = other;
        let at = other.sockets.iter().position(|bound| bound.address.is_ipv4()).unwrap();
        other.sockets.swap_remove(at).socket
    });
    drop(lost);
    let target = address(&a, true).unwrap();
    let transmit =
        Transmit { remote: target, local: Some(source.ip()), ecn: None, size: 5, segment_size: None };
    let interface = a.interface.clone();
    let taken = a.sockets.iter_mut().find(|bound| bound.address.is_ipv4()).unwrap();
    taken.renew(interface.as_deref());
    assert_eq!(taken.socket.get_ref().local_addr().unwrap(), target);
    assert_eq!(b.send(&transmit, b"hello", 0), Sent::Yes);
    let mut arrived = Vec::new();
    while arrived.is_empty() {
        smol::block_on(or(std::future::poll_fn(|context| a.poll_readable(context)), async {
            Timer::after(Duration::from_secs(10)).await;
            panic!("nothing arrived on loopback in ten seconds");
        }));
        a.receive(|_, bytes| arrived.extend_from_slice(&bytes));
    }
    assert_eq!(arrived, b"hello");
    // One that has its port stays, however often it is asked for.
    let kept = b.sockets[0].socket.get_ref().local_addr().unwrap();
    b.sockets[0].renew(b.interface.as_deref());
    assert_eq!(b.sockets[0].socket.get_ref().local_addr().unwrap(), kept);
}
