//! User-Mode Linux on every x86-64 processor.
//!
//! Linux 6.1 as a guest keeps the registers of its processes in room of a fixed size, filled by
//! `ptrace(PTRACE_GETREGSET)`. Where the processor has more (AMX), it reads a part and cannot write
//! it back: the first process dies. With that call failing it falls back to `PTRACE_GETFPREGS`,
//! which is x87 and SSE on every processor. AVX registers do not even outlive a page fault then, so
//! programs in the guest are told not to use them.
//!
//! Filters hold for the calling thread and for all that it starts, for good.

use std::collections::BTreeMap;
use std::env;
use std::io;
use std::path::PathBuf;
use std::thread;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch, apply_filter,
};

use crate::lab::{Failure, Outcome};

/// Kernel arguments of a guest that become the environment of its init: glibc, OpenSSL and NSS use
/// no AVX. Without `AVX_Fast_Unaligned_Load` among them glibc's `memcpy` still does. The bits for
/// OpenSSL are those of CPUID 1 (AVX, FMA, XOP) and 7 (AVX2, each AVX-512, VAES, VPCLMULQDQ).
pub(crate) const WITHOUT_AVX: [&str; 4] = [
    "GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX_Fast_Unaligned_Load,-AVX,-AVX2,-AVX512F,-AVX512VL,\
     -AVX512BW,-RTM,-ERMS",
    "OPENSSL_ia32cap=~0x1000180000000000:~0x600dc230020",
    "NSS_DISABLE_AVX=1",
    "NSS_DISABLE_AVX2=1",
];

/// From here on `ptrace(PTRACE_GETREGSET)` gives `EIO`.
pub fn hide_register_sets() -> Result<(), String> {
    refuse(libc::SYS_ptrace, libc::PTRACE_GETREGSET, libc::EIO)
}

/// From here on `ptrace(PTRACE_SETREGSET)` gives what it gives to this guest on a processor with
/// AMX.
pub(crate) fn pretend_amx() -> Result<(), String> {
    refuse(libc::SYS_ptrace, libc::PTRACE_SETREGSET, libc::EFAULT)
}

/// From here on there is no seccomp, as in a kernel without it.
pub(crate) fn forbid_seccomp() -> Result<(), String> {
    refuse(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, libc::EINVAL)
}

/// Does something on a thread of its own behind a filter, which ends with it.
pub(crate) fn behind<T: Send>(
    filter: fn() -> Result<(), String>,
    work: impl FnOnce() -> Outcome<T> + Send,
) -> Outcome<T> {
    let outcome = thread::scope(|scope| {
        let all = || filter().map_err(Failure::failed).and_then(|()| work());
        scope.spawn(all).join()
    });
    outcome.unwrap_or_else(|_| Err(Failure::failed("the thread behind a filter panicked")))
}

/// The program that runs a command behind [`hide_register_sets`]; it stands beside this one.
pub(crate) fn launcher() -> io::Result<PathBuf> {
    Ok(env::current_exe()?.with_file_name("any-cpu"))
}

/// One system call fails where its first argument is this one.
fn refuse(call: i64, argument: u32, errno: i32) -> Result<(), String> {
    install(call, argument, errno).map_err(|error| {
        format!(
            "this machine takes no seccomp filter ({error}): run on a kernel with \
             CONFIG_SECCOMP_FILTER, or in a container that allows seccomp(2)"
        )
    })
}

fn install(call: i64, argument: u32, errno: i32) -> Result<(), seccompiler::Error> {
    let (dword, equal) = (SeccompCmpArgLen::Dword, SeccompCmpOp::Eq);
    let condition = SeccompCondition::new(0, dword, equal, argument.into())?;
    let rules = BTreeMap::from([(call, vec![SeccompRule::new(vec![condition])?])]);
    let fails = SeccompAction::Errno(errno.unsigned_abs());
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, fails, TargetArch::x86_64)?;
    apply_filter(&BpfProgram::try_from(filter)?)
}
