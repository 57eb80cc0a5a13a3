//! Who gets in: the first admin, login, and one's own account.

use maud::{Markup, html};

use crate::frame::{Frame, Tone};
use crate::icon::icon;
use crate::layout::{Sheet, Spot, page};
use crate::parts::{self, Field};
use crate::view::Moment;

#[derive(Debug, Clone, Default)]
pub struct SetupView {
    pub name: String,
    /// Fewest characters of a password.
    pub password_min: u32,
    pub name_error: Option<String>,
    pub password_error: Option<String>,
    pub again_error: Option<String>,
}

/// The first admin.
pub fn setup(frame: &Frame, view: &SetupView) -> Markup {
    let help = format!(
        "At least {} characters. A few words in a row are good.",
        view.password_min
    );
    // A password is not shown again: one that has to be changed is written anew, both times.
    let is_named = view.name_error.is_none() && !view.name.is_empty();
    page(
        frame,
        &Sheet::new("Set up notify-bridge", Spot::Nowhere),
        html! {
            p.lead { "Create the first account. It owns this installation; further ones are made with it." }
            (parts::post_form(frame, "/setup", "card", html! {
                (Field { value: &view.name, error: view.name_error.as_deref(), autocomplete: "username", focus: !is_named, ..Field::new("name", "Name") }.markup())
                (Field { kind: "password", help: &help, error: view.password_error.as_deref(), autocomplete: "new-password",
                    min_length: Some(view.password_min), focus: is_named, ..Field::new("password", "Password") }.markup())
                (Field { kind: "password", error: view.again_error.as_deref(), autocomplete: "new-password",
                    ..Field::new("password_again", "Password, once more") }.markup())
                button.primary { "Create the account" }
            }))
        },
    )
}

#[derive(Debug, Clone, Default)]
pub struct LoginView {
    pub name: String,
    /// Where to go afterwards: a path of these pages.
    pub next: String,
    pub trouble: Option<LoginTrouble>,
}

#[derive(Debug, Clone)]
pub enum LoginTrouble {
    /// Name or password is wrong; it is not said which.
    Wrong,
    /// Too many tries; how long to wait: "40 s".
    Throttled { wait: String },
    /// The session ended.
    Ended,
}

pub fn login(frame: &Frame, view: &LoginView) -> Markup {
    page(
        frame,
        &Sheet::new("Log in", Spot::Nowhere),
        html! {
            @if let Some(trouble) = &view.trouble {
                @let (tone, words) = match trouble {
                    LoginTrouble::Wrong => (Tone::Bad, "Name and password do not fit together. Check both; capitals count.".to_owned()),
                    LoginTrouble::Throttled { wait } => (Tone::Warning, format!("Too many tries from here. Wait {wait}, then try again.")),
                    LoginTrouble::Ended => (Tone::Note, "The session has ended. Log in to go on.".to_owned()),
                };
                p class=(parts::tone_class("flash", tone)) role="alert" { (icon(parts::tone_icon(tone))) span { (words) } }
            }
            (parts::post_form(frame, "/login", "card", html! {
                @if !view.next.is_empty() { input type="hidden" name="next" value=(view.next); }
                (Field { value: &view.name, autocomplete: "username", focus: view.name.is_empty(), ..Field::new("name", "Name") }.markup())
                (Field { kind: "password", autocomplete: "current-password", focus: !view.name.is_empty(), ..Field::new("password", "Password") }.markup())
                button.primary { "Log in" }
            }))
            details.help-below {
                summary { "Password lost" }
                p { "On the machine itself: " code { "notify-bridge user passwd NAME --data DIR" } }
            }
        },
    )
}

#[derive(Debug, Clone, Default)]
pub struct AccountView {
    pub name: String,
    pub role: String,
    pub logged_in: Option<Moment>,
    pub session_ends: Option<Moment>,
}

pub fn account(frame: &Frame, view: &AccountView) -> Markup {
    let mut sheet = Sheet::new("Account", Spot::Account);
    sheet.action = Some(parts::post_form(
        frame,
        "/logout",
        "inline",
        html! { button.primary { "Log out" } },
    ));
    page(
        frame,
        &sheet,
        html! {
            dl.facts.wide {
                div { dt { "Name" } dd dir="auto" { (view.name) } }
                div { dt { "Role" } dd { (view.role) } }
                @if let Some(at) = &view.logged_in { div { dt { "Logged in" } dd { (parts::moment(at)) } } }
                @if let Some(at) = &view.session_ends { div { dt { "Session ends" } dd { (parts::moment_ahead(at)) } } }
            }
            p.dim { "A password is changed with " code { "notify-bridge user passwd NAME" } "; that ends the account's sessions." }
        },
    )
}
