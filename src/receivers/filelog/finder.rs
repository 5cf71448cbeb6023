//! Finding the files: walks only directories that a pattern can match in, and lists a directory
//! again only when it has changed.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::telemetry::Causes;

use super::glob::{Excludes, Part, Pattern};

/// Directories that changed so recently may change again within the same time stamp.
const FRESH: Duration = Duration::from_secs(2);

/// What to look at.
#[derive(Clone, Debug)]
pub enum Scope {
    /// Every directory.
    All,
    /// These alone: the others have not changed.
    Directories(HashSet<PathBuf>),
}

impl Scope {
    pub fn includes(&self, directory: &Path) -> bool {
        match self {
            Self::All => true,
            Self::Directories(directories) => directories.contains(directory),
        }
    }
}

/// Finds the files of a receiver.
pub struct Finder {
    includes: Vec<Pattern>,
    excludes: Excludes,
    listings: HashMap<PathBuf, Listing>,
    causes: Causes<(PathBuf, String)>,
    round: u64,
}

/// What is in a directory, as far as a pattern may want it.
struct Listing {
    changed: Option<SystemTime>,
    states: Vec<State>,
    /// Files and links that match a pattern, with the patterns' numbers.
    files: Vec<(String, usize)>,
    directories: Vec<(String, Vec<State>)>,
    round: u64,
}

/// The part `part` of pattern `pattern` comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct State {
    pattern: usize,
    part: usize,
}

impl Finder {
    pub fn new(includes: Vec<Pattern>, excludes: Excludes) -> Self {
        Self { includes, excludes, listings: HashMap::new(), causes: Causes::new(), round: 0 }
    }

    pub fn excludes(&self, path: &str) -> bool {
        self.excludes.matches(path)
    }

    /// The paths of all matching files (and links), pattern by pattern, each in lexical order.
    /// Calls `enter` for every directory before it is listed.
    pub fn find(&mut self, scope: &Scope, enter: &mut dyn FnMut(&Path)) -> Vec<PathBuf> {
        self.round += 1;
        let mut found = Vec::new();
        for absolute in [true, false] {
            let states: Vec<State> = (0..self.includes.len())
                .filter(|&pattern| self.includes[pattern].absolute == absolute)
                .map(|pattern| State { pattern, part: 0 })
                .collect();
            if !states.is_empty() {
                let root = PathBuf::from(if absolute { "/" } else { "" });
                self.walk(root, states, scope, enter, &mut found);
            }
        }
        let round = self.round;
        self.listings.retain(|_, listing| listing.round == round);
        found.sort();
        let mut known = HashSet::with_capacity(found.len());
        let mut paths = Vec::with_capacity(found.len());
        for (_, path) in found {
            if !self.excludes.matches(&path.to_string_lossy()) && known.insert(path.clone()) {
                paths.push(path);
            }
        }
        paths
    }

    fn walk(
        &mut self,
        directory: PathBuf,
        states: Vec<State>,
        scope: &Scope,
        enter: &mut dyn FnMut(&Path),
        found: &mut Vec<(usize, PathBuf)>,
    ) {
        let states = self.closure(states);
        if let Some(literals) = self.literals(&states) {
            // Nothing to list: go straight to the names the patterns give.
            for (name, states) in literals {
                let path = directory.join(&name);
                self.visit(path, states, scope, enter, found);
            }
            return;
        }
        if scope.includes(&directory) || !self.listings.contains_key(&directory) {
            self.refresh(&directory, &states, enter);
        }
        let Some(listing) = self.listings.get_mut(&directory) else { return };
        listing.round = self.round;
        found.extend(listing.files.iter().map(|(name, pattern)| (*pattern, directory.join(name))));
        for (name, states) in listing.directories.clone() {
            self.walk(directory.join(name), states, scope, enter, found);
        }
    }

    /// A path that patterns name without wildcards: a file, a directory, or not there.
    fn visit(
        &mut self,
        path: PathBuf,
        states: Vec<State>,
        scope: &Scope,
        enter: &mut dyn FnMut(&Path),
        found: &mut Vec<(usize, PathBuf)>,
    ) {
        for state in states.iter().filter(|state| self.is_end(**state)) {
            if let Some(parent) = path.parent() {
                enter(parent);
            }
            if std::fs::metadata(&path).is_ok_and(|metadata| metadata.is_file()) {
                found.push((state.pattern, path.clone()));
            }
        }
        let deeper: Vec<State> = states.into_iter().filter(|state| !self.is_end(*state)).collect();
        if !deeper.is_empty() {
            self.walk(path, deeper, scope, enter, found);
        }
    }

