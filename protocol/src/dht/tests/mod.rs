//! The table of nodes, tested.
