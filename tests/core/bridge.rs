//! The bridge as a provider of its own: watched without being configured.

use notify_bridge::domain::spec::{BRIDGE, BRIDGE_PROVIDER, EntityKind};

use crate::driver::{Core, target, tracker};

#[test]
fn a_tracker_of_the_bridge_is_found_under_its_own_id() {
    let mut core = Core::new();
    let specs = vec![target("t", 1), tracker("w", BRIDGE, "t")];
    core.configure(specs).expect("the bridge is always there");
    let found = |core: &Core| {
        let configuration = &core.state.configuration;
        let trackers = configuration.by_provider.get(&BRIDGE_PROVIDER).cloned();
        (
            trackers,
            configuration.tracker("w").map(|tracker| tracker.entity.id),
        )
    };
    let (trackers, id) = found(&core);
    assert_eq!(trackers, id.map(|id| vec![id]));
    assert!(id.is_some());
    assert!(core.state.configuration.last_id < BRIDGE_PROVIDER);
    core.check();
    core.remove(&[(EntityKind::Tracker, "w")])
        .expect("nothing uses a tracker");
    assert_eq!(found(&core), (None, None));
}
