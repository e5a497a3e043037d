//! Messages: signed envelopes, an outbox that lasts until the receipt, and no message shown twice.

mod conversation;
#[cfg(test)]
mod tests;

pub(crate) use conversation::{Chat, ChatAction, ChatTicket};

/// Longest text of a message, in bytes.
pub const MAX_TEXT: usize = 32 * 1024;

/// Names a message: 16 random bytes, chosen by its author.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(pub [u8; 16]);

impl std::fmt::Display for MessageId {
    /// 32 hexadecimal digits.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl std::fmt::Debug for MessageId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}
