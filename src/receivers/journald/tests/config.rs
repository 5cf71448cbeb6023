//! Keys and their checks.

use super::rig::plan;

#[test]
fn all_keys_of_upstream_are_accepted() {
    plan(
        "directory: /var/log/journal\nfiles: [/x/*.journal]\nstart_at: beginning\nunits: [a]\nidentifiers: [b]\n\
         priority: warning\nmatches: [{_SYSTEMD_UNIT: x, _UID: '0'}]\ngrep: x\ndmesg: true\nnamespace: '*'\n\
         all: true\nmerge: true\nconvert_message_bytes: true\nroot_path: /host\njournalctl_path: journalctl\n\
         attributes: {a: b}\nresource: {a: b}\noperators: []\nstorage: file_storage\n\
         retry_on_failure: {enabled: true}",
    )
    .unwrap();
}

#[test]
fn what_is_wrong_is_told_at_start() {
    for (yaml, want) in [
        ("priority: loud", "must be a priority such as info"),
        ("start_at: middle", "middle"),
        ("matches: [{lower: x}]", "^[_A-Z]+$"),
        ("grep: '('", "unclosed group"),
        ("units: ['a[']", "unclosed"),
        ("operators: [{type: nonsense}]", "unsupported type"),
        ("colour: red", "colour"),
    ] {
        let error = plan(yaml).err().unwrap_or_else(|| panic!("{yaml} is accepted"));
        assert!(error.contains(want), "{yaml}: {error}");
    }
}
