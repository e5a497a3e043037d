//! What breaks the protocol ends the link, or the offer, and nothing else.

use super::bench::{Bench, directory, file, id};
use crate::transfer::hash::{CHUNK, ChunkValue, Root, chunk_value};
use crate::wire::{
    Answer, CancelReason, Chunk, Control, NewContent, ReceiptState, Wanted, encode_chunk, encode_open_chunks,
    encode_part,
};
use crate::{Event, LinkLoss, MessageState, Refusal, TransferFailure};

fn frame(content: &[u8]) -> Vec<u8> {
    [&u32::try_from(content.len()).unwrap().to_le_bytes()[..], content].concat()
}

fn is_violation(event: &Event) -> bool {
    matches!(event, Event::Disconnected { why: LinkLoss::Broken, .. })
}

/// A contact sends these bytes on the control channel: the link must end.
fn expect_control_ends_the_link(bytes: Vec<u8>) {
    let mut bench = Bench::new(|_| {});
    let (mallory, link) = bench.contact();
    bench.say_raw(mallory, link, bytes);
    assert_eq!(bench.count(is_violation), 1);
    assert_eq!(bench.peers[mallory].down, [link]);
    bench.link(mallory);
}

#[test]
fn an_oversized_frame_ends_the_link() {
    expect_control_ends_the_link((192 * 1024 + 1_u32).to_le_bytes().to_vec());
    expect_control_ends_the_link(u32::MAX.to_le_bytes().to_vec());
}

#[test]
fn an_empty_frame_ends_the_link() {
    expect_control_ends_the_link(0_u32.to_le_bytes().to_vec());
}

#[test]
fn garbage_on_the_control_channel_ends_the_link() {
    expect_control_ends_the_link(frame(&[0xff; 64]));
    expect_control_ends_the_link(frame(&[0; 8]));
    expect_control_ends_the_link(frame(b"x"));
}

#[test]
fn garbage_on_a_one_way_channel_ends_the_link() {
    for bytes in [frame(&[0xff; 64]), u32::MAX.to_le_bytes().to_vec(), frame(&[1; 9])] {
        let mut bench = Bench::new(|_| {});
        let (mallory, link) = bench.contact();
        bench.open_raw(mallory, link, bytes);
        assert_eq!(bench.count(is_violation), 1);
    }
}

#[test]
fn a_channel_that_ends_within_a_frame_ends_the_link() {
    let mut bench = Bench::new(|_| {});
    let (mallory, link) = bench.contact();
    let channel = bench.open_raw(mallory, link, vec![64, 0]);
    bench.finish(mallory, link, channel);
    assert_eq!(bench.count(is_violation), 1);
}

#[test]
fn what_follows_a_violation_is_not_heeded() {
    let mut bench = Bench::new(|_| {});
    let (mallory, link) = bench.contact();
    let me = bench.node.peer_id();
    let new = |id, text| NewContent {
        id: crate::chat::MessageId([id; 16]),
        recipient: me,
        sequence: 1,
        parents: Vec::new(),
        time: 0,
        text,
    };
    let author = &bench.peers[mallory].identity;
    let good = Control::Message(crate::wire::Envelope::seal(author, &new(1, "after"))).encode();
    // Signed for someone else: no honest peer sends that.
    let stranger = bench.peers[mallory].identity.peer_id();
    let elsewhere = NewContent { recipient: stranger, ..new(2, "elsewhere") };
    let bad = Control::Message(crate::wire::Envelope::seal(author, &elsewhere)).encode();
    bench.say_raw(mallory, link, [bad, good].concat());
    assert_eq!(bench.count(is_violation), 1);
    assert_eq!(bench.count(|event| matches!(event, Event::Message { .. })), 0);
}

fn offered(size: u64) -> (Bench, usize, crate::link::LinkKey) {
    let mut bench = Bench::new(|_| {});
    let (mallory, link) = bench.contact();
    bench.offer(mallory, link, id(1), vec![directory("d"), file("d/f", size), file("g", 0)]);
    assert!(bench.accepted(mallory, id(1)), "{:?}", bench.answers(mallory, id(1)));
    (bench, mallory, link)
}

fn head(size: u64, file: u32, offset: u64, content: &[u8]) -> Chunk {
    let length = u32::try_from(content.len()).unwrap();
    Chunk { file, length, offset, value: chunk_value(size, offset, content), last: false }
}

