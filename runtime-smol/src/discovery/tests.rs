//! Real mDNS. It needs a network that holds nobody else: a network namespace with nothing but loopback, since a daemon
//! joins its multicast group on every interface before it can be told which ones to use.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use hither_protocol::{Announcement, Surroundings};
use smol::Timer;
use smol::future::or;

use super::Discovery;

const INSIDE: &str = "HITHER_TEST_IN_NAMESPACE";

/// Runs a test of this program in a namespace of its own. False when this already is in one, or when the system
/// has none to give, which is said.
fn in_namespace(test: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let output = Command::new("unshare")
        .args(["--map-root-user", "--net", "--", "sh", "-c"])
        .arg("ip link set lo up && ip link set lo multicast on && exec \"$@\"")
        .arg("sh")
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(INSIDE, "1")
        .output();
    match output {
        Ok(output) if output.status.success() => print!("{}", String::from_utf8_lossy(&output.stdout)),
        Ok(output) if String::from_utf8_lossy(&output.stdout).contains("running 1 test") => {
            panic!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        }
        _ => println!("skipped: this system gives no network namespace"),
    }
    false
}

fn announcement(name: &str) -> Announcement {
    Announcement {
        instance: format!("{name}-instance"),
        host: format!("{name}-host"),
        text: vec![("v".into(), "1".into()), ("t".into(), format!("{name} text"))],
    }
}

fn addresses(port: u16) -> Vec<SocketAddr> {
    vec![SocketAddr::from(([127, 0, 0, 1], port)), SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, port))]
}

async fn next(discovery: &mut Discovery) -> Surroundings {
    or(discovery.next(), async {
        Timer::after(Duration::from_secs(30)).await;
        panic!("nothing was heard on loopback in thirty seconds");
    })
    .await
}

/// Waits until `come` was seen, as it was announced, and `gone` went, in any order.
async fn until(discovery: &mut Discovery, come: Option<(&str, u16)>, gone: Option<&str>) {
    let (mut has_come, mut has_gone) = (come.is_none(), gone.is_none());
    while !(has_come && has_gone) {
        match next(discovery).await {
            Surroundings::Sighted(mut sighting) => {
                // Told again of who is about to go, or of new addresses.
                let Some((name, port)) =
                    come.filter(|(name, _)| sighting.instance == announcement(name).instance)
                else {
                    if gone.is_none() {
                        continue;
                    }
                    assert_eq!(Some(sighting.instance), gone.map(|name| announcement(name).instance));
                    continue;
                };
                let mut text = announcement(name).text;
                text.sort();
                sighting.text.sort();
                assert_eq!(sighting.text, text);
                assert!(sighting.addresses.iter().all(|address| addresses(port).contains(address)));
                has_come = sighting.addresses.contains(&addresses(port)[0]);
            }
            Surroundings::Vanished { instance } => {
                assert_eq!(Some(instance), gone.map(|name| announcement(name).instance));
                has_gone = true;
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn two_find_each_other_and_part() {
    if !in_namespace("discovery::tests::two_find_each_other_and_part") {
        return;
    }
    smol::block_on(async {
        let (mut a, mut b) = (Discovery::new(Some("lo".into())), Discovery::new(Some("lo".into())));
        a.restart(addresses(1001)).await;
        b.restart(addresses(1002)).await;
        a.announce(vec![announcement("a")]).await;
        b.announce(vec![announcement("b")]).await;
        until(&mut a, Some(("b", 1002)), None).await;
        until(&mut b, Some(("a", 1001)), None).await;

        // A new name in place of the old one.
        a.announce(vec![announcement("c")]).await;
        until(&mut b, Some(("c", 1001)), Some("a")).await;

        // Started anew, as after a change of interfaces: everyone is told as gone, then as seen.
        b.restart(addresses(1002)).await;
        until(&mut b, None, Some("c")).await;
        until(&mut b, Some(("c", 1001)), None).await;
        // Once by the answer to the question that was asked of all, once by the library: only what that has heard of can it
        // tell as gone.
        until(&mut b, Some(("c", 1001)), None).await;

        a.stop().await;
        until(&mut b, None, Some("c")).await;
        b.stop().await;
    });
}

/// How soon somebody is found who was there before: a person waits for that.
#[test]
fn somebody_who_is_there_is_found_at_once() {
    if !in_namespace("discovery::tests::somebody_who_is_there_is_found_at_once") {
        return;
    }
    smol::block_on(async {
        let mut a = Discovery::new(Some("lo".into()));
        a.restart(addresses(1001)).await;
        a.announce(vec![announcement("a"), announcement("c")]).await;
        // Three browsers, one after the other, each within a second of what was said last.
        let mut soonest = Duration::MAX;
        for _ in 0..3 {
            Timer::after(Duration::from_millis(300)).await;
            let begun = std::time::Instant::now();
            let mut b = Discovery::new(Some("lo".into()));
            b.restart(addresses(1002)).await;
            until(&mut b, Some(("a", 1001)), None).await;
            soonest = soonest.min(begun.elapsed());
            b.stop().await;
        }
        // By multicast alone it takes until the next announcement: eight tenths of a second at the least.
        assert!(soonest < Duration::from_millis(700), "{soonest:?}");
        a.stop().await;
    });
}
