//! The network beyond the local one, through the real program: on loopback, and between machines that cannot see each
//! other by multicast, so that whoever is found was found through the table of nodes.
#![cfg(target_os = "linux")]

mod support;

use std::fs;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::Value;
use support::world::{Machine, Router, World};
use support::{Ended, Node, Running, text};

/// A check of `doctor`.
#[track_caller]
fn check<'a>(ended: &'a Ended, name: &str) -> &'a Value {
    let found = ended.events.iter().find(|event| event["event"] == "doctor" && event["check"] == name);
    found.unwrap_or_else(|| panic!("no {name}: {ended:#?}"))
}

/// The port of whoever is ready.
fn port(running: &mut Running) -> u16 {
    let address = running.address();
    address.rsplit_once(':').unwrap().1.parse().unwrap()
}

/// Has one machine be there for all to begin with, and others join it; they stay as long as what is given.
fn start_nodes(first: &Machine, others: &[&Machine]) -> Vec<Running> {
    let mut all = vec![first.start(None, &["up", "--public"])];
    all[0].wait_for("ready", |_| true);
    all.extend(others.iter().map(|machine| machine.start(Some(first), &["up"])));
    all.iter_mut().skip(1).for_each(|up| drop(up.wait_for("ready", |_| true)));
    all
}

/// Has one machine send another a file by a code of five words, both beginning with the first.
fn send_by_code(first: &Machine, from: &Machine, to: &Machine) {
    let file = from.node.file("film", [7; 100_000]);
    let mut sender = from.start(Some(first), &["send", text(&file)]);
    let code = sender.wait_for("code", |_| true)["code"].as_str().unwrap().to_owned();
    assert_eq!(code.split('-').count(), 5);
    let into = to.node.path("in");
    let receiver = to.start(Some(first), &["receive", "--yes", "--into", text(&into), &code]).end();
    receiver.expect(0);
    sender.end().expect(0);
    assert_eq!(fs::read(into.join("film")).unwrap(), [7; 100_000]);
}

/// Asks again and again until `doctor` says so; gives its last words.
fn doctor_until(machine: &Machine, begin: Option<&Machine>, wanted: impl Fn(&Ended) -> bool) -> Ended {
    let end = Instant::now() + Duration::from_secs(100);
    loop {
        let ended = machine.start(begin, &["doctor"]).end();
        ended.expect(0);
        if wanted(&ended) || Instant::now() > end {
            return ended;
        }
    }
}

#[test]
fn on_loopback_nodes_join_are_listed_and_find_themselves() {
    let (first, second, third) = (Node::new(), Node::new(), Node::new());
    let mut up = first.start(&["up"]);
    let bootstrap = format!("127.0.0.1:{}", port(&mut up));
    let mut also = second.start(&["up", "--bootstrap", &bootstrap]);
    also.address();
    let doctor = third.run(&["doctor", "--bootstrap", &bootstrap]);
    doctor.expect(0);
    let network = check(&doctor, "network");
    assert_eq!((&network["state"], &network["joined"]), (&"ok".into(), &true.into()), "{doctor:#?}");
    assert_eq!(network["configured"], 1);
    assert!(network["nodes"].as_u64().unwrap() >= 1);
    let lookup = check(&doctor, "lookup");
    assert_eq!(lookup["state"], "ok", "{doctor:#?}");
    assert!(lookup["round"].is_u64() && lookup["copies"].as_u64().unwrap() >= 1, "{lookup}");
    assert_eq!(check(&doctor, "mainline")["on"], false);
    assert_eq!(check(&doctor, "addresses")["state"], "warn", "loopback alone");
    assert!(check(&doctor, "refused")["datagrams_in"].as_u64().unwrap() > 0);

    let peers = third.run(&["list-peers", "--bootstrap", &bootstrap]);
    peers.expect(0);
    let node = peers.event("node");
    assert_eq!(node["id"].as_str().unwrap().len(), 64);
    let address: SocketAddr = node["address"].as_str().unwrap().parse().unwrap();
    assert!(address.ip().is_loopback(), "{node}");
    assert!(node["rtt"].is_f64() && node["seen"].is_u64() && node["state"] == "good", "{node}");

    // Whoever has the home is asked.
    let peers = second.run(&["list-peers"]);
    peers.expect(0);
    peers.event("node");
    let doctor = second.run(&["doctor"]);
    doctor.expect(0);
    assert_eq!(check(&doctor, "network")["joined"], true);
    assert_eq!(check(&doctor, "lookup")["state"], "ok", "{doctor:#?}");
}

