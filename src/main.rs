//! The `dslc` binary: everything is in the library's `cli`.

fn main() -> std::process::ExitCode {
    dslc::cli::main()
}
