//! The loop driver's ioctls (`include/uapi/linux/loop.h`).

use rustix::ioctl::{IntegerSetter, Ioctl, IoctlOutput, NoArg, Opcode, Setter, ioctl};
use std::ffi::c_void;
use std::fs::File;
use std::os::fd::{AsRawFd, BorrowedFd};

const LOOP_CLR_FD: Opcode = 0x4C01;
const LOOP_CONFIGURE: Opcode = 0x4C0A;
const LOOP_CTL_ADD: Opcode = 0x4C80;
const LOOP_CTL_REMOVE: Opcode = 0x4C81;
const LOOP_CTL_GET_FREE: Opcode = 0x4C82;

const LO_FLAGS_AUTOCLEAR: u32 = 4;
const LO_FLAGS_DIRECT_IO: u32 = 16;

/// `struct loop_config`: the descriptor, the block size, a `struct loop_info64` of 232 bytes, 64 bytes reserved.
#[repr(C, align(8))]
struct LoopConfig {
    fd: u32,
    block_size: u32,
    info: [u8; 232],
    reserved: [u64; 8],
}

/// Where `lo_flags` is in `struct loop_info64`, and where `lo_file_name` is.
const FLAGS: std::ops::Range<usize> = 52..56;
const FILE_NAME: std::ops::Range<usize> = 56..120;

/// Attaches `file` for direct I/O; the device detaches when its last user closes it.
pub(super) fn configure(device: &File, file: BorrowedFd<'_>, name: &str) -> rustix::io::Result<()> {
    let mut info = [0; 232];
    info[FLAGS].copy_from_slice(&(LO_FLAGS_AUTOCLEAR | LO_FLAGS_DIRECT_IO).to_ne_bytes());
    // The last byte stays zero.
    for (to, from) in info[FILE_NAME].iter_mut().take(63).zip(name.bytes()) {
        *to = from;
    }
    let config = LoopConfig { fd: file.as_raw_fd().unsigned_abs(), block_size: 0, info, reserved: [0; 8] };
    #[expect(unsafe_code, reason = "an ioctl has no safe form")]
    // SAFETY: LOOP_CONFIGURE reads a struct loop_config, whose layout LoopConfig has, and keeps no pointer to it.
    unsafe {
        ioctl(device, Setter::<LOOP_CONFIGURE, LoopConfig>::new(config))
    }
}

/// Detaches, or marks the device to detach at its last close where others have it open.
pub(super) fn clear(device: &File) -> rustix::io::Result<()> {
    #[expect(unsafe_code, reason = "an ioctl has no safe form")]
    // SAFETY: LOOP_CLR_FD takes no argument.
    unsafe {
        ioctl(device, NoArg::<LOOP_CLR_FD>::new())
    }
}

/// `LOOP_CTL_GET_FREE`, which answers with its return value.
struct GetFree;

#[expect(unsafe_code, reason = "the answer of this ioctl is its return value, for which rustix has no type")]
// SAFETY: LOOP_CTL_GET_FREE takes no argument and writes nothing.
unsafe impl Ioctl for GetFree {
    type Output = u32;

    const IS_MUTATING: bool = false;

    fn opcode(&self) -> Opcode {
        LOOP_CTL_GET_FREE
    }

    fn as_ptr(&mut self) -> *mut c_void {
        std::ptr::null_mut()
    }

    unsafe fn output_from_ptr(output: IoctlOutput, _: *mut c_void) -> rustix::io::Result<u32> {
        u32::try_from(output).or(Err(rustix::io::Errno::RANGE))
    }
}

/// The number of a device that nobody uses; made where there is none.
pub(super) fn get_free(control: &File) -> rustix::io::Result<u32> {
    #[expect(unsafe_code, reason = "an ioctl has no safe form")]
    // SAFETY: see GetFree.
    unsafe {
        ioctl(control, GetFree)
    }
}

/// Makes the device of this number anew, which makes its queue anew. Refused (`EBUSY`) where somebody has it open.
pub(super) fn renew(control: &File, number: u32) -> rustix::io::Result<()> {
    #[expect(unsafe_code, reason = "an ioctl has no safe form")]
    // SAFETY: both take the device's number as their argument, by value.
    unsafe {
        ioctl(control, IntegerSetter::<LOOP_CTL_REMOVE>::new_usize(number as usize))?;
        ioctl(control, IntegerSetter::<LOOP_CTL_ADD>::new_usize(number as usize))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_structure_has_the_kernels_size() {
        assert_eq!(size_of::<LoopConfig>(), 304);
    }
}