#[test]
fn who_takes_no_part_is_told_so_and_codes_are_for_this_network() {
    let node = Node::new();
    let doctor = node.run(&["doctor", "--no-network"]);
    doctor.expect(0);
    assert_eq!(check(&doctor, "network")["state"], "warn");
    assert_eq!(check(&doctor, "network")["joined"], false);
    let peers = node.run(&["list-peers", "--no-network"]);
    peers.expect(0);
    assert!(peers.events.iter().all(|event| event["event"] != "node"));

    node.file("home/config.toml", "network = false\n");
    let up = node.run(&["up", "--public"]);
    up.expect_error(2, "`network = false`");
    let file = node.file("film", "film");
    let code = |arguments: &[&str]| {
        let mut sender = node.start(&[&["send", text(&file)], arguments].concat());
        let code = sender.wait_for("code", |_| true)["code"].as_str().unwrap().to_owned();
        code.split('-').count()
    };
    assert_eq!(code(&["--bootstrap", "127.0.0.1:1"]), 3, "nobody is asked: so says the configuration");
    node.file("home/config.toml", "bootstrap = [\"127.0.0.1:1\"]\n");
    let started = Instant::now();
    assert_eq!(code(&[]), 5);
    assert!(started.elapsed() < Duration::from_secs(30), "it does not wait for anyone to join");
    assert_eq!(code(&["--words", "3"]), 3);
    let mut sender = Running::start(&mut node.command(&["send", text(&file)]));
    sender.wait_for_note("On the other side, anywhere, within ");
}

#[test]
fn what_is_wrong_in_the_configuration_is_named_with_its_line() {
    let node = Node::new();
    node.file("home/config.toml", "name = \"x\"\nbootstrap = [\n  \"203.0.113.5\",\n]\n");
    node.run(&["doctor"]).expect_error(2, "line 3");
    node.file("home/config.toml", "\nmainline = \"off\"\n");
    node.run(&["doctor"]).expect_error(2, "line 2");
    node.file("home/config.toml", "");
    let ended = Running::start(node.command(&["doctor", "--json"]).env("HITHER_MAINLINE", "never")).end();
    ended.expect_error(2, "HITHER_MAINLINE is `on` or `off`");
    let ended = Running::start(node.command(&["doctor", "--json"]).env("HITHER_BOOTSTRAP", "1.2.3.4")).end();
    ended.expect_error(2, "HITHER_BOOTSTRAP");
}

#[test]
fn a_node_that_does_not_answer_is_said_to() {
    let node = Node::new();
    // Somebody who listens and says nothing.
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let started = Instant::now();
    let doctor = Running::start(node.command(&["doctor", "--json"]).env("HITHER_BOOTSTRAP", &address)).end();
    doctor.expect(0);
    assert!(started.elapsed() < Duration::from_secs(60));
    let network = check(&doctor, "network");
    assert_eq!((&network["state"], &network["configured"]), (&"bad".into(), &1.into()), "{network}");
    assert!(network["text"].as_str().unwrap().contains("--bootstrap"), "{network}");
}

