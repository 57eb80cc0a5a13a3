//! The store as a whole: backups, restore, verification, damage, a new key. In process first, then from
//! outside, where programs are killed.

#![expect(
    clippy::disallowed_methods,
    reason = "the test is the outside world: it makes its own clients"
)]

mod damage;
mod outside;
mod round_trip;
mod scheduled;
#[path = "../shared/served.rs"]
mod served;
#[path = "../shared/words.rs"]
mod words;
mod world;
