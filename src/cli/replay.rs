//! `replay`: the log once more, with what each event changed; and whether it would be decided again.

use std::io::{self, BufRead as _, Write as _};

use serde_json::Value;

use super::args::ReplayArgs;
use super::failure::Failure;
use super::printer::{Look, Printer, complain, escaped};
use super::sentences::{day_and_time, list, text};
use super::stopped;
use crate::shell::ledger::Causes;
use crate::shell::replay::{Check, Replay, ReplayError, Step, base};
use crate::shell::views;

/// Differences printed one by one; further ones are only counted.
const DIFFERENCES_SHOWN_MAX: u64 = 1_000;

pub fn run(args: &ReplayArgs) -> Result<(), Failure> {
    let printer = Printer::new(args.json);
    if args.check {
        check(args, &printer)
    } else if args.step {
        interactive(args, &printer)
    } else {
        all(args, &printer)
    }
}

fn failed(error: ReplayError) -> Failure {
    match error {
        ReplayError::NoSnapshot { .. } => Failure::Input(error.to_string()),
        ReplayError::Fold(_) | ReplayError::Read(_) => Failure::Failed(Causes(&error).to_string()),
    }
}

fn all(args: &ReplayArgs, printer: &Printer) -> Result<(), Failure> {
    let reader = stopped::reader(&args.data)?;
    let base = base(&args.data, &reader, args.from).map_err(failed)?;
    let mut replay = Replay::new(&reader, base);
    let to = args.to.unwrap_or(u64::MAX);
    while replay.state().position < to {
        let Some(step) = replay.step().map_err(failed)? else {
            break;
        };
        if step.recorded.position > to {
            break;
        }
        show(printer, &step)?;
    }
    Ok(())
}

/// What a person wants to see next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    Next,
    Previous,
    At(u64),
    Quit,
}

impl Wish {
    fn read(line: &str) -> Option<Self> {
        match line.trim() {
            "" | "n" => Some(Wish::Next),
            "p" => Some(Wish::Previous),
            "q" => Some(Wish::Quit),
            number => number.parse().ok().map(Wish::At),
        }
    }
}

fn interactive(args: &ReplayArgs, printer: &Printer) -> Result<(), Failure> {
    let reader = stopped::reader(&args.data)?;
    let base = base(&args.data, &reader, args.from).map_err(failed)?;
    let to = args.to.unwrap_or(u64::MAX);
    let mut replay = Replay::new(&reader, base.clone());
    // Positions that were shown, for going back.
    let mut trail: Vec<u64> = Vec::new();
    let mut wish = Wish::Next;
    let mut lines = io::stdin().lock().lines();
    loop {
        let shown = trail.last().copied();
        let at = match wish {
            Wish::Quit => return Ok(()),
            Wish::Next => None,
            Wish::At(position) => Some(position),
            Wish::Previous => {
                trail.pop();
                trail.pop()
            }
        };
        if let Some(position) = at {
            // There is no way back but from the beginning.
            if shown.is_some_and(|shown| position <= shown) {
                replay = Replay::new(&reader, base.clone());
            }
            replay.skip_before(position.min(to)).map_err(failed)?;
        } else if wish == Wish::Previous {
            complain("nothing was shown before");
        }
        if at.is_some() || wish == Wish::Next {
            match replay.step().map_err(failed)? {
                Some(step) if step.recorded.position <= to => {
                    trail.push(step.recorded.position);
                    show(printer, &step)?;
                }
                Some(_) | None => complain("that is the end"),
            }
        }
        wish = loop {
            let mut err = io::stderr().lock();
            // Who reads no prompt can still answer.
            let _closed = write!(err, "n next, p previous, a position, q quit: ");
            let _closed = err.flush();
            drop(err);
            let Some(line) = lines.next() else {
                return Ok(());
            };
            let line = line.map_err(|error| Failure::caused("the answer cannot be read", error))?;
            match Wish::read(&line) {
                Some(wish) => break wish,
                None => complain("that is none of these"),
            }
        };
    }
}

