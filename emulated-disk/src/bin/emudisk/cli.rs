//! What can be said on the command line.

use crate::size::{parse_size, parse_time};
use block_types::{Bytes, Nanos};
use clap::{Args, Parser, Subcommand};
use emulated_disk::registry::DEFAULT_DIRECTORY;
use emulated_disk::{DEFAULT_BACKING, Spec};
use std::path::PathBuf;

/// Emulated disks: a loop device with the latencies of a disk model.
#[derive(Debug, Parser)]
#[command(name = "emudisk", version, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// Where emulated disks are registered.
    #[arg(long, global = true, default_value = DEFAULT_DIRECTORY, value_name = "DIR")]
    pub(crate) registry: PathBuf,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Makes an emulated disk and prints its device.
    Attach(Attach),
    /// Takes emulated disks away, and what is left of dead ones.
    Detach(Detach),
    /// Lists the emulated disks.
    List {
        /// As JSON, one array.
        #[arg(long)]
        json: bool,
    },
    /// Says what an emulated disk did, and how well it kept time.
    Stats {
        /// The device, such as /dev/loop3.
        device: PathBuf,
        /// As JSON, one object.
        #[arg(long)]
        json: bool,
    },
    #[command(hide = true)]
    Keep {
        #[arg(long, value_parser = parse_spec)]
        spec: Spec,
    },
    #[command(hide = true)]
    Serve {
        #[arg(long, value_parser = parse_spec)]
        spec: Spec,
        #[arg(long)]
        file_name: String,
        #[arg(long)]
        control: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Attach {
    /// How the disk behaves: hdd-7200, sata-ssd, nvme, cloud-volume, instant, or a product's name.
    #[arg(long, value_name = "MODEL")]
    pub(crate) model: Option<String>,
    /// A file that describes how the disk behaves, instead of a model's name.
    #[arg(long, value_name = "FILE", conflicts_with = "model")]
    pub(crate) params: Option<PathBuf>,
    /// Every command takes this long, such as 200us or 5ms, instead of a model.
    #[arg(long, value_name = "TIME", value_parser = parse_time, conflicts_with_all = ["model", "params"])]
    pub(crate) fixed: Option<Nanos>,
    /// How large the disk is, such as 4G; its data take up space only where they are written.
    #[arg(long, value_parser = parse_size)]
    pub(crate) size: Bytes,
    /// How many commands the disk takes at once, 4 to 128 [default: as the model has it].
    #[arg(long, value_name = "N")]
    pub(crate) queue_depth: Option<u32>,
    /// The directory in whose file system the data are.
    #[arg(long, value_name = "DIR", default_value = DEFAULT_BACKING)]
    pub(crate) backing: PathBuf,
    /// Seeds what is random in the model.
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// Bounds the page cache that may wait to be written to the disk, such as 16M [default: as the kernel likes].
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub(crate) bound_buffered_writes: Option<Bytes>,
    /// How much earlier than the model's disk answers leave, to make up for the way to the emulator and back
    /// [default: measured].
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub(crate) lead: Option<Nanos>,
    /// Stays until Ctrl-C or SIGTERM, which detach the disk.
    #[arg(long)]
    pub(crate) foreground: bool,
    /// Prints what is registered of the disk as JSON, instead of its device alone.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Detach {
    /// The devices, such as /dev/loop3.
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    pub(crate) devices: Vec<PathBuf>,
    /// All emulated disks.
    #[arg(long)]
    pub(crate) all: bool,
    /// Also where a file system is mounted on it, or another program claims it; they get I/O errors.
    #[arg(long)]
    pub(crate) force: bool,
}

fn parse_spec(text: &str) -> Result<Spec, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}
