//! What stands before the pages, over a real listener and a real store with a manual clock: setup,
//! login, logout, sessions at the API, and the stream. A test waits for answers and commits, never
//! for time to pass.

#[path = "pages_door/browser.rs"]
mod browser;
#[path = "pages_door/compressed.rs"]
mod compressed;
#[path = "pages_door/entry.rs"]
mod entry;
#[path = "pages_door/sessions.rs"]
mod sessions;
#[path = "pages_door/stream.rs"]
mod stream;
#[expect(dead_code, reason = "others wait for what the state says as well")]
#[path = "shared/waiting.rs"]
mod waiting;
