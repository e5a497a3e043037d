//! Shares and fetches against peers that keep no rule.

use std::net::SocketAddr;
use std::time::Duration;

use super::bench::{Bench, file};
use crate::identity::PeerId;
use crate::link::LinkKey;
use crate::node::sharing::may_tell;
use crate::transfer::hash::{CHUNK, ChunkValue, Root, chunk_value};
use crate::transfer::proof::FileTree;
use crate::transfer::{Manifest, Shared, Ticket, TransferId};
use crate::wire::{
    Control, Have, Leaving, MAX_ASK, Other, PieceHead, Run, Share, What, encode_open_outline,
    encode_open_pieces, encode_part, encode_piece, encode_roots, runs,
};
use crate::{Acceptance, Conflict, DropReason, Event, LinkLoss, TransferFailure};

const SHORTLY: Duration = Duration::from_millis(30);

fn is_violation(event: &Event) -> bool {
    matches!(event, Event::Disconnected { why: LinkLoss::Broken, .. })
}

fn content(chunks: u64) -> Vec<u8> {
    (0..chunks * CHUNK).map(|at| (at / 1000 % 251) as u8).collect()
}

fn root(content: &[u8]) -> Root {
    Root(*blake3::hash(content).as_bytes())
}

/// What a peer was told of a root.
fn told(bench: &Bench, number: usize, root: Root) -> Vec<What> {
    let heard = bench.peers[number].heard.iter();
    let of_root = heard.filter_map(|(_, message)| match message {
        Control::Share(share) if share.root == root => Some(share.what.clone()),
        _ => None,
    });
    of_root.collect()
}

fn say(bench: &mut Bench, number: usize, link: LinkKey, root: Root, what: What) {
    bench.say(number, link, &Control::Share(Share { root, what }));
}

/// A node that shares a film of so many chunks.
fn sharing(chunks: u64) -> (Bench, TransferId, Root) {
    let mut bench = Bench::new(|_| {});
    bench.files.insert("film".into(), content(chunks));
    let share = bench.node.share(bench.now, vec!["/home/film".into()]).unwrap();
    bench.settle();
    assert_eq!(bench.count(|event| matches!(event, Event::Shared { .. })), 1);
    (bench, share, root(&content(chunks)))
}

#[test]
fn whoever_cannot_name_the_root_learns_nothing() {
    let (mut bench, _, _) = sharing(2);
    let (eve, link) = bench.stranger();
    let guess = Root([7; 32]);
    for what in [
        What::Seek { outline: true },
        What::Ask(runs([0])),
        What::Have(Have::All),
        What::Others(Vec::new()),
        What::Leave(Leaving::Done),
    ] {
        say(&mut bench, eve, link, guess, what);
    }
    assert_eq!(told(&bench, eve, guess), [What::Leave(Leaving::Unknown)], "as if nothing were shared at all");
    assert_eq!(bench.count(|event| matches!(event, Event::Taking { .. })), 0);
    assert_eq!(bench.count(is_violation), 0);
}

#[test]
fn whoever_names_the_root_is_told_what_is_there_and_pieces_come_only_to_those_who_sought() {
    let (mut bench, share, root) = sharing(2);
    let (bob, link) = bench.stranger();
    bench.asked.clear();
    say(&mut bench, bob, link, root, What::Ask(runs([0])));
    assert!(bench.asked.is_empty(), "nothing is read for someone who did not say that it fetches");
    say(&mut bench, bob, link, root, What::Seek { outline: true });
    assert_eq!(told(&bench, bob, root), [What::Have(Have::All)]);
    say(&mut bench, bob, link, root, What::Ask(runs([0, 1])));
    assert_eq!(bench.asked, ["read"]);
    say(&mut bench, bob, link, root, What::Leave(Leaving::Done));
    let taken = |event: &Event| matches!(event, Event::Taken { share: of, whole: true, .. } if *of == share);
    assert_eq!(bench.count(taken), 1);
}

