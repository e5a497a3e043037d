//! What the QUIC implementation is told: windows, time-outs, the size of packets, and the time.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use noq_proto::{IdleTimeout, MtuDiscoveryConfig, TimeSource, TransportConfig, VarInt};

use super::kind::MAX_CHANNELS;

/// Largest window of one stream: more could hold more pieces than the QUIC implementation allows (quinn #2809).
const STREAM_WINDOW: u32 = 2 * 1024 * 1024;
/// Window of a whole connection, before and after a transfer over it was accepted.
const NARROW: u32 = 512 * 1024;
pub(super) const WIDE: u32 = 8 * 1024 * 1024;
/// Bytes that may be written and not yet acknowledged.
const SEND_WINDOW: u64 = 8 * 1024 * 1024;
/// A link without a sign of life for so long is gone.
pub(super) const IDLE: Duration = Duration::from_secs(30);
pub(super) const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// Every path carries UDP payloads of so many bytes (RFC 9000, 14).
const SMALLEST_DATAGRAM: u16 = 1200;
/// About so many probes find what else a path carries: each of them takes room from what the link is for.
const PROBES: u16 = 4;

/// The wall clock as the node was told it, for address tokens.
#[derive(Debug)]
pub(super) struct Clock {
    unix_millis: AtomicU64,
}

impl TimeSource for Clock {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH
            .checked_add(Duration::from_millis(self.unix_millis.load(Ordering::Relaxed)))
            .unwrap_or(SystemTime::UNIX_EPOCH)
    }
}

impl Clock {
    /// It shows `unix_time`, in milliseconds.
    pub(super) fn new(unix_time: u64) -> Self {
        Self { unix_millis: AtomicU64::new(unix_time) }
    }

    /// It shows `unix_time` now.
    pub(super) fn set(&self, unix_time: u64) {
        self.unix_millis.store(unix_time, Ordering::Relaxed);
    }
}

/// For every link, dialled or answered.
pub(super) fn transport_config(max_datagram: u16) -> TransportConfig {
    let mut discovery = MtuDiscoveryConfig::default();
    let most = max_datagram.max(SMALLEST_DATAGRAM);
    discovery.upper_bound(most).minimum_change(((most - SMALLEST_DATAGRAM) / PROBES).max(20));
    let mut config = TransportConfig::default();
    config
        .max_concurrent_bidi_streams(VarInt::from_u32(1))
        .max_concurrent_uni_streams(VarInt::from_u32(MAX_CHANNELS))
        .stream_receive_window(VarInt::from_u32(STREAM_WINDOW))
        .receive_window(VarInt::from_u32(NARROW))
        .send_window(SEND_WINDOW)
        .max_idle_timeout(IdleTimeout::try_from(IDLE).ok())
        .keep_alive_interval(Some(KEEP_ALIVE))
        .datagram_receive_buffer_size(None)
        .mtu_discovery_config(Some(discovery))
        .allow_spin(false);
    config
}