    /// Lists the directory again if it has changed.
    fn refresh(&mut self, directory: &Path, states: &[State], enter: &mut dyn FnMut(&Path)) {
        let place = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
        let changed = match std::fs::metadata(place) {
            Ok(metadata) if metadata.is_dir() => changed_at(&metadata),
            Ok(_) => {
                self.listings.remove(directory);
                return;
            }
            Err(error) => {
                self.report(directory, &error);
                self.listings.remove(directory);
                return;
            }
        };
        if let Some(known) = self.listings.get(directory)
            && known.changed.is_some()
            && known.changed == changed
            && known.states == states
        {
            return;
        }
        enter(place);
        match self.list(place, states) {
            Ok((files, directories)) => {
                let settled = changed.filter(|time| {
                    SystemTime::now().duration_since(*time).is_ok_and(|passed| passed > FRESH)
                });
                let listing = Listing {
                    changed: settled,
                    states: states.to_vec(),
                    files,
                    directories,
                    round: self.round,
                };
                self.listings.insert(directory.to_owned(), listing);
            }
            Err(error) => {
                self.report(directory, &error);
                self.listings.remove(directory);
            }
        }
    }

    #[expect(clippy::type_complexity, reason = "the two lists of a Listing")]
    fn list(
        &self,
        directory: &Path,
        states: &[State],
    ) -> io::Result<(Vec<(String, usize)>, Vec<(String, Vec<State>)>)> {
        let (mut files, mut directories) = (Vec::new(), Vec::new());
        for item in std::fs::read_dir(directory)? {
            let item = item?;
            // A name that is no UTF-8 cannot match a pattern, which is text.
            let Ok(name) = item.file_name().into_string() else { continue };
            let next = self.step(states, &name);
            if next.is_empty() {
                continue;
            }
            let kind = item.file_type()?;
            let ends = || next.iter().filter(|state| self.is_end(**state));
            let mut into: Vec<State> = Vec::new();
            if kind.is_dir() {
                into = next.iter().copied().filter(|state| !self.is_end(*state)).collect();
            } else if kind.is_file() {
                files.extend(ends().map(|state| (name.clone(), state.pattern)));
            } else if kind.is_symlink() {
                match std::fs::metadata(directory.join(&name)) {
                    Ok(target) if target.is_file() => {
                        files.extend(ends().map(|state| (name.clone(), state.pattern)));
                    }
                    // `**` does not follow links to directories; other parts do.
                    Ok(target) if target.is_dir() => {
                        into = next
                            .iter()
                            .copied()
                            .filter(|state| !self.is_end(*state) && !self.came_by_any_depth(*state, states))
                            .collect();
                    }
                    // A link to nothing, for now: its file may come.
                    _ => files.extend(ends().map(|state| (name.clone(), state.pattern))),
                }
            }
            if !into.is_empty() {
                directories.push((name, into));
            }
        }
        files.sort();
        directories.sort();
        Ok((files, directories))
    }

    /// `states` with those that `**` may skip to.
    fn closure(&self, mut states: Vec<State>) -> Vec<State> {
        let mut at = 0;
        while let Some(&state) = states.get(at) {
            let parts = &self.includes[state.pattern].parts;
            if matches!(parts.get(state.part), Some(Part::AnyDepth)) {
                let next = State { part: state.part + 1, ..state };
                if !states.contains(&next) {
                    states.push(next);
                }
            }
            at += 1;
        }
        states
    }

    /// Where the patterns are after a component called `name`.
    fn step(&self, states: &[State], name: &str) -> Vec<State> {
        let mut next = Vec::new();
        for &state in states {
            let parts = &self.includes[state.pattern].parts;
            match parts.get(state.part) {
                Some(Part::AnyDepth) => {
                    next.push(state);
                    // A trailing `**` matches the file itself.
                    if state.part + 1 == parts.len() {
                        next.push(State { part: state.part + 1, ..state });
                    }
                }
                Some(part) if part.matches(name) => next.push(State { part: state.part + 1, ..state }),
                _ => {}
            }
        }
        next.sort_unstable();
        next.dedup();
        next
    }

    fn is_end(&self, state: State) -> bool {
        state.part == self.includes[state.pattern].parts.len()
    }

    fn came_by_any_depth(&self, state: State, from: &[State]) -> bool {
        matches!(self.includes[state.pattern].parts.get(state.part), Some(Part::AnyDepth))
            && from.contains(&state)
    }

    /// The names that come next and what follows them, when all states want a literal name.
    fn literals(&self, states: &[State]) -> Option<BTreeMap<String, Vec<State>>> {
        let mut names: BTreeMap<String, Vec<State>> = BTreeMap::new();
        for &state in states {
            match self.includes[state.pattern].parts.get(state.part) {
                Some(Part::Literal(name)) => {
                    names.entry(name.clone()).or_default().push(State { part: state.part + 1, ..state });
                }
                Some(_) => return None,
                None => {}
            }
        }
        Some(names)
    }

    fn report(&self, directory: &Path, error: &io::Error) {
        if error.kind() == io::ErrorKind::NotFound || error.kind() == io::ErrorKind::NotADirectory {
            return;
        }
        if self.causes.is_new((directory.to_owned(), error.to_string())) {
            log::error!("cannot list {}: {error}; files in it are not read", directory.display());
        }
    }
}

fn changed_at(metadata: &std::fs::Metadata) -> Option<SystemTime> {
    // The change time also moves when the clock was set back and when permissions change.
    let seconds = u64::try_from(metadata.ctime()).ok()?;
    Some(SystemTime::UNIX_EPOCH + Duration::new(seconds, metadata.ctime_nsec() as u32))
}
