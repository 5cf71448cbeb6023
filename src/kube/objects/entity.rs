//! Objects of which only the metadata is read: namespaces, nodes, workloads.

use serde::Deserialize;

use super::Owner;
use super::meta::Meta;
use crate::kube::keys::Kept;
use crate::kube::{Interned, Keys, Object, Parsed, Pool};

/// An object of any kind.
#[derive(Debug, PartialEq)]
pub struct Entity {
    pub namespace: Interned,
    pub name: Interned,
    pub uid: Box<str>,
    pub labels: Kept,
    pub annotations: Kept,
    pub owners: Box<[Owner]>,
}

/// Which fields are wanted besides name and owner.
#[derive(Clone, Debug, Default)]
pub struct EntityNeeds {
    pub labels: Keys,
    pub annotations: Keys,
}

impl EntityNeeds {
    /// Adds `more`; whether that changed anything.
    pub fn widen(&mut self, more: &Self) -> bool {
        self.labels.widen(&more.labels) | self.annotations.widen(&more.annotations)
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Raw<'a> {
    #[serde(borrow)]
    metadata: Meta<'a>,
}

impl Object for Entity {
    type Needs = EntityNeeds;

    fn parse(json: &[u8], needs: &EntityNeeds, pool: &mut Pool) -> Result<Parsed<Self>, serde_json::Error> {
        let meta = serde_json::from_slice::<Raw>(json)?.metadata;
        let namespace = pool.intern(&meta.namespace);
        let name = Interned::from(&*meta.name);
        let object = Self {
            namespace: namespace.clone(),
            name: name.clone(),
            uid: (&*meta.uid).into(),
            labels: needs.labels.keep(&meta.labels, pool),
            annotations: needs.annotations.keep(&meta.annotations, pool),
            owners: meta.owners(pool),
        };
        Ok(Parsed { namespace, name, object })
    }

    fn widen(needs: &mut EntityNeeds, more: &EntityNeeds) -> bool {
        needs.widen(more)
    }
}
