//! Who besides the daemon can read the file of a credential.

use std::fs::Metadata;
use std::path::Path;

use crate::environment::Environment;

/// The mode of a file that more can read than should.
///
/// Its owner alone, mode 0600 or stricter. Of a file of root's a group can read, too, mode 0640 or stricter: root chose
/// that group, and there is no other way for root to hand a file to a daemon that is not root. A secret in a pod with an
/// `fsGroup` is such a file, and so is a key of Debian's group `ssl-cert`. The group of another owner may be one that
/// everybody is in, and that owner can take its right away.
#[cfg(unix)]
pub(crate) fn loose_mode(metadata: &Metadata) -> Option<u32> {
    use std::os::unix::fs::MetadataExt as _;
    let mode = metadata.mode() & 0o7777;
    is_loose(mode, metadata.uid()).then_some(mode)
}

#[cfg(unix)]
fn is_loose(mode: u32, owner: u32) -> bool {
    const ROOT: u32 = 0;
    let withheld = if owner == ROOT { 0o037 } else { 0o077 };
    mode & withheld != 0
}

#[cfg(not(unix))]
pub(crate) fn loose_mode(_: &Metadata) -> Option<u32> {
    None
}

/// What mends a file that others can read.
pub(crate) fn keep_others_away(path: &Path, environment: &dyn Environment) -> String {
    in_a_pod(environment).unwrap_or_else(|| format!("chmod 600 {}", path.display()))
}

/// What mends a file that the daemon cannot read.
pub(crate) fn let_the_daemon_read(path: &Path, environment: &dyn Environment) -> String {
    in_a_pod(environment)
        .unwrap_or_else(|| format!("make the daemon's user its owner: `chown USER {}`", path.display()))
}

/// A mounted volume is read-only, and its files are the kubelet's to make.
fn in_a_pod(environment: &dyn Environment) -> Option<String> {
    environment.variable("KUBERNETES_SERVICE_HOST").map(|_| {
        "give the volume `defaultMode: 0440`, and the pod an `fsGroup` if its user is not root".to_owned()
    })
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    // OP-3
    #[test]
    fn a_group_may_read_what_root_has_given_it_and_nothing_else() {
        const ROOT: u32 = 0;
        const DAEMON: u32 = 1000;
        for mode in [0o400, 0o440, 0o600, 0o640] {
            assert!(!is_loose(mode, ROOT), "{mode:04o}");
        }
        for mode in [0o404, 0o444, 0o604, 0o644, 0o620, 0o650, 0o660, 0o641] {
            assert!(is_loose(mode, ROOT), "{mode:04o}");
        }
        for mode in [0o400, 0o600, 0o700] {
            assert!(!is_loose(mode, DAEMON), "{mode:04o}");
        }
        for mode in [0o440, 0o640, 0o660, 0o604, 0o644, 0o601] {
            assert!(is_loose(mode, DAEMON), "{mode:04o}");
        }
    }
}
