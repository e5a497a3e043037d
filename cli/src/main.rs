//! The program `hither`.

use std::process::ExitCode;

fn main() -> ExitCode {
    hither_cli::main(std::env::args_os().skip(1))
}