#[test]
fn who_loses_all_nodes_is_told_so() {
    let (first, second) = (Node::new(), Node::new());
    let mut up = first.start(&["up"]);
    let bootstrap = format!("127.0.0.1:{}", port(&mut up));
    let mut other = second.start(&["up", "--bootstrap", &bootstrap]);
    other.address();
    let joined = |wanted: bool| {
        let end = Instant::now() + Duration::from_secs(100);
        loop {
            let doctor = second.run(&["doctor"]);
            doctor.expect(0);
            if check(&doctor, "network")["joined"] == wanted {
                return doctor;
            }
            assert!(Instant::now() < end, "{doctor:#?}");
        }
    };
    joined(true);
    up.kill();
    let doctor = joined(false);
    assert_ne!(check(&doctor, "network")["state"], "ok", "{doctor:#?}");
    assert_eq!(check(&doctor, "lookup")["state"], "warn", "{doctor:#?}");
}

#[test]
fn a_public_node_prints_the_line_for_others() {
    let node = Node::new();
    let mut up = node.start(&["up", "--public"]);
    let port = port(&mut up);
    let bootstrap = up.wait_for("bootstrap", |_| true);
    let addresses = bootstrap["addresses"].as_array().unwrap();
    assert!(addresses.contains(&format!("127.0.0.1:{port}").into()), "{bootstrap}");
    drop(up);
    let mut up = Running::start(&mut node.command(&["up", "--public"]));
    up.wait_for_note("config.toml");
    drop(up);
    // It is a line of the configuration.
    let line = format!("bootstrap = [\"127.0.0.1:{port}\"]");
    assert!(hither_cli::config::Config::parse(&line).is_ok());
}

#[test]
fn peers_that_share_no_network_are_found_by_their_id() {
    let Some(world) = World::make(4) else { return };
    let [first, other, alice, bob] = world.machines();
    let mut public = first.start(None, &["up", "--public"]);
    let address = format!("{}:4242", first.address);
    public.wait_for("bootstrap", |event| event["addresses"][0] == address);
    let mut up = other.start(Some(first), &["up"]);
    up.wait_for("ready", |_| true);

    let into = bob.node.path("in");
    let mut receiver = bob.start(Some(first), &["up", "--yes", "--into", text(&into)]);
    let id = receiver.wait_for("ready", |_| true)["id"].as_str().unwrap().to_owned();
    let found =
        |ended: &Ended| check(ended, "lookup")["state"] == "ok" && !check(ended, "lookup")["round"].is_null();
    let doctor = doctor_until(bob, None, found);
    assert_eq!(check(&doctor, "lookup")["state"], "ok", "{doctor:#?}");
    assert_eq!(check(&doctor, "neighbours")["neighbours"], 0, "nobody is near");
    assert_eq!(check(&doctor, "observed")["observed"][0], format!("{}:4242", bob.address));
    assert_eq!(check(&doctor, "port")["known_port"], true);
    let peers = bob.start(None, &["list-peers"]).end();
    peers.expect(0);
    assert!(
        peers.events.iter().any(|event| event["event"] == "node" && event["address"] == address),
        "{peers:#?}"
    );

    let sent = alice.start(Some(first), &["msg", &id, "Hello"]).end();
    sent.expect(0);
    assert_eq!(receiver.wait_for("message", |_| true)["text"], "Hello");

    let file = alice.node.file("film", [7; 100_000]);
    let sent = alice.start(Some(first), &["send", text(&file), "--to", &id]).end();
    sent.expect(0);
    receiver.wait_for("done", |_| true);
    assert_eq!(fs::read(into.join("film")).unwrap(), [7; 100_000]);

    // Nobody has to be told again with whom to begin.
    let sent = alice.start(None, &["msg", &id, "again"]).end();
    sent.expect(0);
}

