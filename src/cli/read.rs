//! `notices`, `deliveries`, `held`, `parked`, `log` and `tail`.

use std::time::Duration;

use serde_json::Value;

use super::args::{
    DeliveriesArgs, HeldArgs, LogArgs, NoticesArgs, PageArgs, ParkedArgs, Place, TailArgs,
};
use super::failure::Failure;
use super::printer::{Look, Printer, escaped};
use super::remote::Remote;
use super::sentences::{day_and_time, text};
use super::serve::Signals;
use super::stopped::Readable;
use crate::projections::outbox::{NoticeStatus, Status};
use crate::shell::clock::{Clock, SystemClock};
use crate::shell::ledger::Causes;
use crate::shell::views::{
    self, Cursor, DeliveryFilter, NoticeFilter, PAGE_ENTRIES_MAX, Page, ViewError,
};

/// How often `tail` asks for what is new.
const TAIL_INTERVAL: Duration = Duration::from_millis(500);
/// How long it waits after an answer that failed, at most.
const TAIL_INTERVAL_MAX: Duration = Duration::from_secs(10);

/// What a stopped store refuses to show, and why.
pub fn unseen(error: ViewError) -> Failure {
    match error {
        ViewError::Invalid { .. } => Failure::Input(error.to_string()),
        ViewError::NotFound { .. } | ViewError::Compacted { .. } | ViewError::Read(_) => {
            Failure::Failed(Causes(&error).to_string())
        }
    }
}

/// Where lists come from.
pub(super) enum Lists {
    Running(Remote),
    Stopped(Box<Readable>),
}

impl Lists {
    pub(super) fn of(place: &Place) -> Result<Self, Failure> {
        match place.stopped() {
            Some(data) => Ok(Lists::Stopped(Box::new(Readable::open(data)?))),
            None => Ok(Lists::Running(Remote::new(place)?)),
        }
    }

    /// As [`Lists::of`], for lists that say nothing of the state.
    fn of_log(place: &Place) -> Result<Self, Failure> {
        match place.stopped() {
            Some(data) => Ok(Lists::Stopped(Box::new(Readable::unfolded(data)?))),
            None => Ok(Lists::Running(Remote::new(place)?)),
        }
    }

