//! What the path of a cgroup says about the container in it.

/// Whose cgroup it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Container {
    /// Empty when it is none.
    pub id: String,
    /// Empty when it is not of a pod.
    pub pod_uid: String,
}

/// Reads the paths that the kubelet and the container runtimes make, with the systemd driver or
/// without, also below others (a cluster within a container). `None` when no container is in it.
///
/// - `/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1f2e_….slice/cri-containerd-9a….scope`
/// - `/kubepods/besteffort/pod1f2e-…/9a…`
/// - `/system.slice/docker-9a….scope`, `/docker/9a…`
pub fn container(path: &str) -> Option<Container> {
    let mut found = Container::default();
    for part in path.split('/') {
        if let Some(uid) = pod_uid(part) {
            found.pod_uid = uid;
            // The last pod counts: what is above it is where the cluster itself runs.
            found.id.clear();
        } else if let Some(id) = container_id(part) {
            // What a container makes below its own cgroup is still the container, but a runtime's
            // helper that is named like one (`crio-conmon-…`) is not.
            if found.id.is_empty() || found.pod_uid.is_empty() {
                id.clone_into(&mut found.id);
            }
        }
    }
    (found != Container::default()).then_some(found)
}

/// `pod<uid>`, or `kubepods-…-pod<uid with underscores>.slice`.
fn pod_uid(part: &str) -> Option<String> {
    let name = match part.strip_suffix(".slice") {
        Some(slice) => slice
            .rsplit_once("-pod")
            .filter(|(before, _)| before.ends_with("kubepods") || before.contains("kubepods-"))
            .map(|(_, uid)| uid)?,
        None => part.strip_prefix("pod")?,
    };
    let uid = name.replace('_', "-");
    // Static pods are known by a hash of 32 digits, others by a UUID.
    let digits = uid.bytes().filter(u8::is_ascii_hexdigit).count();
    let is_uid = digits == 32 && uid.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    is_uid.then_some(uid)
}

/// 64 hexadecimal digits, with the name of the runtime before them and `.scope` behind.
fn container_id(part: &str) -> Option<&str> {
    let name = part.strip_suffix(".scope").unwrap_or(part);
    let (runtime, id) = match name.rsplit_once(['-', ':']) {
        Some((runtime, id)) => (runtime, id),
        None => ("", name),
    };
    let is_id = id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    (is_id && !runtime.ends_with("conmon")).then_some(id)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ID: &str = "0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f9";
    const UID: &str = "5c8b5f5e-7d2c-4c55-9b7e-52a0d7e1c111";

    #[test]
    fn every_runtime_and_driver_is_understood() {
        let slice = format!("kubepods-burstable-pod{}.slice", UID.replace('-', "_"));
        for (path, id, uid) in [
            (format!("/kubepods.slice/kubepods-burstable.slice/{slice}/cri-containerd-{ID}.scope"), ID, UID),
            (format!("/kubepods.slice/kubepods-burstable.slice/{slice}/crio-{ID}.scope/container"), ID, UID),
            (
                format!("/kubepods.slice/kubepods-pod{}.slice/docker-{ID}.scope", UID.replace('-', "_")),
                ID,
                UID,
            ),
            (format!("/kubepods.slice/{slice}/{slice}:cri-containerd:{ID}"), ID, UID),
            (format!("/kubepods/besteffort/pod{UID}/{ID}"), ID, UID),
            (format!("/kubepods/pod{UID}"), "", UID),
            (format!("/kubepods/burstable/pod{}/{ID}", UID.replace('-', "")), ID, &UID.replace('-', "")),
            (format!("/docker/{ID}"), ID, ""),
            (format!("/system.slice/docker-{ID}.scope"), ID, ""),
            (
                format!(
                    "/system.slice/docker-{ID}.scope/kubelet.slice/kubelet-kubepods.slice/kubelet-{slice}/cri-containerd-{}.scope",
                    ID.replace('0', "f")
                ),
                &ID.replace('0', "f"),
                UID,
            ),
            (format!("/kubepods/pod{UID}/{ID}/init.scope"), ID, UID),
        ] {
            let want = Container { id: id.to_owned(), pod_uid: uid.to_owned() };
            assert_eq!(container(&path), Some(want), "{path}");
        }
    }

    #[test]
    fn what_is_no_container_is_none() {
        for path in ["/", "", "/system.slice/sshd.service", "/user.slice/user-1000.slice", "/kubepods.slice"]
        {
            assert_eq!(container(path), None, "{path}");
        }
        assert_eq!(container(&format!("/system.slice/crio-conmon-{ID}.scope")), None);
    }

    proptest! {
        #[test]
        fn any_path_is_read_without_a_panic(path in "[a-z0-9/._:é-]{0,200}") {
            let _ = container(&path);
        }
    }
}
