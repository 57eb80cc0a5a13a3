//! Where a verb works: a running program or the store of a stopped one.

use std::path::Path;

use clap::ArgMatches;
use clap::parser::ValueSource;

use super::args::Place;
use super::failure::Failure;

impl Place {
    /// The data folder, when the verb is to work on a stopped program.
    pub fn stopped(&self) -> Option<&Path> {
        self.data.as_deref()
    }
}

/// Settles which of `--url` and `--data` is meant when both are set: what stands on the command line
/// goes before what stands in the environment, where a container may set both.
pub fn settle(place: &mut Place, matches: &ArgMatches) -> Result<(), Failure> {
    let said = |id| matches.value_source(id) == Some(ValueSource::CommandLine);
    let set = |id| {
        matches
            .value_source(id)
            .is_some_and(|source| source != ValueSource::DefaultValue)
    };
    match (said("url"), said("data")) {
        (true, true) => Err(Failure::Input(
            "--url is for a running program and --data for a stopped one; give one of them"
                .to_owned(),
        )),
        (false, true) => Ok(()),
        (true, false) => {
            place.data = None;
            Ok(())
        }
        (false, false) => {
            if set("url") {
                place.data = None;
            }
            Ok(())
        }
    }
}
