//! Letting time pass until something is the case, and saying what is wrong when it never is.

use std::fmt::Write;
use std::time::Duration;

use hither_protocol::Event;

use super::World;
use crate::host::{Forbidden, HostId};

/// How many of a host's last events a failure shows.
const SHOWN: usize = 8;

impl World {
    /// Lets so much time pass.
    pub fn run_for(&mut self, time: Duration) {
        let limit = self.now + time;
        while self.step(limit) {}
    }

    /// Lets time pass until `met`, or `limit` is over. Whether it was met.
    #[must_use]
    pub fn run_until(&mut self, limit: Duration, mut met: impl FnMut(&Self) -> bool) -> bool {
        let limit = self.now + limit;
        loop {
            if met(self) {
                return true;
            }
            if !self.step(limit) {
                return met(self);
            }
        }
    }

    /// Lets time pass until `met`.
    ///
    /// # Panics
    ///
    /// When that takes longer than `limit`; says `what` was waited for.
    pub fn expect_until(&mut self, what: &str, limit: Duration, met: impl FnMut(&Self) -> bool) {
        let begun = self.now;
        if !self.run_until(limit, met) {
            panic!("waited from {begun:?} to {:?} for: {what}\n{}", self.now, self.situation());
        }
    }

    /// Lets time pass until a host has said what `is` true for, and returns the first such event that was not
    /// returned before.
    ///
    /// # Panics
    ///
    /// When that takes longer than `limit`; says `what` was waited for.
    pub fn expect(&mut self, id: HostId, what: &str, limit: Duration, is: impl Fn(&Event) -> bool) -> Event {
        let mut at = 0;
        let name = self.host(id).name.clone();
        self.expect_until(&format!("{what}, of {name}"), limit, |world| {
            let host = world.host(id);
            while host.events.get(at).is_some_and(|seen| host.taken.contains(&at) || !is(&seen.event)) {
                at += 1;
            }
            at < host.events.len()
        });
        self.host_mut(id).taken.insert(at);
        self.host(id).events[at].event.clone()
    }

    /// From now on, a host must never say what `is` true for.
    pub fn forbid(&mut self, id: HostId, what: &'static str, is: impl Fn(&Event) -> bool + 'static) {
        self.host_mut(id).forbidden.push(Forbidden { what, is: Box::new(is) });
    }

    /// Makes hosts contacts of each other, called by their hosts' names, and lets that become durable.
    ///
    /// # Panics
    ///
    /// When a node does not get ready within ten seconds, or refuses a contact.
    pub fn befriend(&mut self, hosts: &[HostId]) {
        for &id in hosts {
            for &other in hosts.iter().filter(|other| **other != id) {
                self.add_contact(id, other);
            }
        }
    }

    /// Makes `other` a contact of `id`, once that is ready, and lets it become durable.
    ///
    /// # Panics
    ///
    /// When the node does not get ready within ten seconds, or refuses the contact.
    pub fn add_contact(&mut self, id: HostId, other: HostId) {
        self.wait_until_ready(id);
        let (peer, name) = (self.peer(other), self.host(other).name.clone());
        let added = self.ask(id, |node, now| node.add_contact(now, peer, &name));
        assert_eq!(added, Ok(()), "{name} becomes a contact of {}", self.host(id).name);
        self.expect_until("the contact is durable", Duration::from_secs(10), |world| {
            world.host(id).node().is_some_and(|node| node.is_settled())
        });
    }

    /// Lets time pass until a node has loaded its records.
    ///
    /// # Panics
    ///
    /// When that takes longer than ten seconds.
    pub fn wait_until_ready(&mut self, id: HostId) {
        let boot = self.host(id).boots;
        self.expect_until("the node is ready", Duration::from_secs(10), |world| {
            let events = world.host(id).events.iter();
            events.filter(|seen| seen.boot == boot).any(|seen| matches!(seen.event, Event::Ready))
        });
    }

    /// Every host with its last events and its timer: what a failure shows.
    pub fn situation(&self) -> String {
        let mut text = format!("seed {}, {:?}, {} to come\n", self.seed, self.counts, self.queue.len());
        for host in &self.hosts {
            let _ = writeln!(text, "{host:?}, timer {:?}", host.timer);
            let skipped = host.events.len().saturating_sub(SHOWN);
            for seen in &host.events[skipped..] {
                let _ = writeln!(text, "  {:?} {:.300}", seen.at, format!("{:?}", seen.event));
            }
        }
        text
    }
}
