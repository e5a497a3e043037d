//! A running node on a home for as long as a command lasts: its start, its events, names of contacts, Ctrl-C.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hither_protocol::dht::Scope;
use hither_protocol::identity::PeerId;
use hither_protocol::transfer::TransferId;
use hither_protocol::{AnswerError, Config, Contact, Event, Node, Rules, TransferView, Trust, WideConfig};
use hither_runtime_smol::interrupt::Interrupts;
use hither_runtime_smol::mainline::MainlineSettings;
use hither_runtime_smol::{Options, Pipes, Runtime, has_aes, max_datagram};

use super::desk::{Answer, Desk, Request, Ticket};
use super::doctor::Examination;
use super::{bootstrap, failure, id, list_peers};
use crate::args::{Global, Peer, Span, nearest};
use crate::config::{Config as Own, host_name};
use crate::exit::{Exit, Failure};
use crate::home::{Home, HomeLock};
use crate::inert::inert;
use crate::screen::{self, Road, Screen, Transfer, TransferState};

/// The port that others expect, and that a firewall may let through.
pub(super) const PORT: u16 = 4242;
/// How often Ctrl-C and progress are looked at while nothing happens.
const TICK: Duration = Duration::from_millis(100);
/// How long a peer at a given address has before it is looked for elsewhere.
const PATIENCE: Duration = Duration::from_millis(300);
/// How long saying goodbye may take.
const GRACE: Duration = Duration::from_secs(4);

/// How the node takes part in the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// Others are to reach it, everyone can, and it is where they begin: its owner says so.
    Public,
    /// Others are to reach it: at the known port, if that is free.
    Reachable,
    /// The same, and it takes nothing from them.
    Offering,
    /// It reaches others.
    Reaching,
    /// It reaches one at an address that was given. Others are looked for if that takes long.
    Dialling,
    /// Only its records are wanted.
    None,
}

/// What only some commands need.
#[derive(Default)]
pub(super) struct Needs {
    /// What the node is fed, or feeds.
    pub(super) pipes: Pipes,
    /// How long someone is looked for, where that is not as usual.
    pub(super) search: Option<Duration>,
}

/// What the node was told of the network at its start.
#[derive(Debug)]
pub(super) struct Told {
    /// Whether only its records are wanted.
    pub(super) apart: bool,
    /// Whether it is kept to one interface.
    pub(super) kept: bool,
    /// How many nodes it was given to begin with.
    pub(super) bootstrap: usize,
    /// Whether others are to find it.
    pub(super) publishes: bool,
    /// The port that was asked for.
    pub(super) port: Option<u16>,
}

/// What happened.
pub(super) enum Next {
    Event(Event),
    /// Nothing, for a moment.
    Tick,
    /// Another command of this person's let a transfer stand still, or go on.
    Told(TransferId, bool),
    /// Ctrl-C. The command should end.
    Interrupted,
}

/// A running node.
pub(super) struct Session {
    runtime: Runtime,
    contacts: Vec<Contact>,
    me: PeerId,
    records: PathBuf,
    /// Whether offers are taken.
    takes_offers: bool,
    /// How long someone is looked for.
    search: Duration,
    /// Whether others can be found beyond the local network, as far as that is known without asking anyone.
    wide: bool,
    /// Over which roads there are links.
    roads: RefCell<BTreeMap<PeerId, Road>>,
    started: Instant,
    told: Told,
    /// What `doctor` finds out in this process, while it does.
    examination: RefCell<Option<Examination>>,
    desk: RefCell<Desk>,
    // Dropped last: the home is free once the node has ended.
    _lock: HomeLock,
}

impl Part {
    /// Whether others are to find it.
    fn publishes(self) -> bool {
        matches!(self, Self::Public | Self::Reachable | Self::Offering)
    }

    /// The part of a command that reaches this peer.
    pub(super) fn reaching(peer: &Peer) -> Self {
        match peer {
            Peer::Address(at) if at.address.is_some() => Self::Dialling,
            Peer::Address(_) | Peer::Contact(_) => Self::Reaching,
        }
    }
}

