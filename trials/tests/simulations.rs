//! Smaller runs of what `examples/simulate.rs` runs in full, with bounds wide enough for any seed.

use trials::simulation::{GuardedLoad, Noise, NoiseKind, campaigns, guarded, trials as single_trials};
use trials::{CampaignConfig, GuardConfig, Scale, Scaled, Side, TrialConfig, log_evidence};

#[test]
fn campaigns_without_an_effect_promote_at_most_their_alpha() {
    for kind in NoiseKind::ALL {
        let tally = campaigns(kind, 0.0, 200, CampaignConfig::default(), 11).unwrap();
        // α is 5 %, so 10 are expected at most; 20 have a probability below 0.3 %.
        assert!(tally.false_promotions <= 20, "{kind}: {tally:?}");
    }
}

#[test]
fn the_evidence_is_one_in_expectation_whatever_the_noise() {
    for kind in NoiseKind::ALL {
        let runs = 4_000;
        let mut sum = 0.0;
        for run in 0..runs {
            let mut noise = Noise::new(kind, 21, run);
            let mut scale = Scale::new(0.1);
            let mut pairs = Vec::new();
            for pair in 0..4 {
                let coin = trials::Coin::new(run, 0).first_of(pair);
                let difference = noise.next_slice() - noise.next_slice();
                let log_ratio = if coin == trials::Arm::Child { difference } else { -difference };
                pairs.push(Scaled { log_ratio, scale: scale.get() });
                scale.add(log_ratio);
            }
            sum += log_evidence(&pairs, 0.0, Side::Above).exp();
        }
        // E after four pairs is at most 16 and its SD near 1: the mean of 4,000 is within 0.1 of 1.
        let mean = sum / runs as f64;
        assert!((mean - 1.0).abs() < 0.1, "{kind}: {mean}");
    }
}

#[test]
fn a_true_gain_is_found_and_its_limits_hold() {
    let tally = single_trials(NoiseKind::Drifting, 0.3_f64.ln_1p(), 100, TrialConfig::default(), 5).unwrap();
    assert!(tally.better >= 90 && tally.worse == 0 && tally.covered >= 85, "{tally:?}");
}

#[test]
fn the_guard_leaves_identical_settings_alone_and_stops_harm() {
    for (iops, median_s) in [(150, 5e-3), (50_000, 1e-4)] {
        let load = GuardedLoad { iops, median_s, spread: 0.8, slower: 1.0 };
        let alike = guarded(NoiseKind::Drifting, load, 500, GuardConfig::default(), 3).unwrap();
        assert!(alike.aborts <= 15, "{iops}: {alike:?}");
        let harm = GuardedLoad { slower: 10.0, ..load };
        let harm = guarded(NoiseKind::Drifting, harm, 100, GuardConfig::default(), 3).unwrap();
        assert!(harm.within_1_s >= 95 && harm.seconds < 100.0, "{iops}: {harm:?}");
    }
}
