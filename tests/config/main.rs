//! The declarative file: what is read, what is refused and how, what a plan says, and that what is
//! exported is read back as the same.

mod asked;
mod bots;
mod fakes;
mod generate;
mod hostile;
mod keeping;
mod plan;
mod policy;
mod policy_made;
mod read;
mod round_trip;
mod secrets;
