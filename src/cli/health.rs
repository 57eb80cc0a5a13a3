//! `healthcheck`.

use reqwest::Method;

use super::args::HealthArgs;
use super::failure::Failure;
use super::remote::Remote;
use super::sentences::text;

pub async fn run(args: &HealthArgs) -> Result<(), Failure> {
    let remote = Remote::open(&args.url, &args.ca_file)?;
    let answer = remote.ask(Method::GET, &["ready"], &[], None).await?;
    if answer.status.is_success() && answer.body["ready"].as_bool() == Some(true) {
        return Ok(());
    }
    let phase = match text(&answer.body, "phase") {
        "" => format!("it answered {}", answer.status),
        phase => format!("the program is {phase}"),
    };
    Err(Failure::Failed(format!("not ready: {phase}")))
}
