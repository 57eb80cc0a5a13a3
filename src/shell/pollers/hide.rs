//! Takes secrets out of what was seen, before it gets into the log.

use crate::domain::notice::NoticeDraft;
use crate::shell::redact::Redactor;

/// A notice in which no text holds one of the provider's secrets.
pub fn hide(mut notice: NoticeDraft, redactor: &Redactor) -> NoticeDraft {
    let tidy = |text: &mut String| {
        if let std::borrow::Cow::Owned(hidden) = redactor.redact_text(text) {
            *text = hidden;
        }
    };
    tidy(&mut notice.title);
    tidy(&mut notice.text);
    tidy(&mut notice.subject.key);
    tidy(&mut notice.subject.label);
    if let Some(collection) = &mut notice.collection {
        tidy(&mut collection.id);
        tidy(&mut collection.name);
    }
    notice.actor.iter_mut().for_each(tidy);
    notice.url.iter_mut().for_each(tidy);
    for map in [&mut notice.labels, &mut notice.before, &mut notice.after] {
        map.values_mut().for_each(tidy);
    }
    let items = notice
        .items
        .added
        .iter_mut()
        .chain(&mut notice.items.removed);
    for item in items {
        tidy(&mut item.key);
        tidy(&mut item.label);
        let texts = [
            &mut item.owner,
            &mut item.description,
            &mut item.url,
            &mut item.public_url,
            &mut item.download_url,
            &mut item.playback_url,
            &mut item.photo_url,
        ];
        texts.into_iter().flatten().for_each(tidy);
        item.people.iter_mut().chain(&mut item.tags).for_each(tidy);
    }
    notice
}
