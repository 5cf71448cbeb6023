//! Taking marked items out of a batch, or copying them, with the resources and scopes they are in.

use crate::otlp::groups::{Group, Scoped};
use crate::otlp::metrics::{Data as MetricData, Metric};
use crate::otlp::points::{header_of, with_points};
use crate::ottl::ContextKind;
use crate::pipeline::Data;

/// Takes what is marked, nothing if that is nothing: one mark for every item of `context`, in order.
/// `moves`: it is gone from `data` then, with what is empty without it.
pub fn take(data: &mut Data, context: ContextKind, marks: &[bool], moves: bool) -> Option<Data> {
    if !marks.contains(&true) {
        return None;
    }
    let mut marks = marks.iter().copied();
    // There is a mark for every item; without one it stays.
    let mut next = || marks.next().unwrap_or(false);
    Some(match (context, data) {
        (ContextKind::Resource, data) => resources(data, &mut next, moves),
        (_, Data::Logs(all)) => Data::Logs(items(all, moves, |_| share_of(next()))),
        (_, Data::Traces(all)) => Data::Traces(items(all, moves, |_| share_of(next()))),
        (ContextKind::DataPoint, Data::Metrics(all)) => {
            Data::Metrics(items(all, moves, |metric| points(metric, &mut next, moves)))
        }
        (_, Data::Metrics(all)) => Data::Metrics(items(all, moves, |_| share_of(next()))),
    })
}

/// Whether there is not even a resource.
pub fn is_empty(data: &Data) -> bool {
    match data {
        Data::Logs(all) => all.is_empty(),
        Data::Metrics(all) => all.is_empty(),
        Data::Traces(all) => all.is_empty(),
    }
}

/// How much of an item is marked.
enum Share<T> {
    None,
    All,
    /// Some of it, which was taken already.
    Some(T),
}

fn share_of<T>(marked: bool) -> Share<T> {
    if marked { Share::All } else { Share::None }
}

fn resources(data: &mut Data, next: &mut impl FnMut() -> bool, moves: bool) -> Data {
    match data {
        Data::Logs(all) => Data::Logs(entries(all, next, moves)),
        Data::Metrics(all) => Data::Metrics(entries(all, next, moves)),
        Data::Traces(all) => Data::Traces(entries(all, next, moves)),
    }
}

fn entries<T: Clone + Default>(all: &mut Vec<T>, next: &mut impl FnMut() -> bool, moves: bool) -> Vec<T> {
    let mut taken = Vec::new();
    all.retain_mut(|entry| keeps(entry, share_of(next()), moves, &mut taken));
    taken
}

/// Puts the share of `item` into `taken`; whether the item stays.
fn keeps<T: Clone + Default>(item: &mut T, share: Share<T>, moves: bool, taken: &mut Vec<T>) -> bool {
    match share {
        Share::None => true,
        Share::Some(part) => {
            taken.push(part);
            true
        }
        Share::All if moves => {
            taken.push(std::mem::take(item));
            false
        }
        Share::All => {
            taken.push(item.clone());
            true
        }
    }
}

type ItemOf<G> = <<G as Group>::Scoped as Scoped>::Item;

fn items<G: Group>(
    all: &mut Vec<G>,
    moves: bool,
    mut share: impl FnMut(&mut ItemOf<G>) -> Share<ItemOf<G>>,
) -> Vec<G>
where
    ItemOf<G>: Clone + Default,
{
    let mut groups = Vec::new();
    all.retain_mut(|group| {
        let mut scopes = Vec::new();
        group.scopes_mut().retain_mut(|scope| {
            let mut taken = Vec::new();
            scope.items_mut().retain_mut(|item| {
                let share = share(item);
                keeps(item, share, moves, &mut taken)
            });
            if taken.is_empty() {
                return true;
            }
            let mut part = G::Scoped::default();
            part.set_scope(scope.scope().cloned());
            part.set_schema_url(scope.schema_url().to_owned());
            *part.items_mut() = taken;
            scopes.push(part);
            !scope.items_mut().is_empty()
        });
        if scopes.is_empty() {
            return true;
        }
        let mut part = G::default();
        part.set_resource(group.resource().cloned());
        part.set_schema_url(group.schema_url().to_owned());
        *part.scopes_mut() = scopes;
        groups.push(part);
        !group.scopes_mut().is_empty()
    });
    groups
}

/// The marked points of a metric.
fn points(metric: &mut Metric, next: &mut impl FnMut() -> bool, moves: bool) -> Share<Metric> {
    let count = metric.data.as_ref().map_or(0, MetricData::len);
    let marks: Vec<bool> = (0..count).map(|_| next()).collect();
    if !marks.contains(&true) {
        return Share::None;
    }
    if !marks.contains(&false) {
        return Share::All;
    }
    let mut part = if moves { header_of(metric) } else { metric.clone() };
    if moves {
        part.data.clone_from(&metric.data);
        retain(&mut metric.data, &marks, false);
    }
    retain(&mut part.data, &marks, true);
    Share::Some(part)
}

/// Keeps the points whose mark is `wanted`.
fn retain(data: &mut Option<MetricData>, marks: &[bool], wanted: bool) {
    if let Some(data) = data {
        let mut marks = marks.iter();
        with_points!(data, points => points.retain(|_| marks.next() == Some(&wanted)));
    }
}
