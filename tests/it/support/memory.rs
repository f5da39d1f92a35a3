//! A bound on the memory of a program, and what happens when there is no more: the kernel kills
//! whatever takes most of it (cgroups(7), both versions).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::skip::skipped;

/// The memory of one program and its children. It takes root.
#[derive(Debug)]
pub(crate) struct Memory {
    group: PathBuf,
    files: &'static Files,
}

/// What the files of a control group are called.
#[derive(Debug)]
struct Files {
    bound: &'static str,
    used: &'static str,
    none: &'static str,
}

const FIRST: Files =
    Files { bound: "memory.limit_in_bytes", used: "memory.usage_in_bytes", none: "-1" };
const SECOND: Files = Files { bound: "memory.max", used: "memory.current", none: "max" };

impl Memory {
    /// Memory without a bound yet. None where this machine does not let memory be bounded, which it
    /// says.
    pub(crate) fn find() -> Option<Self> {
        let name = format!("tripline-{}", uuid::Uuid::new_v4().simple());
        let root = Path::new("/sys/fs/cgroup");
        // The second version hands a part of what there is to groups only when it is told to.
        let _ = fs::write(root.join("cgroup.subtree_control"), "+memory");
        for (parent, files) in [(root.join("memory"), &FIRST), (root.to_owned(), &SECOND)] {
            let group = parent.join(&name);
            if fs::create_dir(&group).is_err() {
                continue;
            }
            let memory = Self { group, files };
            if memory.group.join(files.bound).exists() {
                return Some(memory);
            }
        }
        skipped("no memory to use up", "it cannot be bounded here (control groups, and root)");
        None
    }

    /// The words that make a command and its children use this memory. When there is no more, they
    /// are the first to be killed.
    pub(crate) fn words(&self) -> Vec<String> {
        let enter = format!("{} && echo 1000 > /proc/self/oom_score_adj", self.entering());
        ["sh", "-c", &format!("{enter} && exec \"$@\""), "sh"].map(str::to_owned).into()
    }

    fn entering(&self) -> String {
        format!("echo $$ > {}", self.group.join("cgroup.procs").display())
    }

    /// Bounds it a little above what is used, and uses that up until [`Memory::free`].
    pub(crate) fn exhaust(&self) -> Eater {
        const LITTLE: u64 = 4 << 20;
        let used = fs::read_to_string(self.group.join(self.files.used)).expect("it is told");
        let used: u64 = used.trim().parse().expect("a number of bytes");
        self.bound(&(used + LITTLE).to_string());
        // It holds all that it reads.
        let eat = format!("{} && head -c 1G /dev/zero | tail -c 1G > /dev/null", self.entering());
        let mut command = Command::new("sh");
        let command = command.args(["-c", &eat]).stdin(Stdio::null());
        Eater(command.spawn().expect("sh can be started"))
    }

    /// Takes the bound away.
    pub(crate) fn free(&self) {
        self.bound(self.files.none);
    }

    fn bound(&self, bytes: &str) {
        fs::write(self.group.join(self.files.bound), bytes).expect("it can be bounded");
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // It stays while somebody uses it, and is gone with the machine.
        let _ = fs::remove_dir(&self.group);
    }
}

/// What uses memory up, until it is dropped.
#[derive(Debug)]
pub(crate) struct Eater(Child);

impl Drop for Eater {
    fn drop(&mut self) {
        let _ = Command::new("pkill").args(["-KILL", "-P", &self.0.id().to_string()]).status();
        // An error means that it has ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
