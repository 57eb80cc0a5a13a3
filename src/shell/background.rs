//! Threads that nobody waits for.

/// Their niceness, of at most 19: on a busy machine they get a thirtieth of a core.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 15;

/// Lets every other thread go first, from here on and for the threads that this one starts. Elsewhere
/// than on Linux niceness is the whole program's, and is left as it is.
pub fn yield_to_others() {
    #[cfg(target_os = "linux")]
    if let Err(error) =
        rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICENESS)
    {
        tracing::debug!(%error, "a thread in the background stays as urgent as the others");
    }
}
