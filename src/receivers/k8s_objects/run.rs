//! The receiver's thread: asks what the server serves, and gives each entry a thread of its own.
//! What is not served yet is looked for again and again.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Scope;

use super::K8sObjectsConfig;
use super::config::{ErrorMode, Mode, ObjectConfig};
use super::pull::Pull;
use super::record::Objects;
use crate::component::{Context, Receiver, RunError};
use crate::kube::list_watch::{Settings, follow};
use crate::kube::{
    Backoff, Client, Connection, Discovery, Found, KubeError, Namespaces, Query, RealPace, Wanted,
    while_leading,
};
use crate::pipeline::{Output, Outputs, Stop};
use crate::receivers::kube_changes::{Bookmarks, Teller, connect};
use crate::telemetry::ComponentState;

/// The receiver, built.
pub struct ObjectsReceiver {
    config: K8sObjectsConfig,
    client: Arc<Client>,
    /// In place of the environment's.
    limit: Option<String>,
    context: Context,
}

impl ObjectsReceiver {
    pub(super) fn new(
        config: K8sObjectsConfig,
        client: Arc<Client>,
        limit: Option<String>,
        context: Context,
    ) -> Self {
        Self { config, client, limit, context }
    }

    fn work(&self, bookmarks: &Bookmarks, output: &Output, stop: &Stop) -> io::Result<()> {
        let work = Work { receiver: self, bookmarks, output, stop, lines: Mutex::default() };
        std::thread::scope(|scope| {
            let result = work.run(scope);
            // Ends all threads also after an error.
            work.close();
            result
        })
    }
}

impl Receiver for ObjectsReceiver {
    fn run(self: Box<Self>, outputs: Outputs, stop: Stop) -> Result<(), RunError> {
        let Some(output) = &outputs.logs else { return Ok(()) };
        let bookmarks = Bookmarks::open(self.config.storage.as_ref(), &self.context)
            .map_err(|error| RunError(error.to_string()))?;
        while_leading(self.config.k8s_leader_elector.as_ref(), &self.context, &stop, |stop, _| {
            self.work(&bookmarks, output, stop)
        })
    }
}

/// One turn of work.
struct Work<'a> {
    receiver: &'a ObjectsReceiver,
    bookmarks: &'a Bookmarks,
    output: &'a Output,
    stop: &'a Stop,
    /// Connections to be cut at the end.
    lines: Mutex<Vec<Arc<Connection>>>,
}

impl<'a> Work<'a> {
    fn run<'scope>(&'scope self, scope: &'scope Scope<'scope, '_>) -> io::Result<()> {
        let line = self.line();
        line.close_when(self.stop.clone())?;
        let mut open: Vec<&'a ObjectConfig> = self.receiver.config.objects.iter().collect();
        let mut backoff = Backoff::default();
        let mut last_cause = None;
        let mut told = Vec::new();
        while !open.is_empty() && !self.stop.is_raised() {
            let wait = match Discovery::ask(&line) {
                Ok(discovery) => {
                    last_cause = None;
                    let mut missing = Vec::new();
                    for object in open {
                        let wanted = Wanted { name: &object.name, group: &object.group, version: "" };
                        match discovery.find(wanted) {
                            Some(found) => self.start(scope, object, found)?,
                            None => missing.push((object, discovery.explain(wanted))),
                        }
                    }
                    self.tell(&missing, &mut told);
                    open = missing.into_iter().map(|(object, _)| object).collect();
                    Backoff::longest(&RealPace)
                }
                Err(KubeError::Interrupted) => return Ok(()),
                Err(error) => {
                    let cause = error.cause();
                    if last_cause.as_ref() != Some(&cause) {
                        log::warn!("{}: {error}; trying again until it works", self.receiver.context.id);
                        self.receiver.context.status.set(ComponentState::Degraded, error.to_string());
                        last_cause = Some(cause);
                    }
                    backoff.next(&RealPace)
                }
            };
            if !open.is_empty() && self.stop.wait(wait) {
                return Ok(());
            }
        }
        // Ends with an error when the request is raised: nothing is ever sent.
        let _ = self.stop.channel().recv();
        Ok(())
    }

    /// Says once what the server does not serve.
    fn tell(&self, missing: &[(&'a ObjectConfig, String)], told: &mut Vec<String>) {
        let Context { id, status, .. } = &self.receiver.context;
        for (object, why) in missing {
            if told.contains(&object.name) {
                continue;
            }
            told.push(object.name.clone());
            match self.receiver.config.error_mode {
                ErrorMode::Propagate => {
                    log::error!("{id}: {why}; it is looked for again until it is there");
                    status.set(ComponentState::Degraded, why.as_str());
                }
                ErrorMode::Ignore => log::warn!("{id}: {why}; it is looked for again until it is there"),
                ErrorMode::Silent => log::debug!("{id}: {why}"),
            }
        }
    }

    fn start<'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
        object: &'a ObjectConfig,
        found: &Found,
    ) -> io::Result<()> {
        let id = self.receiver.context.id.to_string();
        if object.mode == Mode::Watch && !found.can_watch {
            log::error!("{id}: the server does not let anybody watch {}: use mode \"pull\"", object.name);
            return Ok(());
        }
        let query = Query::all(found.resource.clone())
            .labels(object.label_selector.as_str())
            .fields(object.field_selector.as_str());
        let namespaces = match &self.receiver.limit {
            Some(limit) => Namespaces::within(&id, &object.namespaces, limit),
            None => Namespaces::new(&id, &object.namespaces),
        };
        let queries = if found.namespaced { namespaces.queries(&query) } else { vec![query] };
        let initial = self.receiver.config.include_initial_state;
        let version = self.receiver.context.host.version();
        for query in queries {
            let objects = Objects::new(object, found, initial, version);
            let name = format!("kube/{}", found.resource.plural);
            std::thread::Builder::new().name(name).spawn_scoped(scope, move || match object.mode {
                Mode::Pull => self.pull(object, objects, query),
                Mode::Watch => self.watch(object, objects, &query),
            })?;
        }
        Ok(())
    }

    fn pull(&self, config: &ObjectConfig, objects: Objects, query: Query) {
        let line = self.line();
        Pull {
            query,
            config,
            objects,
            connection: &line,
            output: self.output,
            context: &self.receiver.context,
            stop: self.stop,
        }
        .run();
    }

    fn watch(&self, config: &ObjectConfig, objects: Objects, query: &Query) {
        let line = self.line();
        let weak = Arc::downgrade(&line);
        let cut = move || {
            if let Some(line) = weak.upgrade() {
                line.interrupt();
            }
        };
        let position = self.bookmarks.position(query.url(&[]), None, cut);
        let begin = config.version().map(str::to_owned);
        let context = &self.receiver.context;
        let mut teller =
            Teller::new(objects, position, begin, self.output.clone(), self.stop.clone(), context);
        follow(&line, query, &Settings::default(), &RealPace, &mut teller, self.stop);
    }

    fn line(&self) -> Arc<Connection> {
        let line = connect(&self.receiver.client);
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if self.stop.is_raised() {
            line.close();
        }
        lines.push(line.clone());
        line
    }

    fn close(&self) {
        for line in self.lines.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            line.close();
        }
    }
}
