//! Who is seen by whom on a local network: contacts always, strangers only while the owner says so.

use std::time::Duration;

use hither_protocol::{Event, MessageState, OpenName, PeerView};
use hither_tests::{HostId, World, for_seeds};

const SOON: Duration = Duration::from_secs(5);
const TEN_MINUTES: Duration = Duration::from_secs(600);

fn world(seed: u64) -> (World, HostId, HostId) {
    let mut world = World::new(seed);
    let [anna, bob] = ["anna", "bob"].map(|name| world.add_host(name));
    world.wait_until_ready(anna);
    world.wait_until_ready(bob);
    world.run_for(SOON);
    (world, anna, bob)
}

fn show(world: &mut World, id: HostId, name: &str, lasts: Duration) {
    let name = OpenName::new(name).unwrap();
    world.ask(id, |node, now| node.show_openly(now, name, lasts));
    world.run_for(SOON);
}

fn seen_by(world: &World, id: HostId) -> Vec<PeerView> {
    world.host(id).node().unwrap().peers()
}

fn is_hidden(event: &Event) -> bool {
    matches!(event, Event::Hidden)
}

#[test]
fn a_stranger_sees_name_and_id_for_as_long_as_was_said() {
    for_seeds(3, |seed| {
        let (mut world, anna, bob) = world(seed);
        let (hers, at) = (world.peer(anna), world.host(anna).address());
        let anonymous = |views: &[PeerView]| matches!(views, [one] if one.peer.is_none() && one.near);
        assert!(anonymous(&seen_by(&world, bob)));
        show(&mut world, anna, "Anna's laptop", TEN_MINUTES);
        let [view] = seen_by(&world, bob).try_into().unwrap();
        assert_eq!((view.peer, view.near, view.addresses), (Some(hers), true, vec![at]));
        assert_eq!(view.name, None, "her word is no contact's name");
        assert_eq!(view.calls_itself.as_ref().map(OpenName::as_str), Some("Anna's laptop"));

        // Another clock on the wall makes it no longer.
        world.set_skew(anna, -3_600_000);
        world.run_for(TEN_MINUTES - 2 * SOON);
        assert_eq!(world.host(anna).count(is_hidden), 0);
        world.set_skew(anna, 0);
        world.run_for(2 * SOON);
        assert_eq!(world.host(anna).count(is_hidden), 1);
        assert!(anonymous(&seen_by(&world, bob)));
        let left = world.ask(anna, |node, now| node.shown_openly(now));
        assert_eq!(left, None);
        world.run_for(TEN_MINUTES);
        assert_eq!(world.host(anna).count(is_hidden), 1, "it is said once");
    });
}

#[test]
fn it_can_be_ended_and_made_longer_and_has_a_bound() {
    let (mut world, anna, bob) = world(1);
    show(&mut world, anna, "Anna", TEN_MINUTES);
    world.run_for(TEN_MINUTES / 2);
    show(&mut world, anna, "Anna", TEN_MINUTES);
    world.run_for(TEN_MINUTES / 2 + SOON);
    assert!(seen_by(&world, bob)[0].peer.is_some());
    world.ask(anna, |node, now| node.hide(now));
    world.run_for(SOON);
    assert!(seen_by(&world, bob)[0].peer.is_none());
    show(&mut world, anna, "Anna", Duration::MAX);
    let left = world.ask(anna, |node, now| node.shown_openly(now)).unwrap().1;
    assert!(left <= Duration::from_secs(24 * 3600));
}

#[test]
fn contacts_are_recognised_all_the_while() {
    for_seeds(3, |seed| {
        let (mut world, anna, bob) = world(seed);
        world.befriend(&[anna, bob]);
        let hers = world.peer(anna);
        let recognised = |world: &World| {
            seen_by(world, bob).iter().any(|view| view.peer == Some(hers) && view.near && view.name.is_some())
        };
        show(&mut world, anna, "Anna", TEN_MINUTES);
        assert!(recognised(&world));
        world.run_for(TEN_MINUTES + SOON);
        assert!(recognised(&world));
        assert_eq!(seen_by(&world, bob)[0].calls_itself, None);
    });
}

#[test]
fn who_is_seen_openly_can_be_written_to_by_id_and_is_a_stranger_to_the_rules() {
    let (mut world, anna, bob) = world(1);
    show(&mut world, anna, "Anna", TEN_MINUTES);
    let hers = seen_by(&world, bob)[0].peer.unwrap();
    world.ask(bob, |node, now| node.send_message(now, hers, "hello")).unwrap();
    let is_refused = |event: &Event| matches!(event, Event::MessageSent { state: MessageState::Refused, .. });
    world.expect(bob, "a refusal", TEN_MINUTES, is_refused);
}

#[test]
fn one_who_takes_a_contacts_name_is_not_that_contact() {
    let mut world = World::new(1);
    let [anna, bob, mallory] = ["anna", "bob", "mallory"].map(|name| world.add_host(name));
    world.befriend(&[anna, bob]);
    world.wait_until_ready(mallory);
    show(&mut world, mallory, "anna", TEN_MINUTES);
    let (hers, theirs) = (world.peer(anna), world.peer(mallory));
    let views = seen_by(&world, bob);
    let [first, second] = views.as_slice() else { panic!("{views:?}") };
    assert_eq!((first.peer, first.name.as_deref(), &first.calls_itself), (Some(hers), Some("anna"), &None));
    assert_eq!((second.peer, second.name.as_deref()), (Some(theirs), None));
    assert_eq!(second.calls_itself.as_ref().map(OpenName::as_str), Some("anna"));
}
