//! A receiver that behaves: leaves nothing behind, runs with few rights and without what it needs.

use std::fs;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use kmagent::receivers::ebpf::Observer;
use kmagent::telemetry::{ComponentState, StatusBoard, Telemetry};

use super::net::Cable;
use super::{Watch, context, settings, skip};

/// What this process and the kernel hold: files, and programs, maps and links of ours.
fn held() -> [usize; 4] {
    use libbpf_rs::query::{LinkInfoIter, MapInfoIter, ProgInfoIter};

    const OURS: [&str; 6] =
        ["cgroup_egress", "cgroup_ingress", "state_changed", "dropped", "every_file", "cgroup_made"];
    let of_bpf = |target: &std::path::PathBuf| target.to_string_lossy().starts_with("anon_inode:bpf");
    let files =
        fs::read_dir("/proc/self/fd").unwrap().filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    let files = files.filter(of_bpf).count();
    let programs =
        ProgInfoIter::default().filter(|info| info.name.to_str().is_some_and(|name| OURS.contains(&name)));
    [files, programs.count(), MapInfoIter::default().count(), LinkInfoIter::default().count()]
}

fn load_and_unload(times: usize) {
    let Some(watch) = Watch::start("{max_flows: 64}", &["flows", "tcp", "drops"]) else { return };
    let Watch { observer, board, telemetry, _alone } = watch;
    drop(observer);
    let start = |board: &StatusBoard, telemetry: &Telemetry| {
        Observer::start(Arc::new(settings("{max_flows: 64}")), None, context(board, telemetry))
    };
    let before = held();
    for _ in 0..times {
        start(&board, &telemetry).read();
    }
    // The kernel frees what is no longer used a moment later, also what earlier tests used.
    let is_as_before = || held().into_iter().zip(before).all(|(now, before)| now <= before);
    let deadline = Instant::now() + Duration::from_secs(5);
    while !is_as_before() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(is_as_before(), "files, programs, maps, links: {before:?} became {:?}", held());
}

#[test]
fn loading_and_unloading_leaves_nothing_behind() {
    load_and_unload(5);
}

#[test]
#[ignore = "takes a minute: cargo test --test promises two_hundred -- --ignored"]
fn loading_and_unloading_two_hundred_times_leaves_nothing_behind() {
    load_and_unload(200);
}

#[test]
fn what_runs_is_reported() {
    let Some(watch) = Watch::start("{}", &["flows", "tcp", "drops"]) else { return };
    let entry = &watch.board.components()["receiver:ebpfreceiver"];
    assert_eq!(entry.state, ComponentState::Running, "{}", entry.detail);
    let reports = watch.observer.programs().reports();
    let down: Vec<_> =
        reports.iter().filter(|report| report.result.is_err()).map(|report| report.program).collect();
    // Some kernels do not let it; another does its work then.
    assert!(down.is_empty() || down == ["every_socket"], "{down:?}");
    let up = watch.telemetry.snapshot();
    let up = up.iter().filter(|sample| sample.name == "kmagent_ebpf_program_up" && sample.value == 1);
    assert_eq!(up.count(), 13 - down.len());
}

#[test]
fn network_namespaces_may_come_and_go() {
    let Some(mut watch) = Watch::start("{}", &["flows"]) else { return };
    for _ in 0..3 {
        drop(Cable::new());
        watch.read();
    }
    assert!(watch.read().total("kmagent.ebpf.packets", &[]) >= 0.0);
}

#[test]
fn programs_at_interfaces_are_taken_off_at_the_end() {
    let cable = Cable::new();
    let filters = || cable.a.output("tc filter show dev va ingress; tc filter show dev va egress");
    let config = "{network: {source: tc}, features: [flows]}";
    let Some(log) = agent_log_with(config, "", &format!("ip netns exec {}", cable.a.name()), || {
        assert_eq!(filters().matches("bpf chain").count(), 4, "{}", filters());
    }) else {
        return;
    };
    assert!(log.contains("flows at the network interfaces"), "{log}");
    assert!(!filters().contains("bpf"), "{}", filters());
}

/// Runs the agent for a moment, below `sh -c "<prepare>; exec <with> kmagent …"`; what it logged.
fn agent_log(prepare: &str, with: &str) -> Option<String> {
    agent_log_with("{}", prepare, with, || {})
}

