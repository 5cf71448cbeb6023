//! Rights: those that a request to an API server or a kubelet takes, and those that rendered roles give.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::Value;

use super::kube::{Seen, Verb};

/// What the authorizer looks at in one request.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Asked {
    pub verb: String,
    pub what: What,
    /// `None`: in all namespaces, or of what is in none.
    pub namespace: Option<String>,
    /// The one object that is meant.
    pub name: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// Group, and resource with its subresource behind a slash.
    Resource(String, String),
    /// A path that is no resource.
    Path(String),
}

/// One verb on one resource or path, as a rule of a bound role gives it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Granted {
    pub verb: String,
    pub what: What,
    /// `None`: everywhere.
    pub namespace: Option<String>,
    /// Empty: every object.
    pub names: Vec<String>,
}

impl Asked {
    /// As whoever owns the path understands it: the kubelet's are few.
    pub fn of(seen: &Seen) -> Self {
        let is_kubelets = seen.path == "/pods" || seen.path.starts_with("/stats/");
        if is_kubelets { Self::of_kubelet(seen) } else { Self::of_api(seen) }
    }

    /// As the API server understands a request.
    pub fn of_api(seen: &Seen) -> Self {
        let segments: Vec<&str> = seen.path.split('/').skip(1).collect();
        let (group, rest) = match segments.as_slice() {
            ["api", _, rest @ ..] if !rest.is_empty() => ("", rest),
            ["apis", group, _, rest @ ..] if !rest.is_empty() => (*group, rest),
            _ => return Self::path("get", &seen.path),
        };
        let (namespace, rest) = match rest {
            ["namespaces", namespace, rest @ ..] if !rest.is_empty() => (Some((*namespace).to_owned()), rest),
            rest => (None, rest),
        };
        let name = rest.get(1).map(|name| (*name).to_owned());
        let resource = [&rest[..1], rest.get(2..).unwrap_or_default()].concat().join("/");
        let verb = match seen.verb {
            Verb::Create => "create",
            Verb::Replace => "update",
            Verb::Patch => "patch",
            Verb::Watch => "watch",
            Verb::List | Verb::Get if name.is_none() => "list",
            Verb::List | Verb::Get => "get",
        };
        Self { verb: verb.to_owned(), what: What::Resource(group.to_owned(), resource), namespace, name }
    }

    /// As the kubelet asks the API server about a request, with fine-grained authorization.
    pub fn of_kubelet(seen: &Seen) -> Self {
        let subresource = match seen.path.split('/').nth(1).unwrap_or_default() {
            part @ ("stats" | "metrics" | "pods" | "healthz" | "configz") => part,
            "logs" => "log",
            _ => "proxy",
        };
        let what = What::Resource(String::new(), format!("nodes/{subresource}"));
        Self { verb: "get".to_owned(), what, namespace: None, name: None }
    }

    fn path(verb: &str, path: &str) -> Self {
        Self { verb: verb.to_owned(), what: What::Path(path.to_owned()), namespace: None, name: None }
    }
}

impl Granted {
    /// Whether this alone lets the request through.
    pub fn allows(&self, asked: &Asked) -> bool {
        self.verb == asked.verb
            && self.what == asked.what
            && (self.namespace.is_none() || self.namespace == asked.namespace)
            && (self.names.is_empty() || asked.name.as_ref().is_some_and(|name| self.names.contains(name)))
    }
}

impl fmt::Display for Granted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = self.namespace.as_deref().unwrap_or("everywhere");
        write!(f, "{} {:?} {:?} in {place}", self.verb, self.what, self.names)
    }
}

/// All that the roles bound to a service account give.
pub fn granted(objects: &[Value], account: &str) -> BTreeSet<Granted> {
    let mut all = BTreeSet::new();
    for binding in objects {
        let is_ours = matches!(binding["kind"].as_str(), Some("RoleBinding" | "ClusterRoleBinding"))
            && binding["subjects"].as_array().unwrap().iter().any(|subject| subject["name"] == account);
        if !is_ours {
            continue;
        }
        let namespace = &binding["metadata"]["namespace"];
        let role = objects
            .iter()
            .find(|role| {
                role["kind"] == binding["roleRef"]["kind"]
                    && role["metadata"]["name"] == binding["roleRef"]["name"]
                    && (role["kind"] == "ClusterRole" || role["metadata"]["namespace"] == *namespace)
            })
            .unwrap_or_else(|| panic!("{} binds no role", binding["metadata"]["name"]));
        for rule in role["rules"].as_array().unwrap() {
            all.extend(of_rule(rule, namespace.as_str()));
        }
    }
    all
}

fn of_rule(rule: &Value, namespace: Option<&str>) -> Vec<Granted> {
    let list = |key: &str| -> Vec<String> {
        let items = rule[key].as_array().into_iter().flatten();
        items.map(|item| item.as_str().unwrap().to_owned()).collect()
    };
    let resources = list("apiGroups").into_iter().flat_map(|group| {
        list("resources").into_iter().map(move |resource| What::Resource(group.clone(), resource))
    });
    let paths = list("nonResourceURLs").into_iter().map(What::Path);
    let mut found = Vec::new();
    for what in resources.chain(paths) {
        for verb in list("verbs") {
            let names = list("resourceNames");
            found.push(Granted { verb, what: what.clone(), namespace: namespace.map(str::to_owned), names });
        }
    }
    found
}
