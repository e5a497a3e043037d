//! mDNS: announces the node on the local network, and tells who else is there (RFC 6762, RFC 6763).
//!
//! What is announced is what the node gives and where its sockets are. No name of the machine or of its user is
//! in it.

mod question;

use std::collections::{BTreeSet, VecDeque};
use std::future;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::time::Duration;

use hither_protocol::{Announcement, Sighting, Surroundings};
use mdns_sd::{IfKind, Receiver, ResolvedService, ScopedIp, ServiceDaemon, ServiceEvent, ServiceInfo};
use smol::Timer;
use smol::future::or;

use self::question::Question;

/// The service, as the examples of RFC 6763, section 4.1, write it.
const SERVICE: &str = "_hither._udp.local.";
/// Most instances that are told of: more than any home or office has.
const MOST_SEEN: usize = 1024;
/// Most of our own former names that are remembered; the network remembers them for two minutes.
const MOST_OWN: usize = 128;
/// How long to wait while the library's queue of 100 commands is full, and how often.
const AGAIN: (Duration, usize) = (Duration::from_millis(20), 100);
/// How long to wait for the library's thread to say goodbye to the network.
const GOODBYE: Duration = Duration::from_millis(300);

/// Announces and browses, on one interface or on all but loopback.
pub(crate) struct Discovery {
    interface: Option<String>,
    addresses: Vec<SocketAddr>,
    announcements: Vec<Announcement>,
    running: Option<Running>,
    /// Names that are or were ours.
    own: VecDeque<String>,
    seen: BTreeSet<String>,
    /// Told before anything new is.
    pending: VecDeque<Surroundings>,
}

struct Running {
    daemon: ServiceDaemon,
    events: Receiver<ServiceEvent>,
    question: Question,
    /// What is announced, with the full name of each.
    registered: Vec<(Announcement, String)>,
}

impl Discovery {
    /// Nothing is announced or looked for yet.
    pub(crate) fn new(interface: Option<String>) -> Self {
        Self {
            interface,
            addresses: Vec::new(),
            announcements: Vec::new(),
            running: None,
            own: VecDeque::new(),
            seen: BTreeSet::new(),
            pending: VecDeque::new(),
        }
    }

    /// Starts, or starts anew, with the addresses at which the node is reached now: the library does not notice
    /// by itself when an interface went down and came back (mdns-sd #370). Whoever was seen before counts as gone
    /// until seen again.
    pub(crate) async fn restart(&mut self, addresses: Vec<SocketAddr>) {
        self.stop().await;
        self.addresses = addresses;
        if self.addresses.is_empty() {
            // Where there is nowhere to be reached there is nothing to announce; the node has new names later.
            self.announcements.clear();
        }
        let gone = std::mem::take(&mut self.seen).into_iter();
        self.pending.extend(gone.map(|instance| Surroundings::Vanished { instance }));
        self.running = self.start().await;
        self.register().await;
    }

    /// Announces these in place of what was announced before. What stays is not said again.
    pub(crate) async fn announce(&mut self, announcements: Vec<Announcement>) {
        for announcement in &announcements {
            if !self.own.contains(&announcement.instance) {
                self.own.push_back(announcement.instance.clone());
            }
        }
        while self.own.len() > MOST_OWN {
            self.own.pop_front();
        }
        self.announcements = announcements;
        self.register().await;
    }

    /// Waits for something to tell.
    pub(crate) async fn next(&mut self) -> Surroundings {
        loop {
            if let Some(told) = self.pending.pop_front() {
                return told;
            }
            let Some(running) = &mut self.running else { return future::pending().await };
            let browsed = async { Heard::Browsed(running.events.recv_async().await.ok()) };
            let answered = async { Heard::Answered(running.question.answer().await) };
            match or(browsed, answered).await {
                Heard::Answered(sightings) => {
                    let told: Vec<_> = sightings.into_iter().filter_map(|it| self.sighted(it)).collect();
                    self.pending.extend(told);
                }
                Heard::Browsed(Some(event)) => {
                    if let Some(told) = self.translate(event) {
                        return told;
                    }
                }
                // The library drops a receiver that lags behind, without a word.
                Heard::Browsed(None) => {
                    Timer::after(AGAIN.0).await;
                    match insist(|| running.daemon.browse(SERVICE)).await {
                        Some(events) => running.events = events,
                        None => self.running = None,
                    }
                }
            }
        }
    }

    /// Says goodbye to the network and ends the library's thread.
    pub(crate) async fn stop(&mut self) {
        let Some(running) = self.running.take() else { return };
        for (_, name) in &running.registered {
            goodbye(&running.daemon, name).await;
        }
        if let Some(ended) = insist(|| running.daemon.shutdown()).await {
            wait_for(async { ended.recv_async().await.is_ok() }).await;
        }
    }

