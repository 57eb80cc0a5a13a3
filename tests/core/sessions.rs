//! Sessions: begun by a log-in, over after idleness or age, ended with the account.

use notify_bridge::domain::command::{Command, PutUser, UserCondition};
use notify_bridge::domain::event::Role;
use notify_bridge::projections::access::{
    SESSION_AGE_MAX, SESSION_IDLE_MAX, SESSIONS_PER_USER_MAX,
};

use crate::driver::Core;

fn put(name: &str, password: &str, only_if: UserCondition) -> Command {
    Command::PutUser(Box::new(PutUser {
        name: name.into(),
        role: (only_if == UserCondition::NoAdmin).then_some(Role::Admin),
        password_hash: Some(password.into()),
        only_if,
        by: "test".into(),
    }))
}

fn begin(core: &mut Core, hash: u8) {
    let command = Command::BeginSession {
        user: "ada".into(),
        hash: [hash; 32],
    };
    core.run(command).expect("it begins");
}

fn is_open(core: &Core, hash: u8) -> bool {
    core.state.access.session(&[hash; 32], core.now).is_some()
}

#[test]
fn two_set_ups_make_one_admin_and_it_owns_the_installation() {
    let mut core = Core::new();
    core.run(put("ada", "one", UserCondition::NoAdmin))
        .expect("the first");
    assert!(core.run(put("bob", "two", UserCondition::NoAdmin)).is_err());
    let users: Vec<_> = core
        .state
        .access
        .users
        .values()
        .map(|user| (user.name.as_str(), user.role))
        .collect();
    assert_eq!(users, [("ada", Role::Owner)]);
}

#[test]
fn a_session_ends_with_idleness_age_log_out_and_a_new_password() {
    let mut core = Core::new();
    core.run(put("ada", "one", UserCondition::NoAdmin))
        .expect("an admin");
    begin(&mut core, 1);
    core.now += SESSION_IDLE_MAX / 2;
    core.run(Command::SeeSession { hash: [1; 32] })
        .expect("it is seen");
    core.now += SESSION_IDLE_MAX / 2 + 2;
    assert!(is_open(&core, 1), "use keeps it open");
    core.now += SESSION_IDLE_MAX;
    assert!(!is_open(&core, 1), "idleness ends it");

    begin(&mut core, 2);
    let began = core.now;
    while core.now - began <= SESSION_AGE_MAX {
        assert!(is_open(&core, 2));
        core.now += SESSION_IDLE_MAX / 2;
        core.run(Command::SeeSession { hash: [2; 32] })
            .expect("it is seen");
    }
    assert!(!is_open(&core, 2), "age ends it however much it is used");

    begin(&mut core, 3);
    core.run(Command::EndSession { hash: [3; 32] })
        .expect("logged out");
    assert!(!is_open(&core, 3));

    begin(&mut core, 4);
    core.run(put("ada", "another", UserCondition::Present))
        .expect("a new password");
    assert!(
        !is_open(&core, 4),
        "a new password ends what was begun with the old one"
    );
    assert!(core.state.access.sessions.is_empty());
    assert_eq!(core.folded(None), core.state);
}

#[test]
fn sessions_of_one_user_have_a_bound() {
    let mut core = Core::new();
    core.run(put("ada", "one", UserCondition::NoAdmin))
        .expect("an admin");
    for hash in 0..=SESSIONS_PER_USER_MAX as u8 {
        core.now += 1_000;
        begin(&mut core, hash);
    }
    assert_eq!(core.state.access.sessions.len(), SESSIONS_PER_USER_MAX);
    assert!(!is_open(&core, 0), "the one unused longest ended");
}
