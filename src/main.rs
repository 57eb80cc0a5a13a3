//! The program: arguments, run, exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    notify_bridge::cli::main(std::env::args_os())
}