#[test]
fn asking_for_what_there_is_not_ends_the_link() {
    let (mut bench, _, root) = sharing(2);
    let (mallory, link) = bench.stranger();
    say(&mut bench, mallory, link, root, What::Seek { outline: false });
    say(&mut bench, mallory, link, root, What::Ask(runs([2])));
    assert_eq!(bench.count(is_violation), 1);
}

#[test]
fn whoever_asks_and_does_not_read_is_read_for_no_more_than_a_little_ahead() {
    let (mut bench, _, root) = sharing(80);
    let (mallory, link) = bench.stranger();
    say(&mut bench, mallory, link, root, What::Seek { outline: false });
    bench.asked.clear();
    for _ in 0..40 {
        say(&mut bench, mallory, link, root, What::Ask(vec![Run { first: 0, count: 80 }]));
    }
    bench.run_for(Duration::from_secs(20));
    // 8 MiB ahead of the link, half a megabyte each, and what the link itself takes in.
    assert!(bench.asked.len() < 30, "{} reads", bench.asked.len());
    assert_eq!(bench.count(is_violation), 0);
    for _ in 0..100 {
        say(&mut bench, mallory, link, root, What::Ask(vec![Run { first: 0, count: 80 }]));
    }
    assert_eq!(bench.count(is_violation), 1, "nobody asks for a hundred times as much as there is");
}

#[test]
fn coming_and_going_does_not_pile_up_reads() {
    let (mut bench, _, root) = sharing(80);
    let (mallory, link) = bench.stranger();
    bench.hold_kind = Some("read");
    for _ in 0..50 {
        say(&mut bench, mallory, link, root, What::Seek { outline: false });
        say(&mut bench, mallory, link, root, What::Ask(vec![Run { first: 0, count: 80 }]));
        say(&mut bench, mallory, link, root, What::Leave(Leaving::Done));
    }
    assert!(bench.held.len() <= 18, "{} reads under way", bench.held.len());
    bench.release();
    say(&mut bench, mallory, link, root, What::Seek { outline: false });
    bench.asked.clear();
    say(&mut bench, mallory, link, root, What::Ask(runs([0])));
    assert_eq!(bench.asked, ["read"], "and afterwards there is room again");
}

#[test]
fn no_more_than_so_many_fetch_at_once() {
    let (mut bench, _, root) = sharing(1);
    for number in 0..66 {
        let (peer, link) = bench.stranger();
        say(&mut bench, peer, link, root, What::Seek { outline: false });
        let wanted = if number < 64 { What::Have(Have::All) } else { What::Leave(Leaving::Busy) };
        assert!(told(&bench, peer, root).contains(&wanted), "{number}: {:?}", told(&bench, peer, root));
    }
}

/// A node that fetches a film of so many chunks from a scripted sharer.
struct Fetching {
    bench: Bench,
    sharer: usize,
    link: LinkKey,
    get: TransferId,
    content: Vec<u8>,
    root: Root,
}

impl Fetching {
    /// Up to the question for the outline.
    fn new(chunks: u64) -> Self {
        let mut bench = Bench::new(|_| {});
        let (sharer, link) = bench.stranger();
        let content = content(chunks);
        let root = root(&content);
        let ticket = Ticket::new(root, Shared::File, content.len() as u64, bench.peer(sharer), &[]);
        let get = bench.node.get(bench.now, &ticket, &[], "/received".into()).unwrap();
        bench.run_for(SHORTLY);
        assert_eq!(told(&bench, sharer, root), [What::Seek { outline: true }]);
        Self { bench, sharer, link, get, content, root }
    }

    /// Up to the first questions for pieces.
    fn moving(chunks: u64) -> Self {
        let mut case = Self::new(chunks);
        let root = case.root;
        case.outline(case.sharer, case.link, root);
        let how = Acceptance { into: "/received".into(), name: None, conflict: Conflict::Refuse };
        case.bench.node.accept(case.bench.now, case.get, how).unwrap();
        case.bench.run_for(SHORTLY);
        case.say(What::Have(Have::All));
        assert!(!case.asked().is_empty());
        case
    }

