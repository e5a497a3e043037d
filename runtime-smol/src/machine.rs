//! What this machine can do, as a node's configuration wants to know it.

use crate::interfaces::Used;

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

/// The names of the network interfaces that have an address, in order: for [`Options::interface`](crate::Options::interface).
/// Empty where the system does not tell.
pub fn interfaces() -> Vec<String> {
    let mut names: Vec<String> =
        if_addrs::get_if_addrs().unwrap_or_default().into_iter().map(|found| found.name).collect();
    names.sort();
    names.dedup();
    names
}

/// The name of the loopback interface: `lo`, `lo0`, or `Loopback Pseudo-Interface 1`. `None`: it is down.
pub fn loopback() -> Option<String> {
    let found = if_addrs::get_if_addrs().unwrap_or_default();
    found.into_iter().find(|found| found.is_loopback()).map(|found| found.name)
}

/// The largest UDP payload worth trying, in bytes, where only this interface is used: for
/// [`Config::max_datagram`](hither_protocol::Config::max_datagram). 8952 on loopback, else 1452: what is left of
/// frames of 9000 and 1500 bytes after IPv6's and UDP's headers. Loopback carries 65,507, but the probes for that alone
/// would be more bytes than a new link may have in flight, and would hold up what it was opened for; bulk goes over TCP.
pub fn max_datagram(interface: Option<&str>) -> u16 {
    let only_loopback = interface.is_some() && Used::look(interface).is_ok_and(|used| used.only_loopback);
    if only_loopback { 8952 } else { 1452 }
}
