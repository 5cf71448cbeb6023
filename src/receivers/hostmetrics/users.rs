//! Names of users, from the host's `/etc/passwd`, read again when the file changes.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::SystemTime;

use super::host::Buffer;
use super::parse::{lines, number};
use crate::otlp::Str;

#[derive(Default)]
pub struct Users {
    names: HashMap<u32, Str>,
    /// Modification time and length of the file that was read.
    version: Option<(SystemTime, u64)>,
    buffer: Buffer,
}

/// More users than this are not remembered.
const MAX_USERS: usize = 100_000;

impl Users {
    /// Looks whether the file has changed. One that is missing has no users in it.
    pub fn refresh(&mut self, path: &PathBuf) {
        let version = std::fs::metadata(path).ok().and_then(|file| Some((file.modified().ok()?, file.len())));
        if version.is_some() && version == self.version {
            return;
        }
        self.names.clear();
        self.version = version;
        if self.buffer.read_all(rustix::fs::CWD, path).is_ok() {
            for (uid, name) in lines(self.buffer.text()).filter_map(parse_user).take(MAX_USERS) {
                // The first of several names of a user is the one that counts.
                self.names.entry(uid).or_insert(name);
            }
        }
    }

    pub fn name(&self, uid: u32) -> Option<&Str> {
        self.names.get(&uid)
    }
}

/// `name:password:uid:…`
fn parse_user(line: &[u8]) -> Option<(u32, Str)> {
    let mut fields = line.split(|byte| *byte == b':');
    let name = fields.next().filter(|name| !name.is_empty() && name[0] != b'#')?;
    let uid = u32::try_from(number(fields.nth(1)?)?).ok()?;
    Some((uid, Str::from_utf8_lossy(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_file_is_read_again_and_strange_lines_are_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("passwd");
        let mut users = Users::default();
        users.refresh(&path);
        assert_eq!(users.name(0), None);
        std::fs::write(&path, "root:x:0:0::/root:/bin/sh\n#no:x:1:\n+::::\nbad:x:-1:\ntoor:x:0:0:").unwrap();
        users.refresh(&path);
        assert_eq!(users.name(0).map(Str::as_str), Some("root"));
        assert_eq!(users.name(1), None);
        std::fs::write(&path, "admin:x:0:0::/root:/bin/sh\n").unwrap();
        users.refresh(&path);
        assert_eq!(users.name(0).map(Str::as_str), Some("admin"));
    }
}