impl Session {
    /// Starts the node of `home` for `command` and waits until its records are there.
    pub(super) fn open(
        global: &Global,
        home: &Home,
        command: &str,
        part: Part,
        rules: Rules,
        screen: &mut Screen,
    ) -> Result<Self, Failure> {
        Self::open_with(global, home, command, part, rules, Needs::default(), screen)
    }

    /// The same with what only some commands need.
    pub(super) fn open_with(
        global: &Global,
        home: &Home,
        command: &str,
        part: Part,
        rules: Rules,
        needs: Needs,
        screen: &mut Screen,
    ) -> Result<Self, Failure> {
        Self::start(home.lock(command)?, global, home, part, rules, needs, screen)
    }

    /// The same on a home that this process has.
    pub(super) fn open_locked(
        lock: HomeLock,
        global: &Global,
        home: &Home,
        part: Part,
        rules: Rules,
        screen: &mut Screen,
    ) -> Result<Self, Failure> {
        Self::start(lock, global, home, part, rules, Needs::default(), screen)
    }

    fn start(
        lock: HomeLock,
        global: &Global,
        home: &Home,
        part: Part,
        rules: Rules,
        Needs { pipes, search }: Needs,
        screen: &mut Screen,
    ) -> Result<Self, Failure> {
        let identity = id::identity(home, screen)?;
        let me = identity.peer_id();
        watch_interrupts();
        let records = home.contacts();
        let port = match (part, global.port) {
            (Part::None, _) | (Part::Reaching | Part::Dialling, None) => 0,
            (_, Some(port)) => port,
            (Part::Public | Part::Reachable | Part::Offering, None) => free_port(),
        };
        let wide = wide(part, global, screen)?;
        let begins = wide.as_ref().is_some_and(|wide| wide.mainline || !wide.bootstrap.is_empty());
        let told = Told {
            apart: part == Part::None,
            kept: global.interface.is_some(),
            bootstrap: wide.as_ref().map_or(0, |wide| wide.bootstrap.len()),
            publishes: part.publishes(),
            port: global.port,
        };
        let config = Config {
            aes: has_aes(),
            max_datagram: max_datagram(global.interface.as_deref()),
            rules,
            limits: global.limits,
            reach_within: search,
            wide,
            ..Config::default()
        };
        let search = config.search();
        let options = Options {
            home: records.clone(),
            interface: global.interface.clone(),
            port,
            discovery: match part {
                Part::None => None,
                Part::Dialling => Some(PATIENCE),
                Part::Public | Part::Reachable | Part::Offering | Part::Reaching => Some(Duration::ZERO),
            },
            mainline: config.wide.as_ref().is_some_and(|it| it.mainline).then(MainlineSettings::default),
            config,
        };
        let runtime =
            Runtime::start_with_pipes(options, identity, pipes).map_err(|error| failure::start(&error))?;
        let mut session = Self {
            runtime,
            contacts: Vec::new(),
            me,
            records,
            takes_offers: matches!(part, Part::Public | Part::Reachable),
            search,
            wide: begins,
            started: Instant::now(),
            told,
            roads: RefCell::default(),
            examination: RefCell::default(),
            desk: RefCell::new(Desk::new(home)),
            _lock: lock,
        };
        loop {
            match session.next()? {
                Next::Event(Event::Ready) => break,
                Next::Event(_) | Next::Told(..) | Next::Tick => {}
                Next::Interrupted => return Err(session.interrupted("Nothing was done.")),
            }
        }
        let (contacts, network) = session.ask(|node, _| (node.contacts(), node.network()));
        session.contacts = contacts;
        // Nodes of the local network lead nowhere else.
        let everywhere = |at: &SocketAddr| Scope::of(at.ip()) == Scope::Global;
        session.wide |= network.is_some_and(|network| network.remembered.iter().any(everywhere));
        Ok(session)
    }

    /// Who this node is.
    pub(super) fn me(&self) -> PeerId {
        self.me
    }

    /// Where its records are.
    pub(super) fn records(&self) -> &Path {
        &self.records
    }

    /// How long someone is looked for.
    pub(super) fn search(&self) -> Duration {
        self.search
    }

    /// Whether others can be found beyond the local network, as far as that is known without asking anyone: nodes to
    /// begin with are configured or remembered, or Mainline may be asked.
    pub(super) fn is_wide(&self) -> bool {
        self.wide
    }

