//! Which namespaces the receivers look at: those of their configuration, within those of
//! `KM_K8S_MONITORED_NAMESPACES`.

use std::collections::BTreeSet;

use super::Query;

/// A choice of namespaces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Namespaces {
    /// `None`: all of them.
    only: Option<BTreeSet<String>>,
}

/// The environment variable that limits every receiver.
const LIMIT: &str = "KM_K8S_MONITORED_NAMESPACES";

impl Namespaces {
    /// The namespaces that `configured` names, within the limit of the environment.
    pub fn new(component: &str, configured: &[String]) -> Self {
        Self::within(component, configured, &std::env::var(LIMIT).unwrap_or_default())
    }

    /// The namespaces that `configured` names, within a comma-separated limit. In both an empty
    /// list means all, and so does `all`, with or without quotes.
    pub fn within(component: &str, configured: &[String], limit: &str) -> Self {
        let wanted = Self::listed(configured.iter().map(String::as_str));
        let limit = Self::listed(limit.split(','));
        match (wanted.only, limit.only) {
            (only, None) | (None, only) => Self { only },
            (Some(wanted), Some(limit)) => {
                let outside: Vec<&str> = wanted.difference(&limit).map(String::as_str).collect();
                if !outside.is_empty() {
                    log::warn!(
                        "{component}: {} will not be looked at: {LIMIT} does not name {}",
                        outside.join(", "),
                        if outside.len() == 1 { "it" } else { "them" }
                    );
                }
                Self { only: Some(wanted.intersection(&limit).cloned().collect()) }
            }
        }
    }

    fn listed<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        // A variable in the file keeps the quotes of its value: "all".
        let names = names.map(|name| name.trim().trim_matches('"')).filter(|name| !name.is_empty());
        let names: BTreeSet<String> = names.map(str::to_owned).collect();
        let all = names.is_empty() || names.iter().any(|name| name == "all" || name == "*");
        Self { only: (!all).then_some(names) }
    }

    pub fn is_all(&self) -> bool {
        self.only.is_none()
    }

    pub fn contains(&self, namespace: &str) -> bool {
        self.only.as_ref().is_none_or(|only| only.contains(namespace))
    }

    /// `query` for all namespaces, or for each one.
    pub fn queries(&self, query: &Query) -> Vec<Query> {
        match &self.only {
            None => vec![query.clone()],
            Some(only) => {
                only.iter().map(|namespace| query.clone().in_namespace(Some(namespace.clone()))).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kube::Resource;

    fn paths(configured: &[&str], limit: &str) -> Vec<String> {
        let configured: Vec<String> = configured.iter().map(|&name| name.to_owned()).collect();
        let namespaces = Namespaces::within("test", &configured, limit);
        let queries = namespaces.queries(&Query::all(Resource::new("", "v1", "pods")));
        queries.iter().map(|query| query.url(&[])).collect()
    }

    #[test]
    fn the_environment_limits_what_the_configuration_asks_for() {
        let all = "/api/v1/pods";
        let shop = "/api/v1/namespaces/shop/pods";
        let payments = "/api/v1/namespaces/payments/pods";
        for (configured, limit, want) in [
            (&[][..], "", &[all][..]),
            (&["\"all\""], "", &[all]),
            (&["all"], "all", &[all]),
            (&["shop"], "", &[shop]),
            (&[], "shop, payments,", &[payments, shop]),
            (&["shop", "kube-system"], "shop,payments", &[shop]),
            (&["kube-system"], "shop", &[]),
        ] {
            assert_eq!(paths(configured, limit), want, "{configured:?} within {limit:?}");
        }
    }
}
