//! `check`, `apply` and `export`.

use std::io::{self, IsTerminal, Write as _};
use std::path::PathBuf;

use reqwest::Method;
use serde_json::{Value, json};

use super::args::{ApplyArgs, CheckArgs, ExportArgs, ExportSecrets};
use super::failure::Failure;
use super::inline::inlined;
use super::printer::{Printer, complain, escaped};
use super::remote::Remote;
use super::sentences::list;
use super::stopped::{BY, Missing, Writable};
use crate::config::{Change, Plan, Problem, SOURCE_BYTES_MAX, Source};
use crate::shell::configure::{self, ConfigureError, OwnSurroundings};

/// Files as they were read.
pub struct Texts(Vec<(String, String)>);

impl Texts {
    pub fn read(paths: &[PathBuf]) -> Result<Texts, Failure> {
        let mut texts = Vec::with_capacity(paths.len());
        for path in paths {
            let name = path.to_string_lossy().into_owned();
            let cannot = |why: String| Failure::Input(format!("{name} cannot be read: {why}"));
            let length = std::fs::metadata(path)
                .map_err(|error| cannot(error.to_string()))?
                .len();
            if length > SOURCE_BYTES_MAX as u64 {
                return Err(cannot(format!(
                    "it has {length} bytes, over the limit of {SOURCE_BYTES_MAX}; split it"
                )));
            }
            let text = std::fs::read_to_string(path).map_err(|error| cannot(error.to_string()))?;
            texts.push((name, text));
        }
        Ok(Texts(texts))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn sources(&self) -> Vec<Source<'_>> {
        self.0
            .iter()
            .map(|(file, text)| Source { file, text })
            .collect()
    }
}

/// Says every problem of a refused file on stderr.
pub fn refused(error: ConfigureError) -> Failure {
    match error {
        ConfigureError::Problems(problems) => {
            for problem in &problems {
                complain(&escaped(&problem.to_string()));
            }
            Failure::Said(2)
        }
        ConfigureError::Ledger(error) => error.into(),
    }
}

fn problem_json(problem: &Problem) -> Value {
    json!({
        "file": problem.file,
        "line": problem.line,
        "column": problem.column,
        "field": problem.field,
        "message": problem.message,
    })
}

/// Problems are what `check` is asked for, so they go to stdout.
pub fn check(args: &CheckArgs) -> Result<(), Failure> {
    let printer = Printer::new(args.json);
    let texts = Texts::read(&args.files)?;
    match configure::check(&texts.sources(), Some(&OwnSurroundings)) {
        Ok(document) => {
            let entities = document.entities.len();
            if !args.json {
                printer.line(&format!(
                    "{}, no problem",
                    super::serve::counted(entities, "definition")
                ))?;
            }
            Ok(())
        }
        Err(problems) => {
            for problem in &problems {
                printer.either(&problem_json(problem), &escaped(&problem.to_string()))?;
            }
            Err(Failure::Said(2))
        }
    }
}

pub async fn apply(args: &ApplyArgs) -> Result<(), Failure> {
    let printer = Printer::new(args.place.json);
    let texts = Texts::read(&args.files)?;
    let Some(data) = args.place.stopped() else {
        return apply_over_http(args, &texts, &printer).await;
    };
    let key_file = args.place.secret_key_file.as_deref();
    let store = Writable::open(data, key_file, Missing::Create).await?;
    let done = apply_to(&store, args, &texts, &printer).await;
    store.close();
    done
}

async fn apply_to(
    store: &Writable,
    args: &ApplyArgs,
    texts: &Texts,
    printer: &Printer,
) -> Result<(), Failure> {
    let sources = texts.sources();
    let run = |dry_run| {
        configure::apply(
            &store.ledger,
            &store.vault,
            &sources,
            Some(&OwnSurroundings),
            args.prune,
            dry_run,
            BY,
        )
    };
    let planned = run(true).await.map_err(refused)?;
    print_plan(printer, &planned.plan)?;
    if args.dry_run {
        return Ok(());
    }
    let removed = planned
        .plan
        .changes
        .iter()
        .filter(|change| matches!(change, Change::Remove { .. }))
        .count();
    agree(removed, args.yes)?;
    run(false).await.map_err(refused)?;
    Ok(())
}

