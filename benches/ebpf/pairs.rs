//! Rounds of a load with the programs and without, in turns.

use super::loads::{Load, Round};
use super::observer;

/// False when more than the floor is lost for sure.
pub fn compare(load: &Load) -> bool {
    let Some(mut rounds) = (load.start)() else {
        println!("not measured: {}: the tool is not installed", load.name);
        return true;
    };
    let (mut off, mut on): (Vec<Round>, Vec<Round>) = (Vec::new(), Vec::new());
    rounds.run();
    while off.len() < rounds.pairs() {
        off.push(rounds.run());
        let mut observer = observer("{}");
        assert!(observer.programs().tells("flows") && observer.programs().tells("tcp"));
        for _ in 0..2 {
            on.push(rounds.run());
            observer.read();
        }
        drop(observer);
        off.push(rounds.run());
    }
    let rate = median(off.iter().map(|round| round.rate).collect()) / load.scale;
    println!("{} ({}): {rate:.2} {} without the receiver", load.name, load.what, load.unit);
    let by_the_clock = lost(&off, &on, |round| Some(round.rate));
    let by_cpu_time = lost(&off, &on, |round| round.per_cpu);
    for (what, losses) in [("by the clock", &by_the_clock), ("by CPU time", &by_cpu_time)] {
        if let Some(losses) = losses {
            let (loss, low, high) = with_interval(losses);
            println!("  {loss:.2} % less {what} (95 %: {low:.2} to {high:.2}, {} pairs)", losses.len());
        }
    }
    let Some(floor) = load.floor else { return true };
    // On a machine that does other things the clock says little.
    let judged = by_cpu_time.or(by_the_clock).unwrap_or_default();
    let is_within = with_interval(&judged).1 < floor;
    println!("  floor {floor} %{}", if is_within { "" } else { ": NOT MET" });
    is_within
}

/// What is lost in each pair, in percent.
fn lost(off: &[Round], on: &[Round], value: fn(&Round) -> Option<f64>) -> Option<Vec<f64>> {
    on.iter().zip(off).map(|(on, off)| Some((1.0 - value(on)? / value(off)?) * 100.0)).collect()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The median, and between which values it lies in 95 of 100 draws with replacement.
fn with_interval(values: &[f64]) -> (f64, f64, f64) {
    let mut random = fastrand::Rng::with_seed(7);
    let mut drawn: Vec<f64> = (0..2000)
        .map(|_| median((0..values.len()).map(|_| values[random.usize(..values.len())]).collect()))
        .collect();
    drawn.sort_by(f64::total_cmp);
    (median(values.to_vec()), drawn[50], drawn[1949])
}
