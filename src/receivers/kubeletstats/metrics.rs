//! The table of metrics, and which of them belong to nodes, pods and containers.

use crate::metric_table;

metric_table! {
    /// Everything that the receiver can tell.
    pub enum KubeletMetric {
        NodeCpuTime: Counter Double on "k8s.node.cpu.time" "s" []
            "Total cumulative CPU time (sum of all cores) spent by the container/pod/node since its creation";
        NodeCpuUsage: Gauge Double on "k8s.node.cpu.usage" "{cpu}" []
            "Total CPU usage (sum of all cores per second) averaged over the sample window";
        NodeFilesystemAvailable: Gauge Int on "k8s.node.filesystem.available" "By" []
            "Node filesystem available";
        NodeFilesystemCapacity: Gauge Int on "k8s.node.filesystem.capacity" "By" []
            "Node filesystem capacity";
        NodeFilesystemUsage: Gauge Int on "k8s.node.filesystem.usage" "By" []
            "Node filesystem usage";
        NodeMemoryAvailable: Gauge Int on "k8s.node.memory.available" "By" []
            "Node memory available";
        NodeMemoryMajorPageFaults: Gauge Int on "k8s.node.memory.major_page_faults" "1" []
            "Node memory major_page_faults";
        NodeMemoryPageFaults: Gauge Int on "k8s.node.memory.page_faults" "1" []
            "Node memory page_faults";
        NodeMemoryRss: Gauge Int on "k8s.node.memory.rss" "By" []
            "Node memory rss";
        NodeMemoryUsage: Gauge Int on "k8s.node.memory.usage" "By" []
            "Node memory usage";
        NodeMemoryWorkingSet: Gauge Int on "k8s.node.memory.working_set" "By" []
            "Node memory working_set";
        NodeNetworkErrors: Counter Int on "k8s.node.network.errors" "1" ["interface", "direction"]
            "Node network errors";
        NodeNetworkIo: Counter Int on "k8s.node.network.io" "By" ["interface", "direction"]
            "Node network IO";
        NodeUptime: Counter Int off "k8s.node.uptime" "s" []
            "The time since the node started";
        PodCpuNodeUtilization: Gauge Double off "k8s.pod.cpu.node.utilization" "1" []
            "Pod cpu utilization as a ratio of the node's capacity";
        PodCpuTime: Counter Double on "k8s.pod.cpu.time" "s" []
            "Total cumulative CPU time (sum of all cores) spent by the container/pod/node since its creation";
        PodCpuUsage: Gauge Double on "k8s.pod.cpu.usage" "{cpu}" []
            "Total CPU usage (sum of all cores per second) averaged over the sample window";
        PodCpuLimitUtilization: Gauge Double off "k8s.pod.cpu_limit_utilization" "1" []
            "Pod cpu utilization as a ratio of the pod's total container limits. If any container is missing a limit the metric is not emitted.";
        PodCpuRequestUtilization: Gauge Double off "k8s.pod.cpu_request_utilization" "1" []
            "Pod cpu utilization as a ratio of the pod's total container requests. If any container is missing a request the metric is not emitted.";
        PodFilesystemAvailable: Gauge Int on "k8s.pod.filesystem.available" "By" []
            "Pod filesystem available";
        PodFilesystemCapacity: Gauge Int on "k8s.pod.filesystem.capacity" "By" []
            "Pod filesystem capacity";
        PodFilesystemUsage: Gauge Int on "k8s.pod.filesystem.usage" "By" []
            "Pod filesystem usage";
        PodMemoryAvailable: Gauge Int on "k8s.pod.memory.available" "By" []
            "Pod memory available";
        PodMemoryMajorPageFaults: Gauge Int on "k8s.pod.memory.major_page_faults" "1" []
            "Pod memory major_page_faults";
        PodMemoryNodeUtilization: Gauge Double off "k8s.pod.memory.node.utilization" "1" []
            "Pod memory utilization as a ratio of the node's capacity";
        PodMemoryPageFaults: Gauge Int on "k8s.pod.memory.page_faults" "1" []
            "Pod memory page_faults";
        PodMemoryRss: Gauge Int on "k8s.pod.memory.rss" "By" []
            "Pod memory rss";
        PodMemoryUsage: Gauge Int on "k8s.pod.memory.usage" "By" []
            "Pod memory usage";
        PodMemoryWorkingSet: Gauge Int on "k8s.pod.memory.working_set" "By" []
            "Pod memory working_set";
        PodMemoryLimitUtilization: Gauge Double off "k8s.pod.memory_limit_utilization" "1" []
            "Pod memory utilization as a ratio of the pod's total container limits. If any container is missing a limit the metric is not emitted.";
        PodMemoryRequestUtilization: Gauge Double off "k8s.pod.memory_request_utilization" "1" []
            "Pod memory utilization as a ratio of the pod's total container requests. If any container is missing a request the metric is not emitted.";
        PodNetworkErrors: Counter Int on "k8s.pod.network.errors" "1" ["interface", "direction"]
            "Pod network errors";
        PodNetworkIo: Counter Int on "k8s.pod.network.io" "By" ["interface", "direction"]
            "Pod network IO";
        PodUptime: Counter Int off "k8s.pod.uptime" "s" []
            "The time since the pod started";
        PodVolumeUsage: UpDown Int off "k8s.pod.volume.usage" "By" []
            "The number of used bytes in the pod volume.";
        ContainerCpuTime: Counter Double on "container.cpu.time" "s" []
            "Total cumulative CPU time (sum of all cores) spent by the container/pod/node since its creation";
        ContainerCpuUsage: Gauge Double on "container.cpu.usage" "{cpu}" []
            "Total CPU usage (sum of all cores per second) averaged over the sample window";
        ContainerFilesystemAvailable: Gauge Int on "container.filesystem.available" "By" []
            "Container filesystem available";
        ContainerFilesystemCapacity: Gauge Int on "container.filesystem.capacity" "By" []
            "Container filesystem capacity";
        ContainerFilesystemUsage: Gauge Int on "container.filesystem.usage" "By" []
            "Container filesystem usage";
        ContainerMemoryAvailable: Gauge Int on "container.memory.available" "By" []
            "Container memory available";
        ContainerMemoryMajorPageFaults: Gauge Int on "container.memory.major_page_faults" "1" []
            "Container memory major_page_faults";
        ContainerMemoryPageFaults: Gauge Int on "container.memory.page_faults" "1" []
            "Container memory page_faults";
        ContainerMemoryRss: Gauge Int on "container.memory.rss" "By" []
            "Container memory rss";
        ContainerMemoryUsage: Gauge Int on "container.memory.usage" "By" []
            "Container memory usage";
        ContainerMemoryWorkingSet: Gauge Int on "container.memory.working_set" "By" []
            "Container memory working_set";
        ContainerUptime: Counter Int off "container.uptime" "s" []
            "The time since the container started";
        ContainerCpuNodeUtilization: Gauge Double off "k8s.container.cpu.node.utilization" "1" []
            "Container cpu utilization as a ratio of the node's capacity";
        ContainerCpuLimitUtilization: Gauge Double off "k8s.container.cpu_limit_utilization" "1" []
            "Container cpu utilization as a ratio of the container's limits";
        ContainerCpuRequestUtilization: Gauge Double off "k8s.container.cpu_request_utilization" "1" []
            "Container cpu utilization as a ratio of the container's requests";
        ContainerMemoryNodeUtilization: Gauge Double off "k8s.container.memory.node.utilization" "1" []
            "Container memory utilization as a ratio of the node's capacity";
        ContainerMemoryLimitUtilization: Gauge Double off "k8s.container.memory_limit_utilization" "1" []
            "Container memory utilization as a ratio of the container's limits";
        ContainerMemoryRequestUtilization: Gauge Double off "k8s.container.memory_request_utilization" "1" []
            "Container memory utilization as a ratio of the container's requests";
        VolumeAvailable: Gauge Int on "k8s.volume.available" "By" []
            "The number of available bytes in the volume.";
        VolumeCapacity: Gauge Int on "k8s.volume.capacity" "By" []
            "The total capacity in bytes of the volume.";
        VolumeInodes: Gauge Int on "k8s.volume.inodes" "1" []
            "The total inodes in the filesystem.";
        VolumeInodesFree: Gauge Int on "k8s.volume.inodes.free" "1" []
            "The free inodes in the filesystem.";
        VolumeInodesUsed: Gauge Int on "k8s.volume.inodes.used" "1" []
            "The inodes used by the filesystem. This may not equal inodes - free because filesystem may share inodes with other filesystems.";
    }
}

