//! The Noise patterns, and the QUIC session that runs on them.
