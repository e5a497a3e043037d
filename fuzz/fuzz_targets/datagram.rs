//! The entry of the table's datagrams.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| hither_fuzz::datagram(input));
