//! Isolation trees: an item that random cuts soon separate from the others is unlike them.

/// A pseudo-random generator (xorshift64*): good enough for cuts, and the same for the same seed.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `end`, which must not be 0.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// A number from 0 to 1.
    fn fraction(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

pub struct Forest {
    trees: Vec<Tree>,
    /// Average depth at which an item of a random tree stands alone.
    expected_depth: f64,
}

/// Nodes in one list; the first is the root.
struct Tree(Vec<Node>);

enum Node {
    /// Below the cut at the next node, above it at `above`.
    Cut {
        feature: usize,
        at: f64,
        above: usize,
    },
    Leaf {
        samples: usize,
    },
}

impl Forest {
    /// Grows trees, each from a random part of the samples, of which there must be at least two.
    pub fn grow(samples: &[&[f64]], trees: usize, subsample: usize, random: &mut Random) -> Self {
        let subsample = subsample.min(samples.len());
        let max_depth = (subsample as f64).log2().ceil() as usize;
        let grow = |_| {
            let mut part: Vec<&[f64]> =
                (0..subsample).map(|_| samples[random.below(samples.len())]).collect();
            let mut nodes = Vec::with_capacity(2 * subsample);
            split(&mut nodes, &mut part, max_depth, random);
            Tree(nodes)
        };
        Self {
            trees: (0..trees).map(grow).collect(),
            expected_depth: average_depth(subsample).max(f64::MIN_POSITIVE),
        }
    }

    /// From 0 (like all the others) to 1 (alone).
    pub fn score(&self, sample: &[f64]) -> f64 {
        let total: f64 = self.trees.iter().map(|tree| tree.depth(sample)).sum();
        let depth = total / self.trees.len() as f64;
        (-depth / self.expected_depth).exp2()
    }
}

/// Appends the tree of `samples` to `nodes`.
fn split(nodes: &mut Vec<Node>, samples: &mut [&[f64]], depth: usize, random: &mut Random) {
    let leaf = Node::Leaf { samples: samples.len() };
    let features = samples.first().map_or(0, |sample| sample.len());
    if depth == 0 || samples.len() < 2 || features == 0 {
        return nodes.push(leaf);
    }
    // A random feature in which the samples differ at all.
    let first = random.below(features);
    let range = |feature: usize| {
        let values = samples.iter().map(|sample| sample[feature]);
        values
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)))
    };
    let differing = (0..features)
        .map(|n| (first + n) % features)
        .map(|f| (f, range(f)))
        .find(|(_, (low, high))| low < high);
    let Some((feature, (low, high))) = differing else { return nodes.push(leaf) };
    let at = low + (high - low) * random.fraction();
    samples.sort_unstable_by_key(|sample| sample[feature] >= at);
    let below = samples.partition_point(|sample| sample[feature] < at);
    let own = nodes.len();
    nodes.push(leaf);
    let (lower, upper) = samples.split_at_mut(below);
    split(nodes, lower, depth - 1, random);
    let above = nodes.len();
    split(nodes, upper, depth - 1, random);
    nodes[own] = Node::Cut { feature, at, above };
}

impl Tree {
    fn depth(&self, sample: &[f64]) -> f64 {
        let (mut place, mut depth) = (0, 0.0);
        loop {
            match &self.0[place] {
                Node::Leaf { samples } => return depth + average_depth(*samples),
                Node::Cut { feature, at, above } => {
                    place = if sample[*feature] < *at { place + 1 } else { *above };
                    depth += 1.0;
                }
            }
        }
    }
}

/// Average depth of an unsuccessful search in a binary tree of `n` items.
fn average_depth(n: usize) -> f64 {
    const EULER: f64 = 0.577_215_664_901_532_9;
    match n {
        0 | 1 => 0.0,
        2 => 1.0,
        n => 2.0 * (((n - 1) as f64).ln() + EULER) - 2.0 * (n - 1) as f64 / n as f64,
    }
}