fn print_plan(printer: &Printer, plan: &Plan) -> Result<(), Failure> {
    if plan.is_empty() {
        return printer.either(&json!({"changes": 0}), "nothing to do");
    }
    for change in &plan.changes {
        let line = escaped(&change.to_string());
        printer.either(&json!({"change": line}), &line)?;
    }
    Ok(())
}

/// What removes something wants a yes: on the command line, or of the person at the terminal.
pub fn agree(removed: usize, yes: bool) -> Result<(), Failure> {
    if removed == 0 || yes {
        return Ok(());
    }
    let what = format!("this removes {removed} of what is configured");
    if !io::stdin().is_terminal() {
        return Err(Failure::Input(format!("{what}; say --yes to go on")));
    }
    let mut prompt = io::stderr().lock();
    let asked = write!(prompt, "{what}. Go on? [y/N] ").and_then(|()| prompt.flush());
    let mut answer = String::new();
    asked
        .and_then(|()| io::stdin().read_line(&mut answer).map(|_| ()))
        .map_err(|error| Failure::caused("the answer cannot be read", error))?;
    if matches!(answer.trim(), "y" | "Y" | "yes") {
        Ok(())
    } else {
        Err(Failure::Failed("nothing was changed".to_owned()))
    }
}

pub async fn export(args: &ExportArgs) -> Result<(), Failure> {
    let printer = Printer::new(false);
    let Some(data) = args.place.stopped() else {
        return export_over_http(args, &printer).await;
    };
    let key_file = args.place.secret_key_file.as_deref();
    let store = Writable::open(data, key_file, Missing::Refuse).await?;
    let plain = args.secrets == ExportSecrets::Plain;
    let text = configure::export(&store.ledger, &store.vault, plain);
    store.close();
    printer.line(text.trim_end_matches('\n'))
}

async fn apply_over_http(
    args: &ApplyArgs,
    texts: &Texts,
    printer: &Printer,
) -> Result<(), Failure> {
    let sources = texts.sources();
    let [source] = sources.as_slice() else {
        let help = "a running program takes one file at a time, so that all of it or nothing is applied; put them into one, or stop it and use --data";
        return Err(Failure::Input(help.to_owned()));
    };
    let text = inlined(source.file, source.text, &OwnSurroundings)?;
    let remote = Remote::new(&args.place)?;
    let body = |dry_run| json!({"text": text, "file": source.file, "prune": args.prune, "dry_run": dry_run});
    let planned = remote
        .call(Method::POST, &["apply"], &[], Some(&body(true)))
        .await?;
    let plan: Vec<&str> = list(&planned, "plan")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    if plan.is_empty() {
        printer.either(&json!({"changes": 0}), "nothing to do")?;
    }
    for change in &plan {
        let line = escaped(change);
        printer.either(&json!({"change": line}), &line)?;
    }
    if args.dry_run {
        return Ok(());
    }
    let removed = plan.iter().filter(|change| change.starts_with('-')).count();
    agree(removed, args.yes)?;
    // What changed in between is planned again there, and refused when it no longer fits.
    remote
        .call(Method::POST, &["apply"], &[], Some(&body(false)))
        .await?;
    Ok(())
}

async fn export_over_http(args: &ExportArgs, printer: &Printer) -> Result<(), Failure> {
    let secrets = match args.secrets {
        ExportSecrets::Omit => "omit",
        ExportSecrets::Plain => "plain",
    };
    let query = [("secrets", secrets.to_owned())];
    let text = Remote::new(&args.place)?.text(&["export"], &query).await?;
    printer.line(text.trim_end_matches('\n'))
}
