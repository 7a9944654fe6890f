//! The binary `lacuna`.

fn main() -> std::process::ExitCode {
    lacuna::run(std::env::args_os()).into()
}
