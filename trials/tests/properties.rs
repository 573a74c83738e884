//! What must hold for any figures and any course of events.

#![expect(clippy::unwrap_used, reason = "a step that fails fails the test")]

use proptest::prelude::*;
use trials::{
    Abort, Arm, Campaign, CampaignConfig, Objective, Outcome, ScoreError, Side, SliceScore, Trial,
    TrialConfig, TrialError, Void,
};

fn config() -> TrialConfig {
    TrialConfig { objective: Objective::Throughput, futility: None, max_pairs: 25, ..TrialConfig::default() }
}

fn measured(log: f64) -> Outcome {
    Outcome::Measured(SliceScore::of_rate(log.exp()).unwrap())
}

/// Runs a trial over log scores of child and control; `mirror` exchanges the arms.
fn run(logs: &[(f64, f64)], mirror: bool, voids: &[bool]) -> Trial {
    let mut trial = Trial::new(config(), 9).unwrap();
    let mut voids = voids.iter();
    while let Some(arm) = trial.next() {
        if voids.next().is_some_and(|&void| void) {
            trial.record(Outcome::Void(Void::FingerprintChanged)).unwrap();
            continue;
        }
        let Some(&(child, control)) = logs.get(trial.pairs().len()) else { break };
        trial.record(measured(if (arm == Arm::Child) != mirror { child } else { control })).unwrap();
    }
    trial
}

fn logs() -> impl Strategy<Value = Vec<(f64, f64)>> {
    prop::collection::vec((-3.0_f64..3.0, -3.0_f64..3.0), 1..25)
}

proptest! {
    #[test]
    fn exchanging_the_arms_negates_the_estimate(logs in logs()) {
        let (plain, mirrored) = (run(&logs, false, &[]), run(&logs, true, &[]));
        let (a, b) = (plain.estimate().unwrap(), mirrored.estimate().unwrap());
        prop_assert_eq!(a.pairs, b.pairs);
        prop_assert!((a.log_ratio + b.log_ratio).abs() < 1e-9);
        prop_assert_eq!(a.lower.is_some(), b.upper.is_some());
        if let (Some(lower), Some(upper)) = (a.lower, b.upper) {
            prop_assert!((lower + upper).abs() < 1e-6, "{} {}", lower, upper);
        }
        let difference = plain.log_evidence(Side::Above) - mirrored.log_evidence(Side::Below);
        prop_assert!(difference.abs() < 1e-6);
    }

    #[test]
    fn voids_change_nothing_but_their_count(logs in logs(), voids in prop::collection::vec(any::<bool>(), 0..30)) {
        let (plain, voided) = (run(&logs, false, &[]), run(&logs, false, &voids));
        prop_assert_eq!(plain.pairs(), voided.pairs());
        prop_assert_eq!(plain.estimate(), voided.estimate());
        prop_assert_eq!(plain.verdict(), voided.verdict());
    }

    #[test]
    fn a_stored_trial_goes_on_as_if_nothing_had_happened(logs in logs(), at in 0_usize..60) {
        let mut trial = Trial::new(config(), 5).unwrap();
        let mut stored: Option<Trial> = None;
        for (step, &(child, control)) in logs.iter().flat_map(|pair| [pair, pair]).enumerate() {
            if step == at {
                stored = Some(serde_json::from_str(&serde_json::to_string(&trial).unwrap()).unwrap());
                prop_assert_eq!(stored.as_ref(), Some(&trial));
            }
            let Some(arm) = trial.next() else { break };
            let outcome = measured(if arm == Arm::Child { child } else { control });
            let step = trial.record(outcome.clone()).unwrap();
            if let Some(stored) = &mut stored {
                prop_assert_eq!(stored.record(outcome).unwrap(), step);
            }
        }
        if let Some(stored) = stored {
            prop_assert_eq!(stored, trial);
        }
    }
}

#[test]
fn figures_that_are_no_scores_are_refused_with_a_reason() {
    for found in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert!(matches!(SliceScore::of_rate(found), Err(ScoreError::NotFinite { what: "rate", .. })));
    }
    for found in [0.0, -1.0] {
        let error = SliceScore::of_latency(found).unwrap_err();
        assert!(matches!(error, ScoreError::NotPositive { what: "latency", .. }), "{error}");
    }
    let bad = TrialConfig { alpha: f64::NAN, ..config() };
    assert!(matches!(Trial::new(bad, 1), Err(TrialError::Config { setting: "alpha", .. })));
}

#[test]
fn only_the_child_is_aborted_and_nothing_follows_the_end() {
    let abort = Abort::Latency { ratio: 5.0, bound: 2.0 };
    let mut trial = Trial::new(config(), 1).unwrap();
    while trial.next() == Some(Arm::Control) {
        assert!(trial.record(Outcome::Aborted(abort)).is_err());
        trial.record(measured(0.0)).unwrap();
    }
    trial.record(Outcome::Aborted(abort)).unwrap();
    assert_eq!(trial.next(), None);
    assert_eq!(trial.record(measured(0.0)), Err(TrialError::Ended));
}

#[test]
fn a_stored_campaign_goes_on_identically() {
    let config = CampaignConfig { trial: config(), ..CampaignConfig::default() };
    let mut campaign = Campaign::new(config, 6, 3).unwrap();
    let mut steps = 0;
    while let Some(due) = campaign.next() {
        let gain = if due.arm == Arm::Child && due.candidate == 4 { 0.4 } else { 0.0 };
        let outcome = measured(gain + 0.05 * f64::from(steps * 7 % 11));
        let mut stored: Campaign = serde_json::from_str(&serde_json::to_string(&campaign).unwrap()).unwrap();
        let end = campaign.record(outcome.clone()).unwrap();
        assert_eq!(stored.record(outcome).unwrap(), end);
        assert_eq!(stored, campaign);
        steps += 1;
    }
    assert_eq!(campaign.end(), Some(trials::CampaignEnd::Promoted(4)));
}
