//! What reaches the node's loop from other threads.

use std::time::{Duration, Instant};

use hither_protocol::storage::{Done, StorageId};
use hither_protocol::{Node, Surroundings, WorldAnswer, WorldId};

/// Something to be done on the node's thread.
pub(crate) type Question = Box<dyn FnOnce(&mut Node, Instant) + Send>;

/// One input.
pub(crate) enum Input {
    /// A program asks or tells the node something.
    Ask(Question),
    /// A storage request is done.
    Stored(StorageId, Done),
    /// Something around the node has changed.
    Surroundings(Surroundings),
    /// Mainline has answered.
    World(WorldId, WorldAnswer),
    /// Close, and end at the latest after this time.
    Close(Duration),
}
