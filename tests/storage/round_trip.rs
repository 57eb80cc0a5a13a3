//! A store into a backup and back, with each choice about its secrets.

use std::path::Path;
use std::sync::Arc;

use notify_bridge::domain::command::Command;
use notify_bridge::domain::event::Event;
use notify_bridge::domain::reason::What;
use notify_bridge::domain::spec::EntityKind;
use notify_bridge::projections::outbox::Status;
use notify_bridge::shell::backup::folder::{Made, make};
use notify_bridge::shell::backup::{Secrets, Source, Wishes};
use notify_bridge::shell::clock::ManualClock;
use notify_bridge::shell::keyring::rotation;
use notify_bridge::shell::ledger::{Causes, Priority};
use notify_bridge::shell::restore::{Request, RestoreError, Restored, restore};
use notify_bridge::shell::verify::{self, Beside, Index};
use notify_store::open_read_only;
use zeroize::Zeroizing;

use crate::world::{FILE, NOON, World, everything, filled};

pub fn backup(world: &World, to: &Path, secrets: Secrets, passphrase: Option<&str>) -> Made {
    let source = Source {
        reader: world.ledger.reader(),
        keyring: world.vault.keyring(),
        state: &|look| look(&world.ledger.state()),
    };
    let wishes = Wishes {
        secrets,
        passphrase: passphrase.map(|text| Zeroizing::new(text.to_owned())),
    };
    make(to, &source, &wishes, NOON, &mut |_, _| true).expect("a backup")
}

pub async fn restored(
    file: &Path,
    data: &Path,
    passphrase: Option<&str>,
) -> Result<Restored, RestoreError> {
    let request = Request {
        file,
        data,
        key_file: None,
        passphrase: passphrase.map(|text| Zeroizing::new(text.to_owned())),
        by: "test",
    };
    let clock = Arc::new(ManualClock::new(NOON + 1_000_000));
    restore(&request, clock, &|_, _, _| {}).await
}

fn secret_of(world: &World, name: &str) -> Option<String> {
    let (id, marks) = {
        let state = world.ledger.state();
        let id = state.configuration.id(EntityKind::Provider, name)?;
        let marks = state
            .configuration
            .secrets(EntityKind::Provider, id)?
            .clone();
        (id, marks)
    };
    let opened = world.vault.open_fresh(id, &marks).ok()?;
    opened.get("secret").cloned()
}

#[tokio::test]
async fn everything_comes_back_and_waits() {
    let folder = tempfile::tempdir().expect("a folder");
    let from = folder.path().join("from");
    filled(&from, 40).await;
    let cases: [(&str, Secrets, Option<&str>, bool); 4] = [
        ("omit", Secrets::Omit, None, false),
        ("sealed", Secrets::Sealed, None, false),
        ("wrapped", Secrets::Sealed, Some("a long passphrase"), true),
        ("plain", Secrets::Plain, None, true),
    ];
    for (name, secrets, passphrase, opens) in cases {
        let world = World::open(&from).await;
        let file = folder.path().join(format!("{name}.nbb"));
        let made = backup(&world, &file, secrets, passphrase);
        let through = made.about.through;
        let expected = everything(world.ledger.reader(), through);
        let known = world.ledger.state().founding.expect("founded").epoch;
        world.close();

        let to = folder.path().join(name);
        let done = restored(&file, &to, passphrase).await;
        let done = done.unwrap_or_else(|error| panic!("{name}: {}", Causes(&error)));
        assert!(done.report.is_clean(), "{name}: {:?}", done.report);
        assert!(!to.join("restoring").exists(), "{name}: nothing is left");
        // A second time there is a store already.
        let again = restored(&file, &to, passphrase).await;
        assert!(
            matches!(again, Err(RestoreError::NotEmpty { .. })),
            "{name}"
        );

        let reader = open_read_only::<Event>(&to).expect("it opens");
        let found = everything(&reader, through);
        assert!(
            found.frames == expected.frames,
            "{name}: the log to the byte"
        );
        assert!(found.state == expected.state, "{name}: the state");
        assert!(found.bodies == expected.bodies, "{name}: the bodies");
        assert!(found.rows == expected.rows, "{name}: the rows");
        drop(reader);

        let world = World::open(&to).await;
        {
            let state = world.ledger.state();
            assert!(
                state.cursors.halted && state.outbox.paused,
                "{name}: it is paused"
            );
            assert_ne!(state.founding.expect("founded").epoch, known, "{name}");
            let waiting: Vec<_> = state.outbox.deliveries.values().collect();
            assert_eq!(waiting.len() as u64, done.held, "{name}");
            assert!(!waiting.is_empty());
            for delivery in waiting {
                assert_eq!(delivery.status, Status::Held, "{name}");
                let hold = delivery.hold.as_deref().expect("a hold");
                assert_eq!(hold.why, What::HeldRestored, "{name}");
            }
        }
        let secret = secret_of(&world, "forge");
        assert_eq!(secret.is_some(), opens, "{name}: {secret:?}");
        if opens {
            // The fingerprints are known, so that the file is what the store has.
            let before = world.ledger.state().position;
            world.apply(FILE).await;
            let events = world.ledger.reader().page(before + 1, 100).expect("events");
            let put = |event: &Event| matches!(event, Event::EntityPut { .. });
            assert!(!events.iter().any(|event| put(&event.payload)), "{name}");
        }
        let resume = Command::Resume { by: "me".into() };
        let resumed = world.ledger.command(Priority::People, resume).await;
        resumed.expect("resumed");
        {
            let state = world.ledger.state();
            assert!(!state.cursors.halted && !state.outbox.paused, "{name}");
            // All of them are looked at now.
            let now = NOON;
            assert!(
                state.outbox.held.iter().all(|(until, _)| *until <= now),
                "{name}"
            );
        }
        world.close();
        let report = verify::stopped(&to, None, &|_, _, _| {}).expect("verified");
        assert!(report.is_clean(), "{name}: {report:?}");
    }
}

