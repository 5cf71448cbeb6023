//! The metadata fields that can be extracted: `extract.metadata`.

macro_rules! fields {
    ($($variant:ident $name:literal $default:literal),* $(,)?) => {
        /// One name of `extract.metadata`, which is also the name of the attribute.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Field { $($variant),* }

        impl Field {
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Name of the field and of the attribute.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// Whether it is extracted when `extract.metadata` is not set.
            const fn is_default(self) -> bool {
                match self { $(Self::$variant => $default),* }
            }
        }
    };
}

fields! {
    Namespace "k8s.namespace.name" true,
    PodName "k8s.pod.name" true,
    PodUid "k8s.pod.uid" true,
    PodHostname "k8s.pod.hostname" false,
    PodStartTime "k8s.pod.start_time" true,
    PodIp "k8s.pod.ip" false,
    ReplicaSetName "k8s.replicaset.name" false,
    ReplicaSetUid "k8s.replicaset.uid" false,
    DeploymentName "k8s.deployment.name" true,
    DeploymentUid "k8s.deployment.uid" false,
    DaemonSetName "k8s.daemonset.name" false,
    DaemonSetUid "k8s.daemonset.uid" false,
    StatefulSetName "k8s.statefulset.name" false,
    StatefulSetUid "k8s.statefulset.uid" false,
    JobName "k8s.job.name" false,
    JobUid "k8s.job.uid" false,
    CronJobName "k8s.cronjob.name" false,
    CronJobUid "k8s.cronjob.uid" false,
    NodeName "k8s.node.name" true,
    NodeUid "k8s.node.uid" false,
    ClusterUid "k8s.cluster.uid" false,
    ContainerName "k8s.container.name" false,
    ContainerId "container.id" false,
    ContainerImageName "container.image.name" true,
    ContainerImageTag "container.image.tag" true,
    ContainerImageDigests "container.image.repo_digests" false,
    ServiceNamespace "service.namespace" false,
    ServiceName "service.name" false,
    ServiceVersion "service.version" false,
    ServiceInstance "service.instance.id" false,
}

impl Field {
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|field| field.name() == name)
    }
}

/// A set of fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fields(u64);

impl Fields {
    /// The fields of those names, or the default set. Unknown names are for the validation to find.
    pub fn new(names: Option<&[String]>) -> Self {
        let mut fields = Self::default();
        match names {
            Some(names) => names.iter().filter_map(|name| Field::named(name)).for_each(|f| fields.add(f)),
            None => Field::ALL.iter().copied().filter(|f| f.is_default()).for_each(|f| fields.add(f)),
        }
        fields
    }

    fn add(&mut self, field: Field) {
        self.0 |= 1 << field as u64;
    }

    pub fn has(self, field: Field) -> bool {
        self.0 & (1 << field as u64) != 0
    }

    pub fn has_any(self, fields: &[Field]) -> bool {
        fields.iter().any(|field| self.has(*field))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_set_is_upstreams() {
        let fields = Fields::new(None);
        let names: Vec<_> = Field::ALL.iter().filter(|f| fields.has(**f)).map(|f| f.name()).collect();
        assert_eq!(
            names,
            [
                "k8s.namespace.name",
                "k8s.pod.name",
                "k8s.pod.uid",
                "k8s.pod.start_time",
                "k8s.deployment.name",
                "k8s.node.name",
                "container.image.name",
                "container.image.tag"
            ]
        );
    }
}
