//! What a receiver or target as a whole waits for, and what a step of the clock does to waits.

use super::{Outbox, waits_until};

impl Outbox {
    pub fn pause_target(&mut self, target: u32, until: i64) {
        let pause = self.pauses.entry(target).or_insert(until);
        *pause = (*pause).max(until);
    }

    pub fn pause_receiver(&mut self, receiver: u32, until: i64) {
        let lane = self.lanes.entry(receiver).or_default();
        lane.paused_until = lane.paused_until.max(until);
    }

    /// Something got through: pauses that are over by now are forgotten. One that is not stands, as
    /// what got through was under way before somebody said wait.
    pub fn lift_pauses(&mut self, target: u32, receiver: u32, now: i64) {
        if self
            .pauses
            .get(&target)
            .is_some_and(|until| !waits_until(*until, now))
        {
            self.pauses.remove(&target);
        }
        if self
            .lanes
            .get(&receiver)
            .is_some_and(|lane| !waits_until(lane.paused_until, now))
        {
            self.forget_pause(receiver);
        }
    }

    /// The receiver goes; so does what it asked for.
    pub fn forget_pause(&mut self, receiver: u32) {
        if let Some(lane) = self.lanes.get_mut(&receiver) {
            lane.paused_until = 0;
            if lane.is_idle() {
                self.lanes.remove(&receiver);
            }
        }
    }

    /// Shifts relative waits by a step of the wall clock; their length is what was meant. Holds until a
    /// civil moment stay where they are.
    pub fn shift_waits(&mut self, by_micros: i64) {
        self.shift_holds(by_micros);
        self.pacing.shift(by_micros);
        let shift = |moment: &mut i64| *moment = moment.saturating_add(by_micros);
        self.pauses.values_mut().for_each(shift);
        for lane in self.lanes.values_mut() {
            if lane.paused_until != 0 {
                shift(&mut lane.paused_until);
            }
        }
        for delivery in self.deliveries.values_mut() {
            shift(&mut delivery.planned_at);
            if delivery.not_before != 0 {
                shift(&mut delivery.not_before);
            }
        }
        self.shift_outages(by_micros);
        self.shift_overdue();
    }
}
