//! Who made a ReplicaSet or a Job: followed for the whole cluster, or asked one by one.
//!
//! An agent that cares for the pods of one node asks for the few owners of these, instead of
//! following every ReplicaSet of the cluster, of which most are history.

use std::collections::HashMap;
use std::io::{self, Read};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::kube::objects::{Entity, EntityNeeds, Owner, Pod};
use crate::kube::{
    Client, Connection, Handler, Informer, KubeError, Namespaces, Object, Pool, Query, Resource, SyncState,
    Timeouts,
};
use crate::pipeline::Stop;

/// The kinds whose owners are wanted.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    pub replicasets: bool,
    pub jobs: bool,
}

impl Wanted {
    fn resource(self, kind: &str) -> Option<Resource> {
        match kind {
            "ReplicaSet" if self.replicasets => Some(Resource::new("apps", "v1", "replicasets")),
            "Job" if self.jobs => Some(Resource::new("batch", "v1", "jobs")),
            _ => None,
        }
    }
}

/// The answers to "who made it".
pub enum Owners {
    /// One of each per namespace when these are limited.
    Followed {
        replicasets: Vec<Arc<Informer<Entity>>>,
        jobs: Vec<Arc<Informer<Entity>>>,
    },
    Asked(Arc<Asked>),
}

impl Owners {
    pub fn follow(client: &Arc<Client>, wanted: Wanted, namespaces: &Namespaces) -> io::Result<Self> {
        let start = |kind| -> io::Result<_> {
            let Some(resource) = wanted.resource(kind) else { return Ok(Vec::new()) };
            let queries = namespaces.queries(&Query::all(resource).metadata_only());
            Informer::shared_by_query(client, &queries, &EntityNeeds::default())
        };
        Ok(Self::Followed { replicasets: start("ReplicaSet")?, jobs: start("Job")? })
    }

    pub fn ask(client: &Arc<Client>, wanted: Wanted) -> io::Result<Self> {
        Ok(Self::Asked(Asked::start(client, wanted)?))
    }

    /// The owner of `object`, when it is known by now.
    pub fn owner_of(&self, object: &Owner, namespace: &str) -> Option<Owner> {
        match self {
            Self::Followed { replicasets, jobs } => {
                let informers = if &*object.kind == "Job" { jobs } else { replicasets };
                let mut stores = informers.iter().map(|informer| informer.store());
                let found = stores.find_map(|store| store.get(namespace, &object.name))?;
                (*found.uid == *object.uid).then(|| found.owners.first().cloned()).flatten()
            }
            Self::Asked(asked) => asked.owner_of(object, namespace),
        }
    }

    /// Grows whenever an answer may have changed.
    pub fn epoch(&self) -> u64 {
        match self {
            Self::Followed { replicasets, jobs } => {
                replicasets.iter().chain(jobs).map(|informer| informer.store().epoch()).sum()
            }
            Self::Asked(asked) => asked.epoch.load(Ordering::Acquire),
        }
    }

    /// Waits until what is known by now is complete; false when that takes longer than `timeout`.
    pub fn wait(&self, timeout: Duration, stop: &Stop) -> bool {
        let deadline = Instant::now() + timeout;
        match self {
            Self::Followed { replicasets, jobs } => replicasets.iter().chain(jobs).all(|informer| {
                let left = deadline.saturating_duration_since(Instant::now());
                informer.store().wait_for_sync(left, stop) == SyncState::Done
            }),
            Self::Asked(asked) => loop {
                if asked.pending.load(Ordering::Acquire) == 0 {
                    return true;
                }
                if Instant::now() >= deadline || stop.wait(Duration::from_millis(10)) {
                    return false;
                }
            },
        }
    }
}

/// Asks the API for one object at a time, in a thread of its own, and remembers the answers.
pub struct Asked {
    wanted: Wanted,
    answers: RwLock<HashMap<Box<str>, Answer>>,
    questions: Mutex<Option<Sender<Question>>>,
    connection: Arc<Connection>,
    pending: AtomicUsize,
    epoch: AtomicU64,
}

struct Question {
    owner: Owner,
    namespace: Box<str>,
}

enum Answer {
    Pending,
    Known(Option<Owner>),
    /// Worth another try after a while.
    Failed(Instant),
}

/// Questions that wait; more are asked again when their pod is looked at.
const QUEUE: usize = 4096;
/// Answers that are remembered; a node has a few hundred pods.
const ANSWERS: usize = 8192;
const RETRY: Duration = Duration::from_secs(30);
/// The metadata of one object is not larger than this.
const LARGEST: u64 = 4 << 20;

