//! The receiver's thread: one watch, or one for each namespace.

use std::sync::Arc;
use std::time::SystemTime;

use super::K8sEventsConfig;
use super::record::Events;
use crate::component::{Context, Receiver, RunError};
use crate::kube::{Client, Connection, KubeError, Namespaces, Query, Resource, while_leading};
use crate::pipeline::{Output, Outputs, Stop};
use crate::receivers::kube_changes::{Bookmarks, Followed, Teller, connect, follow_all};

/// The receiver, built.
pub struct EventsReceiver {
    config: K8sEventsConfig,
    client: Arc<Client>,
    namespaces: Namespaces,
    context: Context,
    began: SystemTime,
}

impl EventsReceiver {
    pub(super) fn new(
        config: K8sEventsConfig,
        client: Arc<Client>,
        namespaces: Namespaces,
        context: Context,
    ) -> Self {
        Self { config, client, namespaces, context, began: SystemTime::now() }
    }

    /// `since`: until then another replica has told.
    fn follow(
        &self,
        bookmarks: &Bookmarks,
        output: &Output,
        since: Option<SystemTime>,
        stop: &Stop,
    ) -> std::io::Result<()> {
        let core = Query::all(Resource::new("", "v1", "events"));
        let queries = self.namespaces.queries(&core);
        let mut all = Vec::with_capacity(queries.len());
        for query in queries {
            let connection = connect(&self.client);
            connection.close_when(stop.clone())?;
            let key = query.url(&[]);
            let query = readable(&connection, query);
            let line = Arc::downgrade(&connection);
            let cut = move || {
                if let Some(line) = line.upgrade() {
                    line.interrupt();
                }
            };
            let teller = Teller::new(
                Events::new(self.context.host.version(), since.unwrap_or(self.began)),
                bookmarks.position(key, since, cut),
                None,
                output.clone(),
                stop.clone(),
                &self.context,
            );
            all.push(Followed { query, connection, teller });
        }
        follow_all(all, stop)
    }
}

impl Receiver for EventsReceiver {
    fn run(self: Box<Self>, outputs: Outputs, stop: Stop) -> Result<(), RunError> {
        let Some(output) = &outputs.logs else { return Ok(()) };
        let bookmarks = Bookmarks::open(self.config.storage.as_ref(), &self.context)
            .map_err(|error| RunError(error.to_string()))?;
        while_leading(self.config.k8s_leader_elector.as_ref(), &self.context, &stop, |stop, since| {
            self.follow(&bookmarks, output, since, stop)
        })
    }
}

/// The query itself, or the same events in their own API group when only that may be read.
fn readable(connection: &Connection, core: Query) -> Query {
    let probe = |query: &Query| connection.get(&query.url(&[("limit", "1")]), "application/json");
    if let Err(KubeError::Forbidden(_) | KubeError::NotFound { .. }) = probe(&core) {
        let mut own = core.clone();
        own.resource = Resource::new("events.k8s.io", "v1", "events");
        if probe(&own).is_ok() {
            return own;
        }
    }
    core
}
