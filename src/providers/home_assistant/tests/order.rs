//! However messages are split, gathered and ordered, the same is told.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::fake::{Home, Listener, watch};
use crate::domain::notice::NoticeDraft;

const IDS: [&str; 3] = ["binary_sensor.back_door", "light.lamp", "sensor.cellar"];
const STATES: [&str; 3] = ["on", "off", "11.5"];

/// One way in which a home tells the same story.
#[derive(Debug, Clone)]
struct Way {
    /// After how many of the events the states were read.
    states_at: usize,
    /// For each answer that is not the states: how many messages it is put off.
    put_off: Vec<usize>,
    /// How many messages go together.
    frames: Vec<usize>,
    /// After how many frames what was handed over is durable.
    durable: usize,
}

fn way(events: usize) -> impl Strategy<Value = Way> {
    (
        0..=events,
        prop::collection::vec(0..20_usize, 10),
        prop::collection::vec(1..6_usize, 1..8),
        1..5_usize,
    )
        .prop_map(|(states_at, put_off, frames, durable)| Way {
            states_at,
            put_off,
            frames,
            durable,
        })
}

/// What happened: entity and state, changed while nobody listened and then while somebody did.
type Story = Vec<(usize, usize)>;

/// Each entity's changes in their order.
type Told = BTreeMap<String, Vec<(String, String, String)>>;

fn told(notices: &[NoticeDraft]) -> Told {
    let mut told = Told::new();
    for notice in notices {
        let value =
            |map: &BTreeMap<String, String>| map.values().next().cloned().unwrap_or_default();
        let place = notice.collection.as_ref().expect("a collection");
        told.entry(place.id.clone()).or_default().push((
            notice.title.clone(),
            value(&notice.before),
            value(&notice.after),
        ));
    }
    told
}

fn tell(away: &Story, live: &Story, way: &Way) -> Told {
    let mut home = Home::new();
    let everything = watch(1, &["state_changed"], &[], json!({}));
    let brightness = watch(2, &[], &["light.*"], json!({ "attribute": "brightness" }));
    let mut listener = Listener::new(vec![everything, brightness]);
    listener.join(&mut home);
    listener.disconnect();
    for (id, state) in away {
        change(&mut home, *id, *state);
    }
    home.forget_subscriptions();
    listener.connect();
    listener.hear(&json!({ "type": "auth_required" }));
    listener.sent.clear();
    listener.hear(&json!({ "type": "auth_ok" }));
    let asked: Vec<Value> = listener.sent.drain(..).collect();
    let mut stream: Vec<Value> = Vec::new();
    let mut others = Vec::new();
    let (states, rest): (Vec<_>, Vec<_>) = asked
        .into_iter()
        .partition(|asked| asked["type"] == "get_states");
    for asked in &rest {
        others.extend(home.answers(asked));
    }
    for n in 0..=live.len() {
        if n == way.states_at {
            stream.extend(home.answers(&states[0]));
        }
        if let Some((id, state)) = live.get(n) {
            let event = change(&mut home, *id, *state);
            stream.extend(event.map(|event| home.told(&event)).into_iter().flatten());
        }
    }
    for (answer, put_off) in others.into_iter().zip(way.put_off.iter().cycle()) {
        stream.insert((*put_off).min(stream.len()), answer);
    }
    listener.at_once = false;
    let mut sizes = way.frames.iter().cycle();
    let mut rest = &stream[..];
    let mut count = 0;
    while !rest.is_empty() {
        let size = sizes.next().copied().unwrap_or(1).min(rest.len());
        let (frame, after) = rest.split_at(size);
        match frame {
            [message] => listener.hear(message),
            several => listener.hear(&json!(several)),
        }
        count += 1;
        if count % way.durable == 0 {
            listener.settle();
        }
        rest = after;
    }
    while listener.open.is_some() {
        listener.settle();
    }
    assert_eq!(listener.ready, 2);
    let notices = std::mem::take(&mut listener.notices);
    // And nothing is left to tell.
    listener.at_once = true;
    listener.disconnect();
    listener.join(&mut home);
    assert_eq!(told(&listener.notices), Told::new());
    told(&notices)
}

/// `None` where it is as it was.
fn change(home: &mut Home, id: usize, state: usize) -> Option<Value> {
    let (id, state) = (IDS[id % IDS.len()], STATES[state % STATES.len()]);
    let is_lamp = id == "light.lamp";
    if home.state(id)["state"] == state && !is_lamp {
        return None;
    }
    let attributes = match is_lamp {
        true => json!({ "brightness": home.now % 3 }),
        false => json!({}),
    };
    Some(home.set(id, state, &attributes))
}

fn story(most: usize) -> impl Strategy<Value = Story> {
    prop::collection::vec((0..3_usize, 0..3_usize), 0..most)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn every_way_tells_the_same(
        away in story(6),
        (live, ways) in story(12).prop_flat_map(|live| {
            let events = live.len();
            (Just(live), prop::collection::vec(way(events), 2))
        }),
    ) {
        let plain = Way { states_at: 0, put_off: vec![0], frames: vec![1], durable: 1 };
        let expected = tell(&away, &live, &plain);
        for way in &ways {
            prop_assert_eq!(&tell(&away, &live, way), &expected, "{:?}", way);
        }
    }
}