impl Asked {
    fn start(client: &Arc<Client>, wanted: Wanted) -> io::Result<Arc<Self>> {
        let (sender, receiver) = bounded(QUEUE);
        let asked = Arc::new(Self {
            wanted,
            answers: RwLock::default(),
            questions: Mutex::new(Some(sender)),
            connection: Arc::new(client.connect(Timeouts::default())),
            pending: AtomicUsize::new(0),
            epoch: AtomicU64::new(0),
        });
        let weak = Arc::downgrade(&asked);
        let connection = asked.connection.clone();
        std::thread::Builder::new().name("kube/owners".to_owned()).spawn(move || {
            answer_all(&receiver, &connection, |question, answer| {
                if let Some(asked) = weak.upgrade() {
                    asked.answered(question, answer);
                }
            });
        })?;
        Ok(asked)
    }

    fn owner_of(&self, object: &Owner, namespace: &str) -> Option<Owner> {
        {
            let answers = self.answers.read().unwrap_or_else(PoisonError::into_inner);
            match answers.get(&*object.uid) {
                Some(Answer::Known(owner)) => return owner.clone(),
                Some(Answer::Pending) => return None,
                Some(Answer::Failed(since)) if since.elapsed() < RETRY => return None,
                Some(Answer::Failed(_)) | None => {}
            }
        }
        self.ask(object, namespace);
        None
    }

    fn ask(&self, object: &Owner, namespace: &str) {
        if self.wanted.resource(&object.kind).is_none() {
            return;
        }
        let mut answers = self.answers.write().unwrap_or_else(PoisonError::into_inner);
        if matches!(answers.get(&*object.uid), Some(Answer::Pending | Answer::Known(_))) {
            return;
        }
        if answers.len() >= ANSWERS {
            answers.retain(|_, answer| matches!(answer, Answer::Pending));
        }
        let question = Question { owner: object.clone(), namespace: namespace.into() };
        let questions = self.questions.lock().unwrap_or_else(PoisonError::into_inner);
        self.pending.fetch_add(1, Ordering::AcqRel);
        if questions.as_ref().is_some_and(|sender| sender.try_send(question).is_ok()) {
            answers.insert((&*object.uid).into(), Answer::Pending);
        } else {
            self.pending.fetch_sub(1, Ordering::AcqRel);
        }
    }

    fn answered(&self, question: &Question, answer: Result<Option<Owner>, KubeError>) {
        let answer = match answer {
            Ok(owner) => Answer::Known(owner),
            Err(_) => Answer::Failed(Instant::now()),
        };
        let mut answers = self.answers.write().unwrap_or_else(PoisonError::into_inner);
        answers.insert((&*question.owner.uid).into(), answer);
        drop(answers);
        self.epoch.fetch_add(1, Ordering::AcqRel);
        self.pending.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        self.questions.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.connection.close();
    }
}

/// Asks for the owners of a pod's makers as soon as the pod is seen.
impl Handler<Pod> for Asked {
    fn applied(&self, _: Option<&Arc<Pod>>, new: &Arc<Pod>) {
        for owner in &new.owners {
            self.owner_of(owner, &new.namespace);
        }
    }
    fn deleted(&self, _: &Arc<Pod>) {}
}

fn answer_all(
    questions: &Receiver<Question>,
    connection: &Connection,
    mut answered: impl FnMut(&Question, Result<Option<Owner>, KubeError>),
) {
    let mut works = true;
    let mut pool = Pool::default();
    for question in questions {
        let answer = look_up(&question, connection, &mut pool);
        match &answer {
            Err(KubeError::Interrupted) => return,
            Err(error) if works => log::warn!("{error}; owners of pods are incomplete until it works"),
            _ => {}
        }
        works = answer.is_ok();
        answered(&question, answer);
    }
}

fn look_up(
    question: &Question,
    connection: &Connection,
    pool: &mut Pool,
) -> Result<Option<Owner>, KubeError> {
    let everything = Wanted { replicasets: true, jobs: true };
    let Some(resource) = everything.resource(&question.owner.kind) else { return Ok(None) };
    let path = resource.object_path(Some(&question.namespace), &question.owner.name);
    let query = Query::all(resource).in_namespace(Some(question.namespace.to_string())).metadata_only();
    let response = match connection.get(&path, query.accept(false)) {
        Err(KubeError::NotFound { .. }) => return Ok(None),
        Err(KubeError::Forbidden(message)) => return Err(KubeError::forbidden("get", &query, &message)),
        other => other?,
    };
    let malformed = |message: String| KubeError::Malformed { target: path.clone(), message };
    let mut json = Vec::new();
    response.take(LARGEST).read_to_end(&mut json).map_err(|error| malformed(error.to_string()))?;
    let found =
        Entity::parse(&json, &EntityNeeds::default(), pool).map_err(|error| malformed(error.to_string()))?;
    let found = found.object;
    Ok((*found.uid == *question.owner.uid).then(|| found.owners.first().cloned()).flatten())
}
