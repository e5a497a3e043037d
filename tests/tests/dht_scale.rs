//! Thousands of nodes.
use std::time::Duration;
use hither_protocol::dht::{Item, Record, Target};
use hither_tests::swarm::{Setup, Swarm, Wire};

#[test]
fn probe() {
    let n: usize = std::env::var("N").ok().and_then(|n| n.parse().ok()).unwrap_or(300);
    let t = std::time::Instant::now();
    let mut swarm = Swarm::grown(1, Wire::Messages, n, |_| Setup::default());
    println!("grown {:?} {:?}", t.elapsed(), swarm.counts());
    let up = swarm.up();
    let sizes: Vec<_> = up.iter().map(|i| swarm.dht(*i).len()).collect();
    let servers = up.iter().filter(|i| swarm.dht(**i).mode() == hither_protocol::dht::Mode::Server).count();
    println!("table mean {} servers {servers}", sizes.iter().sum::<usize>() / n);
    let mut targets = Vec::new();
    for (number, index) in up.iter().enumerate() {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&(number as u64).to_le_bytes());
        let record = Record::dummy(key);
        targets.push(record.target());
        swarm.store(*index, Item::Record(record));
        swarm.run_for(Duration::from_millis(20));
    }
    swarm.run_for(Duration::from_secs(20));
    println!("stored {:?} {:?}", t.elapsed(), swarm.counts());
    let mut outs = Vec::new();
    for number in 0..1000 {
        let who = swarm.somebody();
        let target: Target = targets[(number * 7919) % n];
        let id = swarm.find(who, target);
        outs.push((who, id));
        swarm.run_for(Duration::from_millis(20));
    }
    swarm.run_for(Duration::from_secs(20));
    let outs: Vec<_> = outs.iter().map(|(who, id)| swarm.outcome(*who, *id).expect("over").0).collect();
    let mut rounds: Vec<_> = outs.iter().map(|o| o.found_in.map_or(99, |r| r)).collect();
    rounds.sort();
    let mut asked: Vec<_> = outs.iter().map(|o| o.asked).collect();
    asked.sort();
    let mut after: Vec<_> = outs.iter().filter_map(|o| o.after).collect();
    after.sort();
    println!("found {} of {}; rounds p50 {} p95 {}; asked p50 {} p95 {}; after p50 {:?} p95 {:?}", outs.iter().filter(|o| o.found_in.is_some()).count(), outs.len(), rounds[500], rounds[950], asked[500], asked[950], after[after.len()/2], after[after.len()*95/100]);
    println!("total {:?} {:?}", t.elapsed(), swarm.counts());
}
