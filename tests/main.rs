//! One test binary, so that the dependencies are linked once. Each module is a theme.

mod architecture;
mod cli;
mod gradients;
mod kernels;
mod passes;
mod registry;
mod seeds;
mod snapshots;
mod support;
mod training;
mod worked_example;
mod wrong;
