//! Measures what the README claims: `cargo run --release -p hither-tests --bin figures -- road`.

use std::process::ExitCode;

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    hither_tests::figures::main(std::env::args_os().skip(1))
}

#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    eprintln!("processor time and memory are measured on Linux only");
    ExitCode::from(2)
}
