//! Arguments that several subcommands share.

use clap::Args;
use std::path::{Path, PathBuf};

/// The trees that stand for the kernel.
#[derive(Clone, Debug, Args)]
pub struct Roots {
    /// Tree to read and write instead of /sys
    #[arg(long, value_name = "DIR", default_value = "/sys", help_heading = "Other trees than the live ones")]
    pub sysfs_root: PathBuf,
    /// Tree to read instead of /proc
    #[arg(
        long,
        value_name = "DIR",
        default_value = "/proc",
        help_heading = "Other trees than the live ones"
    )]
    pub proc_root: PathBuf,
}

impl Roots {
    /// Whether both are the running kernel's own.
    #[must_use]
    pub fn are_live(&self) -> bool {
        self.sysfs_root == Path::new("/sys") && self.proc_root == Path::new("/proc")
    }
}

/// The directories that a daemon leaves its traces in.
///
/// Where one is not given the configuration's value is meant, and without a configuration its default.
#[derive(Clone, Debug, Default, Args)]
pub struct PathArgs {
    /// Directory of the store and the journals [default: /var/lib/tunerd]
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// Directory of the locks and the control socket [default: /run/tunerd]
    #[arg(long, value_name = "DIR")]
    pub run_dir: Option<PathBuf>,
}

/// The one disk that is meant.
#[derive(Clone, Debug, Args)]
pub struct DeviceArg {
    /// The disk, such as sda or /dev/sda
    #[arg(long, value_name = "DEVICE")]
    pub device: String,
}

/// Output for programs.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct JsonArg {
    /// Print JSON: one object, or one per line for streams
    #[arg(long)]
    pub json: bool,
}
