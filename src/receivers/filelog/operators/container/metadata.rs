//! The pod behind a log file, from its path:
//! `…/<namespace>_<pod>_<uid>/<container>/<restart count>.log`.

use crate::otlp::KeyValue;

use super::super::Problem;

/// The `k8s.*` resource attributes of a log file. Names that no Kubernetes object can have are
/// refused: they end up as keys and labels far from here.
pub fn from_path(path: &str) -> Result<[KeyValue; 5], Problem> {
    let problem = |what: &str| -> Problem {
        format!(
            "no pod metadata in \"{}\": {what}; the operator wants \
             <namespace>_<pod>_<uid>/<container>/<number>.log (or add_metadata_from_filepath: false)",
            path.escape_debug()
        )
        .into()
    };
    let mut parts = path.rsplit('/');
    let (Some(file), Some(container), Some(pod_dir)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(problem("it has too few directories"));
    };
    let restarts = restart_count(file).ok_or_else(|| problem("the file name is no <number>.log"))?;
    let mut names = pod_dir.split('_');
    let (Some(namespace), Some(pod), Some(uid), None) =
        (names.next(), names.next(), names.next(), names.next())
    else {
        return Err(problem("the pod's directory has not three parts"));
    };
    if !is_label(namespace) {
        return Err(problem("no valid namespace"));
    }
    if pod.len() > 253 || !pod.split('.').all(is_label_part) {
        return Err(problem("no valid pod name"));
    }
    if uid.is_empty() || uid.len() > 64 || !uid.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f' | b'-'))
    {
        return Err(problem("no valid pod uid"));
    }
    if !is_label(container) {
        return Err(problem("no valid container name"));
    }
    Ok([
        KeyValue::fixed("k8s.namespace.name", namespace),
        KeyValue::fixed("k8s.pod.name", pod),
        KeyValue::fixed("k8s.pod.uid", uid),
        KeyValue::fixed("k8s.container.name", container),
        KeyValue::fixed("k8s.container.restart_count", restarts),
    ])
}

/// `0.log`, or a rotated `0.log.20260101-000000` with `.gz` or without.
fn restart_count(file: &str) -> Option<&str> {
    let (number, rest) = file.split_once(".log")?;
    let rotated = rest.strip_suffix(".gz").unwrap_or(rest);
    let sound = !number.is_empty()
        && number.len() <= 10
        && number.bytes().all(|b| b.is_ascii_digit())
        && (rotated.is_empty()
            || rotated.strip_prefix('.').is_some_and(|time| {
                !time.is_empty() && time.bytes().all(|b| b.is_ascii_digit() || b == b'-')
            }));
    sound.then_some(number)
}

/// A DNS label (RFC 1123).
fn is_label(name: &str) -> bool {
    name.len() <= 63 && is_label_part(name)
}

fn is_label_part(name: &str) -> bool {
    let alphanumeric = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    !name.is_empty()
        && name.bytes().all(|b| alphanumeric(b) || b == b'-')
        && name.bytes().next().is_some_and(alphanumeric)
        && name.bytes().last().is_some_and(alphanumeric)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn values(path: &str) -> Result<Vec<String>, Problem> {
        Ok(from_path(path)?.iter().map(|a| a.value.as_str().unwrap().to_owned()).collect())
    }

    #[test]
    fn a_kubelet_path_names_the_pod() {
        let path =
            "/var/log/pods/shop_cart-6dc4d95bd9-2fxpg_581364ad-059e-44a4-988c-e02d9550a2be/cart/12.log";
        let want = ["shop", "cart-6dc4d95bd9-2fxpg", "581364ad-059e-44a4-988c-e02d9550a2be", "cart", "12"];
        assert_eq!(values(path).unwrap(), want);
        let static_pod = "/var/log/pods/kube-system_etcd-node.a_5b05057066d11d10c60015b77124db2f/etcd/0.log";
        assert_eq!(values(static_pod).unwrap()[1], "etcd-node.a");
    }

    #[test]
    fn contrib_35137_rotated_names_are_no_error() {
        for name in ["0.log.20260101-000000", "0.log.20260101-000000.gz"] {
            let path = format!("/var/log/pods/a_b_c0/d/{name}");
            assert_eq!(values(&path).unwrap(), ["a", "b", "c0", "d", "0"]);
        }
    }

    #[test]
    fn cve_2025_12977_names_are_checked_before_use() {
        let long = format!("/p/{}_b_c0/d/0.log", "a".repeat(4096));
        for path in [
            "",
            "0.log",
            "/a/0.log",
            "/x/0.log",
            "/a_b/c/0.log",
            "/a_b_c_d/e/0.log",
            "/a_b_c0/../0.log",
            "/.._b_c0/d/0.log",
            "/a_b_c0/d/x.log",
            "/a_b_c0/d/.log",
            "/A_b_c0/d/0.log",
            "/a_b/_c0/d/0.log",
            "/a_b_zz/d/0.log",
            "/a_b_c0/d.e/0.log",
            "/a_b_c0/d/0.log.tmp",
            "/a\0_b_c0/d/0.log",
            &long,
        ] {
            assert!(from_path(path).is_err(), "{path}");
        }
    }

    proptest! {
        #[test]
        fn no_path_makes_it_panic(path in "\\PC*") {
            let _ = from_path(&path);
        }
    }
}