    /// For how long it has been running.
    pub(super) fn age(&self) -> Duration {
        self.started.elapsed()
    }

    /// What it was told of the network at its start.
    pub(super) fn told(&self) -> &Told {
        &self.told
    }

    /// Over which road there is a link to a peer, if there is one.
    pub(super) fn road(&self, peer: PeerId) -> Option<Road> {
        self.roads.borrow().get(&peer).copied()
    }

    /// Where it can be reached.
    pub(super) fn addresses(&self) -> Vec<SocketAddr> {
        self.runtime.local_addresses()
    }

    /// Does something with the node.
    pub(super) fn ask<R: Send + 'static>(
        &self,
        question: impl FnOnce(&mut Node, Instant) -> R + Send + 'static,
    ) -> R {
        self.runtime.ask(question)
    }

    /// Waits a moment for what happens next. Records that fail end every command.
    pub(super) fn next(&self) -> Result<Next, Failure> {
        if is_interrupted() {
            return Ok(Next::Interrupted);
        }
        if let Some(told) = self.serve() {
            return Ok(told);
        }
        match self.runtime.next_event(Some(TICK)) {
            Some(Event::StorageFailed(error)) => Err(failure::records(&error, &self.records)),
            Some(event) => {
                self.note(&event);
                Ok(Next::Event(event))
            }
            None => Ok(Next::Tick),
        }
    }

    /// What this session itself wants to know of an event.
    fn note(&self, event: &Event) {
        match event {
            Event::Connected { peer, road, .. } => {
                let road = match road {
                    hither_protocol::Road::Lan => Road::Lan,
                    hither_protocol::Road::Direct => Road::Direct,
                };
                self.roads.borrow_mut().insert(*peer, road);
            }
            Event::Disconnected { peer, .. } => {
                self.roads.borrow_mut().remove(peer);
            }
            Event::FoundOneself { .. } => {
                if let Some(examination) = self.examination.borrow_mut().as_mut() {
                    examination.found(event);
                }
            }
            _ => {}
        }
    }

    /// Goes on with an examination, which begins if there is none. Gives what it came to, once.
    pub(super) fn examine(&self) -> Option<Vec<screen::Check>> {
        let mut examination = self.examination.borrow_mut();
        let going_on = examination.get_or_insert_with(Examination::begin);
        let checks = going_on.carry_on(self)?;
        *examination = None;
        Some(checks)
    }

    /// Waits until what was asked for is on the disk.
    pub(super) fn settle(&self) -> Result<(), Failure> {
        while !self.ask(|node, _| node.is_settled()) {
            if let Next::Interrupted = self.next()? {
                return Err(self.interrupted("It may not have been kept."));
            }
        }
        Ok(())
    }

    /// The same after Ctrl-C, which the second one ends.
    pub(super) fn settle_anyway(&self) {
        while !self.ask(|node, _| node.is_settled()) {
            std::thread::sleep(TICK);
        }
    }

    /// Says goodbye to peers and frees the home.
    pub(super) fn close(self) {
        self.runtime.close(GRACE);
        self.desk.into_inner().answer_all();
    }

    /// Does what other commands of this person's ask for, now and then.
    pub(super) fn serve(&self) -> Option<Next> {
        let mut desk = self.desk.borrow_mut();
        let mut told = None;
        if desk.is_doctor_wanted()
            && let Some(checks) = self.examine()
        {
            desk.answer_doctor(&checks);
        }
        desk.answer_removed(|transfer| {
            self.transfer(transfer).is_none() && self.ask(|node, _| node.is_settled())
        });
        // One at a time, so that each is told of.
        if let Some((ticket, request)) = desk.next() {
            match request {
                Request::List => desk.answer(&ticket, &Answer::Transfers(self.transfers())),
                Request::Peers => desk.answer(&ticket, &Answer::Around(list_peers::around(self))),
                Request::Doctor => desk.answer_once_examined(ticket),
                Request::Pause(transfer) => {
                    let paused = self.ask(move |node, now| node.pause(now, transfer));
                    told = paused.is_ok().then_some(Next::Told(transfer, true));
                    desk.answer(&ticket, &answer_to(paused));
                }
                Request::Resume(transfer) => {
                    let (answer, goes_on) = self.resume(transfer);
                    told = goes_on.then_some(Next::Told(transfer, false));
                    desk.answer(&ticket, &answer);
                }
                Request::Cancel(transfer) => self.cancel(&mut desk, ticket, transfer),
            }
        }
        told
    }

    fn resume(&self, transfer: TransferId) -> (Answer, bool) {
        let Some(view) = self.transfer(transfer) else {
            return (Answer::Failed(failure::no_transfer()), false);
        };
        let begins = view.state == hither_protocol::TransferState::Interrupted;
        if begins && !view.sending && !self.takes_offers {
            return (Answer::Failed(failure::takes_nothing()), false);
        }
        let resumed = self.ask(move |node, now| node.resume(now, transfer));
        (answer_to(resumed), resumed.is_ok())
    }

    /// The answer comes once nothing partial is left.
    fn cancel(&self, desk: &mut Desk, ticket: Ticket, transfer: TransferId) {
        match self.ask(move |node, now| node.cancel(now, transfer)) {
            Ok(()) => desk.answer_once_removed(ticket, transfer),
            failed @ Err(_) => desk.answer(&ticket, &answer_to(failed)),
        }
    }

    /// Transfers that are under way or can be gone on with, the oldest first.
    pub(super) fn transfers(&self) -> Vec<Transfer> {
        let views = self.ask(|node, _| node.transfers());
        views.into_iter().map(|view| self.row(&view)).collect()
    }

    /// One of them.
    pub(super) fn transfer(&self, transfer: TransferId) -> Option<TransferView> {
        self.ask(move |node, _| node.transfers().into_iter().find(|view| view.transfer == transfer))
    }

    fn row(&self, view: &TransferView) -> Transfer {
        let path = view.paths.first();
        let folder =
            if view.sending { path.and_then(|path| path.parent()) } else { path.map(PathBuf::as_path) };
        Transfer {
            transfer: view.transfer.to_string(),
            sending: view.sending,
            peer: view.peer,
            contact: self.contact(view.peer),
            name: view.name.clone(),
            done: view.done,
            total: view.bytes,
            state: match view.state {
                hither_protocol::TransferState::Active => TransferState::Active,
                hither_protocol::TransferState::Paused => TransferState::Paused,
                hither_protocol::TransferState::Waiting => TransferState::Waiting,
                hither_protocol::TransferState::Interrupted => TransferState::Interrupted,
            },
            folder: folder.map(|folder| folder.to_string_lossy().into_owned()),
        }
    }

    /// The failure of a command that Ctrl-C ended.
    pub(super) fn interrupted(&self, next: &str) -> Failure {
        Failure::new(Exit::Interrupted, format!("stopped by Ctrl-C. {next}"))
    }

    /// The contacts as they were at the start.
    pub(super) fn contacts(&self) -> &[Contact] {
        &self.contacts
    }

    /// A contact's name, as it was given.
    pub(super) fn contact(&self, peer: PeerId) -> Option<String> {
        self.contacts.iter().find(|contact| contact.peer == peer).map(|contact| contact.name.clone())
    }

    /// What a contact may send without asking.
    pub(super) fn trust(&self, peer: PeerId) -> Option<Trust> {
        self.contacts.iter().find(|contact| contact.peer == peer).and_then(|contact| contact.trust.clone())
    }

    /// What a peer is called in sentences.
    pub(super) fn who(&self, peer: PeerId) -> String {
        self.contact(peer).map_or_else(|| peer.to_string(), |name| inert(&name))
    }

    /// The peer that was typed; its address, if there is one, is tried first.
    pub(super) fn resolve(&self, peer: &Peer) -> Result<PeerId, Failure> {
        match peer {
            Peer::Address(at) => {
                let (peer, address) = (at.peer, at.address);
                if let Some(address) = address {
                    self.ask(move |node, now| node.add_address(now, peer, address));
                }
                Ok(peer)
            }
            Peer::Contact(name) => find(&self.contacts, name.as_str()),
        }
    }

    /// The same for someone who is to be sent to.
    pub(super) fn recipient(&self, peer: &Peer) -> Result<PeerId, Failure> {
        let peer = self.resolve(peer)?;
        match self.contacts.iter().find(|contact| contact.peer == peer && contact.blocked) {
            Some(contact) => {
                let name = inert(&contact.name);
                let text =
                    format!("{name} is blocked. Nothing was sent; first `hither contacts unblock {name}`.");
                Err(Failure::new(Exit::Usage, text))
            }
            None => Ok(peer),
        }
    }

    /// Shows name and id to everyone near for so long, and says so.
    pub(super) fn show(&self, config: &Own, lasts: Span, screen: &mut Screen) -> Result<(), Failure> {
        let (name, lasts) = (config.name.clone().unwrap_or_else(host_name), lasts.duration());
        let shown = name.clone();
        self.ask(move |node, now| node.show_openly(now, shown, lasts));
        screen.event(&screen::Event::Visible(Some((name, lasts))))
    }

    /// Tells how others reach this node.
    pub(super) fn announce(&self, screen: &mut Screen) -> Result<(), Failure> {
        let (id, addresses) = (self.me, self.addresses());
        screen.event(&screen::Event::Ready { id, addresses: addresses.clone() })?;
        screen.note("On the other side:")?;
        for address in &addresses {
            screen.note(&format!("    hither send FILE --to {id}@{address}"))?;
        }
        if self.is_wide() {
            screen.note(
                "Where this machine can be reached from anywhere (`hither doctor`), the id is enough:",
            )?;
            screen.note(&format!("    hither send FILE --to {id}"))?;
        }
        screen.note("Contacts on the same network need only your name, without an address.")?;
        if addresses.is_empty() {
            screen.note("This machine is on no network now; it will be reachable when it is.")?;
        }
        Ok(())
    }
}

