//! Objects with identity, labels, owners and a body of their kind.

use super::meta::{Meta, seconds};
use super::{EntityNeeds, Owner};
use crate::kube::keys::Kept;
use crate::kube::{Interned, Object, Parsed, Pool};

/// An object and what is read of its specification and status.
#[derive(Debug, PartialEq)]
pub struct Full<B> {
    /// Empty for objects that are in none.
    pub namespace: Interned,
    pub name: Interned,
    pub uid: Box<str>,
    /// Seconds since the epoch, 0 = unknown.
    pub created: i64,
    pub labels: Kept,
    pub annotations: Kept,
    pub owners: Box<[Owner]>,
    pub body: B,
}

/// What is read of a kind beside its metadata.
pub trait Body: Sized + PartialEq + Send + Sync + 'static {
    /// Reads an object: its metadata, and the body.
    fn read<'a>(json: &'a [u8], pool: &mut Pool) -> Result<(Meta<'a>, Self), serde_json::Error>;
}

impl<B: Body> Object for Full<B> {
    type Needs = EntityNeeds;

    fn parse(json: &[u8], needs: &EntityNeeds, pool: &mut Pool) -> Result<Parsed<Self>, serde_json::Error> {
        let (meta, body) = B::read(json, pool)?;
        let namespace = pool.intern(&meta.namespace);
        let name = Interned::from(&*meta.name);
        let object = Self {
            namespace: namespace.clone(),
            name: name.clone(),
            uid: (&*meta.uid).into(),
            created: seconds(&meta.creation_timestamp),
            labels: needs.labels.keep(&meta.labels, pool),
            annotations: needs.annotations.keep(&meta.annotations, pool),
            owners: meta.owners(pool),
            body,
        };
        Ok(Parsed { namespace, name, object })
    }

    fn widen(needs: &mut EntityNeeds, more: &EntityNeeds) -> bool {
        needs.labels.widen(&more.labels) | needs.annotations.widen(&more.annotations)
    }
}
