//! What identifies this boot of the machine.

use crate::error::{Error, Operation, excerpt};
use crate::{KPath, Kernel};

/// The random name of this boot (`/proc/sys/kernel/random/boot_id`): two readings are equal exactly if the machine
/// was not restarted between them.
///
/// # Errors
/// If the file cannot be read or is not a UUID.
pub fn boot_id(kernel: &dyn Kernel) -> Result<String, Error> {
    let path = KPath::proc("sys/kernel/random/boot_id");
    let bytes = kernel.read(&path).map_err(|source| Error::Io {
        operation: Operation::Read,
        path: kernel.locate(&path),
        source,
    })?;
    crate::parse::uuid(&bytes).ok_or_else(|| Error::Malformed {
        path: kernel.locate(&path),
        found: excerpt(&bytes),
        expected: crate::parse::UUID,
    })
}
