//! Icons: one hand-drawn sprite, put into each page once and referred to by name.

use maud::{Markup, PreEscaped, html};

/// Sixteen by sixteen, drawn with a line of 1.5 in the colour of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Icon {
    Again,
    Arrow,
    Brand,
    Check,
    Clock,
    Configure,
    Cross,
    Dashed,
    Half,
    Hold,
    Inbox,
    Info,
    Log,
    Merge,
    More,
    Notices,
    Out,
    Overview,
    Person,
    Provider,
    Question,
    Quiet,
    Search,
    Stop,
    Target,
    Waiting,
    Warning,
}

impl Icon {
    pub const ALL: [Icon; 27] = [
        Icon::Again,
        Icon::Arrow,
        Icon::Brand,
        Icon::Check,
        Icon::Clock,
        Icon::Configure,
        Icon::Cross,
        Icon::Dashed,
        Icon::Half,
        Icon::Hold,
        Icon::Inbox,
        Icon::Info,
        Icon::Log,
        Icon::Merge,
        Icon::More,
        Icon::Notices,
        Icon::Out,
        Icon::Overview,
        Icon::Person,
        Icon::Provider,
        Icon::Question,
        Icon::Quiet,
        Icon::Search,
        Icon::Stop,
        Icon::Target,
        Icon::Waiting,
        Icon::Warning,
    ];

    fn reference(self) -> &'static str {
        match self {
            Icon::Again => "#i-again",
            Icon::Arrow => "#i-arrow",
            Icon::Brand => "#i-brand",
            Icon::Check => "#i-check",
            Icon::Clock => "#i-clock",
            Icon::Configure => "#i-configure",
            Icon::Cross => "#i-cross",
            Icon::Dashed => "#i-dashed",
            Icon::Half => "#i-half",
            Icon::Hold => "#i-hold",
            Icon::Inbox => "#i-inbox",
            Icon::Info => "#i-info",
            Icon::Log => "#i-log",
            Icon::Merge => "#i-merge",
            Icon::More => "#i-more",
            Icon::Notices => "#i-notices",
            Icon::Out => "#i-out",
            Icon::Overview => "#i-overview",
            Icon::Person => "#i-person",
            Icon::Provider => "#i-provider",
            Icon::Question => "#i-question",
            Icon::Quiet => "#i-quiet",
            Icon::Search => "#i-search",
            Icon::Stop => "#i-stop",
            Icon::Target => "#i-target",
            Icon::Waiting => "#i-waiting",
            Icon::Warning => "#i-warning",
        }
    }
}

/// An icon beside words; it says nothing by itself.
pub fn icon(icon: Icon) -> Markup {
    html! { svg.i width="16" height="16" aria-hidden="true" { use href=(icon.reference()) {} } }
}

/// All icons, once per page.
pub(crate) fn sprite() -> Markup {
    PreEscaped(crate::assets::ICONS.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_icon_is_drawn_and_every_drawing_is_used() {
        for icon in Icon::ALL {
            let id = format!("id=\"{}\"", icon.reference().trim_start_matches('#'));
            assert_eq!(crate::assets::ICONS.matches(&id).count(), 1, "{icon:?}");
        }
        assert_eq!(
            crate::assets::ICONS.matches("<symbol").count(),
            Icon::ALL.len()
        );
    }
}