fn show(printer: &Printer, step: &Step) -> Result<(), Failure> {
    let shape = views::step(step);
    if printer.json {
        return printer.object(&shape);
    }
    if step.missing > 0 {
        let line = format!("… {} events are not kept any more", step.missing);
        printer.line(&printer.dressed(Look::Faint, &line))?;
    }
    let head = format!(
        "#{} {} {}",
        step.recorded.position,
        day_and_time(text(&shape, "recorded_at")),
        text(&shape, "kind")
    );
    printer.line(&printer.dressed(Look::Strong, &head))?;
    changes(printer, &shape)
}

/// One line for each place that changed.
fn changes(printer: &Printer, shape: &Value) -> Result<(), Failure> {
    for change in list(shape, "changes") {
        let path = escaped(text(change, "path"));
        let value = |field: &str| change.get(field).map(|value| escaped(&value.to_string()));
        let (look, line) = match (value("before"), value("after")) {
            (Some(before), Some(after)) => {
                (Look::Waiting, format!("  ~ {path}: {before} → {after}"))
            }
            (Some(before), None) => (Look::Bad, format!("  - {path}: {before}")),
            (None, after) => {
                let after = after.unwrap_or_default();
                (Look::Good, format!("  + {path}: {after}"))
            }
        };
        printer.line(&printer.dressed(look, &line))?;
    }
    if let Some(more) = shape["more_changes"].as_u64() {
        printer.line(&printer.dressed(Look::Faint, &format!("  … and {more} more")))?;
    }
    Ok(())
}

fn check(args: &ReplayArgs, printer: &Printer) -> Result<(), Failure> {
    let reader = stopped::reader(&args.data)?;
    let base = base(&args.data, &reader, args.from).map_err(failed)?;
    let last = args.to.unwrap_or(u64::MAX);
    let mut check = Check::new(&reader, base, last);
    while let Some(difference) = check.difference().map_err(failed)? {
        if check.tally.differ > DIFFERENCES_SHOWN_MAX {
            continue;
        }
        let shape = views::difference(&difference);
        if printer.json {
            printer.object(&shape)?;
            continue;
        }
        let kinds = |field: &str| {
            let kinds: Vec<&str> = list(&shape, field)
                .iter()
                .filter_map(Value::as_str)
                .collect();
            kinds.join(", ")
        };
        let now = match shape["refused"].as_str() {
            Some(refusal) => format!("refused: {}", escaped(refusal)),
            None => kinds("decided"),
        };
        let head = format!(
            "#{} {} {}: now {now}",
            shape["position"],
            day_and_time(text(&shape, "recorded_at")),
            kinds("recorded"),
        );
        printer.line(&printer.dressed(Look::Strong, &head))?;
        if let Some(hidden) = shape["hidden"].as_str() {
            printer.line(&format!("  {hidden}"))?;
        }
        changes(printer, &shape)?;
    }
    let shape = views::tally(&check.tally);
    if printer.json {
        printer.object(&shape)?;
    } else {
        summary(printer, &shape)?;
    }
    match check.tally.differ {
        0 => Ok(()),
        _some => Err(Failure::Said(1)),
    }
}

fn summary(printer: &Printer, shape: &Value) -> Result<(), Failure> {
    printer.line(&format!(
        "{} events, {} commands: {} are decided as they were, {} otherwise",
        shape["events"], shape["commands"], shape["same"], shape["differ"]
    ))?;
    for kind in list(shape, "not_decided_again") {
        printer.line(&format!(
            "{} not decided again: {} ({})",
            kind["commands"],
            text(kind, "kind"),
            text(kind, "why")
        ))?;
    }
    let recorded_by: Vec<String> = list(shape, "recorded_by")
        .iter()
        .filter_map(Value::as_str)
        .map(escaped)
        .collect();
    printer.line(&format!(
        "decided by {} with zone database {}; the store was founded by {}",
        text(shape, "program"),
        text(shape, "zone_database"),
        match recorded_by.as_slice() {
            [] => "a program before the snapshot".to_owned(),
            programs => programs.join(", "),
        }
    ))
}
