//! What people ask of a Home Assistant, over its REST interface: whether it works, and which entities it
//! has.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::names::Names;
use super::wire::{AreaEntry, EntityEntry, StateOf};
use crate::domain::notice::Collection;
use crate::providers::ask::script::Asker;
use crate::providers::ask::{Found, Seen, Unseen};
use crate::targets::{Call, Reply, USER_AGENT};

/// Largest answer, in bytes: the states of some ten thousand entities.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Asks for each area with its name and its entities, as JSON.
const AREAS: &str = "[{% for area in areas() %}{{ [area, area_name(area), area_entities(area)] | to_json }}\
    {% if not loop.last %},{% endif %}{% endfor %}]";

/// Of a token that Home Assistant does not know, or does not know any more.
const NOT_ACCEPTED: &str = "token: Home Assistant does not accept it; make a new long-lived access token in your profile there";

/// One Home Assistant, asked with a token.
pub struct Api {
    asker: Asker,
    base: String,
    token: String,
}

#[derive(Deserialize)]
struct Config {
    #[serde(default)]
    version: String,
    #[serde(default)]
    location_name: String,
    #[serde(default)]
    state: String,
}

impl Api {
    pub fn new(asker: Asker, base: &str, token: &str) -> Api {
        Api {
            asker,
            base: base.to_owned(),
            token: token.to_owned(),
        }
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        method: &'static str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<T, Unseen> {
        let mut headers = vec![
            ("authorization".to_owned(), format!("Bearer {}", self.token)),
            ("accept".to_owned(), "application/json".to_owned()),
            ("user-agent".to_owned(), USER_AGENT.to_owned()),
        ];
        if body.is_some() {
            headers.push(("content-type".into(), "application/json".into()));
        }
        let call = Call {
            method,
            url: format!("{}{path}", self.base),
            headers,
            body: body
                .map(|body| body.to_string().into_bytes())
                .unwrap_or_default(),
        };
        let reply = self.asker.ask(call, ANSWER_BYTES_MAX).await;
        match &reply {
            Reply::Answered {
                status: 200, body, ..
            } => serde_json::from_slice(body).map_err(|error| {
                Unseen::new(format!(
                    "{method} {path} is not what Home Assistant answers: {error}"
                ))
            }),
            Reply::Answered { status: 401, .. } => Err(Unseen::new(NOT_ACCEPTED)),
            Reply::Answered { .. } | Reply::NotSent { .. } | Reply::NoAnswer { .. } => {
                let mut unseen = Unseen::of_reply(&reply);
                unseen.why = format!("{method} {path} {}", unseen.why);
                Err(unseen)
            }
        }
    }

    /// Whether it can be reached and the token holds.
    pub async fn test(&self) -> Result<Seen, Unseen> {
        let _running: Value = self.ask("GET", "/api/", None).await?;
        let config: Config = self.ask("GET", "/api/config", None).await?;
        let mut lines = vec![format!("Home Assistant {}", config.version)];
        if !config.location_name.is_empty() {
            lines.push(format!("of {}", config.location_name));
        }
        if !config.state.is_empty() && config.state != "RUNNING" {
            lines.push(format!(
                "it is {}",
                config.state.to_lowercase().replace('_', " ")
            ));
        }
        Ok(Seen {
            lines,
            ..Seen::default()
        })
    }

    /// Every entity, with what it is and where.
    pub async fn discover(&self) -> Result<Seen, Unseen> {
        let states: Vec<StateOf> = self.ask("GET", "/api/states", None).await?;
        // Only an administrator may ask for areas; without them entities are found all the same.
        let asked = json!({ "template": AREAS });
        let names = match self.ask("POST", "/api/template", Some(&asked)).await {
            Ok(areas) => names_of(areas),
            Err(_) => Names::default(),
        };
        let collections = states.iter().map(|state| Found {
            collection: Collection {
                id: state.entity_id.clone(),
                name: state.name().to_owned(),
            },
            detail: detail(state, &names),
        });
        Ok(Seen {
            collections: collections.collect(),
            ..Seen::default()
        })
    }
}

fn names_of(areas: Vec<(String, Option<String>, Vec<String>)>) -> Names {
    let mut names = Names::default();
    let mut entities = Vec::new();
    let mut entries = Vec::new();
    for (area_id, name, of_area) in areas {
        entities.extend(of_area.into_iter().map(|entity_id| EntityEntry {
            entity_id,
            device_id: None,
            area_id: Some(area_id.clone()),
        }));
        entries.push(AreaEntry {
            area_id,
            name: name.unwrap_or_default(),
        });
    }
    names.take_entities(entities);
    names.take_areas(entries);
    names
}

/// `21.5 °C, Kitchen`.
fn detail(state: &StateOf, names: &Names) -> String {
    let mut detail = state.state.clone();
    if let Some(unit) = state.attribute("unit_of_measurement")
        && state.state.parse::<f64>().is_ok()
    {
        detail = format!("{detail} {unit}");
    }
    match names.area(&state.entity_id) {
        Some(area) => format!("{detail}, {}", area.name),
        None => detail,
    }
}