    fn outline(&mut self, number: usize, link: LinkKey, file_root: Root) {
        let manifest = Manifest::new("film".into(), vec![file("film", self.content.len() as u64)]).unwrap();
        let head = encode_open_outline(self.root, &manifest);
        let all = [head, encode_part(manifest.entries()).0, encode_roots(&[file_root]).0].concat();
        let channel = self.bench.open_raw(number, link, all);
        self.bench.finish(number, link, channel);
    }

    fn say(&mut self, what: What) {
        say(&mut self.bench, self.sharer, self.link, self.root, what);
    }

    fn asked(&self) -> Vec<u32> {
        let told = told(&self.bench, self.sharer, self.root);
        let asks = told.into_iter().filter_map(|what| match what {
            What::Ask(runs) => Some(runs),
            _ => None,
        });
        asks.flatten().flat_map(Run::pieces).collect()
    }

    /// A piece as an honest sharer sends it.
    fn piece(&self, piece: u32) -> (PieceHead, Vec<u8>) {
        let size = self.content.len() as u64;
        let mut tree = FileTree::new(size);
        let chunk = |at: u64| &self.content[(at * CHUNK) as usize..((at + 1) * CHUNK) as usize];
        (0..size / CHUNK).for_each(|at| tree.insert(at, chunk_value(size, at * CHUNK, chunk(at))));
        let at = u64::from(piece);
        let (value, proof) = (tree.value(at).unwrap(), tree.proof(at).unwrap());
        (PieceHead { piece, length: CHUNK as u32, value, proof }, chunk(at).to_vec())
    }

    fn send(&mut self, pieces: &[(PieceHead, Vec<u8>)]) {
        let mut all = encode_open_pieces(self.root);
        for (head, data) in pieces {
            all.extend(encode_piece(head));
            all.extend(data);
        }
        self.bench.open_raw(self.sharer, self.link, all);
        self.bench.run_for(SHORTLY);
    }

    fn dropped(&self) -> Vec<(PeerId, DropReason)> {
        let dropped = self.bench.events.iter().filter_map(|event| match event {
            Event::SourceDropped { peer, why, .. } => Some((*peer, *why)),
            _ => None,
        });
        dropped.collect()
    }

    fn expect_dropped(&self, why: DropReason, failure: TransferFailure) {
        assert_eq!(self.dropped(), [(self.bench.peer(self.sharer), why)]);
        let failed = |event: &Event| matches!(event, Event::Failed { why, kept: 0, .. } if *why == failure);
        assert_eq!(self.bench.count(failed), 1, "{:?}", self.bench.events.last());
        assert!(told(&self.bench, self.sharer, self.root).contains(&What::Leave(Leaving::Stopped)));
        assert_eq!(self.bench.count(is_violation), 0, "other matters over this link are not touched");
    }
}

#[test]
fn honest_pieces_are_taken_whatever_their_order() {
    let mut case = Fetching::moving(5);
    let mut sent = 0;
    while sent < 5 {
        let asked = case.asked().split_off(sent);
        assert!(!asked.is_empty());
        sent += asked.len();
        let pieces: Vec<_> = asked.into_iter().rev().map(|piece| case.piece(piece)).collect();
        case.send(&pieces);
    }
    assert_eq!(case.bench.count(|event| matches!(event, Event::Finished { .. })), 1);
    assert!(told(&case.bench, case.sharer, case.root).contains(&What::Leave(Leaving::Done)));
}

#[test]
fn an_outline_that_does_not_fit_the_root_is_not_shown() {
    let mut case = Fetching::new(3);
    case.outline(case.sharer, case.link, Root([1; 32]));
    case.expect_dropped(DropReason::WrongContent, TransferFailure::Mismatch);
    assert_eq!(case.bench.count(|event| matches!(event, Event::Offered { .. })), 0);
}

#[test]
fn an_outline_of_someone_who_was_not_named_is_not_looked_at() {
    let mut case = Fetching::new(3);
    let (mallory, link) = case.bench.stranger();
    let root = case.root;
    case.outline(mallory, link, root);
    assert_eq!(case.bench.count(|event| matches!(event, Event::Offered { .. })), 0);
    case.outline(case.sharer, case.link, root);
    assert_eq!(case.bench.count(|event| matches!(event, Event::Offered { .. })), 1);
}

