//! Going through a page with the Tab key alone.

use serde::Deserialize;

use crate::tab::Tab;

/// Stops of one page; no page has so many.
const STOPS_MAX: usize = 200;

/// Where the focus is, and whether a person sees that it is there.
#[derive(Debug, Deserialize)]
struct Stop {
    /// Different for each element; 0 when nothing has the focus.
    number: u32,
    words: String,
    is_skip: bool,
    /// The label of the navigation it is in, or nothing.
    nav: String,
    is_marked: bool,
    is_in_sight: bool,
}

const WHERE: &str = "(() => {
    const at = document.activeElement;
    const known = window.stops ??= [];
    const none = !at || at == document.body || at == document.documentElement;
    if (!none && !known.includes(at)) known.push(at);
    const marked = (it) => {
        const style = it && getComputedStyle(it);
        return !!style && style.outlineStyle != 'none' && parseFloat(style.outlineWidth) >= 1;
    };
    const box = at.getClientRects()[0] ?? at.getBoundingClientRect();
    const x = Math.min(Math.max(box.x + box.width / 2, 1), innerWidth - 1);
    const y = box.y + Math.min(box.height / 2, 12);
    const top = document.elementFromPoint(x, y);
    const bar = document.querySelector('nav.bar');
    return {
        number: none ? 0 : known.indexOf(at) + 1,
        words: `${at.localName} ${(at.getAttribute('aria-label') || at.innerText || at.name || '').slice(0, 40)}`,
        is_skip: at.matches('.skip'),
        nav: at.closest('nav')?.getAttribute('aria-label') ?? '',
        is_marked: marked(at) || marked(at.closest('tr')),
        is_in_sight: y >= 0 && y < innerHeight && !!top && (!bar?.contains(top) || bar.contains(at)),
    };
})()";

/// What is wrong with going through the page by keyboard.
pub async fn faults(tab: &Tab) -> Vec<String> {
    let mut faults = Vec::new();
    // In a field that asks for it, in a dialog, or where the mouse was.
    let starts_inside: bool = tab.js("document.activeElement != document.body").await;
    let mut stops: Vec<Stop> = Vec::new();
    for _ in 0..STOPS_MAX {
        tab.press("Tab").await;
        let stop: Stop = tab.js(WHERE).await;
        if stop.number == 0 || stops.iter().any(|seen| seen.number == stop.number) {
            break;
        }
        stops.push(stop);
    }
    for stop in &stops {
        if !stop.is_marked {
            faults.push(format!("the focus is not seen on {:?}", stop.words));
        }
        if !stop.is_in_sight {
            faults.push(format!("out of sight with the focus: {:?}", stop.words));
        }
    }
    if starts_inside {
        return faults;
    }
    match stops.first() {
        Some(first) if first.is_skip => {}
        first => faults.push(format!("Tab does not begin at the skip link but {first:?}")),
    }
    let has_nav: bool = tab.js("!!document.querySelector('nav.bar')").await;
    let nav = if tab.look.is_phone { "Places" } else { "Main" };
    if has_nav && !tab.look.is_phone && stops.get(1).is_none_or(|second| second.nav != nav) {
        faults.push(format!("after the skip link comes {:?}", stops.get(1)));
    }
    if has_nav && !stops.iter().any(|stop| stop.nav == nav) {
        faults.push(format!("the navigation {nav:?} is not reached"));
    }
    faults
}
