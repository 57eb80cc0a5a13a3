//! How the story looks in the terminal: a block a request, calm and aligned.

use std::collections::HashMap;

use reqwest::StatusCode;
use serde_json::Value;

use super::story::{Proof, Scene};
use crate::cli::failure::Failure;
use crate::cli::printer::{Look, Printer, block, escaped};
use crate::cli::sentences::{self, list, text};
use crate::cli::serve::counted;
use crate::projections::configuration::Configuration;

/// Where the second column begins.
const MARGIN: &str = "            ";

pub fn welcome(printer: &Printer) -> Result<(), Failure> {
    printer.line(&printer.dressed(Look::Strong, "notify-bridge demo"))?;
    printer.line("A temporary store, sample providers and an inbox. No address is called but those of this process.")
}

pub fn summary(configuration: &Configuration) -> String {
    format!(
        "{}, {}, {}, {}. Ctrl-C ends it.",
        counted(configuration.providers.len(), "provider"),
        counted(configuration.trackers.len(), "tracker"),
        counted(configuration.targets.len(), "target"),
        counted(configuration.templates.len(), "template"),
    )
}

fn row(printer: &Printer, label: &str, look: Look, sentence: &str) -> Result<(), Failure> {
    let label = printer.dressed(Look::Faint, &format!("  {label:<10}"));
    printer.line(&format!("{label}{}", printer.dressed(look, sentence)))
}

pub fn request(printer: &Printer, number: usize, scene: &Scene) -> Result<(), Failure> {
    let heading = printer.dressed(Look::Strong, &format!("{number}  {}", scene.heading));
    let about = printer.dressed(Look::Faint, scene.about);
    printer.line(&format!("\n{heading}: {about}"))?;
    let proof = match scene.proof {
        Proof::Forged => Look::Waiting,
        Proof::Gitea | Proof::GitHub | Proof::Bearer => Look::Plain,
    };
    let sentence = format!("POST /hooks/{}, {}", scene.provider, scene.proof_words());
    row(printer, "came in", proof, &sentence)?;
    if scene.is_quoted
        && let Ok(body) = serde_json::from_str::<Value>(scene.body)
    {
        let message = escaped(text(&body["commits"][0], "message").trim_end());
        row(printer, "it says", Look::Waiting, &message)?;
    }
    Ok(())
}

pub fn answer(printer: &Printer, status: StatusCode, body: &Value) -> Result<(), Failure> {
    let id = list(body, "notices").first().and_then(Value::as_str);
    let code = status.as_u16();
    let (look, sentence) = match (id, body["duplicate"].as_bool()) {
        (Some(id), Some(true)) => (
            Look::Faint,
            format!("{code}, a duplicate of notice {id}: nothing is sent again"),
        ),
        (Some(id), _) => (Look::Good, format!("{code}, accepted as notice {id}")),
        (None, _) if status.is_success() => (Look::Faint, format!("{code}, it says nothing")),
        (None, _) => {
            let detail = escaped(text(body, "detail"));
            (Look::Bad, format!("{code}, refused: {detail}"))
        }
    };
    row(printer, "answered", look, &sentence)
}

/// What routing decided.
pub fn reasons(printer: &Printer, notice: &Value) -> Result<(), Failure> {
    let severity = text(notice, "severity");
    if matches!(severity, "warning" | "critical") {
        let look = if severity == "critical" {
            Look::Bad
        } else {
            Look::Waiting
        };
        row(printer, "severity", look, severity)?;
    }
    let mut label = "why";
    for reason in list(notice, "reasons") {
        if reason.get("delivery").is_some() {
            continue;
        }
        let (look, sentence) = sentences::reason(reason);
        row(printer, label, look, &sentence)?;
        label = "";
    }
    Ok(())
}

/// What people read in the inbox.
pub fn inbox(printer: &Printer, notice: &Value) -> Result<(), Failure> {
    for delivery in list(notice, "deliveries") {
        if text(delivery, "target_kind") != "inbox" {
            continue;
        }
        let words = block(text(delivery, "text"), &format!("{MARGIN}│ "));
        let words = words.strip_prefix(MARGIN).unwrap_or(&words);
        row(printer, text(delivery, "target"), Look::Plain, words)?;
    }
    Ok(())
}

/// Attempts that were shown, per delivery.
#[derive(Default)]
pub struct Attempts(HashMap<String, usize>);

impl Attempts {
    /// Shows the attempts that have ended since, with when the next one is.
    pub fn show(&mut self, printer: &Printer, notice: &Value) -> Result<(), Failure> {
        for delivery in list(notice, "deliveries") {
            let shown = self.0.entry(text(delivery, "id").to_owned()).or_default();
            let attempts = list(delivery, "attempts");
            for attempt in attempts.iter().skip(*shown) {
                if text(attempt, "outcome") == "sending" {
                    break;
                }
                *shown += 1;
                let (look, mut sentence) = sentences::attempt(*shown, attempt);
                if *shown == attempts.len()
                    && let Some(next) = sentences::future(delivery)
                {
                    sentence.push_str(&format!("; {next}"));
                }
                row(printer, text(delivery, "target"), look, &sentence)?;
            }
        }
        Ok(())
    }
}

pub fn is_settled(notice: &Value) -> bool {
    list(notice, "deliveries")
        .iter()
        .all(|delivery| matches!(text(delivery, "status"), "sent" | "dropped" | "parked"))
}

pub fn farewell(printer: &Printer, base: &str, token: &str) -> Result<(), Failure> {
    let faint = |line: &str| printer.line(&printer.dressed(Look::Faint, line));
    printer.line("\nThat was the story. The program goes on until Ctrl-C; look around meanwhile, in another terminal:")?;
    faint(&format!(
        "  export NOTIFY_BRIDGE_URL={base} NOTIFY_BRIDGE_TOKEN={token}"
    ))?;
    faint("  notify-bridge notices")?;
    faint("  notify-bridge explain workshop")?;
    faint("  notify-bridge send inbox 'Hello'")
}
