//! Who a process is: its resource attributes.

use super::stat::Task;
use crate::otlp::{KeyValue, Str};
use crate::receivers::switches::Switches;

/// The resource attributes, whether they are on by default, and what they are.
pub static ATTRIBUTES: [(&str, bool, &str); 8] = [
    ("process.pid", true, "Process identifier (PID)."),
    ("process.parent_pid", true, "Parent Process identifier (PPID)."),
    (
        "process.executable.name",
        true,
        "The name of the process executable. On Linux based systems, can be set to the Name in proc/[pid]/status. On Windows, can be set to the base name of GetProcessImageFileNameW.",
    ),
    (
        "process.executable.path",
        true,
        "The full path to the process executable. On Linux based systems, can be set to the target of proc/[pid]/exe. On Windows, can be set to the result of GetProcessImageFileNameW.",
    ),
    (
        "process.command",
        true,
        "The command used to launch the process (i.e. the command name). On Linux based systems, can be set to the zeroth string in proc/[pid]/cmdline. On Windows, can be set to the first parameter extracted from GetCommandLineW.",
    ),
    (
        "process.command_line",
        true,
        "The full command used to launch the process as a single string representing the full command. On Windows, can be set to the result of GetCommandLineW. Do not set this if you have to assemble it just for monitoring; use process.command_args instead.",
    ),
    ("process.owner", true, "The username of the user that owns the process."),
    ("process.cgroup", false, "cgroup associated with the process (Linux only)."),
];

/// Which resource attributes are on.
#[derive(Clone, Copy, Debug)]
pub struct Attributes {
    pub pid: bool,
    pub parent_pid: bool,
    pub executable_name: bool,
    pub executable_path: bool,
    pub command: bool,
    pub command_line: bool,
    pub owner: bool,
    pub cgroup: bool,
}

impl Attributes {
    pub fn new(switches: &Switches) -> Self {
        let [pid, parent_pid, executable_name, executable_path, command, command_line, owner, cgroup] =
            ATTRIBUTES.map(|(name, default, _)| switches.is_on(name, default));
        Self { pid, parent_pid, executable_name, executable_path, command, command_line, owner, cgroup }
    }
}

/// What does not change while a process runs, or seldom.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    pub name: Str,
    pub path: Str,
    pub command: Str,
    pub command_line: Str,
    pub owner: Option<Str>,
    pub cgroup: Option<Str>,
}

impl Identity {
    pub fn resource(&self, task: &Task, on: &Attributes) -> Vec<KeyValue> {
        let mut resource = Vec::with_capacity(ATTRIBUTES.len());
        let mut add = |is_on: bool, key, value: Option<crate::otlp::AnyValue>| {
            if let (true, Some(value)) = (is_on, value) {
                resource.push(KeyValue::fixed(key, value));
            }
        };
        add(on.pid, "process.pid", Some(i64::from(task.pid).into()));
        add(on.parent_pid, "process.parent_pid", Some(i64::from(task.parent).into()));
        add(on.executable_name, "process.executable.name", Some(self.name.clone().into()));
        add(on.executable_path, "process.executable.path", Some(self.path.clone().into()));
        add(on.command, "process.command", Some(self.command.clone().into()));
        add(on.command_line, "process.command_line", Some(self.command_line.clone().into()));
        add(on.owner, "process.owner", self.owner.clone().map(Into::into));
        add(on.cgroup, "process.cgroup", self.cgroup.clone().map(Into::into));
        resource
    }

    /// `cmdline` is the arguments, each with a zero byte behind it.
    pub fn set_command(&mut self, comm: &Str, cmdline: &[u8]) {
        let cmdline = cmdline.strip_suffix(b"\0").unwrap_or(cmdline);
        let end = memchr::memchr(0, cmdline).unwrap_or(cmdline.len());
        self.command = Str::from_utf8_lossy(&cmdline[..end]);
        let mut line = Str::with_capacity(cmdline.len());
        for (place, argument) in cmdline.split(|byte| *byte == 0).enumerate() {
            if place > 0 {
                line.push(' ');
            }
            line.push_str(&String::from_utf8_lossy(argument));
        }
        self.command_line = line;
        // The kernel keeps 15 bytes of a name; the rest of a longer one is in the command.
        self.name.clone_from(comm);
        if comm.len() >= COMM_LENGTH {
            let base = self.command.rsplit('/').next().unwrap_or_default();
            if base.starts_with(comm.as_str()) {
                self.name = base.into();
            }
        }
    }
}

/// Length of a name at which the kernel may have cut it.
pub const COMM_LENGTH: usize = 15;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_the_kernel_cut_is_completed_from_the_command() {
        let mut identity = Identity::default();
        identity.set_command(&"kube-controller".into(), b"/usr/bin/kube-controller-manager\0-v\0");
        assert_eq!(identity.name, "kube-controller-manager");
        identity.set_command(&"kube-controller".into(), b"/usr/bin/other\0");
        assert_eq!(identity.name, "kube-controller");
        identity.set_command(&"sh".into(), b"/bin/shell\0");
        assert_eq!(identity.name, "sh");
    }

    #[test]
    fn arguments_are_joined_with_blanks_whatever_bytes_they_hold() {
        let mut identity = Identity::default();
        identity.set_command(&"x".into(), b"/bin/x\0a b\0\0\xff\0");
        assert_eq!(identity.command, "/bin/x");
        assert_eq!(identity.command_line, "/bin/x a b  \u{fffd}");
        identity.set_command(&"x".into(), b"");
        assert_eq!((identity.command.as_str(), identity.command_line.as_str()), ("", ""));
    }
}
