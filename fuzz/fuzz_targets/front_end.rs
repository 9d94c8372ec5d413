//! Text → tree → findings → formatted text, on any text: nothing panics, what `tests/front_end.rs` asks holds, and it
//! takes a bounded time.

#![no_main]

#[path = "../../tests/front_end.rs"]
mod front_end;

use cpu_time::ThreadTime;

/// Processor time for one text: libFuzzer's own limit is by the clock, which says little on a busy machine.
const MOST_SECONDS: u64 = 5;

libfuzzer_sys::fuzz_target!(|text: &str| {
    let start = ThreadTime::now();
    front_end::hold(text);
    let taken = start.elapsed();
    assert!(taken.as_secs() < MOST_SECONDS, "this text takes {taken:?} of processor time");
});