fn answer_to(outcome: Result<(), AnswerError>) -> Answer {
    match outcome {
        Ok(()) => Answer::Done,
        Err(_) => Answer::Failed(failure::no_transfer()),
    }
}

/// How the node takes part in the network beyond the local one.
fn wide(part: Part, global: &Global, screen: &mut Screen) -> Result<Option<WideConfig>, Failure> {
    if part == Part::None || !global.network.is_on() {
        return Ok(None);
    }
    let kept = global.interface.is_some();
    Ok(Some(WideConfig {
        publish: part.publishes(),
        public: part == Part::Public,
        mainline: global.network.asks_mainline(kept),
        bootstrap: bootstrap::addresses(&global.network.bootstrap, kept, screen)?,
    }))
}

/// The known port, or any where another program has it.
fn free_port() -> u16 {
    let taken = |ip: IpAddr| {
        UdpSocket::bind((ip, PORT)).is_err_and(|error| error.kind() == std::io::ErrorKind::AddrInUse)
    };
    if taken(Ipv4Addr::UNSPECIFIED.into()) || taken(Ipv6Addr::UNSPECIFIED.into()) { 0 } else { PORT }
}

/// The contact of a name, whatever its case.
fn find(contacts: &[Contact], name: &str) -> Result<PeerId, Failure> {
    let same = |contact: &&Contact| contact.name.to_lowercase() == name.to_lowercase();
    if let Some(contact) = contacts.iter().find(same) {
        return Ok(contact.peer);
    }
    let hint = match nearest(name, contacts.iter().map(|contact| contact.name.as_str())) {
        Some(meant) => format!("did you mean {}?", inert(meant)),
        None => "`hither contacts` lists them, `hither contacts add NAME ID` makes one".to_owned(),
    };
    Err(Failure::new(Exit::Usage, format!("there is no contact {}: {hint}", inert(name))))
}

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Whether Ctrl-C was pressed.
pub(super) fn is_interrupted() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}

/// From now on the first Ctrl-C is noted and the second ends the process at once.
pub(super) fn watch_interrupts() {
    static WATCH: OnceLock<()> = OnceLock::new();
    WATCH.get_or_init(|| {
        // Where it cannot be taken over, Ctrl-C ends the process as it always does.
        let Ok(mut interrupts) = Interrupts::new() else { return };
        std::thread::spawn(move || {
            while interrupts.next_blocking() < 2 {
                INTERRUPTED.store(true, Ordering::Relaxed);
            }
            screen::restore_terminal();
            std::process::exit(Exit::Interrupted.code().into());
        });
    });
}
