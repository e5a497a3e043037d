//! For those who bring their own loop: what to call when, what must be true, and a whole driver to begin with.
//!
//! # What a node is
//!
//! A [`Node`] is one identity on the network, as a state machine and nothing else. It has no socket, file, thread,
//! clock or randomness of its own. `handle_…` and the user's methods tell it what has happened; `poll_…` gives what is
//! to be done about it. None of them waits. Whoever carries things between a node and the world is its driver, and a
//! driver decides nothing: it may be written for any runtime, for an event loop that is there already, or for virtual
//! time.
//!
//! # What a driver brings
//!
//! | what | in | out |
//! |---|---|---|
//! | a UDP socket, or one for IPv4 and one for IPv6 | [`handle_datagram`] | [`poll_transmit`] |
//! | a clock that never goes back | [`handle_timeout`], and `now` everywhere | [`poll_timeout`] |
//! | a disk: seven tables of records, and files if any are to be sent or received | [`handle_storage`] | [`poll_storage`] |
//! | 32 bytes of the operating system's randomness | [`Node::new`], [`handle_entropy`] | |
//! | whoever uses it | [`send_message`], [`offer`], [`accept`], … | [`poll_event`] |
//!
//! The rest can be left out, by an answer that says so:
//!
//! | what | in | out | without it |
//! |---|---|---|---|
//! | byte streams (TCP), which are faster on a local network | [`accept_stream`], [`handle_stream`], [`wants_stream`] | [`poll_stream_dial`], [`poll_stream`] | answer each dial with [`StreamInput::Closed`] |
//! | mDNS, by which those on a local network find each other | [`handle_surroundings`]: [`Sighted`], [`Vanished`] | [`poll_announcement`] | fetch the announcements, and drop them |
//! | BitTorrent's Mainline, asked only where [`WideConfig::mainline`] says so | [`handle_worldwide`] | [`poll_worldwide`] | answer each request with [`WorldAnswer::Over`] |
//! | congestion marks, the local address, several datagrams for one system call | [`Received`] | [`Transmit`] | `None`; `max_segments` of 1 |
//! | files | [`handle_storage`] | all [`Work`] but [`Work::Load`] and [`Work::Commit`] | errors: [`StorageError::Unsupported`] |
//!
//! Where others are to find a node, by mDNS or beyond the local network ([`Config::wide`]), it must know its own
//! addresses: [`Surroundings::Addresses`] at the start and whenever they change. Otherwise a peer is reached at the
//! address that [`add_address`] names.
//!
//! # One turn of the loop
//!
//! 1. **One input.** A datagram, the result of a request, what a stream brought, a wish of the user's; or
//!    [`handle_timeout`], when the time has come that [`poll_timeout`] named.
//! 2. **Every output, until each gives nothing.** [`poll_storage`], [`poll_transmit`], [`poll_stream_dial`],
//!    [`poll_worldwide`], [`poll_announcement`] and [`poll_event`]; [`poll_stream`] for each stream that has written
//!    all it was given. Their order does not matter to the node. But whatever is answered on the spot is an input, so
//!    all of them are asked once more before the loop sleeps. So is [`poll_stream`], which makes room for what waited.
//! 3. **Then sleep,** until the next input or the time that [`poll_timeout`] names, whichever comes first. Ask it
//!    last: every other call may have changed it. A time that has passed means now; `None` means that only an input
//!    can bring anything new.
//!
//! Several inputs may go in before the outputs are fetched, such as all datagrams of one system call. Keep that to
//! some dozens, and look at the clock in between, so that neither a busy socket nor a busy disk holds up the other.
//!
//! # What must be true
//!
//! - **Time.** Each call gets the time at which it is made, never earlier than the call before. To be late costs
//!   speed, and after half a minute the links. The wall clock is told to [`Node::new`] and whenever it has jumped
//!   ([`Surroundings::Clock`]): it goes into messages and records, and those on a local network do not recognise each
//!   other when theirs are minutes apart. After a suspend, tell it anew and give fresh randomness to
//!   [`handle_entropy`].
//! - **Randomness.** A [`Seed`] is fresh at each start, secret, and used once. Two runs from one seed draw the same
//!   keys. Only tests want that.
//! - **Records.** [`Work::Load`] and [`Work::Commit`] are carried out one after the other, in the order given. A
//!   commit is made whole or not at all, and [`Done::Committed`] is said when it would outlive a power cut and not
//!   before: on that word the node sends receipts, and the sender forgets its message. [`Change::PutNew`] must say
//!   whether the key was there: this is how nothing is shown twice. [`Table::Inbox`] is not loaded. One node at a time
//!   has the records.
//! - **Storage results.** Each request gets one result, of its own kind ([`Work`] names it). All other work may be
//!   carried out at once and in any order, but for [`Work::Output`], which is in order as well. An error is a result
//!   like others.
//! - **Files.** [`storage`] says of each kind of work when it counts as durable, and what must be checked before it is
//!   written. The names in it were checked; following symbolic links in the folder is for the driver to avoid.
//! - **Datagrams.** Hand over what arrived, whole: up to 65,535 bytes, and not in a buffer much larger than it, which
//!   the node may keep for a while. Send without fragments where the system can forbid them, and say in
//!   [`Config::max_datagram`] how large a datagram may be; where it cannot, say 1200. Of several sockets,
//!   [`Transmit::local`] and the family of [`Transmit::remote`] choose one.
//! - **Threads.** A node can be moved to any thread and has no lock: one loop owns it, and everyone else sends that
//!   loop what they want done. Nothing here waits, but handshakes and packets are encrypted within these calls.
//!   Hashing and disk work are not: that is what requests are for.
//!
//! # What is bounded
//!
//! The node asks for a few megabytes of disk work at once, so requests need no bound of their own. A stream gives a
//! quarter of a mebibyte at a time, and is not to be read while [`wants_stream`] says no. Transmits end when the
//! path's window is full. Events wait in the node: when a thousand were not fetched, it stops reading its links, and
//! peers wait. What the driver queues on the way in should have a bound too; at that bound datagrams may be dropped,
//! and nothing else may.
//!
//! # What becomes of an output that is lost
//!
//! | lost | then |
//! |---|---|
//! | a transmit | as if the network had lost it: it is made up for, more slowly |
//! | a storage request | what rests on it stands still for ever, and the node never drains |
//! | a stream to dial | chunks wait for it for a moment, then go over datagrams |
//! | an announcement | nobody near finds this node before the next one. Each stands in place of all before it |
//! | a request to Mainline | a peer that it was for is not looked for there again |
//! | an event | the user does not hear of it. A question that nobody answers counts as refused after ten minutes |
//!
//! # To begin
//!
//! 1. The identity: [`KeyFile::parse`] and [`KeyFile::open`], or at the first start [`Identity::generate`] and
//!    [`KeyFile::encode_plain`] into a file that nobody else can read.
//! 2. The sockets, and the records, locked against a second program.
//! 3. [`Node::new`] with a [`Config`]. By default its [`Rules`] have no folder, so every offer is refused, and so are
//!    messages of strangers; [`set_rules`] changes that at any time.
//! 4. The loop. The node asks for its records first; [`Event::Ready`] says that they are there. Before,
//!    [`send_message`] and changes of contacts are refused ([`SendError::NotReady`]). [`Event::StorageFailed`] says
//!    that they are not to be had.
//!
//! # To end
//!
//! [`Node::close`], and go on with the loop until [`Node::is_drained`]: transfers are wound up, what was said last
//! arrives, and links say goodbye, all of it within some seconds. Then finish the disk's work, and let go of the
//! records. Whoever cannot wait so long just stops: nothing that was durable is lost, messages and transfers go on
//! after the next start, and peers notice by half a minute of silence. [`Node::is_settled`] says whether everything
//! that the user asked for is on the disk.
//!
//! # A whole driver
//!
//! Two nodes, each with a socket on loopback and a thread that runs the same loop. One sends a message, the other has
//! it, and the receipt comes back. All of this is compiled and run as a test; what a program would take from it is
//! `drive`, `wait` and `Records`. `examples/threads.rs` and `examples/tokio.rs` do the disk's work beside the loop,
//! and send files.
//!
//! ```
//! use std::collections::{BTreeMap, BTreeSet};
//! use std::error::Error;
//! use std::net::UdpSocket;
//! use std::num::NonZeroUsize;
//! use std::thread;
//! use std::time::{Duration, Instant, SystemTime};
//!
//! use bytes::BytesMut;
//! use hither_protocol::entropy::{Entropy, Seed};
//! use hither_protocol::identity::Identity;
//! use hither_protocol::storage::{Change, Done, Record, StorageRequest, Table, Work};
//! use hither_protocol::{Config, Event, MessageState, Node, Received, Rules, StreamInput, WorldAnswer};
//!
//! type Failure = Box<dyn Error + Send + Sync>;
//!
//! /// The loop. It owns the node until that is closed and drained; `user` is told what happens, and may answer.
//! fn drive(mut node: Node, socket: &UdpSocket, mut user: impl FnMut(&mut Node, Event)) -> Result<(), Failure> {
//!     let mut records = Records::default();
//!     let mut buffer = Vec::new();
//!     let give_up = Instant::now() + PATIENCE;
//!     loop {
//!         let now = Instant::now();
//!         // One thing at a time, so that whatever an answer brings about is done before anything is waited for.
//!         if let Some(StorageRequest { id, work }) = node.poll_storage() {
//!             node.handle_storage(now, id, records.perform(work)?);
//!         } else if let Some(transmit) = node.poll_transmit(now, NonZeroUsize::MIN, &mut buffer) {
//!             let _ = socket.send_to(&buffer, transmit.remote); // What is not sent counts as lost on the way.
//!             buffer.clear();
//!         } else if let Some((stream, _)) = node.poll_stream_dial() {
//!             node.handle_stream(now, stream, StreamInput::Closed); // There are no byte streams here,
//!         } else if let Some((id, _)) = node.poll_worldwide() {
//!             node.handle_worldwide(now, id, WorldAnswer::Over { reached: false }); // no Mainline,
//!         } else if node.poll_announcement().is_some() {
//!             // and no mDNS.
//!         } else if let Some(event) = node.poll_event() {
//!             user(&mut node, event);
//!         } else if node.is_drained() {
//!             return Ok(());
//!         } else if now >= give_up {
//!             return Err("this should have been over".into()); // A program goes on for as long as it likes.
//!         } else {
//!             let until = node.poll_timeout().map_or(give_up, |(at, _)| at.min(give_up));
//!             wait(&mut node, socket, until)?;
//!         }
//!     }
//! }
//!
//! /// Waits for the next input, or for that time.
//! fn wait(node: &mut Node, socket: &UdpSocket, until: Instant) -> Result<(), Failure> {
//!     let left = until.saturating_duration_since(Instant::now());
//!     if left.is_zero() {
//!         node.handle_timeout(Instant::now());
//!         return Ok(());
//!     }
//!     socket.set_read_timeout(Some(left))?;
//!     let mut arrived = vec![0; 65_536];
//!     // An error is the end of the wait, or what became of a datagram that was sent: lost, as the node will find.
//!     if let Ok((size, remote)) = socket.recv_from(&mut arrived) {
//!         let received = Received { local: None, remote, ecn: None, segment_size: size };
//!         node.handle_datagram(Instant::now(), received, BytesMut::from(&arrived[..size]));
//!     }
//!     Ok(())
//! }
//!
//! /// Records in memory. A program keeps them on its disk, and answers when they are safe there.
//! #[derive(Default)]
//! struct Records(BTreeMap<(Table, Vec<u8>), Vec<u8>>);
//!
//! impl Records {
//!     fn perform(&mut self, work: Work) -> Result<Done, Failure> {
//!         match work {
//!             Work::Load => {
//!                 let loaded = self.0.iter().filter(|((table, _), _)| *table != Table::Inbox);
//!                 let record = |((table, key), value): (&(Table, Vec<u8>), &Vec<u8>)| Record {
//!                     table: *table,
//!                     key: key.clone(),
//!                     value: value.clone(),
//!                 };
//!                 Ok(Done::Loaded(Ok(loaded.map(record).collect())))
//!             }
//!             Work::Commit(changes) => {
//!                 Ok(Done::Committed(Ok(changes.into_iter().map(|change| self.make(change)).collect())))
//!             }
//!             // A node that offers nothing, and has no folder for what others offer, asks for nothing else.
//!             other => Err(format!("there are no files here: {other:?}").into()),
//!         }
//!     }
//!
//!     /// Says whether the change was made.
//!     fn make(&mut self, change: Change) -> bool {
//!         match change {
//!             Change::PutNew(Record { table, key, .. }) if self.0.contains_key(&(table, key.clone())) => return false,
//!             Change::Put(Record { table, key, value }) | Change::PutNew(Record { table, key, value }) => {
//!                 self.0.insert((table, key), value);
//!             }
//!             Change::Remove { table, key } => drop(self.0.remove(&(table, key))),
//!         }
//!         true
//!     }
//! }
//!
//! fn fresh_seed() -> Result<Seed, Failure> {
//!     let mut bytes = [0; 32];
//!     getrandom::fill(&mut bytes)?;
//!     Ok(Seed::new(bytes))
//! }
//!
//! /// Somebody new. A program that is to be recognised keeps its identity in a key file.
//! fn new_identity() -> Result<Identity, Failure> {
//!     Ok(Identity::generate(&mut Entropy::new(fresh_seed()?).stream("identity")))
//! }
//!
//! fn new_node(identity: Identity, rules: Rules) -> Result<Node, Failure> {
//!     let config = Config { rules, reach_within: Some(PATIENCE), ..Config::default() };
//!     let unix_time = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_millis();
//!     Ok(Node::new(config, identity, fresh_seed()?, Instant::now(), u64::try_from(unix_time)?))
//! }
//!
//! /// All of it takes a moment. This is when something must be wrong.
//! const PATIENCE: Duration = Duration::from_secs(120);
//!
//! fn main() -> Result<(), Failure> {
//!     let (alice, bob) = (new_identity()?, new_identity()?);
//!     let (alice_id, bob_id) = (alice.peer_id(), bob.peer_id());
//!     let (alice_socket, bob_socket) = (UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?);
//!     let bob_address = bob_socket.local_addr()?;
//!     // Bob waits for Alice. What strangers write is refused.
//!     let rules = Rules { expected: BTreeSet::from([alice_id]), ..Rules::default() };
//!     let (alice, bob) = (new_node(alice, Rules::default())?, new_node(bob, rules)?);
//!     let (mut sent, mut receipts, mut messages) = (None, Vec::new(), Vec::new());
//!
//!     thread::scope(|threads| {
//!         let receiving = threads.spawn(|| {
//!             drive(bob, &bob_socket, |node, event| match event {
//!                 Event::Message { id, from, text, .. } => messages.push((id, from, text)),
//!                 Event::Disconnected { .. } => node.close(Instant::now()),
//!                 _ => {}
//!             })
//!         });
//!         drive(alice, &alice_socket, |node, event| match event {
//!             Event::Ready => {
//!                 node.add_address(Instant::now(), bob_id, bob_address);
//!                 sent = node.send_message(Instant::now(), bob_id, "Hello Bob").ok();
//!             }
//!             Event::MessageSent { id, to, state } => {
//!                 receipts.push((id, to, state));
//!                 node.close(Instant::now()); // It is said goodbye to Bob, who closes too.
//!             }
//!             _ => {}
//!         })?;
//!         receiving.join().map_err(|_| "Bob panicked")?
//!     })?;
//!
//!     let id = sent.ok_or("nothing was sent")?;
//!     assert_eq!(receipts, [(id, bob_id, MessageState::Delivered)]);
//!     assert_eq!(messages, [(id, alice_id, "Hello Bob".to_owned())]);
//!     Ok(())
//! }
//! ```
//!
//! [`Node`]: crate::Node
//! [`Node::new`]: crate::Node::new
//! [`Node::close`]: crate::Node::close
//! [`Node::is_drained`]: crate::Node::is_drained
//! [`Node::is_settled`]: crate::Node::is_settled
//! [`handle_datagram`]: crate::Node::handle_datagram
//! [`poll_transmit`]: crate::Node::poll_transmit
//! [`handle_timeout`]: crate::Node::handle_timeout
//! [`poll_timeout`]: crate::Node::poll_timeout
//! [`handle_storage`]: crate::Node::handle_storage
//! [`poll_storage`]: crate::Node::poll_storage
//! [`handle_entropy`]: crate::Node::handle_entropy
//! [`send_message`]: crate::Node::send_message
//! [`offer`]: crate::Node::offer
//! [`accept`]: crate::Node::accept
//! [`poll_event`]: crate::Node::poll_event
//! [`accept_stream`]: crate::Node::accept_stream
//! [`handle_stream`]: crate::Node::handle_stream
//! [`wants_stream`]: crate::Node::wants_stream
//! [`poll_stream_dial`]: crate::Node::poll_stream_dial
//! [`poll_stream`]: crate::Node::poll_stream
//! [`handle_surroundings`]: crate::Node::handle_surroundings
//! [`poll_announcement`]: crate::Node::poll_announcement
//! [`handle_worldwide`]: crate::Node::handle_worldwide
//! [`poll_worldwide`]: crate::Node::poll_worldwide
//! [`add_address`]: crate::Node::add_address
//! [`set_rules`]: crate::Node::set_rules
//! [`Sighted`]: crate::Surroundings::Sighted
//! [`Vanished`]: crate::Surroundings::Vanished
//! [`Surroundings::Addresses`]: crate::Surroundings::Addresses
//! [`Surroundings::Clock`]: crate::Surroundings::Clock
//! [`StreamInput::Closed`]: crate::StreamInput::Closed
//! [`WorldAnswer::Over`]: crate::WorldAnswer::Over
//! [`WideConfig::mainline`]: crate::WideConfig::mainline
//! [`Config`]: crate::Config
//! [`Config::wide`]: crate::Config::wide
//! [`Config::max_datagram`]: crate::Config::max_datagram
//! [`Rules`]: crate::Rules
//! [`Received`]: crate::Received
//! [`Transmit`]: crate::Transmit
//! [`Transmit::local`]: crate::Transmit::local
//! [`Transmit::remote`]: crate::Transmit::remote
//! [`Event::Ready`]: crate::Event::Ready
//! [`Event::StorageFailed`]: crate::Event::StorageFailed
//! [`SendError::NotReady`]: crate::SendError::NotReady
//! [`storage`]: crate::storage
//! [`StorageError::Unsupported`]: crate::storage::StorageError::Unsupported
//! [`Work`]: crate::storage::Work
//! [`Work::Load`]: crate::storage::Work::Load
//! [`Work::Output`]: crate::storage::Work::Output
//! [`Work::Commit`]: crate::storage::Work::Commit
//! [`Done::Committed`]: crate::storage::Done::Committed
//! [`Change::PutNew`]: crate::storage::Change::PutNew
//! [`Table::Inbox`]: crate::storage::Table::Inbox
//! [`Seed`]: crate::entropy::Seed
//! [`Identity::generate`]: crate::identity::Identity::generate
//! [`KeyFile::parse`]: crate::identity::KeyFile::parse
//! [`KeyFile::open`]: crate::identity::KeyFile::open
//! [`KeyFile::encode_plain`]: crate::identity::KeyFile::encode_plain
