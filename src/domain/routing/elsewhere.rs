//! Where a notice goes instead, and where it must not go.
//!
//! The fallback of a link is reached by no tracker: its own quiet windows, digest and silence hold,
//! and what fails there falls back no further.

use super::{Arriving, Over, Planning, Router, note};
use crate::domain::event::{Plan, RowFacts};
use crate::domain::hold::Stage;
use crate::domain::notice::{NoticeDraft, Severity};
use crate::domain::reason::What;
use crate::domain::spec::{BRIDGE_PROVIDER, LinkSpec};
use crate::domain::state::severity_code;
use crate::projections::configuration::Configuration;
use crate::projections::told::About;

impl Router<'_> {
    /// Plans a notice for a fallback. What is left of the notice are the facts of its row.
    pub fn fall_back(&self, name: &str, facts: RowFacts, about: Arriving<'_, '_>) -> Plan {
        let draft = NoticeDraft {
            severity: severity_of(facts.severity),
            ..NoticeDraft::default()
        };
        let link = LinkSpec::to(name.to_owned());
        let over = Over {
            id: 0,
            name: "",
            spec: None,
            provider: facts.provider,
            link: &link,
            notice: &draft,
            severity: draft.severity,
            group: 0,
            facts: Some(facts),
            from: Stage::Settling,
        };
        let mut plan = Planning::of(about);
        match self.configuration.target(name) {
            Some(target) => self.plan_target(over, target, &mut |_| true, &mut plan),
            None => note(&mut plan, What::TargetRemoved, 0, "", name, String::new()),
        }
        plan.plan
    }

    /// A receiver of this link is gone: its fallback is told in its place, once.
    pub(super) fn instead(&self, over: Over<'_>, plan: &mut Planning<'_, '_>) {
        let Some(name) = over.link.fallback.as_deref() else {
            return;
        };
        let Some(target) = self.configuration.target(name) else {
            return note(
                plan,
                What::TargetRemoved,
                over.id,
                over.name,
                name,
                String::new(),
            );
        };
        if !plan.instead.insert((over.id, target.entity.id)) {
            return;
        }
        let detail = format!("in place of {}", over.link.target);
        note(plan, What::FellBack, over.id, over.name, name, detail);
        let link = LinkSpec::to(name.to_owned());
        let over = Over {
            id: 0,
            name: "",
            spec: None,
            link: &link,
            ..over
        };
        self.plan_target(over, target, &mut |_| true, plan);
    }
}

/// The target to which a notice of the bridge must not go, as it is about that target.
pub fn not_to(configuration: &Configuration, provider: u32, subject: &str) -> Option<u32> {
    if provider != BRIDGE_PROVIDER {
        return None;
    }
    About::of(configuration, subject)?.target(configuration)
}

fn severity_of(code: u8) -> Severity {
    Severity::ALL
        .into_iter()
        .find(|severity| severity_code(*severity) == code)
        .unwrap_or_default()
}
