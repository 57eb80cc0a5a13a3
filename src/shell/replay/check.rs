//! Whether every decision of a log would be made again.

use std::collections::{BTreeMap, VecDeque};

use notify_store::{Reader, Recorded};

use super::{ReplayError, at, next};
use crate::domain::command::Refusal;
use crate::domain::event::{Accepted, Event};
use crate::domain::redecide::{self, Again, again};
use crate::domain::state::{Rows, State};
use crate::wire;

/// Why a command after a gap is not decided again: the state there is not the one that it met.
const COMPACTED: &str = "events before it are not kept any more; begin with a snapshot after them";

/// What was decided again.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tally {
    pub events: u64,
    /// Commands that gave the same.
    pub same: u64,
    pub differ: u64,
    /// Commands that could not be decided again: by the kind of their first event, and why.
    pub unknown: BTreeMap<(&'static str, &'static str), u64>,
    /// Programs that founded the store, or founded it anew, in their order.
    pub programs: Vec<String>,
}

/// A command that would be decided otherwise now.
#[derive(Debug, Clone)]
pub struct Difference {
    pub recorded: Vec<Recorded<Event>>,
    pub decided: Result<Vec<Recorded<Event>>, Refusal>,
}

/// Goes through a log command by command.
pub struct Check<'r> {
    reader: &'r Reader<Event>,
    state: State,
    page: VecDeque<Recorded<Event>>,
    last: u64,
    has_gap: bool,
    pub tally: Tally,
}

impl<'r> Check<'r> {
    /// Begins after `base`, and ends with the command in which `last` stands.
    pub fn new(reader: &'r Reader<Event>, base: State, last: u64) -> Self {
        Check {
            reader,
            state: base,
            page: VecDeque::new(),
            last,
            has_gap: false,
            tally: Tally::default(),
        }
    }

    /// The next command that would be decided otherwise; `None` at the end.
    pub fn difference(&mut self) -> Result<Option<Difference>, ReplayError> {
        while let Some(command) = self.command()? {
            let decided = self.decide(&command);
            let mut rows = Rows::new();
            for recorded in &command {
                self.state
                    .evolve(at(recorded), &recorded.payload, &mut rows);
                // A state that was carried over what was removed fills the gap.
                self.has_gap &= !matches!(
                    recorded.payload,
                    Event::StateCarried { part, parts, .. } if part + 1 == parts
                );
            }
            if let Some(decided) = decided {
                return Ok(Some(Difference {
                    recorded: command,
                    decided,
                }));
            }
        }
        Ok(None)
    }

    /// The events of the next command.
    fn command(&mut self) -> Result<Option<Vec<Recorded<Event>>>, ReplayError> {
        let mut command: Vec<Recorded<Event>> = Vec::new();
        let mut position = self.state.position;
        loop {
            if command.is_empty() && position >= self.last {
                return Ok(None);
            }
            let Some(recorded) = next(self.reader, &mut self.page, position + 1)? else {
                break;
            };
            let goes_on = command
                .first()
                .is_none_or(|first| recorded.causation == first.position);
            if !goes_on {
                // What is missing may be the end of this command.
                self.has_gap |= recorded.position != position + 1;
                self.page.push_front(recorded);
                break;
            }
            let follows_nothing = command.is_empty() && recorded.causation != 0;
            self.has_gap |= recorded.position != position + 1 || follows_nothing;
            position = recorded.position;
            self.tally.events += 1;
            command.push(recorded);
        }
        Ok((!command.is_empty()).then_some(command))
    }

    /// What would be decided now, when that is something else.
    fn decide(
        &mut self,
        command: &[Recorded<Event>],
    ) -> Option<Result<Vec<Recorded<Event>>, Refusal>> {
        let first = command.first()?;
        if let Event::Founded { program, .. } = &first.payload {
            self.tally.programs.push(program.clone());
        }
        let name = wire::kind_name(wire::kind_of(&first.payload)).unwrap_or("unknown");
        if self.has_gap {
            *self.tally.unknown.entry((name, COMPACTED)).or_default() += 1;
            return None;
        }
        let events: Vec<Event> = command.iter().map(|one| one.payload.clone()).collect();
        let reader = self.reader;
        let mut read = |position: u64| -> Option<Accepted> {
            match reader.get(position).ok()??.payload {
                Event::Accepted(accepted) => Some(*accepted),
                _other => None,
            }
        };
        let recorded = redecide::Recorded {
            at: at(first),
            events: &events,
        };
        match again(&self.state, recorded, &mut read) {
            Again::Same => {
                self.tally.same += 1;
                None
            }
            Again::Unknown(why) => {
                *self.tally.unknown.entry((name, why)).or_default() += 1;
                None
            }
            Again::Differs(decided) => {
                self.tally.differ += 1;
                Some(decided.map(|events| {
                    let placed = events.into_iter().zip(first.position..);
                    placed
                        .map(|(payload, position)| Recorded {
                            position,
                            recorded_at: first.recorded_at,
                            space: first.space,
                            causation: if position == first.position {
                                0
                            } else {
                                first.position
                            },
                            correlation: first.correlation,
                            payload,
                        })
                        .collect()
                }))
            }
        }
    }
}
