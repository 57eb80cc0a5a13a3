//! Keys of the contract that this version does not have yet. They are refused by name, so that
//! nobody believes something is in force that is not.

/// The place whose missing keys are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Later {
    File,
    Settings,
    Provider,
    Target,
    Receiver,
    Tracker,
    Template,
    /// A table that has every key it will have.
    Nothing,
}

impl Later {
    fn keys(self) -> &'static [&'static str] {
        match self {
            Later::File => &["command", "action"],
            Later::Settings => &[],
            Later::Provider => &["listen"],
            Later::Target => &[],
            Later::Receiver => &[],
            Later::Tracker => &[],
            Later::Template => &["enabled"],
            Later::Nothing => &[],
        }
    }

    pub fn has(self, key: &str) -> bool {
        self.keys().contains(&key)
    }
}

/// Provider kinds of the contract; those not registered are not had yet.
pub(super) const PROVIDER_KINDS: &[&str] = &[
    "gitea",
    "forgejo",
    "github",
    "gitlab",
    "planka",
    "immich",
    "home_assistant",
    "nut",
    "alertmanager",
    "grafana",
    "uptime_kuma",
    "standard_webhooks",
    "cloudevents",
    "webhook",
    "apprise",
    "ntfy",
    "gotify",
    "slack",
    "discord",
    "scheduler",
];

/// Target kinds of the contract; those not registered are not had yet.
pub(super) const TARGET_KINDS: &[&str] = &[
    "telegram",
    "discord",
    "slack",
    "matrix",
    "ntfy",
    "gotify",
    "email",
    "webhook",
    "apprise",
    "broadcast",
    "inbox",
];
