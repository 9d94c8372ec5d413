//! Text → tree → findings → formatted text, on any text: nothing panics, and what `tests/front_end.rs` asks holds.

#![no_main]

#[path = "../../tests/front_end.rs"]
mod front_end;

libfuzzer_sys::fuzz_target!(|text: &str| front_end::hold(text));