/// The one failure of a transfer that was under way.
fn expect_broken_off(bench: &Bench) {
    assert_eq!(bench.count(is_violation), 1, "{:?}", bench.events);
    let is_lost = |event: &Event| matches!(event, Event::Failed { why: TransferFailure::LinkLost(_), .. });
    assert_eq!(bench.count(is_lost), 1, "{:?}", bench.events);
    assert_eq!(bench.node.shares.writing(), 0, "no room is lost");
}

#[test]
fn chunks_that_the_manifest_does_not_have_end_the_link() {
    let size = 2 * CHUNK;
    let whole = vec![5; CHUNK as usize];
    let wrong = [
        Chunk { offset: 2 * CHUNK, ..head(size, 1, 0, &whole) },
        Chunk { offset: u64::MAX, ..head(size, 1, 0, &whole) },
        Chunk { offset: 1, ..head(size, 1, 0, &whole) },
        Chunk { length: 5, ..head(size, 1, 0, &whole) },
        Chunk { length: u32::MAX, ..head(size, 1, 0, &whole) },
        Chunk { file: 0, ..head(size, 1, 0, &whole) },
        Chunk { file: 3, ..head(size, 1, 0, &whole) },
        Chunk { file: u32::MAX, ..head(size, 1, 0, &whole) },
        Chunk { file: 2, ..head(size, 1, 0, &whole) },
    ];
    for head in wrong {
        let (mut bench, mallory, link) = offered(size);
        bench.begin_chunk(mallory, link, id(1), &head, &[]);
        expect_broken_off(&bench);
    }
}

#[test]
fn a_chunk_that_comes_twice_ends_the_link() {
    let size = 2 * CHUNK;
    let whole = vec![5; CHUNK as usize];
    let (mut bench, mallory, link) = offered(size);
    bench.begin_chunk(mallory, link, id(1), &head(size, 1, 0, &whole), &whole);
    assert_eq!(bench.count(is_violation), 0);
    bench.begin_chunk(mallory, link, id(1), &head(size, 1, 0, &whole), &whole);
    expect_broken_off(&bench);
}

#[test]
fn a_chunk_whose_content_is_not_its_value_fails_the_transfer_and_not_the_link() {
    let size = 2 * CHUNK;
    let whole = vec![5; CHUNK as usize];
    let (mut bench, mallory, link) = offered(size);
    let wrong = Chunk { value: ChunkValue([0; 32]), ..head(size, 1, 0, &whole) };
    bench.begin_chunk(mallory, link, id(1), &wrong, &whole);
    let is_mismatch = |event: &Event| matches!(event, Event::Failed { why: TransferFailure::Mismatch, .. });
    assert_eq!(bench.count(is_mismatch), 1, "{:?}", bench.events);
    assert_eq!(bench.count(is_violation), 0);
    let said = Control::Cancel { transfer: id(1), reason: CancelReason::Mismatch };
    assert!(bench.peers[mallory].heard.contains(&(link, said)));
    assert_eq!(bench.node.shares.writing(), 0);
    assert_eq!(bench.asked.last(), Some(&"discard"));
}

#[test]
fn a_false_root_fails_the_transfer() {
    let size = 10;
    let (mut bench, mallory, link) = offered(size);
    bench.begin_chunk(mallory, link, id(1), &head(size, 1, 0, &[1; 10]), &[1; 10]);
    bench.begin_chunk(mallory, link, id(1), &head(0, 2, 0, &[]), &[]);
    bench.say(mallory, link, &Control::Complete { transfer: id(1), root: Root([3; 32]) });
    let is_mismatch = |event: &Event| matches!(event, Event::Failed { why: TransferFailure::Mismatch, .. });
    assert_eq!(bench.count(is_mismatch), 1);
    assert_eq!(bench.count(|event| matches!(event, Event::Finished { .. })), 0);
}

#[test]
fn complete_before_the_content_ends_nothing_early() {
    let (mut bench, mallory, link) = offered(10);
    bench.say(mallory, link, &Control::Complete { transfer: id(1), root: Root([3; 32]) });
    assert_eq!(bench.count(|event| matches!(event, Event::Finished { .. } | Event::Failed { .. })), 0);
}

