//! One forest, and the samples it grows from.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::features::Features;
use super::forest::{Forest, Random};

#[derive(Clone, Debug)]
pub struct Settings {
    pub trees: usize,
    pub subsample: usize,
    /// The share of anomalies, where `threshold` is 0.
    pub contamination: f64,
    pub threshold: f64,
    /// How far back training looks.
    pub window: Duration,
    /// How often the forest is grown anew.
    pub every: Duration,
    pub min_samples: usize,
    pub max_samples: usize,
}

pub struct Model {
    pub features: Features,
    settings: Settings,
    samples: VecDeque<(Instant, Vec<f64>)>,
    forest: Option<Forest>,
    threshold: f64,
    next_training: Instant,
    random: Random,
}

impl Model {
    pub fn new(features: Features, settings: Settings, seed: u64, now: Instant) -> Self {
        Self {
            features,
            threshold: settings.threshold,
            settings,
            samples: VecDeque::new(),
            forest: None,
            next_training: now,
            random: Random::new(seed),
        }
    }

    /// The score of a sample and whether it is an anomaly, once there is a forest. The sample is
    /// remembered for the next one.
    pub fn observe(&mut self, mut sample: Vec<f64>, now: Instant) -> Option<(f64, bool)> {
        // What is no number cannot be cut.
        sample.iter_mut().filter(|value| !value.is_finite()).for_each(|value| *value = 0.0);
        if now >= self.next_training && self.samples.len() >= self.settings.min_samples {
            self.train(now);
        }
        let result = self.forest.as_ref().map(|forest| {
            let score = forest.score(&sample);
            (score, score >= self.threshold)
        });
        if self.samples.len() >= self.settings.max_samples {
            self.samples.pop_front();
        }
        self.samples.push_back((now, sample));
        result
    }

    fn train(&mut self, now: Instant) {
        let window = self.settings.window;
        while self.samples.len() > self.settings.min_samples
            && self.samples.front().is_some_and(|(seen, _)| now.saturating_duration_since(*seen) > window)
        {
            self.samples.pop_front();
        }
        let samples: Vec<&[f64]> = self.samples.iter().map(|(_, sample)| sample.as_slice()).collect();
        let forest = Forest::grow(&samples, self.settings.trees, self.settings.subsample, &mut self.random);
        if self.settings.threshold == 0.0 {
            self.threshold = quantile(&forest, &samples, self.settings.contamination, &mut self.random);
        }
        self.forest = Some(forest);
        self.next_training = now + self.settings.every;
    }
}

/// The score that a share of `contamination` of the samples reaches, judged by a part of them.
fn quantile(forest: &Forest, samples: &[&[f64]], contamination: f64, random: &mut Random) -> f64 {
    const JUDGED: usize = 1000;
    let mut scores: Vec<f64> =
        (0..JUDGED).map(|_| forest.score(samples[random.below(samples.len())])).collect();
    scores.sort_by(|a, b| b.total_cmp(a));
    let place = (contamination * JUDGED as f64) as usize;
    // A share of nothing is reached by no score.
    if place == 0 { f64::INFINITY } else { scores[place - 1] }
}
