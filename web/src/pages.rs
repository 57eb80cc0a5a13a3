//! The pages, each with its view. A page is a function from [`crate::Frame`] and its view.

pub mod access;
pub mod ask;
pub mod bots;
pub mod collections;
pub mod dashboard;
pub mod deliveries;
pub mod held;
pub mod inbox;
pub mod log;
pub mod notice;
pub mod notices;
pub mod parked;
pub mod pictures;
pub mod places;
pub mod problem;
pub mod providers;
pub mod search;
pub mod settings;
pub mod snoozes;
pub mod targets;