use KubeletMetric as M;

/// The metrics that nodes, pods and containers have in common.
pub struct Common {
    pub cpu_time: M,
    pub cpu_usage: M,
    pub memory_available: M,
    pub memory_usage: M,
    pub memory_rss: M,
    pub memory_working_set: M,
    pub memory_page_faults: M,
    pub memory_major_page_faults: M,
    pub filesystem_available: M,
    pub filesystem_capacity: M,
    pub filesystem_usage: M,
    pub uptime: M,
}

pub const NODE: Common = Common {
    cpu_time: M::NodeCpuTime,
    cpu_usage: M::NodeCpuUsage,
    memory_available: M::NodeMemoryAvailable,
    memory_usage: M::NodeMemoryUsage,
    memory_rss: M::NodeMemoryRss,
    memory_working_set: M::NodeMemoryWorkingSet,
    memory_page_faults: M::NodeMemoryPageFaults,
    memory_major_page_faults: M::NodeMemoryMajorPageFaults,
    filesystem_available: M::NodeFilesystemAvailable,
    filesystem_capacity: M::NodeFilesystemCapacity,
    filesystem_usage: M::NodeFilesystemUsage,
    uptime: M::NodeUptime,
};

pub const POD: Common = Common {
    cpu_time: M::PodCpuTime,
    cpu_usage: M::PodCpuUsage,
    memory_available: M::PodMemoryAvailable,
    memory_usage: M::PodMemoryUsage,
    memory_rss: M::PodMemoryRss,
    memory_working_set: M::PodMemoryWorkingSet,
    memory_page_faults: M::PodMemoryPageFaults,
    memory_major_page_faults: M::PodMemoryMajorPageFaults,
    filesystem_available: M::PodFilesystemAvailable,
    filesystem_capacity: M::PodFilesystemCapacity,
    filesystem_usage: M::PodFilesystemUsage,
    uptime: M::PodUptime,
};

