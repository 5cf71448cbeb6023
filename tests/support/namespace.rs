//! A machine of its own for a test: the network, the ports and the files of one pod.

use std::process::Command;

/// Set in the process that runs inside.
const INSIDE: &str = "KMAGENT_TEST_INSIDE";

/// Where a pod finds its service account.
const ACCOUNT: &str = "/run/secrets/kubernetes.io/serviceaccount";

/// Makes the view of a pod and goes on with the command that follows.
const SCRIPT: &str = "ip link set lo up && mount -t tmpfs none /run && \
    mkdir -p /run/secrets/kubernetes.io/serviceaccount && \
    echo '127.0.0.1 localhost kubernetes.default.svc' > /run/hosts && \
    mount --bind /run/hosts /etc/hosts && exec \"$0\" \"$@\"";

/// True in a network and a mount namespace that belong to the test of this full name alone. Outside,
/// runs that test in one and is false once it has passed. That takes root; without it the test is
/// skipped.
pub fn alone(test: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let unshare = || {
        let mut command = Command::new("unshare");
        command.args(["-m", "-n", "sh", "-c", SCRIPT]);
        command
    };
    if !unshare().arg("true").output().is_ok_and(|output| output.status.success()) {
        println!("skipped: namespaces take root, unshare and ip");
        return false;
    }
    let output = unshare()
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(INSIDE, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    print!("{text}");
    assert!(output.status.success() && text.contains("1 passed"), "{test} fails in its namespace");
    false
}

/// Writes the service account of the pod whose view this is.
pub fn write_account(token: &str, ca_pem: &str) {
    assert!(std::env::var_os(INSIDE).is_some(), "the machine's own account stays as it is");
    for (name, text) in [("token", token), ("ca.crt", ca_pem), ("namespace", "kmagent")] {
        std::fs::write(format!("{ACCOUNT}/{name}"), text).unwrap();
    }
}
