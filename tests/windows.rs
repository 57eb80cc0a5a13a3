//! Windows of time and recurring instants: cases as a person would write them, then every zone of
//! the bundled database against a clock read minute by minute, then what holds for any instant.

#[path = "windows/cases.rs"]
mod cases;
#[path = "windows/everywhere.rs"]
mod everywhere;
#[path = "windows/laws.rs"]
mod laws;
#[path = "windows/oracle.rs"]
mod oracle;
#[path = "windows/text.rs"]
mod text;
