//! Own kernels: an op's work on plain memory. The plan chooses them; an op without one runs its reference
//! evaluation. The only folder with `unsafe`.

pub mod cpu;
pub mod cuda;
