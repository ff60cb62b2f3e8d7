//! Arguments, telemetry, command, exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    lamplighter::cli::main()
}
