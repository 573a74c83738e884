//! Whom a campaign tries to confirm: what its race measured, seen together with every comparison before it.
//!
//! The best of a race is often the luckiest (the winner's curse). What the lessons say of its neighbours corrects that, and
//! may point to a setting between those that ran: it is nominated without having run. Nothing here is evidence; a nominee
//! is put in force for good where fresh pairs confirm it, as ever.

use super::Chapter;
use super::around::Around;
use super::brood::Candidate;
use genetic::{Genome, Surrogate};
use trials::{Raced, TrialError};

/// How much more, in logs, a setting that never ran must promise than the best that did.
const WORTH_A_GUESS: f64 = 0.01;
/// A purpose of random choices: where a guess is looked for. Any odd number.
const GUESSING: u64 = 0xd1b5_4a32_d192_ed03;

impl Chapter {
    /// Where the race has just ended: nominates at most so many by all that is known.
    ///
    /// # Errors
    /// Where a number of the configuration is out of its range.
    pub(super) fn nominate(&mut self, most: usize) -> Result<(), TrialError> {
        let home = self.home();
        let Some(running) = &mut self.running else { return Ok(()) };
        if running.campaign.trial().is_none() {
            return Ok(());
        }
        let (raced, space) = (running.campaign.raced(), self.brood.space());
        let mut lessons = self.lessons.clone();
        lessons.learn(space, &home, &running.candidates, &raced, &[]);
        let Some(surrogate) = lessons.surrogate(space) else { return Ok(()) };
        let around = self.brood.around(&home, &self.region);
        let mut rng = self.brood.rng(self.campaigns, GUESSING);
        let guess = around.best_guess(&surrogate, lessons.genomes(space), &mut rng);
        let nominees = ranked(&around, &surrogate, &mut running.candidates, &raced, guess, most);
        running.campaign.nominate(nominees).map(drop)
    }
}

/// The numbers of those that promise a gain over the incumbent, the most promising first. A guess that promises clearly more
/// than all that ran becomes the last of the candidates and the first of the ranked.
fn ranked(
    around: &Around,
    surrogate: &Surrogate,
    candidates: &mut Vec<Candidate>,
    raced: &[Raced],
    guess: Option<Genome>,
    most: usize,
) -> Vec<u32> {
    let mut gains: Vec<(u32, f64)> = (0..)
        .zip(candidates.iter().zip(raced))
        .filter(|(_, (_, raced))| matches!(raced, Raced::Measured { .. }))
        .map(|(number, (candidate, _))| (number, around.gain(surrogate, &candidate.genome)))
        .filter(|(_, gain)| *gain > 0.0)
        .collect();
    gains.sort_by(|a, b| b.1.total_cmp(&a.1));
    let best = gains.first().map_or(0.0, |(_, gain)| *gain);
    let mut ranked: Vec<u32> = gains.into_iter().map(|(number, _)| number).collect();
    if let Some(guess) = guess.filter(|guess| around.gain(surrogate, guess) > best + WORTH_A_GUESS)
        && candidates.iter().all(|candidate| candidate.genome != guess)
        && let Ok(number) = u32::try_from(candidates.len())
    {
        ranked.insert(0, number);
        candidates.push(Candidate::guessed(guess));
    }
    ranked.truncate(most);
    ranked
}

#[cfg(test)]
mod tests {
    use super::*;
    use genetic::{Comparison, GeneSpec, Noise, Scale, Space};
    use trials::TrustRegion;

    fn around() -> Around {
        let spec = GeneSpec::new("fifo_batch", Scale::Log { min: 1, max: 128 }, 16);
        let space = Space::new(vec![spec], Vec::new()).unwrap();
        Around { incumbent: space.defaults(), space, region: TrustRegion::default() }
    }

    /// A surrogate to which each value of the only gene was worth so much over the default.
    fn taught(around: &Around, lessons: &[(u64, f64)]) -> Surrogate {
        let place = |value: u64| around.space.place(&Genome(vec![value]));
        let comparisons = lessons.iter().map(|&(value, log_ratio)| Comparison {
            at: place(value),
            against: place(16),
            log_ratio,
            pairs: 3.0,
        });
        Surrogate::fit(comparisons, Noise::Known(0.02)).unwrap()
    }

    fn candidates(values: &[u64]) -> Vec<Candidate> {
        values.iter().map(|&value| Candidate::guessed(Genome(vec![value]))).collect()
    }

    #[test]
    fn a_lucky_candidate_stands_behind_one_whose_neighbours_did_well_too() {
        let around = around();
        let lessons =
            [(64, 0.30), (80, 0.27), (96, 0.29), (50, 0.26), (2, -0.3), (3, -0.3), (4, 0.31), (5, -0.3)];
        let surrogate = taught(&around, &lessons);
        let raced = [0.31, 0.30].map(|log_ratio| Raced::Measured { log_ratio, slices: 2 });
        assert_eq!(ranked(&around, &surrogate, &mut candidates(&[4, 64]), &raced, None, 3)[0], 1);
    }

    #[test]
    fn a_guess_that_promises_more_is_tried_first_and_one_that_does_not_is_left() {
        let around = around();
        let surrogate =
            taught(&around, &[(20, 0.05), (32, 0.15), (64, 0.3), (8, -0.15), (4, -0.3), (90, 0.36)]);
        let raced = [0.05, 0.15].map(|log_ratio| Raced::Measured { log_ratio, slices: 2 });
        let mut running = candidates(&[20, 32]);
        assert_eq!(ranked(&around, &surrogate, &mut running, &raced, Some(Genome(vec![90])), 3), [2, 1, 0]);
        assert_eq!(running.len(), 3);
        let mut running = candidates(&[20, 32]);
        assert_eq!(ranked(&around, &surrogate, &mut running, &raced, Some(Genome(vec![24])), 1), [1]);
        assert_eq!(running.len(), 2, "a guess that is not nominated is no candidate");
    }

    #[test]
    fn what_the_guard_took_back_is_never_nominated() {
        let around = around();
        let surrogate = taught(&around, &[(20, 0.05), (32, 0.15), (64, 0.3), (8, -0.15)]);
        let raced = [Raced::Struck, Raced::Measured { log_ratio: 0.1, slices: 2 }];
        assert_eq!(ranked(&around, &surrogate, &mut candidates(&[64, 32]), &raced, None, 3), [1]);
    }
}
