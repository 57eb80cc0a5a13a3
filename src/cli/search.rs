//! `search`.

use std::time::Duration;

use serde_json::Value;

use super::args::SearchArgs;
use super::failure::Failure;
use super::printer::{Look, Printer, complain, escaped};
use super::read::show;
use super::remote::Remote;
use super::sentences::{day_and_time, text};
use super::stopped::Readable;
use crate::shell::clock::{Clock, SystemClock};
use crate::shell::ledger::Causes;
use crate::shell::search::{self, Asked, Cursor, Search, SearchError, Sorted};
use crate::shell::views::{PAGE_ENTRIES_MAX, found};

/// Where answers come from.
enum Source {
    Running(Remote),
    Stopped(Box<(Readable, Search)>),
}

fn failure(error: SearchError) -> Failure {
    match error {
        SearchError::Query(error) => Failure::Input(format!("QUERY {error}")),
        SearchError::Expired | SearchError::Read(_) => Failure::Failed(Causes(&error).to_string()),
    }
}

impl Source {
    fn of(args: &SearchArgs) -> Result<Source, Failure> {
        let Some(data) = args.place.stopped() else {
            return Ok(Source::Running(Remote::new(&args.place)?));
        };
        let store = Readable::open(data)?;
        let identity = search::identity(&store.state);
        let search = Search::stopped(data, store.reader.clone(), identity);
        Ok(Source::Stopped(Box::new((store, search))))
    }

    async fn ask(
        &self,
        args: &SearchArgs,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Value, Failure> {
        match self {
            Source::Running(remote) => {
                let mut query = vec![("q", args.query.clone())];
                if args.counts {
                    return remote.get(&["search", "facets"], &query).await;
                }
                query.push(("sort", args.sort.clone()));
                query.push(("limit", limit.to_string()));
                query.extend(cursor.map(|cursor| ("cursor", cursor.to_owned())));
                remote.get(&["search"], &query).await
            }
            Source::Stopped(stopped) => {
                let (store, search) = &**stopped;
                let cursor = cursor.map(str::parse::<Cursor>);
                let asked = Asked {
                    query: args.query.clone(),
                    sorted: Sorted::parse(&args.sort).unwrap_or_default(),
                    cursor: cursor
                        .transpose()
                        .map_err(|error| Failure::Failed(error.to_string()))?,
                    limit,
                    sees_changes: true,
                };
                let zone = store.state.configuration.zone().clone();
                let now = SystemClock::new().now();
                if args.counts {
                    let facets = search.facets(&asked, now, &zone).map_err(failure)?;
                    return Ok(found::facets(&facets));
                }
                let answer = search.find(&asked, now, &zone, Duration::ZERO);
                let answer = answer.map_err(failure)?;
                let open = match asked.cursor {
                    Some(_) => None,
                    None => Some(
                        search::open(&store.reader, &store.state, &answer.tree)
                            .map_err(|error| failure(SearchError::Read(error)))?,
                    ),
                };
                Ok(found::answer(&answer, open.as_ref()))
            }
        }
    }
}

pub async fn run(args: &SearchArgs) -> Result<(), Failure> {
    let printer = Printer::new(args.place.json);
    let source = Source::of(args)?;
    if args.counts {
        return counts(&printer, &source.ask(args, None, 1).await?);
    }
    let mut left = args.page.limit as usize;
    let mut cursor: Option<String> = None;
    while left > 0 {
        let page = source
            .ask(args, cursor.as_deref(), left.min(PAGE_ENTRIES_MAX))
            .await?;
        if cursor.is_none() {
            say_how(&page);
            let open = page["open"]["items"]
                .as_array()
                .map_or(&[][..], Vec::as_slice);
            show(&printer, open, row)?;
        }
        let items = page["items"].as_array().map_or(&[][..], Vec::as_slice);
        show(&printer, items, row)?;
        left = left.saturating_sub(items.len());
        cursor = page["next"].as_str().map(str::to_owned);
        if cursor.is_none() {
            break;
        }
    }
    Ok(())
}

/// What has to be known of an answer besides what was found.
fn say_how(page: &Value) {
    if let Some(corrected) = page["showing_results_for"].as_str() {
        let corrected = escaped(corrected);
        complain(&format!("nothing found; showing results for {corrected}"));
    }
    if page["index"]["complete"] == false {
        let (indexed, position) = (&page["index"]["indexed"], &page["index"]["position"]);
        complain(&format!(
            "the index reaches to event {indexed} of {position}; the newest were searched as well"
        ));
    }
}

fn row(item: &Value) -> Vec<String> {
    let joined = |pieces: &Value| -> String {
        let pieces = pieces.as_array().into_iter().flatten();
        pieces.map(|piece| text(piece, "text").to_owned()).collect()
    };
    let (title, excerpt) = (joined(&item["title"]), joined(&item["excerpt"]));
    let said = if excerpt.is_empty() {
        title
    } else {
        format!("{title}: {}", excerpt.replace('\n', " "))
    };
    let place = match text(item, "target") {
        "" => text(item, "provider").to_owned(),
        target => format!("{} → {target}", text(item, "provider")),
    };
    let id = match text(item, "id") {
        "" => item["position"].to_string(),
        id => id.to_owned(),
    };
    vec![
        id,
        day_and_time(text(item, "at")),
        text(item, "is").to_owned(),
        text(item, "status").to_owned(),
        place,
        text(item, "kind").to_owned(),
        said,
    ]
}

fn counts(printer: &Printer, page: &Value) -> Result<(), Failure> {
    if printer.json {
        return printer.object(page);
    }
    printer.line(&printer.dressed(Look::Faint, &format!("{} in all", page["total"])))?;
    let mut rows = Vec::new();
    for (field, values) in page["facets"].as_object().into_iter().flatten() {
        for value in values.as_array().into_iter().flatten() {
            rows.push(vec![
                format!("{field}:{}", text(value, "value")),
                value["count"].to_string(),
            ]);
        }
    }
    printer.table(&rows)
}
