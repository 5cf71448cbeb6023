//! Symbolic links among container logs: followed to where runtimes keep their files, not elsewhere.

use std::path::Path;

/// Directories below a (possibly mounted) root that container runtimes keep logs in.
const LOG_ROOTS: [&str; 2] = ["/var/log/", "/var/lib/"];
/// Where links must lead to log files.
const POD_LOGS: [&str; 2] = ["/var/log/pods/", "/var/log/containers/"];

/// Refuses a path below the kubelet's log directories that is a link to something that is no log:
/// whoever can put a link there could otherwise have any file of the node sent away. Links
/// elsewhere are the user's own affair.
pub fn check(path: &Path) -> Result<(), String> {
    let text = path.to_string_lossy();
    let Some(root_len) = POD_LOGS.iter().find_map(|place| text.find(place)) else { return Ok(()) };
    let Ok(target) = path.canonicalize() else { return Ok(()) };
    let Ok(root) = Path::new(if root_len == 0 { "/" } else { &text[..root_len] }).canonicalize() else {
        return Ok(());
    };
    let root = root.to_string_lossy();
    let below = target.to_string_lossy();
    let below = below.strip_prefix(root.trim_end_matches('/')).unwrap_or_default();
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    if LOG_ROOTS.iter().any(|place| below.starts_with(place)) && name.contains(".log") {
        return Ok(());
    }
    Err(format!(
        "it is a link to {}, which is no log of a container runtime (a *.log file below /var/log or /var/lib)",
        target.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn links_lead_to_logs_or_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        let pods = root.join("var/log/pods/a_b_c0/d");
        let docker = root.join("var/lib/docker/containers/x");
        for dir in [&pods, &docker, &root.join("etc"), &root.join("var/log/containers")] {
            std::fs::create_dir_all(dir).unwrap();
        }
        for file in ["etc/shadow", "var/lib/docker/containers/x/x-json.log", "var/lib/token", "etc/evil.log"]
        {
            std::fs::write(root.join(file), "x").unwrap();
        }
        let link = |from: &str, to: &str| {
            let path = root.join(from);
            let _ = std::fs::remove_file(&path);
            symlink(root.join(to), &path).unwrap();
            check(&path).is_ok()
        };
        assert!(link("var/log/pods/a_b_c0/d/0.log", "var/lib/docker/containers/x/x-json.log"));
        assert!(link("var/log/containers/b.log", "var/log/pods/a_b_c0/d/0.log"), "a link to a link");
        assert!(!link("var/log/pods/a_b_c0/d/1.log", "etc/shadow"));
        assert!(!link("var/log/pods/a_b_c0/d/2.log", "etc/evil.log"));
        assert!(!link("var/log/pods/a_b_c0/d/3.log", "var/lib/token"));
        assert!(link("other.log", "etc/shadow"), "outside the kubelet's directories the user decides");
    }
}
