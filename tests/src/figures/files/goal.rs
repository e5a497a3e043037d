//! What is to be reached, as ratios in one run.

use std::fmt;

use super::data::Case;
use super::roads::Road;
use super::tool::Tool;
use crate::figures::hither::MOST_MEMORY;

/// The tool's time in Hither's.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Goal {
    AtLeast(f64),
    MoreThan(f64),
}

impl Goal {
    /// What Hither is to reach against a tool, where it is to reach something.
    pub(super) fn of(case: Case, road: Road, tool: Tool) -> Option<Self> {
        match (case, road, tool) {
            (_, _, Tool::Hither | Tool::Copy) | (Case::Many, _, _) => None,
            (Case::Big, Road::Loopback, Tool::ScpAes) => Some(Self::AtLeast(2.5)),
            (Case::Big, Road::Namespaces, Tool::ScpAes) => Some(Self::AtLeast(1.5)),
            (Case::Big, _, Tool::RsyncDaemon) => Some(Self::AtLeast(0.8)),
            (Case::Small, _, Tool::RsyncDaemon) => Some(Self::MoreThan(1.0)),
            (Case::Tiny, _, Tool::Sendme) => Some(Self::AtLeast(2.0)),
            (_, _, tool) => tool.is_encrypted().then_some(Self::MoreThan(1.0)),
        }
    }

    pub(super) fn is_reached(self, ratio: f64) -> bool {
        match self {
            Self::AtLeast(least) => ratio >= least,
            Self::MoreThan(bound) => ratio > bound,
        }
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtLeast(least) => write!(f, "at least {least:.1}"),
            Self::MoreThan(bound) => write!(f, "more than {bound:.1}"),
        }
    }
}

/// The most memory that either side of Hither may take, in bytes.
pub(super) fn most_memory(case: Case) -> u64 {
    if case == Case::Many { 96 << 20 } else { MOST_MEMORY }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_at_its_bound_is_enough_for_at_least_only() {
        assert!(Goal::AtLeast(2.5).is_reached(2.5));
        assert!(!Goal::AtLeast(2.5).is_reached(2.49));
        assert!(Goal::MoreThan(1.0).is_reached(1.01));
        assert!(!Goal::MoreThan(1.0).is_reached(1.0));
        assert!(!Goal::AtLeast(0.8).is_reached(f64::NAN));
    }

    #[test]
    fn every_encrypted_tool_is_to_be_beaten_in_every_case_that_is_compared() {
        for (case, road) in [Case::Big, Case::Small, Case::Tiny]
            .into_iter()
            .flat_map(|case| Road::ALL.iter().map(move |road| (case, *road)))
        {
            for tool in Tool::ALL.iter().copied().filter(|tool| tool.is_encrypted() && *tool != Tool::Hither)
            {
                let goal = Goal::of(case, road, tool).unwrap();
                assert!(!goal.is_reached(1.0), "{case:?} {road:?} {tool:?}");
            }
        }
    }
}
