//! Reaching a peer: where it may be, which address to dial next, and when to give up.

mod cards;
mod dial;
mod nearby;
#[cfg(test)]
mod tests;

pub(crate) use cards::Cards;
pub(crate) use dial::Dialler;
pub(crate) use nearby::Nearby;
