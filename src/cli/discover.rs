//! `discover`: what a provider that is asked has to watch.

use serde_json::Value;

use super::args::DiscoverArgs;
use super::failure::Failure;
use super::printer::{Look, Printer, escaped};
use super::remote::Remote;
use super::sentences::{list, text};

pub async fn run(args: &DiscoverArgs) -> Result<(), Failure> {
    if args.place.stopped().is_some() {
        let help = "discover asks the provider, so it needs a running program: use --url";
        return Err(Failure::Input(help.to_owned()));
    }
    let printer = Printer::new(args.place.json);
    let mut query = vec![("limit", "500".to_owned())];
    query.extend(args.query.iter().map(|words| ("q", words.clone())));
    let path = ["providers", args.name.as_str(), "collections"];
    let found = Remote::new(&args.place)?.get(&path, &query).await?;
    for collection in list(&found, "items") {
        printer.either(collection, &line(&printer, collection))?;
    }
    if list(&found, "items").is_empty() && !printer.json {
        printer.line(&format!("{} has none", escaped(&args.name)))?;
    }
    Ok(())
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
