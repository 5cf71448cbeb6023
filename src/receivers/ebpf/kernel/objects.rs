//! One object file: finding out which of its programs this kernel takes.

use std::os::fd::AsFd;

use libbpf_rs::{Link, MapCore, MapHandle, Object, ObjectBuilder, OpenObject, ProgramMut};

/// `struct settings` of `bpf/shared.h`.
#[derive(Clone, Debug)]
pub struct Settings {
    pub sampling: u32,
    pub reason_consumed: u32,
    pub hierarchy: i32,
    pub ephemeral_from: u16,
    pub dns_port: u16,
    pub count_flows: bool,
    pub capture_dns: bool,
    pub directions: u8,
    pub socket_store: bool,
    pub cgroup_v1: bool,
    pub count_tcp: bool,
    pub beacon: String,
}

impl Settings {
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(44);
        bytes.extend(self.sampling.to_ne_bytes());
        bytes.extend(self.reason_consumed.to_ne_bytes());
        bytes.extend(self.hierarchy.to_ne_bytes());
        bytes.extend(self.ephemeral_from.to_ne_bytes());
        bytes.extend(self.dns_port.to_ne_bytes());
        bytes.extend([u8::from(self.count_flows), u8::from(self.capture_dns), self.directions]);
        bytes.extend([u8::from(self.socket_store), u8::from(self.cgroup_v1), u8::from(self.count_tcp)]);
        bytes.extend([0; 6]);
        bytes.extend(self.beacon.bytes().take(15));
        bytes.resize(44, 0);
        bytes
    }
}

/// An object file and what is to be done with it before it is loaded.
pub struct Recipe<'a> {
    pub image: &'a [u8],
    pub settings: &'a Settings,
    /// Entries by the name of the map.
    pub sizes: &'a [(&'a str, u32)],
    /// Maps of an object that is loaded already, to be shared.
    pub shared: &'a [(&'static str, MapHandle)],
    /// Programs that are not to be loaded.
    pub exclude: &'a [String],
}

/// Why a program was not loaded that the user does not want.
pub const EXCLUDED: &str = "the configuration has it among exclude_programs";

impl Recipe<'_> {
    /// Loads those of `programs` that the kernel takes; with the reason of each that it does not.
    pub fn load(&self, programs: &[&'static str]) -> (Option<Object>, Vec<(&'static str, String)>) {
        let is_excluded = |program: &&'static str| self.exclude.iter().any(|name| name == program);
        let (excluded, programs): (Vec<_>, Vec<_>) = programs.iter().copied().partition(is_excluded);
        let mut refused: Vec<_> =
            excluded.into_iter().map(|program| (program, EXCLUDED.to_owned())).collect();
        if programs.is_empty() {
            return (None, refused);
        }
        let error = match self.attempt(&programs) {
            Ok(object) => return (Some(object), refused),
            Err(error) => error,
        };
        if let [program] = programs[..] {
            refused.push((program, error));
            return (None, refused);
        }
        let mut taken = Vec::new();
        for program in programs {
            match self.attempt(&[program]) {
                Ok(_) => taken.push(program),
                Err(error) => refused.push((program, error)),
            }
        }
        if taken.is_empty() {
            return (None, refused);
        }
        match self.attempt(&taken) {
            Ok(object) => (Some(object), refused),
            Err(error) => {
                refused.extend(taken.into_iter().map(|program| (program, error.clone())));
                (None, refused)
            }
        }
    }

    fn attempt(&self, programs: &[&str]) -> Result<Object, String> {
        let describe = |error: libbpf_rs::Error| format!("{error:#}");
        // libbpf wants it aligned, which a buffer of its own is.
        let image = self.image.to_vec();
        let mut object = ObjectBuilder::default().open_memory(&image).map_err(describe)?;
        for mut program in object.progs_mut() {
            let wanted = program.name().to_str().is_some_and(|name| programs.contains(&name));
            program.set_autoload(wanted);
        }
        self.prepare_maps(&mut object).map_err(describe)?;
        object.load().map_err(describe)
    }

    fn prepare_maps(&self, object: &mut OpenObject) -> Result<(), libbpf_rs::Error> {
        let settings = self.settings.bytes();
        for mut map in object.maps_mut() {
            let Some(name) = map.name().to_str().map(str::to_owned) else { continue };
            if name == ".rodata.settings" {
                map.set_initial_value(&settings)?;
            }
            if let Some((_, size)) = self.sizes.iter().find(|(known, _)| *known == name) {
                map.set_max_entries(*size)?;
            }
            if let Some((_, shared)) = self.shared.iter().find(|(known, _)| *known == name) {
                map.reuse_fd(shared.as_fd())?;
            }
        }
        Ok(())
    }
}

/// A map of a loaded object, by its name.
pub fn map(object: &Object, name: &str) -> Option<MapHandle> {
    let map = object.maps().find(|map| map.name() == name)?;
    MapHandle::try_from(&map).ok()
}

/// Attaches the program of that name, if it was loaded.
pub fn attach(
    object: &Object,
    name: &str,
    how: impl FnOnce(&ProgramMut<'_>) -> libbpf_rs::Result<Link>,
) -> Result<Link, String> {
    let program = object.progs_mut().find(|program| program.name() == name);
    let program = program.ok_or_else(|| "it is not in the object".to_owned())?;
    how(&program).map_err(|error| format!("cannot be attached: {error:#}"))
}

/// Attaches the program to the tracepoint that its section names.
pub fn attach_to_tracepoint(object: &Object, name: &str) -> Result<Link, String> {
    #[allow(
        clippy::redundant_closure_for_method_calls,
        reason = "the method is not general enough in its lifetimes"
    )]
    attach(object, name, |program| program.attach_trace())
}
