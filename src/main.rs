//! The program: arguments, run, exit code.

use std::process::ExitCode;

/// Notices are small strings that one thread makes and another lets go of, which the system's
/// allocator (musl's above all) does several times slower. Benches name it as well; tests count what
/// they take with an allocator of their own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    notify_bridge::cli::main(std::env::args_os())
}
