//! Ingresses: hosts and paths.

use serde::Deserialize;

use super::EntityNeeds;
use super::meta::Meta;
use crate::kube::keys::Kept;
use crate::kube::{Interned, Object, Parsed, Pool, Text, nullable};

/// An ingress.
#[derive(Debug, PartialEq)]
pub struct Ingress {
    pub namespace: Interned,
    pub name: Interned,
    pub labels: Kept,
    pub annotations: Kept,
    pub class: Interned,
    /// Hosts that are served over TLS; `*.` at the front stands for any name.
    pub tls_hosts: Box<[Box<str>]>,
    pub rules: Box<[IngressRule]>,
}

#[derive(Debug, PartialEq)]
pub struct IngressRule {
    pub host: Box<str>,
    pub paths: Box<[Box<str>]>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Raw<'a> {
    #[serde(borrow)]
    metadata: Meta<'a>,
    #[serde(borrow)]
    spec: RawSpec<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawSpec<'a> {
    #[serde(borrow)]
    ingress_class_name: Text<'a>,
    #[serde(borrow, deserialize_with = "nullable")]
    tls: Vec<RawTls<'a>>,
    #[serde(borrow, deserialize_with = "nullable")]
    rules: Vec<RawRule<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawTls<'a> {
    #[serde(borrow, deserialize_with = "nullable")]
    hosts: Vec<Text<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawRule<'a> {
    #[serde(borrow)]
    host: Text<'a>,
    #[serde(borrow, deserialize_with = "nullable")]
    http: RawHttp<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawHttp<'a> {
    #[serde(borrow, deserialize_with = "nullable")]
    paths: Vec<RawPath<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawPath<'a> {
    #[serde(borrow)]
    path: Text<'a>,
}

impl Object for Ingress {
    type Needs = EntityNeeds;

    fn parse(json: &[u8], needs: &EntityNeeds, pool: &mut Pool) -> Result<Parsed<Self>, serde_json::Error> {
        let Raw { metadata: meta, spec } = serde_json::from_slice(json)?;
        let (namespace, name) = (pool.intern(&meta.namespace), Interned::from(&*meta.name));
        let object = Self {
            namespace: namespace.clone(),
            name: name.clone(),
            labels: needs.labels.keep(&meta.labels, pool),
            annotations: needs.annotations.keep(&meta.annotations, pool),
            class: pool.intern(&spec.ingress_class_name),
            tls_hosts: spec.tls.iter().flat_map(|tls| &tls.hosts).map(|host| (&**host).into()).collect(),
            rules: spec.rules.iter().map(keep).collect(),
        };
        Ok(Parsed { namespace, name, object })
    }

    fn widen(needs: &mut EntityNeeds, more: &EntityNeeds) -> bool {
        needs.widen(more)
    }
}

fn keep(rule: &RawRule<'_>) -> IngressRule {
    IngressRule {
        host: (&*rule.host).into(),
        paths: rule.http.paths.iter().map(|path| (&*path.path).into()).collect(),
    }
}
