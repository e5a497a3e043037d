//! How often a byte of content is copied on its way, counted by reading the code.

use super::Row;

/// Counted again whenever the path changes. Content is borrowed between these steps: by `Bytes` from the chunk that
/// was read to the send buffer, in place while a packet is sealed and opened, by `Bytes` from there to the stream.
pub(super) fn row() -> Row {
    Row::plain(
        "copies of each byte (counted in the code)",
        "sender 3: page cache to chunk, chunk to packet, packet to kernel; \
         receiver 3: kernel to packet, packet to chunk, chunk to page cache \
         (4 where a receive is 32 KiB or less: it is copied out of the receive buffer)",
    )
}
