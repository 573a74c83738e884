//! When stored genes go back in force.

use serde::{Deserialize, Serialize};

/// At which moment a change of fingerprint is acted on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum When {
    /// As published: at the end of a generation, by the fingerprint of that generation. The stored genes are in
    /// force when the next generation's first child is.
    GenerationEnd,
    /// Ours: a confirmed change ends the running generation, and child 1 with the stored genes is next in force.
    #[default]
    AtOnce,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reintroduce<C> {
    /// The fingerprint whose genes go into child 1.
    pub class: C,
    /// Whether the running generation is to be ended first.
    pub abort_generation: bool,
}

/// Tells when genes are to be reintroduced: when the fingerprint changes, and only then.
///
/// Not in every generation, or the genes of a spike would come back each time until its fitness has decayed.
/// The first fingerprint of all is a change. An idle period is none, and the work that follows it is one only if
/// it differs from the work before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reintroduction<C> {
    when: When,
    last: Option<C>,
}

impl<C: Clone + PartialEq> Reintroduction<C> {
    /// Nothing seen yet.
    #[must_use]
    pub const fn new(when: When) -> Self {
        Self { when, last: None }
    }

    /// Which of the two policies this is.
    #[must_use]
    pub const fn when(&self) -> When {
        self.when
    }

    /// The fingerprint that was acted on last.
    #[must_use]
    pub const fn last(&self) -> Option<&C> {
        self.last.as_ref()
    }

    /// A generation has ended whose consolidated snapshot has this fingerprint, `None` if it was idle.
    ///
    /// Under [`When::AtOnce`] never anything: a change was acted on when it was confirmed.
    pub fn on_generation_end(&mut self, class: Option<&C>) -> Option<Reintroduce<C>> {
        match self.when {
            When::GenerationEnd => self.changed_to(class?, false),
            When::AtOnce => None,
        }
    }

    /// A change of fingerprint has been confirmed within a generation.
    ///
    /// Under [`When::GenerationEnd`] never anything: the generation's end will tell.
    pub fn on_confirmed_change(&mut self, class: &C) -> Option<Reintroduce<C>> {
        match self.when {
            When::AtOnce => self.changed_to(class, true),
            When::GenerationEnd => None,
        }
    }

    fn changed_to(&mut self, class: &C, abort_generation: bool) -> Option<Reintroduce<C>> {
        if self.last.as_ref() == Some(class) {
            return None;
        }
        self.last = Some(class.clone());
        Some(Reintroduce { class: class.clone(), abort_generation })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_published_a_change_is_acted_on_at_the_end_of_the_generation() {
        let mut policy = Reintroduction::new(When::GenerationEnd);
        let seen = ["A", "A", "B", "B", "A"].map(|class| {
            assert_eq!(policy.on_confirmed_change(&class), None, "not before");
            policy.on_generation_end(Some(&class)).map(|what| (what.class, what.abort_generation))
        });
        assert_eq!(seen, [Some(("A", false)), None, Some(("B", false)), None, Some(("A", false))]);
    }

    #[test]
    fn at_once_a_change_ends_the_generation() {
        let mut policy = Reintroduction::new(When::AtOnce);
        assert_eq!(
            policy.on_confirmed_change(&"A"),
            Some(Reintroduce { class: "A", abort_generation: true })
        );
        assert_eq!(policy.on_confirmed_change(&"A"), None);
        assert_eq!(policy.on_generation_end(Some(&"B")), None, "only what was confirmed counts");
        assert_eq!(policy.last(), Some(&"A"));
    }

    #[test]
    fn idle_generations_are_no_change_and_neither_is_the_same_work_after_them() {
        let mut policy = Reintroduction::new(When::GenerationEnd);
        assert!(policy.on_generation_end(Some(&"A")).is_some());
        assert_eq!(policy.on_generation_end(None), None);
        assert_eq!(policy.on_generation_end(Some(&"A")), None);
        assert!(policy.on_generation_end(Some(&"B")).is_some());
    }

    #[test]
    fn the_names_are_those_of_the_configuration() {
        assert_eq!(serde_json::to_string(&When::GenerationEnd).unwrap(), "\"generation-end\"");
        assert_eq!(serde_json::to_string(&When::AtOnce).unwrap(), "\"at-once\"");
    }
}