#[test]
fn a_message_for_a_transfer_of_another_link_does_nothing() {
    let (mut bench, _, _) = offered(10);
    let (eve, link) = bench.contact();
    for message in [
        Control::Complete { transfer: id(1), root: Root([3; 32]) },
        Control::Cancel { transfer: id(1), reason: CancelReason::Cancelled },
        Control::Answer { transfer: id(1), answer: Answer::Refuse(Refusal::Declined) },
        Control::Answer { transfer: id(1), answer: Answer::Accept(Wanted::default()) },
        Control::Received { transfer: id(1), root: Root([3; 32]) },
        Control::Answer { transfer: id(9), answer: Answer::Accept(Wanted::default()) },
    ] {
        bench.say(eve, link, &message);
    }
    let before = bench.node.shares.writing();
    bench.begin_chunk(eve, link, id(1), &head(10, 1, 0, &[1; 10]), &[1; 10]);
    assert_eq!(bench.node.shares.writing(), before);
    assert_eq!(bench.count(|event| matches!(event, Event::Failed { .. } | Event::Disconnected { .. })), 0);
    assert!(bench.node.incoming.contains_key(&id(1)));
}

fn expect_refused(entries: u32, bytes: u64, parts: Vec<Vec<u8>>, why: Refusal) {
    let mut bench = Bench::new(|_| {});
    let (mallory, link) = bench.contact();
    let all = [vec![super::rules::offer_head(id(1), entries, bytes)], parts].concat().concat();
    let channel = bench.open_raw(mallory, link, all);
    bench.finish(mallory, link, channel);
    assert_eq!(bench.answers(mallory, id(1)), [Answer::Refuse(why)]);
    assert!(bench.node.incoming.is_empty());
    assert!(!bench.asked.contains(&"examine"), "the disk is not asked");
    assert_eq!(bench.count(is_violation), 0);
}

#[test]
fn manifests_that_contradict_themselves_are_refused() {
    let part = |entries: &[crate::transfer::Entry]| vec![encode_part(entries).0];
    let [a, b] = [file("a", 5), file("b", 6)];
    expect_refused(2, 12, part(&[a.clone(), b.clone()]), Refusal::BadManifest);
    expect_refused(3, 11, part(&[a.clone(), b.clone()]), Refusal::BadManifest);
    expect_refused(2, 10, part(&[a.clone(), a.clone()]), Refusal::BadManifest);
    expect_refused(1, 5, part(&[file("x/a", 5)]), Refusal::BadManifest);
    expect_refused(2, 10, part(&[a.clone(), file("a/b", 5)]), Refusal::BadManifest);
    expect_refused(2, 5, part(&[file("d/a", 5), directory("d")]), Refusal::BadManifest);
    expect_refused(2, 4, part(&[file("a", u64::MAX), file("b", 5)]), Refusal::BadManifest);
    expect_refused(0, 0, Vec::new(), Refusal::BadManifest);
}

#[test]
fn more_entries_than_announced_end_the_link() {
    let mut bench = Bench::new(|_| {});
    let (mallory, link) = bench.contact();
    let part = encode_part(&[file("a", 0), file("b", 0)]).0;
    bench.open_raw(mallory, link, [super::rules::offer_head(id(1), 1, 0), part].concat());
    assert_eq!(bench.count(is_violation), 1);
    assert!(bench.node.incoming.is_empty());
}

/// Entries with whatever names, as one part.
fn raw_part(names: &[&[&str]]) -> Vec<u8> {
    let mut message = capnp::message::Builder::new_default();
    let part = message.init_root::<hither_schema::transfer_capnp::part::Builder<'_>>();
    let mut entries = part.init_entries(names.len() as u32);
    for (index, name) in (0..).zip(names) {
        let mut path = entries.reborrow().get(index).init_path(name.len() as u32);
        for (depth, component) in (0..).zip(*name) {
            path.set(depth, component);
        }
    }
    frame(&capnp::serialize::write_message_to_words(&message))
}

#[test]
fn an_offer_with_one_bad_name_is_refused_whole_and_the_disk_is_not_touched() {
    let names: [&[&str]; 7] =
        [&[".."], &["a", "..", "b"], &["a\x1b[2J"], &["a/b"], &["a\\b"], &[""], &["/etc/passwd"]];
    let good: [&[&str]; 2] = [&["good"], &["better"]];
    for name in names {
        // Counted as announced; or not counted, so that the others alone would be a whole offer.
        for entries in [3, 2] {
            let mut bench = Bench::new(|_| {});
            let (mallory, link) = bench.contact();
            let before = bench.asked.clone();
            let head = super::rules::offer_head(id(1), entries, 0);
            let bytes = [head, raw_part(&good), raw_part(&[name])].concat();
            let channel = bench.open_raw(mallory, link, bytes);
            bench.finish(mallory, link, channel);
            assert_eq!(bench.answers(mallory, id(1)), [Answer::Refuse(Refusal::BadManifest)], "{name:?}");
            assert_eq!(bench.asked, before, "{name:?}");
        }
    }
    // The same, all good, is taken.
    let mut bench = Bench::new(|_| {});
    let (bob, link) = bench.contact();
    let bytes = [super::rules::offer_head(id(1), 2, 0), raw_part(&good)].concat();
    let channel = bench.open_raw(bob, link, bytes);
    bench.finish(bob, link, channel);
    assert!(bench.accepted(bob, id(1)));
}

