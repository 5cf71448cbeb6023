//! Where the kubelet of a node is, as the API server knows it: for `auth_type: kubeConfig`.

use std::io::{self, Read};
use std::sync::Arc;

use crate::kube::objects::{ClusterNode, EntityNeeds};
use crate::kube::{Access, Client, Connection, KubeError, Object, Pool, Query, Resource, Timeouts};
use crate::pipeline::Stop;

/// Makes access to the kubelet at an address.
pub type Identify = Box<dyn Fn(&str) -> Result<Access, KubeError> + Send>;

/// Finds the kubelet of one node.
pub struct Locate {
    api: Arc<Connection>,
    node: String,
    timeouts: Timeouts,
    identify: Identify,
}

/// One node object is not larger than this.
const LARGEST: u64 = 16 << 20;

impl Locate {
    pub fn new(api: &Arc<Client>, node: String, timeouts: Timeouts, identify: Identify) -> Self {
        Self { api: Arc::new(api.connect(timeouts)), node, timeouts, identify }
    }

    /// Sees to it that a stop ends a request that blocks.
    pub fn close_when(&self, stop: Stop) -> io::Result<()> {
        self.api.close_when(stop)
    }

    /// Asks for the node, and connects to its kubelet.
    pub fn find(&self) -> Result<Arc<Connection>, KubeError> {
        let resource = Resource::new("", "v1", "nodes");
        let path = resource.object_path(None, &self.node);
        let response = self.api.get(&path, "application/json").map_err(|error| match error {
            KubeError::Forbidden(message) => KubeError::forbidden("get", &Query::all(resource), &message),
            error => error,
        })?;
        let target = self.api.target(&path);
        let mut json = Vec::new();
        response
            .take(LARGEST)
            .read_to_end(&mut json)
            .map_err(|error| KubeError::Transport { target: target.clone(), message: error.to_string() })?;
        let node = ClusterNode::parse(&json, &EntityNeeds::default(), &mut Pool::default())
            .map_err(|error| KubeError::Malformed { target: target.clone(), message: error.to_string() })?;
        let address = node.object.kubelet().ok_or_else(|| {
            KubeError::Config(format!("node \"{}\" has no address: set endpoint to another node", self.node))
        })?;
        let client = Client::new((self.identify)(&address)?);
        Ok(Arc::new(client.connect(self.timeouts)))
    }
}
