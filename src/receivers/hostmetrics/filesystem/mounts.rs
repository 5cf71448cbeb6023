//! The mounts of the host, from `mountinfo`.

use std::collections::HashSet;
use std::path::Path;

use super::super::host::{Buffer, Host};
use super::super::parse::{fields, lines, unescape};
use crate::otlp::Str;
use crate::receivers::scraper::Fault;

/// A filesystem that can be seen at a path.
#[derive(Debug, PartialEq, Eq)]
pub struct Mount {
    pub device: Str,
    /// Path on the host.
    pub point: Str,
    pub fs_type: Str,
    /// `rw`, `ro` or `unknown`.
    pub mode: &'static str,
}

/// One line of `mountinfo` or `mounts`, as it is written there.
#[derive(Debug, PartialEq, Eq)]
struct Line<'a> {
    /// Major and minor number, where the file has it.
    number: Option<&'a [u8]>,
    point: &'a [u8],
    options: &'a [u8],
    fs_type: &'a [u8],
    device: &'a [u8],
}

/// The mounts that can be seen, each path once: a mount hides what was mounted there before.
/// Without `include_virtual` only those on a block device, and ZFS.
pub fn mounts(host: &mut Host, include_virtual: bool) -> Result<Vec<Mount>, Fault> {
    let real_types = if include_virtual { None } else { Some(real_types(host.read("filesystems")?)) };
    let (text, parse) = read_table(host)?;
    let mut seen = HashSet::new();
    let mut mounts = Vec::new();
    let all: Vec<_> = lines(text.text()).filter_map(parse).collect();
    for line in all.iter().rev() {
        if !seen.insert(line.point) {
            continue;
        }
        let is_wanted =
            real_types.as_ref().is_none_or(|types| line.device != b"none" && types.contains(line.fs_type));
        if is_wanted {
            mounts.push(Mount {
                device: device(line, host),
                point: Str::from_utf8_lossy(&unescape(line.point)),
                fs_type: Str::from_utf8_lossy(line.fs_type),
                mode: mode(line.options),
            });
        }
    }
    mounts.reverse();
    Ok(mounts)
}

type Parse = fn(&[u8]) -> Option<Line<'_>>;

/// `mountinfo` of the host's first process: ours may be that of a container. A process that may
/// not see it falls back to its own.
fn read_table(host: &Host) -> Result<(Buffer, Parse), Fault> {
    let mut buffer = Buffer::default();
    if let Some(path) = &host.paths.mountinfo {
        buffer
            .read_all(rustix::fs::CWD, path)
            .map_err(|error| Fault::io("HOST_PROC_MOUNTINFO", &path.display(), &error))?;
        return Ok((buffer, parse_mountinfo));
    }
    let candidates: [(&str, Parse); 3] = [
        ("1/mountinfo", parse_mountinfo),
        ("self/mountinfo", parse_mountinfo),
        ("self/mounts", parse_mounts),
    ];
    let mut failure = None;
    for (name, parse) in candidates {
        match buffer.read_all(host.proc_dir(), name) {
            Ok(()) => return Ok((buffer, parse)),
            Err(error) => {
                failure.get_or_insert_with(|| {
                    Fault::io("mountinfo", &host.paths.proc.join(name).display(), &error)
                });
            }
        }
    }
    Err(failure.expect("every candidate failed"))
}

/// Types that are not marked `nodev`.
fn real_types(text: &[u8]) -> HashSet<Vec<u8>> {
    let mut types: HashSet<_> = lines(text)
        .filter(|line| !line.starts_with(b"nodev"))
        .filter_map(|line| fields(line).next())
        .map(<[u8]>::to_vec)
        .collect();
    types.insert(b"zfs".to_vec());
    types
}

/// `id parent major:minor root point options [optional]… - type device super-options`
fn parse_mountinfo(line: &[u8]) -> Option<Line<'_>> {
    let separator = memchr::memmem::find(line, b" - ")?;
    let mut before = fields(&line[..separator]);
    let number = before.nth(2)?;
    let point = before.nth(1)?;
    let options = before.next()?;
    let mut after = fields(&line[separator + 3..]);
    Some(Line { number: Some(number), point, options, fs_type: after.next()?, device: after.next()? })
}

/// `device point type options …`
fn parse_mounts(line: &[u8]) -> Option<Line<'_>> {
    let mut fields = fields(line);
    let (device, point, fs_type) = (fields.next()?, fields.next()?, fields.next()?);
    Some(Line { number: None, point, options: fields.next()?, fs_type, device })
}

fn mode(options: &[u8]) -> &'static str {
    for option in options.split(|byte| *byte == b',') {
        match option {
            b"rw" => return "rw",
            b"ro" => return "ro",
            _ => {}
        }
    }
    "unknown"
}

/// The name of the device: `/dev/mapper/x` is the link to its `/dev/dm-N`, `/dev/root` stands for
/// the device with that number.
fn device(line: &Line<'_>, host: &Host) -> Str {
    let name = Str::from_utf8_lossy(&unescape(line.device));
    if name.starts_with("/dev/mapper/") {
        let path = host.paths.dev.join(name.trim_start_matches("/dev/"));
        if let Ok(real) = std::fs::canonicalize(path) {
            // The host's name of it, whatever its /dev is mounted as here.
            let real =
                real.strip_prefix(&host.paths.dev).map_or(real.clone(), |rest| Path::new("/dev").join(rest));
            return Str::from_utf8_lossy(real.as_os_str().as_encoded_bytes());
        }
    }
    if name == "/dev/root"
        && let Some(number) = line.number.and_then(|number| std::str::from_utf8(number).ok())
        && let Ok(link) = std::fs::read_link(host.paths.sys.join("dev/block").join(number))
        && let Some(node) = link.file_name().and_then(|node| node.to_str())
    {
        return compact_str::format_compact!("/dev/{node}");
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_tables_are_understood_with_any_number_of_optional_fields() {
        for line in [
            "27 1 254:0 / /data rw,relatime - ext4 /dev/vda rw,discard",
            "27 1 254:0 / /data rw,relatime shared:1 master:2 - ext4 /dev/vda rw",
        ] {
            let line = parse_mountinfo(line.as_bytes()).unwrap();
            assert_eq!(
                (line.number, line.point, line.options),
                (Some(&b"254:0"[..]), &b"/data"[..], &b"rw,relatime"[..])
            );
            assert_eq!((line.fs_type, line.device), (&b"ext4"[..], &b"/dev/vda"[..]));
        }
        assert_eq!(parse_mounts(b"/dev/vda / ext4 ro 0 0").unwrap().options, b"ro");
        for line in ["", " - ", "1 2 3:4 / /x rw", "1 2 3:4 / /x rw - ext4"] {
            assert_eq!(parse_mountinfo(line.as_bytes()), None, "{line}");
        }
    }

    #[test]
    fn a_mount_is_read_only_or_not_or_it_does_not_say() {
        assert_eq!(
            (mode(b"ro,noatime"), mode(b"noatime,rw"), mode(b"errors=remount-ro")),
            ("ro", "rw", "unknown")
        );
    }
}
