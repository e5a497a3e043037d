//! An honest node against peers that keep to no rule.

mod bench;
mod exhaustion;
mod rules;
mod violations;
