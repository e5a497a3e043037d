//! Nodes by number. Java holds numbers and no pointers: one that is stale, made up or 0 names nothing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::failure::Failure;
use crate::session::Session;

static NODES: Mutex<Nodes> = Mutex::new(Nodes { last: 0, open: BTreeMap::new() });

struct Nodes {
    /// The number given last. None is given twice.
    last: i64,
    open: BTreeMap<i64, Arc<Session>>,
}

/// Gives a node a number.
pub(crate) fn insert(session: Session) -> i64 {
    let mut nodes = lock();
    nodes.last = nodes.last.wrapping_add(1);
    let number = nodes.last;
    nodes.open.insert(number, Arc::new(session));
    number
}

/// The node of a number. It stays usable for whoever holds it, and says itself when it is closed.
pub(crate) fn get(number: i64) -> Result<Arc<Session>, Failure> {
    lock().open.get(&number).cloned().ok_or_else(Failure::closed)
}

/// Takes a number back. Only the first who asks gets the node.
pub(crate) fn remove(number: i64) -> Option<Arc<Session>> {
    lock().open.remove(&number)
}

fn lock() -> MutexGuard<'static, Nodes> {
    NODES.lock().unwrap_or_else(PoisonError::into_inner)
}
