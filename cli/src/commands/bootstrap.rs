//! The nodes to begin with: names of hosts become addresses, once.

use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use crate::args::Bootstrap;
use crate::exit::Failure;
use crate::screen::Screen;

/// How long all names together may take to become addresses. Whoever waits for a code waits for this too.
const PATIENCE: Duration = Duration::from_millis(700);
/// Addresses of one host that are used.
const OF_HOST: usize = 4;

/// Their addresses. Names that cannot be asked for, or are not answered in time, are left out, and that is said; where
/// everything is `kept` to one interface, no name is asked for, as nobody knows which way the question would take.
pub(super) fn addresses(
    nodes: &[Bootstrap],
    kept: bool,
    screen: &mut Screen,
) -> Result<Vec<SocketAddr>, Failure> {
    let mut found = Vec::new();
    let (sender, answers) = channel();
    let mut asked: Vec<&Bootstrap> = Vec::new();
    for node in nodes {
        match node {
            Bootstrap::Address(address) => found.push(*address),
            Bootstrap::Host(..) if kept => screen.note(&format!(
                "{node} is left out: with --interface only addresses can be begun with, not names of hosts."
            ))?,
            Bootstrap::Host(host, port) => {
                let (sender, host, port, index) = (sender.clone(), host.clone(), *port, asked.len());
                asked.push(node);
                std::thread::spawn(move || {
                    let addresses = (host.as_str(), port).to_socket_addrs();
                    let addresses = addresses.map(|all| all.take(OF_HOST).collect()).unwrap_or_default();
                    // Nobody listens any more where that took too long.
                    let _ = sender.send((index, addresses));
                });
            }
        }
    }
    let end = Instant::now() + PATIENCE;
    let mut of_hosts: Vec<Vec<SocketAddr>> = vec![Vec::new(); asked.len()];
    for _ in 0..asked.len() {
        let Ok((index, addresses)) = answers.recv_timeout(end.saturating_duration_since(Instant::now()))
        else {
            break;
        };
        if let Some(of_host) = of_hosts.get_mut(index) {
            *of_host = addresses;
        }
    }
    for (node, addresses) in asked.into_iter().zip(of_hosts) {
        if addresses.is_empty() {
            screen.note(&format!("{node} is left out: its name did not lead to an address in time."))?;
        }
        found.extend(addresses);
    }
    Ok(found)
}
