//! The control: a process that is nothing but timers and requests, on the schedules of the checks.
//!
//! What it is late, the machine, the kernel and the target are late; the rest is ours.

use std::net::Ipv4Addr;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tripline::clock::{Clock, System};

use crate::Priority;
use crate::lateness::Slots;
use crate::target::{ADDRESSES, own_program};

/// The first argument of the process.
pub(crate) const ROLE: &str = "control-loop";

/// The name of the check with this number.
pub(crate) fn name(number: usize) -> String {
    format!("control-{number}")
}

/// Runs a control of `checks` every `every`, for `time`.
pub(crate) async fn control(
    port: u16,
    checks: usize,
    every: Duration,
    time: Duration,
    priority: Priority,
) -> Result<()> {
    let mut command = own_program(priority)?;
    let numbers = [u128::from(port), checks as u128, every.as_millis(), time.as_millis()];
    command.arg(ROLE).args(numbers.map(|number| number.to_string())).stdin(Stdio::null());
    let mut child = command.spawn().context("failed to start the control")?;
    let status = tokio::task::spawn_blocking(move || child.wait()).await??;
    if !status.success() {
        bail!("the control ended with {status}");
    }
    Ok(())
}

/// The life of the control process.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let number = |index: usize| -> Result<u64> {
        Ok(arguments.get(index).context("too few arguments")?.parse()?)
    };
    let (port, checks) = (u16::try_from(number(0)?)?, usize::try_from(number(1)?)?);
    let (every, time) = (Duration::from_millis(number(2)?), Duration::from_millis(number(3)?));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        for check in 0..checks {
            tokio::spawn(one_check(check, port, every));
        }
        tokio::time::sleep(time).await;
    });
    Ok(())
}

async fn one_check(check: usize, port: u16, every: Duration) -> Result<()> {
    let name = name(check);
    let slots = Slots::new(&name, every)?;
    let last = u8::try_from(check % usize::from(ADDRESSES))? + 1;
    let mut slot = slots.next(System.now())?;
    loop {
        tokio::time::sleep((slot - System.now()).to_std().unwrap_or_default()).await;
        let mut stream = TcpStream::connect((Ipv4Addr::new(127, 0, 0, last), port)).await?;
        let request = format!("GET /{name} HTTP/1.1\r\nhost: 127.0.0.{last}\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = [0; 512];
        let _ = stream.read(&mut answer).await?;
        slot = slots.next(slot)?;
    }
}
