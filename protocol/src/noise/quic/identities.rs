//! Several identities behind one endpoint: who is dialled shows in the first packet's connection id.
//!
//! The second half of such an id is a tag of the first, under the identity that is meant. Whoever does not know the
//! identity cannot tell it from any other id; whoever does could try a recorded first packet against it anyway. What is
//! tagged for nobody here is for the node itself.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use noq_proto::ConnectionId;

use crate::entropy::Stream;
use crate::identity::PeerId;
use crate::noise::agreement::Shared;

/// Bytes of the first connection ids that clients draw: half of it is a tag where one is needed.
pub(crate) const FIRST_LENGTH: usize = 16;

const SHORTEST: usize = 8;

/// The identities beside a node's own. There are as many as the node has codes, which are few.
#[derive(Default)]
pub(crate) struct Identities(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    all: BTreeMap<PeerId, Arc<Shared>>,
    retrying: Option<PeerId>,
}

impl Identities {
    pub(super) fn add(&self, shared: Shared) {
        self.lock().all.insert(shared.identity.peer_id(), Arc::new(shared));
    }

    pub(super) fn remove(&self, identity: &PeerId) {
        self.lock().all.remove(identity);
    }

    pub(super) fn get(&self, identity: &PeerId) -> Option<Arc<Shared>> {
        self.lock().all.get(identity).cloned()
    }

    /// Whom a packet with this connection id is for, if it is for one of these.
    pub(super) fn dialled(&self, id: &ConnectionId) -> Option<Arc<Shared>> {
        // Shorter ones are no client's (RFC 9000, section 7.2).
        if id.len() < SHORTEST {
            return None;
        }
        self.lock()
            .all
            .iter()
            .find(|(identity, _)| tagged(identity, id) == *id)
            .map(|(_, shared)| Arc::clone(shared))
    }

    pub(super) fn retry_as(&self, identity: Option<PeerId>) {
        self.lock().retrying = identity;
    }

    pub(super) fn retrying(&self) -> Option<PeerId> {
        self.lock().retrying
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A first connection id for dialling an identity that answers beside others.
pub(crate) fn tagged_id(identity: &PeerId, random: &mut Stream) -> ConnectionId {
    tagged(identity, &ConnectionId::new(&random.bytes::<FIRST_LENGTH>()))
}

/// A connection id with its second half replaced by the tag of the first.
pub(crate) fn tagged(identity: &PeerId, id: &ConnectionId) -> ConnectionId {
    let mut bytes = id.to_vec();
    let (first, second) = bytes.split_at_mut(id.len() / 2);
    let mut hasher = blake3::Hasher::new_derive_key("hither v1 quic identity tag");
    hasher.update(identity.as_bytes()).update(first).finalize_xof().fill(second);
    ConnectionId::new(&bytes)
}
