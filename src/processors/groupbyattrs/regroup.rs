//! Putting items under the resource that their attributes ask for.

use crate::otlp::attributes::find;
use crate::otlp::groups::{Group, Scoped};
use crate::otlp::identity::{Digest, Identity, IdentityMap};
use crate::otlp::logs::LogRecord;
use crate::otlp::metrics::Metric;
use crate::otlp::points::{Point, append, header_of, kind_of, with_points};
use crate::otlp::trace::Span;
use crate::otlp::{Attributes, InstrumentationScope, KeyValue, Resource, Str};
use crate::pipeline::Data;
use crate::processors::items::{any_attributes, any_point, any_resource};

/// What was done, in items.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    pub grouped: u64,
    pub others: u64,
    /// Resources that items were moved to.
    pub groups: u64,
}

/// Whether there is nothing to move and nothing to join.
pub fn is_grouped(data: &Data, keys: &[Str]) -> bool {
    let mut seen: IdentityMap<()> = IdentityMap::default();
    let twice = any_resource(data, |attributes| {
        let mut digest = Digest::new();
        digest.attributes(attributes);
        seen.insert(digest.finish(), ()).is_some()
    });
    !twice && !any_attributes(data, |_| true, |attributes| has_any(attributes, keys))
}

fn has_any(attributes: &[KeyValue], keys: &[Str]) -> bool {
    keys.iter().any(|key| find(attributes, key).is_some())
}

/// Takes the attributes that are moved, in the order of the keys.
fn take_all(attributes: &mut Vec<KeyValue>, keys: &[Str]) -> Vec<KeyValue> {
    keys.iter()
        .filter_map(|key| attributes.take(key).map(|value| KeyValue { key: key.clone(), value }))
        .collect()
}

/// An item that can be moved.
pub trait Movable: Sized {
    /// Items as the agent counts them: a metric has as many as points.
    fn count(&self) -> u64;
    fn has_any(&self, keys: &[Str]) -> bool;
    /// Takes the attributes that are moved, and hands out the item in parts that took the same.
    fn take(self, keys: &[Str], part: impl FnMut(Vec<KeyValue>, Self));
    /// Puts the item under its new scope.
    fn put(self, items: &mut Vec<Self>, metrics: &mut IdentityMap<usize>, scope: Identity);
}

macro_rules! movable {
    ($type:ty) => {
        impl Movable for $type {
            fn count(&self) -> u64 {
                1
            }
            fn has_any(&self, keys: &[Str]) -> bool {
                has_any(&self.attributes, keys)
            }
            fn take(mut self, keys: &[Str], mut part: impl FnMut(Vec<KeyValue>, Self)) {
                part(take_all(&mut self.attributes, keys), self);
            }
            fn put(self, items: &mut Vec<Self>, _: &mut IdentityMap<usize>, _: Identity) {
                items.push(self);
            }
        }
    };
}
movable!(LogRecord);
movable!(Span);

impl Movable for Metric {
    fn count(&self) -> u64 {
        self.data.as_ref().map_or(0, |data| data.len() as u64)
    }

    fn has_any(&self, keys: &[Str]) -> bool {
        self.data.as_ref().is_some_and(|data| any_point(data, |attributes| has_any(attributes, keys)))
    }

    fn take(mut self, keys: &[Str], mut part: impl FnMut(Vec<KeyValue>, Self)) {
        let header = header_of(&self);
        let Some(data) = &mut self.data else { return part(Vec::new(), self) };
        with_points!(data, points => {
            let points = std::mem::take(points);
            for mut point in points {
                let taken = take_all(point.attributes_mut(), keys);
                let mut metric = header.clone();
                metric.push(point);
                part(taken, metric);
            }
        });
    }

    /// Points of equal metrics come together.
    fn put(mut self, items: &mut Vec<Self>, metrics: &mut IdentityMap<usize>, scope: Identity) {
        let Some(data) = self.data.take() else { return items.push(self) };
        let (kind, temporality, monotonic) = kind_of(&data);
        let mut digest = Digest::new();
        digest.number(scope as u64);
        digest.number((scope >> 64) as u64);
        digest.text(&self.name);
        digest.text(&self.unit);
        digest.number(u64::from(kind) << 33 | u64::from(temporality as u32) << 1 | u64::from(monotonic));
        let place = *metrics.entry(digest.finish()).or_insert(items.len());
        match items.get_mut(place).and_then(|metric| metric.data.as_mut()) {
            Some(same) => {
                append(same, data);
            }
            None => items.push(Self { data: Some(data), ..self }),
        }
    }
}

/// A metric takes one more point of its own type.
trait Push<P> {
    fn push(&mut self, point: P);
}