#[test]
fn chunks_before_consent_end_the_link() {
    let mut bench = Bench::new(|rules| rules.ask_always = true);
    let (mallory, link) = bench.contact();
    bench.offer(mallory, link, id(1), vec![file("a", 5)]);
    bench.begin_chunk(mallory, link, id(1), &head(5, 0, 0, &[1; 5]), &[1; 5]);
    assert_eq!(bench.count(is_violation), 1);
    assert!(!bench.asked.contains(&"write") && !bench.asked.contains(&"prepare"));
}

#[test]
fn chunks_of_a_transfer_that_was_never_offered_are_not_read() {
    let mut bench = Bench::new(|_| {});
    let (mallory, link) = bench.contact();
    bench.open_raw(
        mallory,
        link,
        [encode_open_chunks(id(5)), encode_chunk(&head(5, 0, 0, &[1; 5]))].concat(),
    );
    assert_eq!((bench.node.shares.writing(), bench.node.inflows.len()), (0, 0));
    assert!(!bench.asked.contains(&"write"));
}

/// The node offers a file to mallory.
fn offering() -> (Bench, usize, crate::link::LinkKey, crate::transfer::TransferId) {
    let mut bench = Bench::new(|_| {});
    bench.files.insert("film".into(), vec![1; 1000]);
    let (mallory, link) = bench.contact();
    let to = bench.peer(mallory);
    let transfer = bench.node.offer(bench.now, to, vec!["/home/film".into()]).unwrap();
    bench.settle();
    (bench, mallory, link, transfer)
}

#[test]
fn an_offer_accepted_twice_ends_the_link() {
    let (mut bench, mallory, link, transfer) = offering();
    let accept = Control::Answer { transfer, answer: Answer::Accept(Wanted::default()) };
    bench.hold = true;
    bench.say(mallory, link, &accept);
    assert_eq!(bench.count(|event| matches!(event, Event::Started { .. })), 1);
    bench.say(mallory, link, &accept);
    assert_eq!(bench.count(is_violation), 1);
}

#[test]
fn received_before_everything_was_sent_is_not_believed() {
    let (mut bench, mallory, link, transfer) = offering();
    let root = Root(*blake3::hash(&[1; 1000]).as_bytes());
    bench.say(mallory, link, &Control::Received { transfer, root });
    let accept = Control::Answer { transfer, answer: Answer::Accept(Wanted::default()) };
    bench.hold = true;
    bench.say(mallory, link, &accept);
    bench.say(mallory, link, &Control::Received { transfer, root });
    assert_eq!(bench.count(|event| matches!(event, Event::Finished { .. })), 0);
    bench.release();
    bench.say(mallory, link, &Control::Received { transfer, root });
    assert_eq!(bench.count(|event| matches!(event, Event::Finished { .. })), 1);
}

#[test]
fn received_with_a_false_root_is_a_failure() {
    let (mut bench, mallory, link, transfer) = offering();
    bench.say(mallory, link, &Control::Answer { transfer, answer: Answer::Accept(Wanted::default()) });
    bench.say(mallory, link, &Control::Received { transfer, root: Root([0; 32]) });
    let is_mismatch = |event: &Event| matches!(event, Event::Failed { why: TransferFailure::Mismatch, .. });
    assert_eq!(bench.count(is_mismatch), 1);
}

#[test]
fn a_receipt_for_a_message_to_someone_else_is_not_believed() {
    let mut bench = Bench::new(|_| {});
    let (bob, bobs) = bench.contact();
    let (mallory, link) = bench.contact();
    let to = bench.peer(bob);
    let id = bench.node.send_message(bench.now, to, "hello").unwrap();
    bench.settle();
    bench.say(mallory, link, &Control::Receipt { id, state: ReceiptState::Stored });
    let is_delivered =
        |event: &Event| matches!(event, Event::MessageSent { state: MessageState::Delivered, .. });
    assert_eq!(bench.count(is_delivered), 0);
    bench.say(bob, bobs, &Control::Receipt { id, state: ReceiptState::Stored });
    assert_eq!(bench.count(is_delivered), 1);
}
