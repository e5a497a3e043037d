//! One request to Mainline, from its start to its outcome.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use hither_protocol::{WorldAnswer, WorldRequest};
use mainline::MutableItem;
use mainline::async_dht::AsyncDht;
use mainline::errors::{PutMutableError, PutQueryError};
use smol::future::poll_once;
use smol::stream::{Stream, StreamExt};

/// Most items to be told for one request: a node keeps one, and an honest lookup reaches fewer nodes.
const MAX_VALUES: usize = 256;
/// Most addresses to be told for one request.
const MAX_PEERS: usize = 1024;

/// How a request went, as far as it has come.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// Whether a node keeps what it was to keep.
    pub(super) stored: bool,
    /// Whether a node has answered.
    pub(super) reached: bool,
}

/// Does what is asked. Whoever drops this before its end finds in `outcome` how far it came.
pub(super) async fn perform(
    dht: &AsyncDht,
    request: WorldRequest,
    tell: &impl Fn(WorldAnswer),
    outcome: &mut Outcome,
) {
    match request {
        WorldRequest::Put { key, sequence, value, signature } => {
            // Refused at the door.
            let Ok(sequence) = i64::try_from(sequence) else { return };
            let item = MutableItem::new_signed_unchecked(key, signature, &value, sequence, None);
            let result = dht.put_mutable(item, None).await;
            outcome.stored = result.is_ok();
            // All other errors come after nodes have given leave to put.
            outcome.reached = !matches!(result, Err(PutMutableError::Query(PutQueryError::NoClosestNodes)));
        }
        WorldRequest::Get { key } => get(dht, &key, tell, outcome).await,
        WorldRequest::Announce { topic, port } => {
            let result = dht.announce_peer(topic.into(), Some(port.get())).await;
            outcome.stored = result.is_ok();
            outcome.reached = !matches!(result, Err(PutQueryError::NoClosestNodes));
        }
        WorldRequest::Find { topic } => find(dht, topic, tell, outcome).await,
    }
}

async fn get(dht: &AsyncDht, key: &[u8; 32], tell: &impl Fn(WorldAnswer), outcome: &mut Outcome) {
    let mut lookup = dht.get_mutable_detailed(key, None, None);
    let mut known = BTreeSet::new();
    while known.len() < MAX_VALUES {
        let items = batch(&mut lookup.items).await;
        if items.is_empty() {
            outcome.reached |= lookup.outcome.recv().await.responded() > 0;
            break;
        }
        outcome.reached = true;
        let mut new = Vec::new();
        for item in items {
            // A negative number is not ours.
            let Ok(sequence) = u64::try_from(item.seq()) else { continue };
            let value = (sequence, item.value().to_vec());
            if known.insert(value.clone()) {
                new.push(value);
            }
        }
        new.sort_unstable();
        if !new.is_empty() {
            tell(WorldAnswer::Values(new));
        }
    }
}

async fn find(dht: &AsyncDht, topic: [u8; 20], tell: &impl Fn(WorldAnswer), outcome: &mut Outcome) {
    let mut lookup = dht.get_peers(topic.into());
    let mut known = BTreeSet::new();
    while known.len() < MAX_PEERS {
        let lists = batch(&mut lookup).await;
        if lists.is_empty() {
            // The lookup does not tell; only who has answered is in the table.
            outcome.reached |= !dht.to_bootstrap().await.is_empty();
            break;
        }
        outcome.reached = true;
        let new: Vec<SocketAddr> =
            lists.into_iter().flatten().filter(|peer| known.insert(*peer)).map(SocketAddr::V4).collect();
        if !new.is_empty() {
            tell(WorldAnswer::Peers(new));
        }
    }
}

/// What comes next, and all that is there with it; nothing at the end.
async fn batch<T>(stream: &mut (impl Stream<Item = T> + Unpin)) -> Vec<T> {
    let mut batch = Vec::from_iter(stream.next().await);
    while let Some(Some(more)) = poll_once(stream.next()).await {
        batch.push(more);
    }
    batch
}
