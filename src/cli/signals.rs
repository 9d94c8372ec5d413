//! Signals of the system → what a training is asked for. A signal that was ignored when the program started, as `nohup`
//! has SIGHUP ignored, stays ignored.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::cli::Stop;
use crate::cli::progress::Screen;
use crate::runs::train::Signals;

/// The first Ctrl-C (or SIGTERM, or SIGHUP) asks for an orderly end, the second ends at once.
fn stop(signals: &Signals, screen: &Screen) {
    if signals.end.swap(true, Ordering::Relaxed) {
        screen.clear();
        std::process::exit(130);
    }
    signals.stop.store(true, Ordering::Relaxed);
    screen.line("stopping after this step, then testing; again to stop at once");
}

fn uncaught(e: &dyn std::fmt::Display) -> Stop {
    Stop::Environment(format!("error: signals cannot be caught: {e}"))
}

/// Lets signals reach a training; SIGUSR1 has its state written.
#[cfg(unix)]
pub fn listen(signals: &Arc<Signals>, screen: &Screen) -> Result<(), Stop> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGXFSZ};
    let ignored = ignored();
    let known = [SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGXFSZ];
    let wanted = known.into_iter().filter(|signal| !ignored.contains(signal));
    let mut incoming = signal_hook::iterator::Signals::new(wanted).map_err(|e| uncaught(&e))?;
    let (signals, screen) = (Arc::clone(signals), screen.clone());
    let listener = move || {
        for signal in incoming.forever() {
            match signal {
                // Caught, it no longer ends the program: the write fails instead, as on a full disk.
                SIGXFSZ => {}
                SIGUSR1 => signals.save.store(true, Ordering::Relaxed),
                _ => stop(&signals, &screen),
            }
        }
    };
    let started = std::thread::Builder::new().name("signals".to_owned()).spawn(listener);
    started.map(|_| ()).map_err(|e| uncaught(&e))
}

/// The signals that are ignored already, as Linux tells it; other systems do not.
#[cfg(unix)]
fn ignored() -> Vec<i32> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    (1..=64).filter(|signal| mask >> (signal - 1) & 1 == 1).collect()
}

/// Lets Ctrl-C reach a training.
#[cfg(not(unix))]
pub fn listen(signals: &Arc<Signals>, screen: &Screen) -> Result<(), Stop> {
    let (signals, screen) = (Arc::clone(signals), screen.clone());
    ctrlc::set_handler(move || stop(&signals, &screen)).map_err(|e| uncaught(&e))
}
