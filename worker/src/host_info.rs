//! Host name, memory, disk and base models of this machine, as shown to operators.

use std::path::Path;

use aprendiz_encoder::BaseModelCaches;

/// Maximum number of base models in a report.
const MAX_BASE_MODELS: usize = 100;

/// Host name.
pub(crate) fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// Memory available to this process in bytes: the smaller of the machine's memory and the limit of its control group.
pub(crate) fn memory_bytes() -> Option<i64> {
    let machine = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| parse_total(&text));
    let group = std::fs::read_to_string("/sys/fs/cgroup/memory.max").ok().and_then(|text| text.trim().parse().ok());
    match (machine, group) {
        (Some(machine), Some(group)) => Some(i64::min(machine, group)),
        (machine, group) => machine.or(group),
    }
}

/// Free space for this process on the file system of a folder, in bytes.
pub(crate) fn free_bytes(folder: &Path) -> Option<i64> {
    let file_system = rustix::fs::statvfs(folder).ok()?;
    i64::try_from(file_system.f_bavail.saturating_mul(file_system.f_frsize)).ok()
}

/// Names of the base models on this host.
pub(crate) fn base_models(caches: &BaseModelCaches) -> Vec<String> {
    caches.installed(MAX_BASE_MODELS)
}

/// The `MemTotal` of `/proc/meminfo` in bytes.
fn parse_total(meminfo: &str) -> Option<i64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: i64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_space_is_reported_for_folders_that_exist() {
        assert!(free_bytes(Path::new("/")).is_some_and(|bytes| bytes > 0));
        assert_eq!(free_bytes(Path::new("/nowhere")), None);
    }

    #[test]
    fn total_memory_is_parsed_in_bytes() {
        assert_eq!(parse_total("MemTotal:       16384 kB\nMemFree: 1 kB\n"), Some(16_777_216));
        assert_eq!(parse_total("nothing"), None);
    }
}
