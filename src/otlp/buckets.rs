//! Arithmetic on the buckets of exponential histograms.

use crate::otlp::metrics::Buckets;

/// The same counts in buckets that are 2^`by` times as wide, as at a scale lower by `by`.
pub fn downscale(buckets: &Buckets, by: u32) -> Buckets {
    let shift = by.min(31);
    let offset = buckets.offset >> shift;
    let mut coarse = Buckets { offset, bucket_counts: Vec::new() };
    for (index, count) in buckets.bucket_counts.iter().enumerate() {
        let place = ((i64::from(buckets.offset) + index as i64) >> shift) - i64::from(offset);
        let place = place as usize;
        if coarse.bucket_counts.len() <= place {
            coarse.bucket_counts.resize(place + 1, 0);
        }
        coarse.bucket_counts[place] = coarse.bucket_counts[place].saturating_add(*count);
    }
    coarse
}

/// `now` − `before`, of one scale; the outer `None` when a bucket went down.
pub fn subtract(now: Option<&Buckets>, before: &Buckets) -> Option<Option<Buckets>> {
    let Some(now) = now else {
        return before.bucket_counts.iter().all(|count| *count == 0).then_some(None);
    };
    let mut delta = now.clone();
    for (index, count) in before.bucket_counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        let place = i64::from(before.offset) + index as i64 - i64::from(now.offset);
        let slot = usize::try_from(place).ok().and_then(|place| delta.bucket_counts.get_mut(place))?;
        *slot = slot.checked_sub(*count)?;
    }
    Some(Some(delta))
}

/// Adds `other` to `own`, of one scale.
pub fn add(own: &mut Buckets, other: &Buckets) {
    if other.bucket_counts.is_empty() {
        return;
    }
    if own.bucket_counts.is_empty() {
        own.clone_from(other);
        return;
    }
    let offset = own.offset.min(other.offset);
    let mut counts = vec![0_u64; span(own, other)];
    for buckets in [&*own, other] {
        let start = (i64::from(buckets.offset) - i64::from(offset)) as usize;
        for (count, more) in counts[start..].iter_mut().zip(&buckets.bucket_counts) {
            *count = count.saturating_add(*more);
        }
    }
    *own = Buckets { offset, bucket_counts: counts };
}

/// How many buckets hold the counts of both.
pub fn span(a: &Buckets, b: &Buckets) -> usize {
    let end = |buckets: &Buckets| i64::from(buckets.offset) + buckets.bucket_counts.len() as i64;
    match (a.bucket_counts.is_empty(), b.bucket_counts.is_empty()) {
        (true, _) => b.bucket_counts.len(),
        (_, true) => a.bucket_counts.len(),
        _ => (end(a).max(end(b)) - i64::from(a.offset.min(b.offset))) as usize,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(offset: i32, counts: &[u64]) -> Buckets {
        Buckets { offset, bucket_counts: counts.to_vec() }
    }

    #[test]
    fn buckets_get_wider_add_up_and_subtract() {
        assert_eq!(downscale(&of(-1, &[1, 2, 3]), 1), of(-1, &[1, 5]));
        assert_eq!(downscale(&of(3, &[1, 2]), 2), of(0, &[1, 2]));
        assert_eq!(downscale(&of(i32::MIN, &[1]), 40), of(-1, &[1]));
        let mut sum = of(2, &[1]);
        add(&mut sum, &of(0, &[1, 2]));
        assert_eq!(sum, of(0, &[1, 2, 1]));
        assert_eq!(span(&of(i32::MIN, &[1]), &of(i32::MAX, &[1])), 1 << 32);
        assert_eq!(subtract(Some(&of(0, &[3, 4])), &of(1, &[1])), Some(Some(of(0, &[3, 3]))));
        assert_eq!(subtract(Some(&of(0, &[3])), &of(1, &[1])), None);
        assert_eq!(subtract(None, &of(1, &[0])), Some(None));
    }
}
