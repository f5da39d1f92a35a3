//! What the kernel says of processes and of the machine.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

/// The processor time of a process, of its living descendants, and of all that they have waited for.
///
/// Children that ended count through their parent (`cutime`, proc(5)), so the difference of two
/// readings holds every child in between, as long as it was waited for.
pub(crate) fn processor_time(process: u32) -> Result<Duration> {
    let ticks: u64 = family(process)?.iter().filter_map(|id| stat(*id)).map(|it| it.ticks).sum();
    let per_second = rustix::param::clock_ticks_per_second();
    Ok(Duration::from_micros(ticks * 1_000_000 / per_second))
}

/// The processor time of this process alone.
pub(crate) fn own_processor_time() -> Duration {
    let ticks = stat(std::process::id()).map_or(0, |it| it.alone);
    Duration::from_micros(ticks * 1_000_000 / rustix::param::clock_ticks_per_second())
}

/// The memory of a process alone (resident) and of it with its descendants (proportional), in MiB.
pub(crate) fn memory(process: u32) -> Result<(f64, f64)> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let resident = kib(&status, "VmRSS:").context("no VmRSS")?;
    let family = family(process)?;
    let rollups =
        family.iter().filter_map(|id| fs::read_to_string(format!("/proc/{id}/smaps_rollup")).ok());
    let proportional: f64 = rollups.filter_map(|text| kib(&text, "Pss:")).sum();
    Ok((resident / 1024.0, proportional / 1024.0))
}

/// The most memory that a process had, in MiB.
pub(crate) fn peak(process: u32) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    Ok(kib(&status, "VmHWM:").context("no VmHWM")? / 1024.0)
}

/// How many processes wanted a processor within the last minute, on average.
pub(crate) fn busyness() -> String {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split_whitespace().next().unwrap_or("?").to_owned()
}

/// One line about the machine, since figures mean nothing without.
pub(crate) fn description() -> String {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let processor = read("/proc/cpuinfo");
    let model = processor.lines().find_map(|line| line.strip_prefix("model name"));
    let model = model.map_or("processor unknown", |text| text.trim_start_matches([' ', '\t', ':']));
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    format!("{cores} cores, {model}; load at the start {}", busyness())
}

/// A process and its descendants.
fn family(process: u32) -> Result<Vec<u32>> {
    let entries = fs::read_dir("/proc").context("failed to read /proc")?;
    let ids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    let all: Vec<(u32, u32)> = ids.filter_map(|id| Some((id, stat(id)?.parent))).collect();
    let mut found = vec![process];
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        found.extend(all.iter().filter(|(_, of)| *of == parent).map(|(id, _)| *id));
        next += 1;
    }
    Ok(found)
}

struct Stat {
    parent: u32,
    /// Of itself and of the children that it has waited for.
    ticks: u64,
    /// Of itself.
    alone: u64,
}

/// Fields 4 and 14 to 17 of `/proc/PID/stat` (proc(5)); `None` when the process has gone.
fn stat(process: u32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The second field is the name in brackets, which may hold brackets and spaces.
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let sum = |fields: &[&str]| fields.iter().filter_map(|field| field.parse::<u64>().ok()).sum();
    let (ticks, alone) = (sum(fields.get(11..15)?), sum(fields.get(11..13)?));
    Some(Stat { parent: fields.get(1)?.parse().ok()?, ticks, alone })
}

fn kib(text: &str, name: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}