macro_rules! push {
    ($point:ty: $($variant:ident),+) => {
        impl Push<$point> for Metric {
            fn push(&mut self, point: $point) {
                match &mut self.data {
                    $(Some(crate::otlp::metrics::Data::$variant(data)) => data.data_points.push(point),)+
                    _ => unreachable!("the header is that of the point's own metric"),
                }
            }
        }
    };
}
push!(crate::otlp::metrics::NumberDataPoint: Gauge, Sum);
push!(crate::otlp::metrics::HistogramDataPoint: Histogram);
push!(crate::otlp::metrics::ExponentialHistogramDataPoint: ExponentialHistogram);
push!(crate::otlp::metrics::SummaryDataPoint: Summary);

/// Regroups in place. Items keep their order within a resource and scope.
pub fn regroup<G: Group>(all: &mut Vec<G>, keys: &[Str]) -> Outcome
where
    <G::Scoped as Scoped>::Item: Movable,
{
    let mut regrouping = Regrouping { groups: Vec::with_capacity(all.len()), ..Regrouping::default() };
    for mut group in all.drain(..) {
        let mut home = Home::new(&group);
        let scopes = std::mem::take(group.scopes_mut());
        for mut scoped in scopes {
            let header =
                ScopeHeader { scope: scoped.scope().cloned(), schema_url: scoped.schema_url().to_owned() };
            for item in scoped.items_mut().drain(..) {
                if !item.has_any(keys) {
                    regrouping.outcome.others += item.count();
                    regrouping.place(&mut home, Vec::new(), &header, item);
                    continue;
                }
                item.take(keys, |taken, item| {
                    match taken.is_empty() {
                        true => regrouping.outcome.others += item.count(),
                        false => regrouping.outcome.grouped += item.count(),
                    }
                    regrouping.place(&mut home, taken, &header, item);
                });
            }
        }
    }
    *all = regrouping.groups;
    regrouping.outcome
}

/// The resource that items come from.
struct Home {
    resource: Option<Resource>,
    schema_url: String,
    /// Where the last items went: the next ones mostly go there too.
    last: Option<(Vec<KeyValue>, usize)>,
}

impl Home {
    fn new<G: Group>(group: &G) -> Self {
        Self { resource: group.resource().cloned(), schema_url: group.schema_url().to_owned(), last: None }
    }
}

struct ScopeHeader {
    scope: Option<InstrumentationScope>,
    schema_url: String,
}

struct Regrouping<G> {
    groups: Vec<G>,
    by_resource: IdentityMap<usize>,
    /// Places of metrics in their scopes.
    metrics: IdentityMap<usize>,
    outcome: Outcome,
}

impl<G> Default for Regrouping<G> {
    fn default() -> Self {
        Self {
            groups: Vec::new(),
            by_resource: IdentityMap::default(),
            metrics: IdentityMap::default(),
            outcome: Outcome::default(),
        }
    }
}

impl<G: Group> Regrouping<G>
where
    <G::Scoped as Scoped>::Item: Movable,
{
    /// Puts an item under its home's resource with `taken` on top.
    fn place(
        &mut self,
        home: &mut Home,
        taken: Vec<KeyValue>,
        header: &ScopeHeader,
        item: <G::Scoped as Scoped>::Item,
    ) {
        let place = match &home.last {
            Some((last, place)) if *last == taken => *place,
            _ => {
                let place = self.group_for(home, &taken);
                home.last = Some((taken, place));
                place
            }
        };
        let scopes = self.groups[place].scopes_mut();
        let same = |scoped: &G::Scoped| {
            let (a, b) = (scoped.scope(), header.scope.as_ref());
            a.map(|s| (&s.name, &s.version)) == b.map(|s| (&s.name, &s.version))
        };
        let of_scope = scopes.iter().position(same).unwrap_or_else(|| {
            let mut scoped = G::Scoped::default();
            scoped.set_scope(header.scope.clone());
            scoped.set_schema_url(header.schema_url.clone());
            scopes.push(scoped);
            scopes.len() - 1
        });
        let identity = (place as u128) << 64 | of_scope as u128;
        item.put(scopes[of_scope].items_mut(), &mut self.metrics, identity);
    }

    fn group_for(&mut self, home: &Home, taken: &[KeyValue]) -> usize {
        let mut resource = home.resource.clone();
        if !taken.is_empty() {
            let attributes = &mut resource.get_or_insert_default().attributes;
            for entry in taken {
                attributes.set(entry.key.clone(), entry.value.clone());
            }
        }
        let mut digest = Digest::new();
        digest.resource(resource.as_ref());
        let groups = &mut self.groups;
        *self.by_resource.entry(digest.finish()).or_insert_with(|| {
            let mut group = G::default();
            group.set_resource(resource);
            group.set_schema_url(home.schema_url.clone());
            groups.push(group);
            self.outcome.groups += u64::from(!taken.is_empty());
            groups.len() - 1
        })
    }
}
