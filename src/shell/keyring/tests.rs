//! Sealing, and the key file's life.

use super::*;
use proptest::prelude::*;
use tempfile::TempDir;

const PLACE: Aad<'static> = Aad {
    space: 1,
    entity: 7,
    field: "token",
};

fn keyring(byte: u8) -> Keyring {
    Keyring::of(&Zeroizing::new([byte; KEY_BYTES]))
}

fn write(path: &Path, text: &str, mode: u32) {
    fs::write(path, text).expect("written");
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("mode set");
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path)
        .expect("the file is there")
        .permissions()
        .mode()
        & 0o7777
}

#[test]
fn what_is_sealed_opens_in_its_place_alone() {
    let keyring = keyring(1);
    let sealed = keyring.seal(PLACE, b"a bird");
    assert_eq!(sealed.len(), HEADER_BYTES + 6 + TAG_BYTES);
    assert_eq!(sealed_with(&sealed), Some(keyring.id()));
    assert_eq!(
        keyring.open(PLACE, &sealed).expect("opens").as_slice(),
        b"a bird"
    );
    for elsewhere in [
        Aad { space: 2, ..PLACE },
        Aad { entity: 8, ..PLACE },
        Aad {
            field: "secret",
            ..PLACE
        },
        Aad { field: "", ..PLACE },
    ] {
        assert_eq!(
            keyring.open(elsewhere, &sealed),
            Err(OpenSealedError::Damaged),
            "{elsewhere:?}"
        );
    }
}

#[test]
fn a_value_is_never_sealed_alike_twice() {
    let keyring = keyring(1);
    assert_ne!(keyring.seal(PLACE, b"x"), keyring.seal(PLACE, b"x"));
}

#[test]
fn another_key_is_told_from_damage() {
    let (one, two) = (keyring(1), keyring(2));
    let sealed = one.seal(PLACE, b"a bird");
    assert_eq!(
        two.open(PLACE, &sealed),
        Err(OpenSealedError::WrongKey {
            sealed_with: one.id(),
            at_hand: two.id(),
        })
    );
    for at in 0..sealed.len() {
        let mut damaged = sealed.clone();
        damaged[at] ^= 0x40;
        let outcome = one.open(PLACE, &damaged);
        if (1..=KEY_ID_BYTES).contains(&at) {
            assert!(matches!(outcome, Err(OpenSealedError::WrongKey { .. })));
        } else {
            assert_eq!(outcome, Err(OpenSealedError::Damaged), "byte {at}");
        }
    }
    for length in 0..sealed.len() {
        assert_eq!(
            one.open(PLACE, &sealed[..length]),
            Err(OpenSealedError::Damaged)
        );
    }
}

/// Values on disk must open with later versions of the program, so the derivations may not change.
/// These were computed by other means, from the description in the module's head.
#[test]
fn the_derivations_are_fixed() {
    let keyring = keyring(7);
    assert_eq!(keyring.id().to_string(), "c5746204fd8b7763");
    assert_eq!(
        hex::encode(keyring.fingerprint(b"a bird")),
        "fae561471497bb8306907cce66975ed5"
    );
    let sealed = hex::decode(concat!(
        "01",
        "c5746204fd8b7763",
        "000102030405060708090a0b0c0d0e0f1011121314151617",
        "9d6d87677e0f",
        "d47d61f13a539bcaf61cb10b9aa68ba6",
    ))
    .expect("hexadecimal");
    assert_eq!(
        keyring.open(PLACE, &sealed).expect("opens").as_slice(),
        b"a bird"
    );
}

#[test]
fn a_fingerprint_depends_on_key_and_value() {
    let (one, two) = (keyring(1), keyring(2));
    assert_eq!(one.fingerprint(b"a"), one.fingerprint(b"a"));
    assert_ne!(one.fingerprint(b"a"), one.fingerprint(b"b"));
    assert_ne!(one.fingerprint(b"a"), two.fingerprint(b"a"));
    assert_ne!(one.fingerprint(b"")[..8], one.id().0);
}