#[test]
fn nothing_is_written_before_there_is_consent() {
    let mut case = Fetching::new(3);
    let root = case.root;
    case.outline(case.sharer, case.link, root);
    case.say(What::Have(Have::All));
    let piece = case.piece(0);
    case.send(&[piece]);
    case.bench.run_for(Duration::from_secs(5));
    assert!(case.asked().is_empty());
    assert!(!case.bench.asked.contains(&"prepare") && !case.bench.asked.contains(&"write"));
}

#[test]
fn a_wrong_proof_value_length_or_place_is_refused_before_the_bytes_are_taken() {
    for change in 0..5 {
        let mut case = Fetching::moving(5);
        let (mut head, data) = case.piece(1);
        match change {
            0 => head.proof[0] ^= 1,
            1 => head.value = ChunkValue([1; 32]),
            2 => head.length -= 1,
            3 => head.piece = 0,
            _ => head.piece = 5,
        }
        case.bench.asked.clear();
        case.send(&[(head, data)]);
        case.expect_dropped(DropReason::WrongContent, TransferFailure::Mismatch);
        assert!(!case.bench.asked.contains(&"write"));
    }
}

#[test]
fn bytes_that_do_not_have_the_proven_value_drop_their_sender() {
    let mut case = Fetching::moving(5);
    // One that was asked for: which are first is random.
    let asked = case.asked()[0];
    let (head, mut data) = case.piece(asked);
    data[7] ^= 1;
    case.send(&[(head, data)]);
    case.expect_dropped(DropReason::WrongContent, TransferFailure::Mismatch);
}

#[test]
fn what_nobody_asked_for_drops_its_sender() {
    let mut case = Fetching::moving(5);
    let piece = case.piece(1);
    case.send(&vec![piece; 7]);
    case.expect_dropped(DropReason::Misleading, TransferFailure::NobodyHasIt);
}

#[test]
fn hints_are_taken_from_those_who_are_asked_only() {
    let mut case = Fetching::moving(5);
    let local: SocketAddr = "10.9.9.9:9".parse().unwrap();
    let other = super::bench::identity(77).peer_id();
    case.say(What::Others(vec![Other { peer: other, addresses: vec![local] }]));
    assert_eq!(case.bench.node.dialler.addresses(other), [local]);
    let me = case.bench.node.peer_id();
    case.say(What::Others(vec![Other { peer: me, addresses: vec![local] }]));
    assert!(case.bench.node.dialler.addresses(me).is_empty(), "not oneself");
    // Someone who is no source is not listened to.
    let (eve, link) = case.bench.stranger();
    let third = super::bench::identity(78).peer_id();
    let root = case.root;
    let others = What::Others(vec![Other { peer: third, addresses: vec![local] }]);
    say(&mut case.bench, eve, link, root, others);
    assert!(case.bench.node.dialler.addresses(third).is_empty());
}

#[test]
fn nobody_elsewhere_makes_a_node_look_around_on_its_own_network() {
    let [near, far] = ["192.168.1.7:4242", "[2001:db8::7]:4242"].map(|address| address.parse().unwrap());
    for (told, to, may) in [(near, near, true), (near, far, false), (far, near, true), (far, far, true)] {
        assert_eq!(may_tell(told, to), may);
    }
}

#[test]
fn hints_are_bounded_however_many_are_given() {
    let mut case = Fetching::moving(5);
    for round in 0..20_usize {
        let others = (0..16).map(|number| Other {
            peer: super::bench::identity(1000 + round * 16 + number).peer_id(),
            addresses: vec!["10.9.9.9:9".parse().unwrap()],
        });
        let others = others.collect();
        case.say(What::Others(others));
    }
    assert!(case.bench.node.dialler.wanted().count() <= 64);
}

#[test]
fn questions_are_bounded() {
    let case = Fetching::moving(200);
    let asked = case.asked().len();
    assert!((1..=16).contains(&asked), "{asked} pieces of a peer that has delivered nothing yet");
    assert!(asked <= MAX_ASK as usize);
}
