//! The thread that asks the scheduler what is due, exactly when something is.
//!
//! Tokio's timers round up to a millisecond, and a busy runtime adds more; a thread of its own that
//! sleeps until the next slot is about a tenth of a millisecond late. It only hands slots over: it
//! never runs one, and never waits for one.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::clock::Clock;
use crate::domain::Timestamp;
use crate::domain::check::Check;
use crate::domain::id::Region;
use crate::scheduler::{Scheduler, Tick};

/// The thread wakes at least this often, so that a clock that was set forward is noticed.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// A running metronome.
#[derive(Debug)]
pub(super) struct Metronome {
    orders: Sender<Order>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
enum Order {
    Replace(Region, Vec<Arc<Check>>),
    Stop,
}

impl Metronome {
    /// Starts the thread; `on_tick` is called on it after every tick and must return at once.
    ///
    /// # Errors
    ///
    /// When the system refuses a thread.
    pub(super) fn start(
        mut scheduler: Scheduler,
        clock: Arc<dyn Clock>,
        on_tick: impl Fn(Tick) + Send + 'static,
    ) -> std::io::Result<Self> {
        let (orders, inbox) = channel();
        let thread = std::thread::Builder::new().name("metronome".into()).spawn(move || {
            loop {
                let tick = scheduler.tick(clock.now());
                let wake_at = tick.wake_at;
                on_tick(tick);
                match wait(&inbox, clock.as_ref(), wake_at) {
                    Wake::Time => {}
                    Wake::Order(Order::Replace(region, checks)) => {
                        scheduler.replace_in(region, &checks);
                    }
                    Wake::Order(Order::Stop) => return,
                }
            }
        })?;
        Ok(Self { orders, thread: Some(thread) })
    }

    /// Schedules other checks, those of `region`, from now on.
    pub(super) fn replace(&self, region: Region, checks: Vec<Arc<Check>>) {
        // The thread is gone only when it was stopped, and then no checks are wanted.
        let _ = self.orders.send(Order::Replace(region, checks));
    }

    /// Stops the thread. No slot is handed over afterwards.
    pub(super) fn stop(&mut self) {
        let _ = self.orders.send(Order::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Metronome {
    fn drop(&mut self) {
        self.stop();
    }
}

enum Wake {
    Time,
    Order(Order),
}

fn wait(inbox: &Receiver<Order>, clock: &dyn Clock, wake_at: Option<Timestamp>) -> Wake {
    let until = wake_at.map(|wake_at| (wake_at - clock.now()).to_std().unwrap_or_default());
    match inbox.recv_timeout(until.unwrap_or(LONGEST_WAIT).min(LONGEST_WAIT)) {
        Ok(order) => Wake::Order(order),
        Err(RecvTimeoutError::Timeout) => Wake::Time,
        Err(RecvTimeoutError::Disconnected) => Wake::Order(Order::Stop),
    }
}