#[tokio::test]
async fn a_wrong_passphrase_or_another_key_restores_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let from = folder.path().join("from");
    filled(&from, 3).await;
    let world = World::open(&from).await;
    let file = folder.path().join("wrapped.nbb");
    backup(&world, &file, Secrets::Sealed, Some("a long passphrase"));
    world.close();
    let to = folder.path().join("to");
    for (passphrase, says) in [
        (Some("another passphrase"), "does not open"),
        (None, "--passphrase-file"),
    ] {
        let error = restored(&file, &to, passphrase).await.expect_err("refused");
        let told = Causes(&error).to_string();
        assert!(told.contains(says), "{told}");
        assert!(!to.join("bridge.redb").exists());
        assert!(!to.join("restoring").exists());
    }
    std::fs::write(
        to.join("secret.key"),
        format!("nbkey1:{}\n", "A".repeat(43) + "="),
    )
    .unwrap();
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(to.join("secret.key"), private).unwrap();
    let error = restored(&file, &to, Some("a long passphrase")).await;
    assert!(
        matches!(error, Err(RestoreError::OtherKey { .. })),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_new_key_opens_what_was_sealed_and_changes_no_frame() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    filled(&data, 5).await;
    let world = World::open(&data).await;
    let before = everything(world.ledger.reader(), u64::MAX);
    let old = world.vault.keyring().id();
    let rotated = rotation::rotate(&world.ledger, world.vault.shared_keyring()).await;
    let rotated = rotated.expect("rotated");
    assert_ne!(rotated.key, old);
    // The provider's, and the target's address and secret.
    assert_eq!((rotated.secrets, rotated.locked), (3, 0));
    assert!(secret_of(&world, "forge").is_some());
    let position = world.ledger.state().position;
    world.apply(FILE).await;
    let added = world.ledger.state().position - position;
    assert!(added <= 1, "the fingerprints are the same: {added} events");
    assert!(everything(world.ledger.reader(), before.state.position).frames == before.frames);
    world.close();
    let text = std::fs::read_to_string(data.join("secret.key")).expect("the key file");
    assert!(
        text.contains("nbmark1:") && !text.contains("nbold1:"),
        "{} lines",
        text.lines().count()
    );
    let world = World::open(&data).await;
    assert_eq!(world.vault.keyring().id(), rotated.key);
    assert!(secret_of(&world, "forge").is_some());
    let compared = Beside {
        data: &data,
        keyring: Some(world.vault.keyring()),
        serving: Some(&world.ledger),
        index: Index::Folder,
    };
    let report = verify::run(world.ledger.reader(), &compared, &|_, _, _| {}).expect("verified");
    assert!(report.is_clean(), "{report:?}");
    world.close();
}

#[tokio::test]
async fn a_backup_is_of_one_position_while_intake_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    filled(&data, 200).await;
    let world = Arc::new(World::open(&data).await);
    let file = folder.path().join("busy.nbb");
    let sending = {
        let world = Arc::clone(&world);
        tokio::spawn(async move {
            for number in 1_000..1_400 {
                world.accept(number).await;
            }
        })
    };
    let (making, to) = (Arc::clone(&world), file.clone());
    let made = tokio::task::spawn_blocking(move || backup(&making, &to, Secrets::Sealed, None));
    let made = made.await.expect("made");
    sending.await.expect("sent");
    let through = made.about.through;
    let expected = everything(world.ledger.reader(), through);
    let to = folder.path().join("to");
    std::fs::create_dir(&to).unwrap();
    std::fs::copy(data.join("secret.key"), to.join("secret.key")).unwrap();
    let done = restored(&file, &to, None).await;
    let done = done.unwrap_or_else(|error| panic!("{}", Causes(&error)));
    assert!(done.has_key);
    let reader = open_read_only::<Event>(&to).expect("it opens");
    let found = everything(&reader, through);
    assert!(found.frames == expected.frames && found.state == expected.state);
}
