//! The entrance of the serving process.

use crate::control::Orders;
use crate::pump::Pump;
use crate::{Error, Spec};
use std::os::fd::AsFd;
use std::path::Path;

/// Serves a disk until it is detached. Standard input is the FUSE connection and standard output the file with the
/// data: that is how descriptors reach a program without further ado.
///
/// # Errors
///
/// Where the kernel speaks no FUSE that this program understands.
pub fn serve(spec: Spec, file_name: String, control: &Path) -> Result<(), Error> {
    let duplicate = |error| Error::system("duplicate a descriptor", error);
    let connection = std::io::stdin().as_fd().try_clone_to_owned().map_err(duplicate)?;
    let data = std::io::stdout().as_fd().try_clone_to_owned().map_err(duplicate)?;
    Pump::new(connection, data, Orders::listen(control)?, file_name, spec)?.run()
}
