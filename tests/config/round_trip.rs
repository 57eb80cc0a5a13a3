//! What is written is read back as the same: specs in events, and configurations in files.

use notify_bridge::config::{Present, Secret, export, plan, resolve};
use notify_bridge::domain::spec::{EntityKind, EntitySpec, ReceiverSpec, Settings};
use proptest::prelude::*;

use crate::fakes::{fingerprint, lines, read_all};
use crate::generate::{Values, entities, space};
use crate::plan::applied;

/// The plan of a text against what is present, and what is present once it is applied.
fn planned(text: &str, present: &Present) -> Result<(String, Present), String> {
    let mut document = read_all(&[("home.toml", text)], &Present::default())
        .map_err(|problems| lines(&problems))?;
    resolve(&mut document, None).map_err(|problems| lines(&problems))?;
    let plan = plan(&document, present, &fingerprint, true).map_err(|p| lines(&p))?;
    Ok((plan.to_string(), applied(present, &plan)))
}

fn opened(values: &Values, kind: EntityKind, name: &str, field: &str) -> Option<Secret> {
    let key = (kind, name.to_owned(), field.to_owned());
    values.get(&key).map(|value| Secret::new(value.as_str()))
}

proptest! {
    #[test]
    fn a_spec_reads_back_from_its_json(specs in entities()) {
        for spec in specs {
            let json = serde_json::to_string(&spec).expect("a spec has JSON");
            let back: EntitySpec = serde_json::from_str(&json).expect(&json);
            prop_assert_eq!(back, spec);
        }
    }

    #[test]
    fn an_export_without_secrets_plans_nothing(space in space()) {
        let (present, _) = space;
        let text = export(&present, &|_, _, _| None);
        let (plan, _) = planned(&text, &present).map_err(|why| TestCaseError::fail(format!("{why}\n{text}")))?;
        prop_assert_eq!(plan, "", "{}", text);
    }

    #[test]
    fn an_export_with_secrets_plans_nothing_and_rebuilds_everything(space in space()) {
        let (present, values) = space;
        let text = export(&present, &|kind, name, field| opened(&values, kind, name, field));
        let (plan, _) = planned(&text, &present).map_err(|why| TestCaseError::fail(format!("{why}\n{text}")))?;
        prop_assert_eq!(plan, "", "{}", text);
        // Into an empty space everything comes, and then nothing more.
        let empty = Present { space: present.space.clone(), ..Present::default() };
        let (_, rebuilt) = planned(&text, &empty).map_err(TestCaseError::fail)?;
        let (plan, _) = planned(&text, &rebuilt).map_err(TestCaseError::fail)?;
        prop_assert_eq!(plan, "");
        prop_assert_eq!(&rebuilt.settings, &present.settings);
        prop_assert!(rebuilt.entities.keys().eq(present.entities.keys()));
        for (key, existing) in &rebuilt.entities {
            prop_assert_eq!(&existing.secrets, &present.entities[key].secrets);
        }
    }
}

#[test]
fn an_event_written_before_a_field_came_reads_as_its_default() {
    let receiver: ReceiverSpec = serde_json::from_str(r#"{"to":"1"}"#).expect("fields may lack");
    assert!(receiver.enabled);
    assert_eq!(
        receiver,
        ReceiverSpec {
            to: "1".into(),
            ..ReceiverSpec::default()
        }
    );
    let settings: Settings = serde_json::from_str("{}").expect("fields may lack");
    assert_eq!(settings, Settings::default());
    let rate = |json: &str| match serde_json::from_str(json).expect(json) {
        EntitySpec::Provider(provider) => provider.rate,
        EntitySpec::Target(_)
        | EntitySpec::Tracker(_)
        | EntitySpec::Template(_)
        | EntitySpec::Bot(_) => None,
    };
    assert_eq!(rate(r#"{"entity":"provider","name":"a","kind":"k"}"#), None);
    assert_eq!(
        rate(r#"{"entity":"provider","name":"a","kind":"k","rate":null}"#),
        Some(None)
    );
}