    /// Items page by page, from a running program or from `see`.
    pub(super) async fn each(
        &self,
        path: &str,
        query: &[(&str, String)],
        limit: u32,
        see: impl Fn(&Readable, Option<Cursor>, usize) -> Result<Page, ViewError>,
        mut show: impl FnMut(Vec<Value>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let store = match self {
            Lists::Running(remote) => return remote.list(&[path], query, limit, show).await,
            Lists::Stopped(store) => store,
        };
        let mut left = limit as usize;
        let mut cursor = None;
        while left > 0 {
            let page = see(store, cursor, left.min(PAGE_ENTRIES_MAX)).map_err(unseen)?;
            left = left.saturating_sub(page.items.len());
            cursor = page.next;
            show(page.items)?;
            if cursor.is_none() {
                break;
            }
        }
        Ok(())
    }
}

fn query_of(pairs: &[(&'static str, Option<String>)]) -> Vec<(&'static str, String)> {
    pairs
        .iter()
        .filter_map(|(name, value)| value.clone().map(|value| (*name, value)))
        .collect()
}

/// Objects for programs, an aligned table a page for people.
pub(super) fn show(
    printer: &Printer,
    items: &[Value],
    row: impl Fn(&Value) -> Vec<String>,
) -> Result<(), Failure> {
    if printer.json {
        return items.iter().try_for_each(|item| printer.object(item));
    }
    printer.table(&items.iter().map(row).collect::<Vec<_>>())
}

pub async fn notices(args: &NoticesArgs) -> Result<(), Failure> {
    let printer = Printer::new(args.place.json);
    let since = args
        .since
        .map(|since| since.moment(SystemClock::new().now()));
    let status = args
        .status
        .as_deref()
        .map(|word| {
            NoticeStatus::parse(word).ok_or_else(|| {
                let known = NoticeStatus::ALL.map(NoticeStatus::as_str).join(", ");
                Failure::Input(format!("--status is one of {known}"))
            })
        })
        .transpose()?;
    let query = query_of(&[
        ("provider", args.provider.clone()),
        ("kind", args.kind.clone()),
        ("collection", args.collection.clone()),
        ("tracker", args.tracker.clone()),
        (
            "severity",
            args.severity.map(|severity| severity.as_str().to_owned()),
        ),
        ("status", args.status.clone()),
        ("since", since.map(views::moment)),
    ]);
    let filter = NoticeFilter {
        provider: args.provider.clone(),
        kind: args.kind.clone(),
        collection: args.collection.clone(),
        tracker: args.tracker.clone(),
        severity: args.severity,
        status,
        q: None,
        since,
        until: None,
    };
    let see = |store: &Readable, cursor, limit| {
        views::notices(&store.reader, &store.state, None, &filter, cursor, limit)
    };
    Lists::of(&args.place)?
        .each("notices", &query, args.page.limit, see, |items| {
            show(&printer, &items, |notice| {
                vec![
                    text(notice, "id").to_owned(),
                    day_and_time(text(notice, "received_at")),
                    text(notice, "severity").to_owned(),
                    text(notice, "status").to_owned(),
                    format!("{}/{}", text(notice, "provider"), text(notice, "kind")),
                    text(notice, "title").to_owned(),
                ]
            })
        })
        .await
}

pub async fn deliveries(args: &DeliveriesArgs) -> Result<(), Failure> {
    let statuses = args
        .status
        .as_deref()
        .unwrap_or("")
        .split(',')
        .map(str::trim)
        .filter(|word| !word.is_empty())
        .map(|word| {
            Status::parse(word).ok_or_else(|| {
                let known = Status::ALL.map(Status::as_str).join(", ");
                Failure::Input(format!(
                    "--status is one of {known}, or several with commas"
                ))
            })
        })
        .collect::<Result<Vec<_>, _>>()?;
    let filter = DeliveryFilter {
        statuses,
        target: args.target.clone(),
        tracker: args.tracker.clone(),
        reason: None,
    };
    let query = query_of(&[
        ("status", args.status.clone()),
        ("target", args.target.clone()),
        ("tracker", args.tracker.clone()),
    ]);
    list_deliveries(&args.place, &args.page, "deliveries", &query, &filter).await
}

pub async fn held(args: &HeldArgs) -> Result<(), Failure> {
    let filter = DeliveryFilter {
        statuses: vec![Status::Held],
        target: args.target.clone(),
        tracker: args.tracker.clone(),
        reason: args.reason.clone(),
    };
    let query = query_of(&[
        ("target", args.target.clone()),
        ("tracker", args.tracker.clone()),
        ("reason", args.reason.clone()),
    ]);
    let printer = Printer::new(args.place.json);
    let see = |store: &Readable, cursor, limit| {
        views::deliveries(&store.reader, &store.state, &filter, cursor, limit)
    };
    Lists::of(&args.place)?
        .each("held", &query, args.page.limit, see, |items| {
            show(&printer, &items, |delivery| {
                let until = match text(delivery, "held_until") {
                    "" => "until released".to_owned(),
                    until => day_and_time(until),
                };
                let notices = delivery["notices_total"].as_u64().unwrap_or(1);
                vec![
                    text(delivery, "id").to_owned(),
                    until,
                    text(&delivery["reason"], "what").to_owned(),
                    format!(
                        "{}/{}",
                        text(delivery, "target"),
                        text(delivery, "receiver")
                    ),
                    match notices {
                        1 => "1 notice".to_owned(),
                        notices => format!("{notices} notices"),
                    },
                    text(&delivery["reason"], "detail").to_owned(),
                ]
            })
        })
        .await
}

pub async fn parked(args: &ParkedArgs) -> Result<(), Failure> {
    let filter = DeliveryFilter {
        statuses: vec![Status::Parked, Status::Unknown],
        target: args.target.clone(),
        ..DeliveryFilter::default()
    };
    let query = query_of(&[("target", args.target.clone())]);
    list_deliveries(&args.place, &args.page, "parked", &query, &filter).await
}

async fn list_deliveries(
    place: &Place,
    page: &PageArgs,
    path: &str,
    query: &[(&str, String)],
    filter: &DeliveryFilter,
) -> Result<(), Failure> {
    let printer = Printer::new(place.json);
    let see = |store: &Readable, cursor, limit| {
        views::deliveries(&store.reader, &store.state, filter, cursor, limit)
    };
    Lists::of(place)?
        .each(path, query, page.limit, see, |items| {
            show(&printer, &items, |delivery| {
                let reason = &delivery["reason"];
                let said = match text(reason, "detail") {
                    "" => text(delivery, "text").lines().next().unwrap_or(""),
                    detail => detail,
                };
                vec![
                    text(delivery, "id").to_owned(),
                    day_and_time(text(delivery, "created_at")),
                    text(delivery, "status").to_owned(),
                    format!(
                        "{}/{}",
                        text(delivery, "target"),
                        text(delivery, "receiver")
                    ),
                    said.to_owned(),
                ]
            })
        })
        .await
}

fn print_event(printer: &Printer, event: &Value) -> Result<(), Failure> {
    if printer.json {
        return printer.object(event);
    }
    let position = event["position"].as_u64().unwrap_or(0);
    let head = format!(
        "{position:>8}  {}",
        day_and_time(text(event, "recorded_at"))
    );
    printer.line(&format!(
        "{}  {}  {}",
        printer.dressed(Look::Faint, &head),
        escaped(text(event, "kind")),
        escaped(&event["data"].to_string())
    ))
}

/// Oldest first. Without `--from`, the newest so many.
pub async fn log(args: &LogArgs) -> Result<(), Failure> {
    let printer = Printer::new(args.place.json);
    let query = query_of(&[("from", args.from.map(|from| from.to_string()))]);
    let see = |store: &Readable, cursor, limit| views::log(&store.reader, args.from, cursor, limit);
    let is_wanted = |event: &Value| {
        let position = event["position"].as_u64().unwrap_or(0);
        args.to.is_none_or(|to| position <= to)
    };
    let lists = Lists::of_log(&args.place)?;
    if let Some(from) = args.from {
        let mut is_first = true;
        return lists
            .each("log", &query, args.page.limit, see, |items| {
                let first = items.first().and_then(|event| event["position"].as_u64());
                if let Some(first) = first.filter(|first| is_first && *first > from.max(1)) {
                    super::printer::complain(&format!(
                        "the log begins at position {first} here: what was before is older than what is kept"
                    ));
                }
                is_first = false;
                items
                    .iter()
                    .filter(|event| is_wanted(event))
                    .try_for_each(|event| print_event(&printer, event))
            })
            .await;
    }
    if let Some(to) = args.to {
        // The last so many up to there.
        let from = to.saturating_sub(u64::from(args.page.limit) - 1).max(1);
        let from = LogArgs {
            from: Some(from),
            ..args.clone()
        };
        return Box::pin(log(&from)).await;
    }
    let mut newest = Vec::new();
    lists
        .each("log", &query, args.page.limit, see, |items| {
            newest.extend(items);
            Ok(())
        })
        .await?;
    newest
        .iter()
        .rev()
        .try_for_each(|event| print_event(&printer, event))
}

/// Asks a running program for what is new until someone stops it. A program that restarts is waited
/// for.
pub async fn tail(args: &TailArgs) -> Result<(), Failure> {
    if args.place.stopped().is_some() {
        let help = "nothing new happens in a stopped store; read it with `log --data`";
        return Err(Failure::Input(help.to_owned()));
    }
    let printer = Printer::new(args.place.json);
    let remote = Remote::new(&args.place)?;
    let mut signals = Signals::new()?;
    tokio::select! {
        done = follow(&remote, &printer) => done,
        () = signals.any() => Ok(()),
    }
}

async fn follow(remote: &Remote, printer: &Printer) -> Result<(), Failure> {
    let clock = SystemClock::new();
    let newest = remote.get(&["log"], &[("limit", "1".to_owned())]).await?;
    let mut next = newest["items"][0]["position"].as_u64().unwrap_or(0) + 1;
    let mut wait = TAIL_INTERVAL;
    loop {
        let query = [
            ("from", next.to_string()),
            ("limit", PAGE_ENTRIES_MAX.to_string()),
        ];
        match remote.get(&["log"], &query).await {
            Ok(page) => {
                if wait > TAIL_INTERVAL {
                    super::printer::complain("the program answers again");
                }
                wait = TAIL_INTERVAL;
                let items = page["items"].as_array().map_or(&[][..], Vec::as_slice);
                for event in items {
                    print_event(printer, event)?;
                    next = event["position"].as_u64().unwrap_or(next) + 1;
                }
                if items.len() == PAGE_ENTRIES_MAX {
                    continue;
                }
            }
            // It may be restarting. What it refuses is refused for good.
            Err(failure @ Failure::Caused { .. }) => {
                if wait == TAIL_INTERVAL
                    && let Some(line) = failure.line()
                {
                    super::printer::complain(&format!("{line}; asking again"));
                }
                wait = (wait * 2).min(TAIL_INTERVAL_MAX);
            }
            Err(failure) => return Err(failure),
        }
        clock.sleep(wait).await;
    }
}
