//! What every backend's plan is made of: which values have a row an image, how long each of them lives, and where in memory it
//! lies.
//!
//! Memory is one piece. States and constants come first and stay; they have the same place in every plan of a session, so that
//! training and evaluation share them. Behind them lie the values of a step, which share memory where their lifetimes allow it.

pub mod layout;
pub mod lives;
pub mod memory;
pub mod rows;

use std::cell::Cell;

thread_local! {
    static MADE: Cell<usize> = const { Cell::new(0) };
}

/// How many graphs this thread has planned.
pub fn made() -> usize {
    MADE.get()
}

/// A backend counts each graph that it plans.
pub fn count() {
    MADE.set(MADE.get() + 1);
}
