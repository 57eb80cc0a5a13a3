//! The way in and out: the setup link, login, logout, and what is refused.

use crate::chromium::in_chromium;
use crate::harness::{Place, Scripted};
use crate::program::{OWNER, PASSWORD, Program, log_in, send_login, small_file};
use crate::tab::Look;

#[tokio::test(flavor = "multi_thread")]
async fn the_printed_link_makes_the_first_account_once() {
    in_chromium(async |chromium| {
        let program = Program::new_without_admin(&small_file()).await;
        let link = program.setup.clone().expect("a setup link");
        let mut tab = chromium.tab(&program.address, Look::DESKTOP_LIGHT).await;
        tab.goto("/").await;
        tab.until_it_says("open the setup link").await;
        tab.goto(&link).await;
        assert_eq!(tab.path().await, "/setup", "the secret left the address");

        // Another browser with the same link has to wait, and no other secret opens.
        let other = chromium.tab(&program.address, Look::PHONE_DARK).await;
        other.goto(&link).await;
        other.until_it_says("in use in another browser").await;
        other.goto("/setup?secret=guessed").await;
        other.until_it_says("not the setup link").await;

        tab.fill("#f-name", OWNER).await;
        tab.fill("#f-password", PASSWORD).await;
        tab.fill("#f-password_again", "another line").await;
        tab.click("form[action='/setup'] button").await;
        tab.until_it_says("not the same as the password").await;
        let kept: String = tab.js("document.querySelector('#f-name').value").await;
        assert_eq!(kept, OWNER, "what was typed is not lost");
        tab.fill("#f-password", PASSWORD).await;
        tab.fill("#f-password_again", PASSWORD).await;
        tab.click("form[action='/setup'] button").await;
        tab.until_at("/").await;
        tab.goto("/account").await;
        tab.until_it_says(OWNER).await;
        assert_eq!(tab.faults().await, [""; 0]);

        for used in [&link, "/setup"] {
            other.goto(used).await;
            other.until_it_says("an admin exists already").await;
            assert_eq!(program.page(used, "").await.0, 404);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn login_takes_the_right_password_and_logout_ends_the_session() {
    in_chromium(async |chromium| {
        let program = Program::new(&small_file()).await;
        for (look, has_script) in [(Look::DESKTOP_DARK, true), (Look::PHONE_LIGHT, false)] {
            let mut tab = chromium.tab(&program.address, look).await;
            if !has_script {
                tab = tab.without_script().await;
            }
            tab.goto("/notices").await;
            tab.until_at("/login").await;
            send_login(&tab, "a kite on a short line").await;
            tab.until_it_says("do not fit together").await;
            assert!(!tab.text().await.contains("Overview"));
            // It goes on to where the person was going.
            send_login(&tab, PASSWORD).await;
            tab.until_at("/notices").await;

            let cookies = tab.cookies().await;
            assert_eq!(program.page("/notices", &cookies).await.0, 200);
            tab.goto("/account").await;
            tab.click("form[action='/logout'] button").await;
            tab.until_at("/login").await;
            tab.goto("/notices").await;
            tab.until_at("/login").await;

            // Who had copied the cookie has nothing.
            let (status, place) = program.page("/notices", &cookies).await;
            assert_eq!(status, 303);
            assert!(place.starts_with("/login"), "{place}");
            tab.put_cookies(&cookies).await;
            tab.goto("/notices").await;
            tab.until_at("/login").await;
            tab.until_it_says("The session has ended").await;
            assert_eq!(tab.faults().await, [""; 0]);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_another_origin_neither_frames_nor_posts() {
    in_chromium(async |chromium| {
        let program = Program::new(&small_file()).await;
        let mut tab = chromium.tab(&program.address, Look::DESKTOP_LIGHT).await;
        log_in(&tab).await;
        // Another port of this machine is the same site to cookies: they go along.
        let trap = format!(
            "<!DOCTYPE html><title>A trap</title><iframe src='{0}/'></iframe>
             <form method='post' action='{0}/pause'><button>A kitten</button></form>",
            program.address
        );
        let trap = Scripted::new(200, trap).header("content-type", "text/html");
        let elsewhere = Place::usually(trap).await;
        tab.goto_address(&format!("{}/trap", elsewhere.address))
            .await;
        let heard = tab.faults().await.join("\n");
        assert!(heard.contains("frame"), "it was not framed: {heard}");
        tab.click("button").await;
        tab.until_at("/pause").await;
        tab.until_it_says("sent by another site").await;
        tab.goto("/").await;
        tab.until_it_says("Nothing has happened yet").await;
        assert!(!tab.text().await.contains("Sending is paused"));
    })
    .await;
}
