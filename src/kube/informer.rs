//! A store and the thread that keeps it up to date, shared by all who want the same objects.

use std::any::{Any, type_name};
use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::list_watch::{Settings, follow};
use super::{Client, Connection, Object, Pace, Query, RealPace, Store, Timeouts};
use crate::pipeline::StopSource;

/// A store that follows the cluster as long as somebody holds it.
pub struct Informer<O: Object> {
    store: Arc<Store<O>>,
    connection: Arc<Connection>,
    stop: StopSource,
}

type Registry = Mutex<HashMap<String, Weak<dyn Any + Send + Sync>>>;

/// Every informer of the process, by what it follows.
static RUNNING: std::sync::LazyLock<Registry> = std::sync::LazyLock::new(Registry::default);

impl<O: Object> Informer<O> {
    /// The informers for these queries, one of each namespace mostly: see [`Informer::shared`].
    pub fn shared_by_query(
        client: &Arc<Client>,
        queries: &[Query],
        needs: &O::Needs,
    ) -> io::Result<Vec<Arc<Self>>> {
        queries.iter().map(|query| Self::shared(client, query, needs)).collect()
    }

    /// The informer for that query, started when nobody has it yet. The first client that asks
    /// for a query of a server is the one that follows it for all.
    pub fn shared(client: &Arc<Client>, query: &Query, needs: &O::Needs) -> io::Result<Arc<Self>> {
        let key =
            format!("{} {} {} {}", type_name::<O>(), client.server(), query.url(&[]), query.metadata_only);
        let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
        running.retain(|_, informer| informer.strong_count() > 0);
        let known = running.get(&key).and_then(Weak::upgrade).and_then(|known| known.downcast::<Self>().ok());
        if let Some(known) = known {
            if known.store.widen(needs) {
                known.connection.interrupt();
            }
            return Ok(known);
        }
        let informer = Arc::new(Self::start(
            client,
            query.clone(),
            needs,
            Settings::default(),
            Timeouts::default(),
            Arc::new(RealPace),
        )?);
        let any: Arc<dyn Any + Send + Sync> = informer.clone();
        running.insert(key, Arc::downgrade(&any));
        Ok(informer)
    }

    /// An informer of one's own, with the clock in hand.
    pub fn start(
        client: &Arc<Client>,
        query: Query,
        needs: &O::Needs,
        settings: Settings,
        timeouts: Timeouts,
        pace: Arc<dyn Pace>,
    ) -> io::Result<Self> {
        let store = Arc::new(Store::<O>::default());
        store.widen(needs);
        let connection = Arc::new(client.connect(timeouts));
        let source = StopSource::new();
        let (followed, line, stop) = (store.clone(), connection.clone(), source.stop());
        std::thread::Builder::new().name(format!("kube/{}", query.resource.plural)).spawn(move || {
            follow(&line, &query, &settings, &*pace, &mut &*followed, &stop);
        })?;
        Ok(Self { store, connection, stop: source })
    }

    pub fn store(&self) -> &Arc<Store<O>> {
        &self.store
    }
}

impl<O: Object> Drop for Informer<O> {
    fn drop(&mut self) {
        self.stop.raise();
        self.connection.close();
    }
}
