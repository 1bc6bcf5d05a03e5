//! The command.

fn main() -> std::process::ExitCode {
    rangefinder::cli::main()
}
