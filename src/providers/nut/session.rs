//! The conversation with upsd, a line and its answer at a time.

use std::collections::BTreeMap;

use super::status::{self, Ups};
use super::{PORT, UPS_MAX};
use crate::domain::notice::Collection;
use crate::domain::spec::Tls;
use crate::projections::cursors::OfProvider;
use crate::providers::ask::{
    Answer, Ask, AskInput, Exchange, Found, Look, Seen, Step, Unseen, Until,
};

/// Where the conversation stands: what the next answer is to.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Stage {
    Begin,
    Connected,
    TlsAgreed,
    Encrypted,
    Username,
    Password,
    Version,
    Listed,
    /// The variables of this UPS of the list.
    Variables(usize),
    Login,
    Logout,
}

pub struct Session {
    ask: Ask,
    host: String,
    port: u16,
    tls: bool,
    username: Option<String>,
    password: Option<String>,
    cursors: OfProvider,
    stage: Stage,
    version: String,
    /// By name, with their descriptions, as listed.
    names: Vec<(String, String)>,
    found: Vec<Ups>,
    login: Option<String>,
}

impl Session {
    /// `None` without a host.
    pub fn new(ask: Ask, input: &AskInput<'_>) -> Option<Session> {
        let source = &input.spec.source;
        Some(Session {
            ask,
            host: source.host.clone()?,
            port: source.port.unwrap_or(PORT),
            tls: source.tls == Some(Tls::StartTls),
            username: source.username.clone(),
            password: input.secrets.get("password").cloned(),
            cursors: input.cursors.clone(),
            stage: Stage::Begin,
            version: String::new(),
            names: Vec::new(),
            found: Vec::new(),
            login: None,
        })
    }

    fn say(&mut self, stage: Stage, line: impl Into<String>) -> Step {
        self.stage = stage;
        Step::Exchange(Exchange::Say {
            line: line.into(),
            until: Until::Line,
        })
    }

    fn list(&mut self, stage: Stage, what: &str) -> Step {
        self.stage = stage;
        Step::Exchange(Exchange::Say {
            line: format!("LIST {what}"),
            until: Until::Prefix(vec![format!("END LIST {what}"), "ERR ".into()]),
        })
    }

    fn enter(&mut self) -> Step {
        match self.username.clone() {
            Some(username) => self.say(Stage::Username, format!("USERNAME {}", quoted(&username))),
            None => self.entered(),
        }
    }

    fn entered(&mut self) -> Step {
        match self.ask {
            Ask::Test => self.say(Stage::Version, "VER"),
            Ask::Observe | Ask::Discover => self.list(Stage::Listed, "UPS"),
        }
    }

    /// The variables of the next UPS, or the end.
    fn next_ups(&mut self) -> Step {
        let next = self.found.len();
        match self.names.get(next) {
            Some((name, _)) => {
                let what = format!("VAR {name}");
                self.list(Stage::Variables(next), &what)
            }
            None => match (self.ask, self.names.first(), &self.username) {
                (Ask::Test, Some((name, _)), Some(_)) => {
                    let line = format!("LOGIN {name}");
                    self.say(Stage::Login, line)
                }
                (Ask::Test | Ask::Observe | Ask::Discover, _, _) => self.leave(),
            },
        }
    }

    fn leave(&mut self) -> Step {
        self.say(Stage::Logout, "LOGOUT")
    }

    /// What the answer to the present stage leads to.
    fn answered(&mut self, lines: Vec<String>) -> Result<Step, Unseen> {
        let first = lines.first().map_or("", String::as_str);
        let refused = first.strip_prefix("ERR ");
        Ok(match self.stage.clone() {
            Stage::Begin => {
                self.stage = Stage::Connected;
                Step::Exchange(Exchange::Connect {
                    host: self.host.clone(),
                    port: self.port,
                })
            }
            Stage::Connected if self.tls => self.say(Stage::TlsAgreed, "STARTTLS"),
            Stage::Connected => self.enter(),
            Stage::TlsAgreed => {
                if !first.starts_with("OK") {
                    let why = format!(
                        "upsd does not speak TLS ({first}); give it a certificate, or leave `tls` out"
                    );
                    return Err(Unseen::new(why));
                }
                self.stage = Stage::Encrypted;
                let host = self.host.clone();
                Step::Exchange(Exchange::StartTls { host })
            }
            Stage::Encrypted => self.enter(),
            Stage::Username => {
                expect_ok(first, "USERNAME")?;
                match self.password.clone() {
                    Some(password) => {
                        self.say(Stage::Password, format!("PASSWORD {}", quoted(&password)))
                    }
                    None => self.entered(),
                }
            }
            Stage::Password => {
                expect_ok(first, "PASSWORD")?;
                self.entered()
            }
            Stage::Version => {
                self.version = first.to_owned();
                self.list(Stage::Listed, "UPS")
            }
            Stage::Listed => {
                if let Some(code) = refused {
                    return Err(Unseen::new(format!("LIST UPS: {}", meaning(code))));
                }
                self.names = lines.iter().filter_map(|line| ups_of(line)).collect();
                if self.names.len() > UPS_MAX {
                    let count = self.names.len();
                    let why = format!("upsd has {count} UPSes, more than {UPS_MAX}");
                    return Err(Unseen::new(why));
                }
                self.next_ups()
            }
            Stage::Variables(index) => {
                let (name, description) = self.names[index].clone();
                let variables = match refused {
                    Some(code) => Err(meaning(code)),
                    None => Ok(lines.iter().filter_map(|line| variable_of(line)).collect()),
                };
                self.found.push(Ups {
                    name,
                    description,
                    variables,
                });
                self.next_ups()
            }
            Stage::Login => {
                let username = self.username.as_deref().unwrap_or_default();
                self.login = Some(match refused {
                    None => format!("user {username} is accepted"),
                    Some(code) => format!(
                        "user {username} is not accepted as a monitor ({}); reading works without",
                        meaning(code)
                    ),
                });
                self.leave()
            }
            Stage::Logout => Step::Done(Ok(self.seen())),
        })
    }

