//! The pages: views in, markup out.
//!
//! Read in this order: [`frame`] (what every page is told), [`view`] (the words and moments that
//! views are made of), [`layout`] (the sheet around a page), [`parts`] (what pages have in common),
//! [`why`] (decisions as sentences), [`message`] (boxes shaped like the places messages go to),
//! [`chart`], then [`pages`], one module per page with its view beside it. [`assets`] holds the one
//! style sheet and the one script.
//!
//! **Invariant:** this crate knows no database, no server and no clock. A view holds strings that
//! are already formatted where a zone or the time is needed.
//!
//! **Invariant:** every value of a view is escaped where it is put into the page; the only text
//! that is not is this crate's own.
//!
//! **Invariant:** no page has a style attribute, a script of its own or an event handler, so that
//! [`assets::CONTENT_SECURITY_POLICY`] holds for all of them; and every page works without the script.

pub mod frame;
pub mod view;

pub mod address;
pub mod assets;
pub mod chart;
pub mod icon;
pub mod layout;
pub mod message;
pub mod pages;
pub mod parts;
pub mod why;

pub use frame::{Flash, FlashLine, Frame, Paused, Tone};
pub use maud::Markup;
pub use view::{Moment, NoticeStatus, Severity, Status};