#[test]
fn a_key_file_is_made_once_and_found_again() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("secret.key");
    let made = Keyring::open_or_create(&path, false).expect("made");
    assert_eq!(mode(&path), 0o600);
    let text = fs::read_to_string(&path).expect("text");
    assert!(text.starts_with("nbkey1:") && text.ends_with('\n') && text.lines().count() == 1);
    assert_eq!(
        fs::read_dir(folder.path()).expect("listed").count(),
        1,
        "nothing is left beside it"
    );
    for has_sealed in [false, true] {
        let found = Keyring::open_or_create(&path, has_sealed).expect("found");
        assert_eq!(found.id(), made.id());
        let sealed = made.seal(PLACE, b"a bird");
        assert!(found.open(PLACE, &sealed).is_ok());
    }
    let other = Keyring::open_or_create(&folder.path().join("other"), false).expect("made");
    assert_ne!(other.id(), made.id());
}

#[test]
fn no_key_is_made_over_sealed_values() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("secret.key");
    assert!(matches!(
        Keyring::open_or_create(&path, true),
        Err(KeyError::Missing { .. })
    ));
    assert!(!path.exists());
}

#[test]
fn a_key_file_is_never_replaced() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("secret.key");
    fs::write(&path, "mine").expect("written");
    let refused = write_new(&path, b"other").expect_err("refused");
    assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
    assert_eq!(fs::read_to_string(&path).expect("text"), "mine");
    assert_eq!(fs::read_dir(folder.path()).expect("listed").count(), 1);
}

#[test]
fn what_is_no_safe_key_file_is_refused() {
    let good = format!("nbkey1:{}\n", STANDARD.encode([9; KEY_BYTES]));
    let long = format!("nbkey1:{}", "A".repeat(400));
    let short = format!("nbkey1:{}", STANDARD.encode([9; 31]));
    let check = |text: &str, mode: u32, expected: &str| {
        let folder = TempDir::new().expect("a folder");
        let path = folder.path().join("secret.key");
        write(&path, text, mode);
        let said = match Keyring::open_or_create(&path, false) {
            Ok(_) => "fine".to_owned(),
            Err(error) => error
                .to_string()
                .replace(&path.display().to_string(), "FILE"),
        };
        assert!(said.contains(expected), "{text:?} {mode:o}: {said}");
        assert_eq!(
            fs::read_to_string(&path).expect("text"),
            text,
            "the file stays as it is"
        );
    };
    check(&good, 0o600, "fine");
    check(&good, 0o400, "fine");
    check(good.trim(), 0o600, "fine");
    check(
        &good,
        0o640,
        "key file FILE may be used by others than its owner (mode 0640): run chmod 600 on it",
    );
    check(&good, 0o604, "mode 0604");
    check(&good, 0o620, "mode 0620");
    check(&good, 0o644, "mode 0644");
    check("", 0o600, "is empty");
    check("\n", 0o600, "is empty");
    check("hello", 0o600, "does not begin as a key file does");
    check("nbkey2:AAAA", 0o600, "does not begin as a key file does");
    check("nbkey1:!", 0o600, "does not hold base64");
    check(&short, 0o600, "another length");
    check(&long, 0o600, "is too long");
}

#[test]
fn a_folder_or_a_missing_folder_is_named() {
    let folder = TempDir::new().expect("a folder");
    let within = folder.path().join("absent").join("secret.key");
    assert!(matches!(
        Keyring::open_or_create(&within, false),
        Err(KeyError::Io {
            doing: "created",
            ..
        })
    ));
    fs::set_permissions(folder.path(), Permissions::from_mode(0o700)).expect("mode set");
    assert!(matches!(
        Keyring::open_or_create(folder.path(), false),
        Err(KeyError::Malformed {
            why: "is not a file",
            ..
        })
    ));
}

#[test]
fn a_keyring_shows_no_key() {
    let shown = format!("{:?}", keyring(0xAB));
    assert!(shown.starts_with("Keyring { id: KeyId("), "{shown}");
    assert!(!shown.contains("171") && !shown.contains("abab"), "{shown}");
}

proptest! {
    #[test]
    fn any_secret_opens_again(plaintext in proptest::collection::vec(any::<u8>(), 0..200), space: u32, entity: u32, field in "[a-z.2]{0,12}") {
        let keyring = keyring(3);
        let place = Aad { space, entity, field: &field };
        let sealed = keyring.seal(place, &plaintext);
        let opened = keyring.open(place, &sealed).expect("opens");
        prop_assert_eq!(opened.as_slice(), plaintext.as_slice());
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
        prop_assert!(keyring(3).open(PLACE, &bytes).is_err());
    }
}
