//! The system calls that a sealed child may make. All others fail with `EPERM`.
//!
//! The list is what the standard library and glibc's allocator need to compute, to wait, to talk
//! over standard input and to die with a message on standard error. Descriptors are checked, too,
//! so that one inherited by mistake is of no use.

use std::collections::BTreeMap;
use std::io;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

const STANDARD_INPUT: u64 = 0;
const STANDARD_ERROR: u64 = 2;

/// Allowed whatever the arguments.
const PLAIN: &[i64] = &[
    // Memory.
    libc::SYS_brk,
    libc::SYS_madvise,
    libc::SYS_mremap,
    libc::SYS_munmap,
    // Time, chance and waiting.
    libc::SYS_clock_getres,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_futex,
    libc::SYS_getrandom,
    libc::SYS_gettimeofday,
    libc::SYS_nanosleep,
    libc::SYS_ppoll,
    libc::SYS_restart_syscall,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_yield,
    // Knowing oneself and ending, with the message of a stack overflow or of an abort.
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_getpid,
    libc::SYS_getppid,
    libc::SYS_gettid,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_poll,
];

/// Compiles the filter and puts it over all threads of this process.
pub(super) fn put_up() -> io::Result<()> {
    let program = program(std::process::id()).map_err(io::Error::other)?;
    seccompiler::apply_filter_all_threads(&program).map_err(io::Error::other)
}

fn program(own_pid: u32) -> Result<BpfProgram, seccompiler::BackendError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        PLAIN.iter().map(|call| (*call, Vec::new())).collect();
    let input = || argument(0, SeccompCmpOp::Eq, STANDARD_INPUT);
    let error = || argument(0, SeccompCmpOp::Eq, STANDARD_ERROR);
    // No memory is ever made executable, and no file is mapped.
    let not_executable =
        || argument(2, SeccompCmpOp::MaskedEq(u64::from(libc::PROT_EXEC.unsigned_abs())), 0);
    let anonymous = u64::from(libc::MAP_ANONYMOUS.unsigned_abs());
    let conditional = [
        (libc::SYS_read, vec![vec![input()?]]),
        (libc::SYS_write, vec![vec![input()?], vec![error()?]]),
        (libc::SYS_writev, vec![vec![error()?]]),
        (libc::SYS_mprotect, vec![vec![not_executable()?]]),
        (
            libc::SYS_mmap,
            vec![vec![
                not_executable()?,
                argument(3, SeccompCmpOp::MaskedEq(anonymous), anonymous)?,
            ]],
        ),
        (libc::SYS_tgkill, vec![vec![argument(0, SeccompCmpOp::Eq, u64::from(own_pid))?]]),
    ];
    for (call, alternatives) in conditional {
        let alternatives: Result<_, _> = alternatives.into_iter().map(SeccompRule::new).collect();
        rules.insert(call, alternatives?);
    }
    let refuse = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    let machine = TargetArch::try_from(std::env::consts::ARCH)?;
    SeccompFilter::new(rules, refuse, SeccompAction::Allow, machine)?.try_into()
}

/// A condition on the low half of an argument; all those looked at are 32 bits wide.
fn argument(
    index: u8,
    operator: SeccompCmpOp,
    value: u64,
) -> Result<SeccompCondition, seccompiler::BackendError> {
    SeccompCondition::new(index, SeccompCmpArgLen::Dword, operator, value)
}
