//! `snapshot`: what makes the next start quick.

use reqwest::Method;
use serde_json::Value;

use super::args::{Place, SnapshotVerb};
use super::failure::Failure;
use super::printer::Printer;
use super::remote::Remote;
use super::sentences::{day_and_time, list, text};
use super::stopped;
use crate::shell::ledger::Causes;
use crate::shell::{snapshots, views};

pub async fn run(verb: SnapshotVerb) -> Result<(), Failure> {
    match verb {
        SnapshotVerb::Create(place) => create(&place).await,
        SnapshotVerb::List(place) => show(&place).await,
    }
}

async fn create(place: &Place) -> Result<(), Failure> {
    let shape = match place.stopped() {
        None => {
            Remote::new(place)?
                .call(Method::POST, &["snapshots"], &[], None)
                .await?
        }
        Some(data) => {
            let made = snapshots::make(data, &stopped::reader(data)?)
                .map_err(|error| Failure::Failed(Causes(&error).to_string()))?;
            views::snapshot_made(&made)
        }
    };
    let number = |field: &str| shape[field].as_u64().unwrap_or(0);
    let text = if shape["created"].as_bool() == Some(false) {
        format!(
            "there is a snapshot of position {} already, and nothing has changed since",
            number("position")
        )
    } else {
        format!(
            "snapshot of position {} with {} bytes; {} events were folded onto the one before",
            number("position"),
            number("bytes"),
            number("events")
        )
    };
    Printer::new(place.json).either(&shape, &text)
}

async fn show(place: &Place) -> Result<(), Failure> {
    let shape = match place.stopped() {
        None => Remote::new(place)?.get(&["snapshots"], &[]).await?,
        Some(data) => views::snapshots(&snapshots::list(data, &stopped::reader(data)?)).json(),
    };
    let row = |item: &Value| {
        vec![
            item["position"].to_string(),
            day_and_time(text(item, "written_at")),
            format!("{} bytes", item["bytes"]),
            match text(item, "why_not") {
                "" => "usable".to_owned(),
                why => format!("passed over: {why}"),
            },
        ]
    };
    super::read::show(&Printer::new(place.json), list(&shape, "items"), row)
}
