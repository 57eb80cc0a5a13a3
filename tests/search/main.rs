//! Search: the language of queries, the index against a naive scan, and the follower through whatever
//! happens to it.

mod following;
mod language;
mod model;
mod story;