pub const CONTAINER: Common = Common {
    cpu_time: M::ContainerCpuTime,
    cpu_usage: M::ContainerCpuUsage,
    memory_available: M::ContainerMemoryAvailable,
    memory_usage: M::ContainerMemoryUsage,
    memory_rss: M::ContainerMemoryRss,
    memory_working_set: M::ContainerMemoryWorkingSet,
    memory_page_faults: M::ContainerMemoryPageFaults,
    memory_major_page_faults: M::ContainerMemoryMajorPageFaults,
    filesystem_available: M::ContainerFilesystemAvailable,
    filesystem_capacity: M::ContainerFilesystemCapacity,
    filesystem_usage: M::ContainerFilesystemUsage,
    uptime: M::ContainerUptime,
};

/// The metrics of one share: usage by limit, by request, by what the node has.
pub struct Shares {
    pub cpu_limit: M,
    pub cpu_request: M,
    pub cpu_node: M,
    pub memory_limit: M,
    pub memory_request: M,
    pub memory_node: M,
}

pub const POD_SHARES: Shares = Shares {
    cpu_limit: M::PodCpuLimitUtilization,
    cpu_request: M::PodCpuRequestUtilization,
    cpu_node: M::PodCpuNodeUtilization,
    memory_limit: M::PodMemoryLimitUtilization,
    memory_request: M::PodMemoryRequestUtilization,
    memory_node: M::PodMemoryNodeUtilization,
};

pub const CONTAINER_SHARES: Shares = Shares {
    cpu_limit: M::ContainerCpuLimitUtilization,
    cpu_request: M::ContainerCpuRequestUtilization,
    cpu_node: M::ContainerCpuNodeUtilization,
    memory_limit: M::ContainerMemoryLimitUtilization,
    memory_request: M::ContainerMemoryRequestUtilization,
    memory_node: M::ContainerMemoryNodeUtilization,
};

impl Shares {
    /// The metrics that need the specifications of the pods.
    pub fn of_specification(&self) -> [M; 4] {
        [self.cpu_limit, self.cpu_request, self.memory_limit, self.memory_request]
    }

    /// The metrics that need the size of the node.
    pub fn of_node(&self) -> [M; 2] {
        [self.cpu_node, self.memory_node]
    }
}
