//! Small charts, drawn here as SVG without any style of their own, beside a table that says the same.

use maud::{Markup, html};

use crate::view::number;

/// Height of the drawing, in its own units.
const HEIGHT: u64 = 48;
/// Width of a day, in the same units, of which a bar takes all but the gap.
const STEP: u64 = 8;
const GAP: u64 = 2;

/// One day of counts.
#[derive(Debug, Clone, Default)]
pub struct Day {
    /// "Fri 29 Aug".
    pub label: String,
    pub notices: u64,
    pub sent: u64,
    pub held: u64,
    pub parked: u64,
    pub dropped: u64,
}

/// Bars by day, oldest first, with the highest and the newest labelled.
pub fn by_day(days: &[Day], what: &str) -> Markup {
    let values: Vec<u64> = days.iter().map(|day| day.notices).collect();
    let peak = days
        .iter()
        .max_by_key(|day| day.notices)
        .filter(|day| day.notices > 0);
    let (first, last) = (days.first(), days.last());
    html! {
        figure.chart {
            @if let Some(peak) = peak {
                p.chart-top {
                    span { "most: " b { (number(peak.notices)) } " on " (peak.label) }
                }
            }
            (drawing(&values, &|index| {
                let day = &days[index];
                format!("{}: {} notices, {} sent, {} parked", day.label, day.notices, day.sent, day.parked)
            }, what, "bars"))
            @if let (Some(first), Some(last)) = (first, last) {
                figcaption { span { (first.label) } span { (last.label) ": " b { (number(last.notices)) } } }
            }
        }
    }
}

/// The same numbers as [`by_day`] in a table, newest first.
pub fn table(days: &[Day]) -> Markup {
    html! {
        details.numbers {
            summary { "Numbers by day" }
            div.scroll tabindex="0" role="region" aria-label="Numbers by day" {
                table.grid {
                    thead { tr {
                        th scope="col" { "Day" }
                        @for name in ["Notices", "Sent", "Held", "Parked", "Dropped"] { th.n scope="col" { (name) } }
                    } }
                    tbody {
                        @for day in days.iter().rev() {
                            tr {
                                th scope="row" { (day.label) }
                                @for value in [day.notices, day.sent, day.held, day.parked, day.dropped] {
                                    td.n.zero[value == 0] { (number(value)) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Bars without labels, for a row of a table.
pub fn spark(values: &[u64]) -> Markup {
    drawing(values, &|_| String::new(), "", "bars spark")
}

fn drawing(values: &[u64], say: &dyn Fn(usize) -> String, what: &str, class: &str) -> Markup {
    let most = values.iter().copied().max().unwrap_or(0).max(1);
    let width = (values.len() as u64).max(1) * STEP;
    html! {
        svg class=(class) viewBox={ "0 0 " (width) " " (HEIGHT) } preserveAspectRatio="none"
            role=[(!what.is_empty()).then_some("img")] aria-label=[(!what.is_empty()).then_some(what)]
            aria-hidden=[what.is_empty().then_some("true")] {
            @for (index, value) in values.iter().enumerate() {
                @let height = bar_height(*value, most);
                @let words = say(index);
                rect .last[index + 1 == values.len()] .none[*value == 0]
                    x=(index as u64 * STEP + GAP / 2) y=(HEIGHT - height) width=(STEP - GAP) height=(height) {
                    @if !words.is_empty() { title { (words) } }
                }
            }
        }
    }
}

/// In proportion, but what is not nothing is seen; nothing is a line.
fn bar_height(value: u64, most: u64) -> u64 {
    let exact = u128::from(value) * u128::from(HEIGHT) / u128::from(most.max(1));
    u64::try_from(exact)
        .unwrap_or(HEIGHT)
        .clamp(if value == 0 { 1 } else { 3 }, HEIGHT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_in_proportion_and_never_leave_the_drawing() {
        for (value, most, expected) in [
            (0, 0, 1),
            (0, 10, 1),
            (1, 1_000, 3),
            (5, 10, 24),
            (10, 10, 48),
            (u64::MAX, u64::MAX, 48),
        ] {
            assert_eq!(bar_height(value, most), expected, "{value} of {most}");
        }
    }

    #[test]
    fn no_days_draw_nothing_but_do_not_fail() {
        let empty = by_day(&[], "nothing").into_string();
        assert!(
            empty.contains("viewBox=\"0 0 8 48\"") && !empty.contains("<rect"),
            "{empty}"
        );
    }
}
