//! What a service is charged when it ends, and the budget of the next.

use super::Bfq;
use super::service::Reason;

/// What a queue that seeks is charged for at least, on a disk that rotates and on one that does not, ms.
const SHORT_SERVICE_MS: [u64; 2] = [8, 2];

impl Bfq {
    /// A queue that was slow, or ran out of time before it used its budget, is charged what the disk could have served in
    /// that time. The largest budget stands for the default timeout here, whatever `timeout_sync` says.
    pub(super) fn charge_time(&mut self, id: usize, reason: Reason, served_ns: u64) {
        let most = self.rate.max_budget();
        let usual_ms = self.usual_timeout_ns / 1_000_000;
        let queue = &self.queues[id];
        let (is_slow, served_ms) = if !queue.sync {
            (false, 0)
        } else if served_ns < 1_000_000 {
            (queue.is_seeky(), SHORT_SERVICE_MS[usize::from(!self.knobs.rotational)])
        } else if served_ns <= 20_000_000 {
            (queue.is_seeky(), served_ns / 1_000_000)
        } else {
            (queue.service < most / 2, served_ns / 1_000_000)
        };
        let timed_out = reason == Reason::BudgetTimeout && queue.budget_left() >= queue.budget / 3;
        if queue.favour > 1 || !(is_slow || timed_out) {
            return;
        }
        let share = u128::from(most) * u128::from(served_ms.min(usual_ms));
        let due = (share / u128::from(usual_ms)) as u64;
        let queue = &mut self.queues[id];
        queue.budget = queue.budget.max(due);
        let more = due.saturating_sub(queue.service);
        self.serve(id, more);
    }

    /// The budget that a queue gets next time, by how it did with the last one.
    pub(super) fn new_budget(&mut self, id: usize, reason: Reason) {
        let (most, least) = (self.rate.max_budget(), self.rate.min_budget());
        let (is_trusted, is_fixed) = (self.rate.is_trusted(), self.rate.has_fixed_budget());
        let queue = &mut self.queues[id];
        let last = queue.max_budget;
        let budget = if !queue.sync {
            most
        } else {
            match reason {
                Reason::TooIdle if queue.dispatched > 0 => (last * 2).min(most),
                Reason::TooIdle if last > 5 * least => last - 4 * least,
                Reason::TooIdle => least,
                Reason::BudgetTimeout => (last * 2).min(most),
                Reason::BudgetExhausted => (last * 4).min(most),
                Reason::NoMoreRequests => queue.service.max(least),
                Reason::Preempted => return,
            }
        };
        queue.max_budget = if is_trusted && !is_fixed { budget.min(most) } else { budget };
    }
}
