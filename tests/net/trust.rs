//! Greetings over TLS that end well, and whom they trust.

use std::path::PathBuf;

use notify_bridge::shell::client::{FILE_BYTES_MAX, Roots};

use super::authority::Authority;
use super::{bench_trusting, body_of, not_sent};

/// Files with these texts, in a folder that goes when it is dropped.
fn files(texts: &[&str]) -> (tempfile::TempDir, Vec<PathBuf>) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let paths = texts
        .iter()
        .enumerate()
        .map(|(number, text)| {
            let path = folder.path().join(format!("{number}.pem"));
            std::fs::write(&path, text).expect("it is written");
            path
        })
        .collect();
    (folder, paths)
}

pub fn trusting(texts: &[&str]) -> Roots {
    let (_folder, paths) = files(texts);
    Roots::with_files(&paths).expect("they hold certificates")
}

#[tokio::test]
async fn a_call_is_made_to_who_is_vouched_for() {
    let (own, other) = (Authority::new("own"), Authority::new("other"));
    let both = format!("{}\n{}", other.pem(), own.pem());
    let (by_name, _told) = own.serve("service.example").await;
    let (by_address, _told) = own.serve("127.0.0.1").await;
    let named = format!("https://service.example:{}/told", by_name.port());
    let literal = format!("https://{by_address}/told");
    let mistaken = format!("https://{by_name}/told");

    const UNKNOWN: &str = "of an issuer that is not known here";
    const OTHER_NAME: &str = "not valid for name";
    for (roots, url, refused) in [
        (trusting(&[&own.pem()]), &named, None),
        (trusting(&[&own.pem()]), &literal, None),
        // One file with several, and several files.
        (trusting(&[&both]), &named, None),
        (trusting(&[&other.pem(), &own.pem()]), &literal, None),
        (Roots::default(), &named, Some(UNKNOWN)),
        (trusting(&[&other.pem()]), &literal, Some(UNKNOWN)),
        (trusting(&[&own.pem()]), &mistaken, Some(OTHER_NAME)),
    ] {
        let names: &[(&str, &[&[&str]])] = &[("service.example", &[&["127.0.0.1"]])];
        let reply = bench_trusting(names, &roots).get(url, true).await;
        match refused {
            None => assert!(body_of(&reply).starts_with("GET /told HTTP/1.1"), "{url}"),
            Some(why) => assert!(not_sent(&reply).contains(why), "{url}: {reply:?}"),
        }
    }
}

#[test]
fn a_file_without_a_usable_certificate_is_refused_by_name() {
    let good = Authority::new("own").pem();
    let large = "#".repeat(FILE_BYTES_MAX as usize + 1);
    let key = "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n";
    let broken = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
    let cut = good.replace("-----END CERTIFICATE-----", "");
    for (text, expected) in [
        ("", "holds no certificate"),
        ("CA, as you asked", "holds no certificate"),
        (key, "holds no certificate"),
        (&large, "more than 1048576 bytes"),
        (&cut, "is not in PEM form"),
        (broken, "certificate 1 of ca_file"),
        (&format!("{good}{broken}"), "certificate 2 of ca_file"),
    ] {
        let (_folder, paths) = files(&[&good, text]);
        let said = Roots::with_files(&paths)
            .expect_err("it is not usable")
            .to_string();
        let name = paths[1].display().to_string();
        assert!(said.contains(expected) && said.contains(&name), "{said}");
    }
    let said = Roots::with_files(&["nowhere.pem".into()]).expect_err("it is not there");
    assert_eq!(said.to_string(), "ca_file nowhere.pem cannot be read");
}