#[test]
fn peers_behind_two_routers_reach_each_other_by_their_ids() {
    let Some(world) = World::with_routers(5, &[Router::PortRestricted; 2]) else { return };
    let [first, second, third, alice, bob] = world.machines();
    let _nodes = start_nodes(first, &[second, third]);

    let into = bob.node.path("in");
    let mut receiver = bob.start(Some(first), &["up", "--yes", "--into", text(&into)]);
    let id = receiver.wait_for("ready", |_| true)["id"].as_str().unwrap().to_owned();
    let introduced = |ended: &Ended| {
        let introducers = check(ended, "mode")["introducers"].as_array().unwrap().len();
        introducers == 2 && !check(ended, "lookup")["round"].is_null()
    };
    let doctor = doctor_until(bob, None, introduced);
    assert!(introduced(&doctor), "{doctor:#?}");
    let mode = check(&doctor, "mode");
    assert_eq!((&mode["mode"], &mode["state"]), (&"client".into(), &"ok".into()), "{mode}");
    assert_eq!(check(&doctor, "lookup")["state"], "ok", "{doctor:#?}");
    assert_eq!(check(&doctor, "observed")["reachable"].as_array().unwrap().len(), 0);

    let sent = alice.start(Some(first), &["msg", &id, "Hello"]).end();
    sent.expect(0);
    assert_eq!(receiver.wait_for("message", |_| true)["text"], "Hello");
    let file = alice.node.file("film", vec![7; 5_000_000]);
    let sent = alice.start(None, &["send", text(&file), "--to", &id]).end();
    sent.expect(0);
    receiver.wait_for("done", |_| true);
    assert_eq!(fs::read(into.join("film")).unwrap(), vec![7; 5_000_000]);
}

#[test]
fn who_has_another_port_for_everyone_is_reached_from_where_all_get_in() {
    let Some(world) = World::with_routers(5, &[Router::Symmetric]) else { return };
    let [first, second, third, carol, bob] = world.machines();
    let _nodes = start_nodes(first, &[second, third]);

    let mut receiver = bob.start(Some(first), &["up", "--yes"]);
    let id = receiver.wait_for("ready", |_| true)["id"].as_str().unwrap().to_owned();
    let introduced = |ended: &Ended| check(ended, "mode")["introducers"].as_array().unwrap().len() == 2;
    let doctor = doctor_until(bob, None, introduced);
    assert_eq!(check(&doctor, "observed")["state"], "warn", "{doctor:#?}");
    let sent = carol.start(Some(first), &["msg", &id, "Hello"]).end();
    sent.expect(0);
    assert_eq!(receiver.wait_for("message", |_| true)["text"], "Hello");
}

#[test]
fn a_code_leads_through_two_routers() {
    let Some(world) = World::with_routers(5, &[Router::PortRestricted; 2]) else { return };
    let [first, second, third, alice, bob] = world.machines();
    let _nodes = start_nodes(first, &[second, third]);
    send_by_code(first, alice, bob);
}

#[test]
fn a_code_of_five_words_works_between_networks() {
    let Some(world) = World::make(4) else { return };
    let [first, other, alice, bob] = world.machines();
    let _nodes = start_nodes(first, &[other]);
    send_by_code(first, alice, bob);

    // One of three words is for the local network only.
    let file = alice.node.path("film");
    let mut sender = alice.start(Some(first), &["send", text(&file), "--words", "3"]);
    let code = sender.wait_for("code", |_| true)["code"].as_str().unwrap().to_owned();
    let receiver = bob.start(Some(first), &["receive", "--yes", &code]).end();
    receiver.expect_error(5, "on this network");
}

#[test]
fn who_has_a_wrong_code_is_told_where_it_was_looked_for() {
    let Some(world) = World::make(2) else { return };
    let [first, alice] = world.machines();
    let mut public = first.start(None, &["up", "--public"]);
    public.wait_for("ready", |_| true);
    let mut receiver = alice.start_in_words(Some(first), &["receive", "--yes", "zoo-zoo-zoo-zoo-zoo"]);
    receiver.wait_for_note("on this network and beyond, for 30 s at most");
    let ended = receiver.end();
    ended.expect(5);
    assert!(ended.errors.contains("`hither doctor`"), "{}", ended.errors);
}
