//! `emudisk`: attaches, lists and detaches emulated disks.

#[cfg(target_os = "linux")]
mod cli;
#[cfg(target_os = "linux")]
mod commands;
#[cfg(target_os = "linux")]
mod size;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    commands::main()
}

#[cfg(not(target_os = "linux"))]
fn main() -> std::process::ExitCode {
    eprintln!("emudisk: an emulated disk needs Linux");
    std::process::ExitCode::from(3)
}
