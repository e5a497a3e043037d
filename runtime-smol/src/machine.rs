//! What this machine can do, as a node's configuration wants to know it.

use crate::interfaces;

/// Whether the processor has instructions for AES-GCM: for [`Config::aes`](hither_protocol::Config::aes).
pub fn has_aes() -> bool {
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    return std::is_x86_feature_detected!("aes") && std::is_x86_feature_detected!("pclmulqdq");
    #[cfg(target_arch = "aarch64")]
    return std::arch::is_aarch64_feature_detected!("aes")
        && std::arch::is_aarch64_feature_detected!("pmull");
    #[cfg(not(any(target_arch = "x86", target_arch = "x86_64", target_arch = "aarch64")))]
    false
}

/// The largest UDP payload worth trying, in bytes, where only this interface is used: for
/// [`Config::max_datagram`](hither_protocol::Config::max_datagram). 65,507 on loopback (IPv4's largest), else
/// 1452: Ethernet's 1500 less IPv6's and UDP's headers.
pub fn max_datagram(interface: Option<&str>) -> u16 {
    if interface.is_some_and(interfaces::is_loopback) { 65_507 } else { 1452 }
}