    async fn start(&self) -> Option<Running> {
        let daemon = ServiceDaemon::new().ok()?;
        let (off, on) = match &self.interface {
            Some(name) => (vec![IfKind::All], vec![IfKind::Name(name.clone())]),
            None => (vec![IfKind::LoopbackV4, IfKind::LoopbackV6], Vec::new()),
        };
        insist(|| daemon.disable_interface(off.clone())).await?;
        if !on.is_empty() {
            insist(|| daemon.enable_interface(on.clone())).await?;
        }
        let events = insist(|| daemon.browse(SERVICE)).await?;
        let question = Question::ask(self.interface.as_deref(), &self.addresses);
        Some(Running { daemon, events, question, registered: Vec::new() })
    }

    /// Lets the network know what is announced now and was not, and what is no more.
    async fn register(&mut self) {
        let Some(running) = &mut self.running else { return };
        let Some(port) = self.addresses.first().map(SocketAddr::port) else { return };
        let addresses: Vec<IpAddr> = self.addresses.iter().map(SocketAddr::ip).collect();
        for (former, name) in std::mem::take(&mut running.registered) {
            if self.announcements.contains(&former) {
                running.registered.push((former, name));
            } else if !self.announcements.iter().any(|it| it.instance == former.instance) {
                goodbye(&running.daemon, &name).await;
            }
        }
        for announcement in &self.announcements {
            if running.registered.iter().any(|(registered, _)| registered == announcement) {
                continue;
            }
            let text: Vec<(&str, &str)> =
                announcement.text.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
            let host = format!("{}.local.", announcement.host);
            let instance = &announcement.instance;
            let info =
                ServiceInfo::new(SERVICE, instance, &host, addresses.as_slice(), port, text.as_slice());
            let Ok(mut info) = info else { continue };
            // The instance's name is random: a probe for others of that name would only cost 250 ms.
            info.set_requires_probe(false);
            if let Some(name) = &self.interface {
                info.set_interfaces(vec![IfKind::Name(name.clone())]);
            }
            let name = info.get_fullname().to_owned();
            if insist(|| running.daemon.register(info.clone())).await.is_some() {
                running.registered.push((announcement.clone(), name));
            }
        }
    }

    /// Tells of an instance, unless it is one's own or one too many.
    fn sighted(&mut self, sighting: Sighting) -> Option<Surroundings> {
        let known = self.seen.contains(&sighting.instance);
        if self.own.contains(&sighting.instance) || (self.seen.len() >= MOST_SEEN && !known) {
            return None;
        }
        self.seen.insert(sighting.instance.clone());
        Some(Surroundings::Sighted(sighting))
    }

    fn translate(&mut self, event: ServiceEvent) -> Option<Surroundings> {
        match event {
            ServiceEvent::ServiceResolved(service) => {
                let sighting = sighting(&service)?;
                self.sighted(sighting)
            }
            ServiceEvent::ServiceRemoved(_, name) => {
                let instance = instance(&name)?;
                self.seen.remove(instance).then(|| Surroundings::Vanished { instance: instance.to_owned() })
            }
            _ => None,
        }
    }
}

/// What comes of browsing, or of asking.
enum Heard {
    Browsed(Option<ServiceEvent>),
    Answered(Vec<Sighting>),
}

fn sighting(service: &ResolvedService) -> Option<Sighting> {
    let instance = instance(&service.fullname)?.to_owned();
    let mut addresses: Vec<SocketAddr> = service
        .addresses
        .iter()
        .map(|address| match address {
            ScopedIp::V6(scoped) if scoped.addr().is_unicast_link_local() => {
                SocketAddrV6::new(*scoped.addr(), service.port, 0, scoped.scope_id().index).into()
            }
            other => SocketAddr::new(other.to_ip_addr(), service.port),
        })
        .collect();
    addresses.sort();
    let text = service
        .txt_properties
        .iter()
        .map(|property| (property.key().to_owned(), property.val_str().to_owned()))
        .collect();
    Some(Sighting { instance, addresses, text })
}

/// The instance's own part of a full service name.
fn instance(name: &str) -> Option<&str> {
    name.strip_suffix(SERVICE)?.strip_suffix('.')
}

async fn goodbye(daemon: &ServiceDaemon, name: &str) {
    if let Some(said) = insist(|| daemon.unregister(name)).await {
        wait_for(async { said.recv_async().await.is_ok() }).await;
    }
}

async fn wait_for(done: impl Future<Output = bool>) {
    smol::future::or(done, async {
        Timer::after(GOODBYE).await;
        false
    })
    .await;
}

/// Gives the library a command; again while its queue is full. `None` when it takes none.
async fn insist<T>(mut command: impl FnMut() -> mdns_sd::Result<T>) -> Option<T> {
    for _ in 0..AGAIN.1 {
        match command() {
            Ok(value) => return Some(value),
            Err(mdns_sd::Error::Again) => Timer::after(AGAIN.0).await,
            Err(_) => return None,
        };
    }
    None
}

// They need network namespaces.
#[cfg(all(test, target_os = "linux"))]
mod tests;
