//! Programs at the network interfaces (`tc`), for nodes where none can be at the sockets.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::AsFd;

use libbpf_rs::{Object, TC_EGRESS, TC_INGRESS, TcHook, TcHookBuilder};

use super::interface_table::present;

/// Ours among the filters of an interface: a new agent replaces what a killed one has left there.
const HANDLE: u32 = 0x6b6d;
const PRIORITY: u32 = 49_999;

/// The interfaces that have our programs.
pub struct Interfaces {
    attached: BTreeMap<i32, [TcHook; 2]>,
    only: Vec<String>,
    except: Vec<String>,
}

impl Interfaces {
    pub fn new(only: &[String], except: &[String]) -> Self {
        Self { attached: BTreeMap::new(), only: only.to_vec(), except: except.to_vec() }
    }

    /// Attaches to interfaces that are new and forgets those that are gone; the last error, if any.
    pub fn follow(&mut self, object: &Object) -> Result<(), String> {
        let present: BTreeMap<i32, String> = present()
            .into_iter()
            .map(|(index, interface)| (index, interface.name))
            .filter(|(_, name)| self.wants(name))
            .collect();
        self.attached.retain(|index, _| present.contains_key(index));
        let mut result = Ok(());
        for (index, name) in present {
            if self.attached.contains_key(&index) {
                continue;
            }
            match attach(object, index) {
                Ok(hooks) => {
                    self.attached.insert(index, hooks);
                }
                Err(error) => result = Err(format!("cannot attach to interface {name}: {error:#}")),
            }
        }
        result
    }

    pub fn is_empty(&self) -> bool {
        self.attached.is_empty()
    }

    pub fn contains(&self, index: i32) -> bool {
        self.attached.contains_key(&index)
    }

    fn wants(&self, name: &str) -> bool {
        (self.only.is_empty() || self.only.iter().any(|only| only == name))
            && !self.except.iter().any(|except| except == name)
    }
}

impl Drop for Interfaces {
    fn drop(&mut self) {
        for hook in self.attached.values_mut().flatten() {
            // An interface that is gone took its filters along.
            let _ = hook.detach();
        }
    }
}

fn attach(object: &Object, index: i32) -> libbpf_rs::Result<[TcHook; 2]> {
    let hook = |program: &str, point| {
        let program = object
            .progs_mut()
            .find(|known| known.name() == program)
            .ok_or_else(|| libbpf_rs::Error::from(io::Error::from(io::ErrorKind::NotFound)))?;
        let mut hook = TcHookBuilder::new(program.as_fd())
            .ifindex(index)
            .replace(true)
            .handle(HANDLE)
            .priority(PRIORITY)
            .hook(point);
        hook.create()?;
        hook.attach()
    };
    Ok([hook("tc_ingress", TC_INGRESS)?, hook("tc_egress", TC_EGRESS)?])
}
