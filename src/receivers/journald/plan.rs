//! From the config to everything checked and compiled that the receiver needs to run.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::component::{BuildError, Context, Receiver, ReceiverConfig};
use crate::config::{ComponentId, Issues};

use super::super::filelog::StartAt;
use super::super::filelog::finder::Finder;
use super::super::filelog::glob::{self, Excludes, Pattern};
use super::super::filelog::operators::Site;
use super::super::filelog::plan::{Check, storage_of};
use super::super::records::Shaping;
use super::Config;
use super::filter::{self, Filter};
use super::places::{Namespace, Places};
use super::record::Form;
use super::run::JournaldReceiver;

/// Where journals are, below the root of the file system.
const USUAL: [&str; 2] = ["var/log/journal", "run/log/journal"];

/// The checked config of a receiver.
pub struct Plan {
    pub settings: Arc<Settings>,
    storage: Option<ComponentId>,
}

/// What the receiver needs to run.
pub struct Settings {
    pub files: Vec<Pattern>,
    pub directory: Option<PathBuf>,
    pub root: PathBuf,
    pub namespace: Namespace,
    pub merge: bool,
    pub from_end: bool,
    pub filter: Filter,
    /// Of the kernel, since the last boot.
    pub dmesg: bool,
    pub form: Form,
    pub shaping: Shaping,
    pub retry: (Duration, Duration),
}

impl Settings {
    pub fn places(&self) -> Places {
        if self.directory.is_none() && !self.files.is_empty() {
            return Places::Files(Box::new(Finder::new(self.files.clone(), Excludes::default())));
        }
        let (roots, machine) = match &self.directory {
            Some(directory) => (vec![directory.clone()], None),
            None => (
                USUAL.iter().map(|place| self.root.join(place)).collect(),
                std::fs::read_to_string(self.root.join("etc/machine-id")).ok(),
            ),
        };
        let machine = machine.filter(|_| !self.merge).map(|id| id.trim().to_owned());
        Places::Directories {
            roots,
            namespace: self.namespace.clone(),
            machine: machine.filter(|id| !id.is_empty()),
        }
    }

    /// The boot of this machine is that of the usual journal; another journal has its own.
    pub fn reads_this_machine(&self) -> bool {
        self.directory.is_none() && self.files.is_empty() && self.root == Path::new("/")
    }
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plan")
            .field("filter", &self.settings.filter)
            .field("operators", &self.settings.shaping.operators)
            .field("storage", &self.storage)
            .finish_non_exhaustive()
    }
}

impl ReceiverConfig for Plan {
    fn build(&self, context: Context) -> Result<Box<dyn Receiver>, BuildError> {
        let storage = storage_of(self.storage.as_ref(), &context)?;
        Ok(Box::new(JournaldReceiver { settings: Arc::clone(&self.settings), storage, context }))
    }
}

impl Plan {
    /// Checks everything; what is wrong goes to `issues`.
    pub fn new(config: Config, issues: &mut Issues<'_>) -> Option<Self> {
        let mut check = Check { issues, sound: true };
        let root = if config.root_path.as_os_str().is_empty() {
            PathBuf::from("/")
        } else {
            config.root_path.clone()
        };
        if config.journalctl_path.is_some() || config.root_path.as_os_str().len() > 1 && !root.is_dir() {
            let message = "no journalctl is run: the files of the journal are read directly, below root_path";
            check.issues.warn("journalctl_path", message);
        }
        let mut files = Vec::new();
        for (place, text) in config.files.iter().enumerate() {
            let text = below(&root, Path::new(text)).to_string_lossy().into_owned();
            files.extend(check.ok(&format!("files::{place}"), glob::parse(&text)).unwrap_or_default());
        }
        let mut conditions = Vec::new();
        let units = check.ok("units", filter::units(&config.units)).unwrap_or_default();
        let Some(priority) = filter::priority(&config.priority) else {
            check.error("priority", "must be a priority such as info or 6, or a range such as emerg..err");
            return None;
        };
        for (place, group) in config.matches.iter().enumerate() {
            for field in group.keys() {
                let valid = !field.is_empty() && field.bytes().all(|b| b == b'_' || b.is_ascii_uppercase());
                if !valid {
                    let message = format!("\"{field}\" is no name of a field: they match ^[_A-Z]+$");
                    check.error(&format!("matches::{place}"), message);
                }
            }
        }
        let mut wanted = vec![units, filter::any_of("SYSLOG_IDENTIFIER", &config.identifiers), priority];
        wanted.push(filter::matches(&config.matches));
        if config.dmesg {
            wanted.push(filter::any_of("_TRANSPORT", &["kernel".to_owned()]));
        }
        conditions.extend(wanted.into_iter().filter(|ways| !ways.is_empty()));
        let grep = match config.grep.as_str() {
            "" => None,
            pattern => check.ok("grep", filter::grep(pattern)),
        };
        let storage =
            config.storage.as_ref().and_then(|text| check.ok("storage", text.parse::<ComponentId>()));
        // Bodies are maps: there is no line that could be raw.
        let site = Site { first: false, trim_end: false, utf8: true };
        let shaping = check.some(|issues| {
            Shaping::decode(&[], &config.attributes, &config.resource, &config.operators, site, issues)
        });
        if !check.sound {
            return None;
        }
        let settings = Settings {
            files,
            directory: config.directory.map(|directory| below(&root, &directory)),
            root,
            namespace: Namespace::parse(&config.namespace),
            merge: config.merge,
            from_end: config.start_at == StartAt::End,
            filter: Filter { conditions, grep, boot: None },
            dmesg: config.dmesg,
            form: Form { all: config.all, message_to_text: config.convert_message_bytes },
            shaping: shaping?,
            retry: (config.retry_on_failure.initial_interval, config.retry_on_failure.max_interval),
        };
        Some(Self { settings: Arc::new(settings), storage })
    }
}

/// A path as it is seen with `root` as the root of the file system.
fn below(root: &Path, path: &Path) -> PathBuf {
    if root == Path::new("/") { path.to_owned() } else { root.join(path.strip_prefix("/").unwrap_or(path)) }
}
