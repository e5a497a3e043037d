//! runtime-smol