    fn seen(&mut self) -> Seen {
        match self.ask {
            Ask::Observe => Seen {
                observation: status::observe(&self.cursors, &self.found),
                ..Seen::default()
            },
            Ask::Discover => Seen {
                collections: self.found.iter().map(found).collect(),
                ..Seen::default()
            },
            Ask::Test => {
                let mut lines = vec![self.version.clone()];
                lines.extend(self.login.take());
                if self.found.is_empty() {
                    lines.push("upsd has no UPS".into());
                }
                lines.extend(self.found.iter().map(|ups| {
                    let found = found(ups);
                    format!("{}: {}", ups.name, found.detail)
                }));
                Seen {
                    lines,
                    ..Seen::default()
                }
            }
        }
    }
}

impl Look for Session {
    fn step(&mut self, answer: Option<Answer>) -> Step {
        let lines = match answer {
            None => Ok(Vec::new()),
            Some(Answer::Lines(lines)) => lines,
            Some(Answer::Http { .. } | Answer::Piece { .. }) => Err("nobody was called".into()),
        };
        // Everything is known by then; some servers hang up without a word.
        if self.stage == Stage::Logout {
            return Step::Done(Ok(self.seen()));
        }
        let next = lines
            .map_err(Unseen::new)
            .and_then(|lines| self.answered(lines));
        next.unwrap_or_else(|unseen| Step::Done(Err(unseen)))
    }
}

fn found(ups: &Ups) -> Found {
    Found {
        collection: Collection {
            id: ups.name.clone(),
            name: ups.label().to_owned(),
        },
        detail: ups.summary(),
    }
}

fn expect_ok(line: &str, what: &str) -> Result<(), Unseen> {
    match line.strip_prefix("ERR ") {
        None if line.starts_with("OK") => Ok(()),
        None => Err(Unseen::new(format!(
            "{what} was answered with nothing known"
        ))),
        Some(code) => Err(Unseen::new(format!("{what}: {}", meaning(code)))),
    }
}

/// Errors of upsd in words.
fn meaning(code: &str) -> String {
    let words = match code.split_ascii_whitespace().next().unwrap_or_default() {
        "ACCESS-DENIED" => "access denied; look at upsd.users and at upsd's LISTEN addresses",
        "DATA-STALE" => "its data is stale: the driver does not answer",
        "DRIVER-NOT-CONNECTED" => "its driver is not connected",
        "UNKNOWN-UPS" => "upsd does not know it",
        "USERNAME-REQUIRED" => "a username is required",
        "PASSWORD-REQUIRED" => "a password is required",
        "TLS-NOT-ENABLED" | "FEATURE-NOT-CONFIGURED" => "upsd has no certificate configured",
        _other => return code.chars().take(80).collect(),
    };
    words.to_owned()
}

/// A word as the protocol quotes it.
fn quoted(word: &str) -> String {
    let plain = word
        .chars()
        .all(|c| c.is_ascii_graphic() && c != '"' && c != '\\');
    if plain && !word.is_empty() {
        return word.to_owned();
    }
    let escaped = word.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{escaped}\"")
}

/// Words of a line, of which some are quoted.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut chars = line.chars().peekable();
    while let Some(first) = chars.next() {
        if first.is_ascii_whitespace() {
            continue;
        }
        let mut word = String::new();
        if first == '"' {
            while let Some(c) = chars.next() {
                match c {
                    '"' => break,
                    '\\' => word.extend(chars.next()),
                    other => word.push(other),
                }
            }
        } else {
            word.push(first);
            while let Some(c) = chars.next_if(|c| !c.is_ascii_whitespace()) {
                word.push(c);
            }
        }
        words.push(word);
    }
    words
}

/// `UPS name "description"`.
fn ups_of(line: &str) -> Option<(String, String)> {
    let mut words = words(line.strip_prefix("UPS ")?).into_iter();
    let name = words.next().filter(|name| !name.is_empty())?;
    Some((name, words.next().unwrap_or_default()))
}

/// `VAR ups name "value"`.
fn variable_of(line: &str) -> Option<(String, String)> {
    let mut words = words(line.strip_prefix("VAR ")?).into_iter().skip(1);
    Some((words.next()?, words.next()?))
}

/// Variables by name.
pub type Variables = BTreeMap<String, String>;
