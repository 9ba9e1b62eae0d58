//! Host name and memory of this machine, as shown to operators.

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
    fn total_memory_is_parsed_in_bytes() {
        assert_eq!(parse_total("MemTotal:       16384 kB\nMemFree: 1 kB\n"), Some(16_777_216));
        assert_eq!(parse_total("nothing"), None);
    }
}
