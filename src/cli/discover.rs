//! `discover`: what a provider that is asked has to watch, and the chats a bot is in.

use reqwest::Method;
use serde_json::Value;

use super::args::DiscoverArgs;
use super::failure::Failure;
use super::printer::{Look, Printer, escaped};
use super::remote::Remote;
use super::sentences::{day_and_time, list, text};

pub async fn run(args: &DiscoverArgs) -> Result<(), Failure> {
    if args.place.stopped().is_some() {
        let help = "discover asks the provider or bot, so it needs a running program: use --url";
        return Err(Failure::Input(help.to_owned()));
    }
    let printer = Printer::new(args.place.json);
    let remote = Remote::new(&args.place)?;
    let name = args.name.as_str();
    let is_provider = remote.found(&["providers", name], &[]).await?.is_some();
    if !is_provider && remote.found(&["bots", name], &[]).await?.is_some() {
        return chats(&printer, &remote, args).await;
    }
    let mut query = vec![("limit", "500".to_owned())];
    query.extend(args.query.iter().map(|words| ("q", words.clone())));
    let path = ["providers", name, "collections"];
    let found = remote.get(&path, &query).await?;
    for collection in list(&found, "items") {
        printer.either(collection, &line(&printer, collection))?;
    }
    if list(&found, "items").is_empty() && !printer.json {
        printer.line(&format!("{} has none", escaped(&args.name)))?;
    }
    Ok(())
}

/// Has the bot look, and lists the chats that are known by then.
async fn chats(printer: &Printer, remote: &Remote, args: &DiscoverArgs) -> Result<(), Failure> {
    let path = ["bots", args.name.as_str(), "discover"];
    let found = remote.call(Method::POST, &path, &[], None).await?;
    let words = args.query.as_deref().unwrap_or_default().to_lowercase();
    let wanted = |chat: &&Value| {
        let has = |field| text(chat, field).to_lowercase().contains(&words);
        has("title") || has("to") || has("username")
    };
    let chats: Vec<&Value> = list(&found, "items").iter().filter(wanted).collect();
    for chat in &chats {
        printer.either(chat, &chat_line(printer, chat))?;
    }
    if printer.json {
        return Ok(());
    }
    if chats.is_empty() {
        printer.line(&format!("{} has none", escaped(&args.name)))?;
    }
    let until = text(&found, "looking_until");
    if !until.is_empty() {
        let until = day_and_time(until);
        printer.line(&format!(
            "it listens until {until}: write to it or add it to a group, then ask again"
        ))?;
    }
    Ok(())
}

/// The title, what a receiver has as its `to`, and what helps to choose.
fn chat_line(printer: &Printer, chat: &Value) -> String {
    let title = printer.dressed(Look::Strong, &escaped(text(chat, "title")));
    let mut about = text(chat, "kind").to_owned();
    match text(chat, "username") {
        "" => {}
        username => about.push_str(&format!(", @{username}")),
    }
    match text(chat, "language") {
        "" => {}
        language => about.push_str(&format!(", {language}")),
    }
    if chat["left"].as_bool() == Some(true) {
        about.push_str(", not let in any more");
    }
    let about = printer.dressed(Look::Faint, &escaped(&about));
    format!("{title}  {}  {about}", escaped(text(chat, "to")))
}

/// Its name, its id where that differs, and what helps to choose.
fn line(printer: &Printer, collection: &Value) -> String {
    let (id, name) = (text(collection, "id"), text(collection, "name"));
    let mut line = printer.dressed(Look::Strong, &escaped(name));
    if id != name {
        line.push_str(&format!("  {}", escaped(id)));
    }
    let detail = text(collection, "detail");
    if !detail.is_empty() {
        let detail = printer.dressed(Look::Faint, &escaped(detail));
        line.push_str(&format!("  {detail}"));
    }
    line
}
