//! The admin pages in a real browser: the built program, a store of its own, and Chromium.
//!
//! They run when Chromium is found: `CHROMIUM` names its program, or it is looked for on `PATH`.
//! Where it is not found they say so and pass, unless `NOTIFY_BRIDGE_BROWSER_TESTS=required`, as
//! `.ci/run` sets it. What axe-core finds is asked as well when its file is there; see
//! [`chromium::axe`]. `SCREENSHOTS=FOLDER` writes a picture of every page in both themes and sizes.
//!
//! A test waits for a condition, with a limit that is reached only when it does not come.

#![expect(
    clippy::disallowed_methods,
    reason = "the test is the outside world: it makes its own client, reads where Chromium is, and asks a page again after a moment"
)]

mod chromium;
mod entry;
mod keyboard;
mod live;
mod looks;
mod operating;
mod program;
mod tab;

#[path = "../bridge/harness.rs"]
#[expect(
    dead_code,
    reason = "only its places and its signed requests are used here"
)]
mod harness;
#[path = "../shared/waiting.rs"]
mod waiting;
