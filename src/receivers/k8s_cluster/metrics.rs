//! The table of metrics. Those of node conditions and allocatable resources have names of the
//! user's choice and are made in [`super::emit`].

use crate::metric_table;

metric_table! {
    /// Everything that the receiver can tell.
    pub enum ClusterMetric {
        ContainerCpuLimit: Gauge Double on "k8s.container.cpu_limit" "{cpu}" []
            "Maximum resource limit set for the container. See https://kubernetes.io/docs/reference/generated/kubernetes-api/v1.23/#resourcerequirements-v1-core for details";
        ContainerCpuRequest: Gauge Double on "k8s.container.cpu_request" "{cpu}" []
            "Resource requested for the container. See https://kubernetes.io/docs/reference/generated/kubernetes-api/v1.23/#resourcerequirements-v1-core for details";
        ContainerEphemeralStorageLimit: Gauge Int on "k8s.container.ephemeralstorage_limit" "By" []
            "Maximum resource limit set for the container. See https://kubernetes.io/docs/reference/generated/kubernetes-api/v1.23/#resourcerequirements-v1-core for details";
        ContainerEphemeralStorageRequest: Gauge Int on "k8s.container.ephemeralstorage_request" "By" []
            "Resource requested for the container. See https://kubernetes.io/docs/reference/generated/kubernetes-api/v1.23/#resourcerequirements-v1-core for details";
        ContainerMemoryLimit: Gauge Int on "k8s.container.memory_limit" "By" []
            "Maximum resource limit set for the container. See https://kubernetes.io/docs/reference/generated/kubernetes-api/v1.23/#resourcerequirements-v1-core for details";
        ContainerMemoryRequest: Gauge Int on "k8s.container.memory_request" "By" []
            "Resource requested for the container. See https://kubernetes.io/docs/reference/generated/kubernetes-api/v1.23/#resourcerequirements-v1-core for details";
        ContainerReady: Gauge Int on "k8s.container.ready" "" []
            "Whether a container has passed its readiness probe (0 for no, 1 for yes)";
        ContainerRestarts: Gauge Int on "k8s.container.restarts" "{restart}" []
            "How many times the container has restarted in the recent past. This value is pulled directly from the K8s API and the value can go indefinitely high and be reset to 0 at any time depending on how your kubelet is configured to prune dead containers. It is best to not depend too much on the exact value but rather look at it as either == 0, in which case you can conclude there were no restarts in the recent past, or > 0, in which case you can conclude there were restarts in the recent past, and not try and analyze the value beyond that.";
        ContainerStatusReason: UpDown Int off "k8s.container.status.reason" "{container}" ["k8s.container.status.reason"]
            "Describes the number of K8s containers that are currently in a state for a given reason. All reasons are reported each time; only the current one is not zero.";
        ContainerStatusState: UpDown Int off "k8s.container.status.state" "{container}" ["k8s.container.status.state"]
            "Describes the number of K8s containers that are currently in a given state. All states are reported each time; only the current one is not zero.";
        ContainerStorageLimit: Gauge Int on "k8s.container.storage_limit" "By" []
            "Maximum resource limit set for the container. See https://kubernetes.io/docs/reference/generated/kubernetes-api/v1.23/#resourcerequirements-v1-core for details";
        ContainerStorageRequest: Gauge Int on "k8s.container.storage_request" "By" []
            "Resource requested for the container. See https://kubernetes.io/docs/reference/generated/kubernetes-api/v1.23/#resourcerequirements-v1-core for details";
        CronJobActive: Gauge Int on "k8s.cronjob.active_jobs" "{job}" []
            "The number of actively running jobs for a cronjob";
        DaemonSetCurrent: Gauge Int on "k8s.daemonset.current_scheduled_nodes" "{node}" []
            "Number of nodes that are running at least 1 daemon pod and are supposed to run the daemon pod";
        DaemonSetDesired: Gauge Int on "k8s.daemonset.desired_scheduled_nodes" "{node}" []
            "Number of nodes that should be running the daemon pod (including nodes currently running the daemon pod)";
        DaemonSetMisscheduled: Gauge Int on "k8s.daemonset.misscheduled_nodes" "{node}" []
            "Number of nodes that are running the daemon pod, but are not supposed to run the daemon pod";
        DaemonSetReady: Gauge Int on "k8s.daemonset.ready_nodes" "{node}" []
            "Number of nodes that should be running the daemon pod and have one or more of the daemon pod running and ready";
        DeploymentAvailable: Gauge Int on "k8s.deployment.available" "{pod}" []
            "Total number of available pods (ready for at least minReadySeconds) targeted by this deployment";
        DeploymentDesired: Gauge Int on "k8s.deployment.desired" "{pod}" []
            "Number of desired pods in this deployment";
        HpaCurrent: Gauge Int on "k8s.hpa.current_replicas" "{pod}" []
            "Current number of pod replicas managed by this autoscaler.";
        HpaDesired: Gauge Int on "k8s.hpa.desired_replicas" "{pod}" []
            "Desired number of pod replicas managed by this autoscaler.";
        HpaMax: Gauge Int on "k8s.hpa.max_replicas" "{pod}" []
            "Maximum number of replicas to which the autoscaler can scale up.";
        HpaMin: Gauge Int on "k8s.hpa.min_replicas" "{pod}" []
            "Minimum number of replicas to which the autoscaler can scale up.";
        JobActive: Gauge Int on "k8s.job.active_pods" "{pod}" []
            "The number of actively running pods for a job";
        JobDesiredSuccessful: Gauge Int on "k8s.job.desired_successful_pods" "{pod}" []
            "The desired number of successfully finished pods the job should be run with";
        JobFailed: Gauge Int on "k8s.job.failed_pods" "{pod}" []
            "The number of pods which reached phase Failed for a job";
        JobMaxParallel: Gauge Int on "k8s.job.max_parallel_pods" "{pod}" []
            "The max desired number of pods the job should run at any given time";
        JobSuccessful: Gauge Int on "k8s.job.successful_pods" "{pod}" []
            "The number of pods which reached phase Succeeded for a job";
        NamespacePhase: Gauge Int on "k8s.namespace.phase" "" []
            "The current phase of namespaces (1 for active and 0 for terminating)";
        NodeCondition: Gauge Int off "k8s.node.condition" "{condition}" ["condition"]
            "The condition of a particular Node.";
        VolumePhase: UpDown Int off "k8s.persistentvolume.status.phase" "{persistentvolume}" ["k8s.persistentvolume.status.phase"]
            "The current phase of the PersistentVolume (1 for the current phase, 0 for others).";
        VolumeCapacity: UpDown Int off "k8s.persistentvolume.storage.capacity" "By" []
            "The storage capacity of the PersistentVolume.";
        ClaimPhase: UpDown Int off "k8s.persistentvolumeclaim.status.phase" "{persistentvolumeclaim}" ["k8s.persistentvolumeclaim.status.phase"]
            "The current phase of the PersistentVolumeClaim (1 for the current phase, 0 for others).";
        ClaimCapacity: UpDown Int off "k8s.persistentvolumeclaim.storage.capacity" "By" []
            "The actual storage capacity provisioned for the PersistentVolumeClaim. Only available when bound.";
        ClaimRequest: UpDown Int off "k8s.persistentvolumeclaim.storage.request" "By" []
            "The storage requested by the PersistentVolumeClaim.";
        PodPhase: Gauge Int on "k8s.pod.phase" "" []
            "Current phase of the pod (1 - Pending, 2 - Running, 3 - Succeeded, 4 - Failed, 5 - Unknown)";
        PodStatusReason: Gauge Int off "k8s.pod.status_reason" "" []
            "Current status reason of the pod (1 - Evicted, 2 - NodeAffinity, 3 - NodeLost, 4 - Shutdown, 5 - UnexpectedAdmissionError, 6 - Unknown)";
        ReplicaSetAvailable: Gauge Int on "k8s.replicaset.available" "{pod}" []
            "Total number of available pods (ready for at least minReadySeconds) targeted by this replicaset";
        ReplicaSetDesired: Gauge Int on "k8s.replicaset.desired" "{pod}" []
            "Number of desired pods in this replicaset";
        ReplicationControllerAvailable: Gauge Int on "k8s.replication_controller.available" "{pod}" []
            "Total number of available pods (ready for at least minReadySeconds) targeted by this replication_controller";
        ReplicationControllerDesired: Gauge Int on "k8s.replication_controller.desired" "{pod}" []
            "Number of desired pods in this replication_controller";
        ResourceQuotaHard: Gauge Int on "k8s.resource_quota.hard_limit" "{resource}" ["resource"]
            "The upper limit for a particular resource in a specific namespace. Will only be sent if a quota is specified. CPU requests/limits will be sent as millicores";
        ResourceQuotaUsed: Gauge Int on "k8s.resource_quota.used" "{resource}" ["resource"]
            "The usage for a particular resource in a specific namespace. Will only be sent if a quota is specified. CPU requests/limits will be sent as millicores";
        ServiceEndpoints: Gauge Int off "k8s.service.endpoint.count" "{endpoint}" ["k8s.service.endpoint.address_type", "k8s.service.endpoint.condition", "k8s.service.endpoint.zone"]
            "The number of endpoints for a service, broken down by condition, address type, and zone.";
        ServiceIngress: Gauge Int off "k8s.service.load_balancer.ingress.count" "{ingress}" []
            "The number of load balancer ingress points (external IPs/hostnames) assigned to the service.";
        StatefulSetCurrent: Gauge Int on "k8s.statefulset.current_pods" "{pod}" []
            "The number of pods created by the StatefulSet controller from the StatefulSet version";
        StatefulSetDesired: Gauge Int on "k8s.statefulset.desired_pods" "{pod}" []
            "Number of desired pods in the stateful set (the `spec.replicas` field)";
        StatefulSetAvailable: UpDown Int off "k8s.statefulset.pod.available" "{pod}" []
            "The number of available pods per stateful set (the `status.availableReplicas` field). A pod is available once it has been `Ready` for at least `spec.minReadySeconds`.";
        StatefulSetReady: Gauge Int on "k8s.statefulset.ready_pods" "{pod}" []
            "Number of pods created by the stateful set that have the `Ready` condition";
        StatefulSetUpdated: Gauge Int on "k8s.statefulset.updated_pods" "{pod}" []
            "Number of pods created by the StatefulSet controller from the StatefulSet version";
        AppliedQuotaLimit: Gauge Int on "openshift.appliedclusterquota.limit" "{resource}" ["k8s.namespace.name", "resource"]
            "The upper limit for a particular resource in a specific namespace.";
        AppliedQuotaUsed: Gauge Int on "openshift.appliedclusterquota.used" "{resource}" ["k8s.namespace.name", "resource"]
            "The usage for a particular resource in a specific namespace.";
        ClusterQuotaLimit: Gauge Int on "openshift.clusterquota.limit" "{resource}" ["resource"]
            "The configured upper limit for a particular resource.";
        ClusterQuotaUsed: Gauge Int on "openshift.clusterquota.used" "{resource}" ["resource"]
            "The usage for a particular resource with a configured limit.";
    }
}