/// The same with a configuration of the receiver; `meanwhile` is called when it runs.
fn agent_log_with(receiver: &str, prepare: &str, with: &str, meanwhile: impl FnOnce()) -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return skip("it needs root");
    }
    let _alone = super::ONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("agent.yaml");
    fs::write(
        &config,
        format!(
            "receivers: {{ebpfreceiver: {receiver}}}\nexporters: {{nop: }}\n\
             service: {{pipelines: {{metrics: {{receivers: [ebpfreceiver], exporters: [nop]}}}}}}\n"
        ),
    )
    .unwrap();
    let script =
        format!("{prepare} exec {with} {} run --config {}", env!("CARGO_BIN_EXE_kmagent"), config.display());
    let log = fs::File::create(dir.path().join("log")).unwrap();
    let mut child = Command::new("unshare")
        .args(["-m", "sh", "-c", &script])
        .env("DEPLOYMENT_MODE", "DAEMONSET")
        .env("KM_API_KEY", "test")
        .env("KM_COLLECTOR_ENDPOINT", "http://127.0.0.1:1")
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap();
    let read = || fs::read_to_string(dir.path().join("log")).unwrap();
    let deadline = Instant::now() + Duration::from_secs(5);
    while !read().contains("running: ") && child.try_wait().unwrap().is_none() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(20));
    }
    meanwhile();
    let _ = rustix::process::kill_process(
        rustix::process::Pid::from_child(&child),
        rustix::process::Signal::TERM,
    );
    let status = child.wait().unwrap();
    let log = read();
    assert!(status.success(), "{log}");
    Some(log)
}

#[test]
fn without_type_information_flows_are_still_told() {
    let Some(log) = agent_log("mount -t tmpfs none /sys/kernel/btf;", "") else { return };
    assert!(log.contains("TCP from the list of sockets"), "{log}");
    assert!(log.contains("does not run: "), "{log}");
}

#[test]
fn without_any_right_the_list_of_sockets_is_left_and_the_log_names_what_is_missing() {
    let Some(log) = agent_log("", "setpriv --inh-caps=-all --bounding-set=-all") else { return };
    // The list of tracked connections may be read by root, where the kernel has one.
    let flows = ["no flows", "flows of the tracked connections"];
    assert!(
        flows.iter().any(|flows| log.contains(&format!("{flows}; TCP from the list of sockets"))),
        "{log}"
    );
    for capability in ["CAP_BPF", "CAP_PERFMON", "CAP_NET_ADMIN"] {
        assert!(log.contains(capability), "{log}");
    }
}

#[test]
fn without_one_of_the_capabilities_it_is_named_alone() {
    const SET: &str = "-all,+bpf,+net_admin";
    let with = format!("setpriv --inh-caps={SET} --bounding-set={SET}");
    let Some(log) = agent_log("", &with) else { return };
    assert!(log.contains("the capabilities it lacks: CAP_PERFMON"), "{log}");
    assert!(!log.contains("CAP_BPF") && !log.contains("CAP_NET_ADMIN"), "{log}");
}

#[test]
fn without_a_filesystem_for_bpf_everything_runs() {
    let Some(mut watch) = Watch::start("{}", &["flows", "tcp", "drops"]) else { return };
    watch.read();
    drop(watch);
    let Some(log) = agent_log("mount -t tmpfs none /sys/fs/bpf || exit 1;", "") else { return };
    assert!(log.contains("flows at the sockets of all cgroups"), "{log}");
    assert!(!log.contains("does not run: "), "{log}");
}

#[test]
fn three_capabilities_are_enough() {
    const SET: &str = "-all,+bpf,+perfmon,+net_admin";
    let with = format!("setpriv --inh-caps={SET} --bounding-set={SET}");
    let Some(log) = agent_log("", &with) else { return };
    if log.contains("does not run: ") && !log.contains("capabilities it lacks") {
        return skip("this kernel does not take all programs").unwrap_or_default();
    }
    assert!(!log.contains("does not run: "), "{log}");
    assert!(log.contains("flows at the sockets of all cgroups"), "{log}");
}
