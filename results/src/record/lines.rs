//! Whole lines, appended.

use std::fs::File;
use std::io::{self, Write};

/// What lines are appended to.
pub(crate) trait Tail: Write {
    /// Cuts everything from byte `length` on.
    fn cut(&mut self, length: u64) -> io::Result<()>;
}

impl Tail for File {
    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }
}

/// Appends lines to `tail`, of which the first `length` bytes are whole lines.
#[derive(Debug)]
pub(crate) struct Lines<T> {
    tail: T,
    length: u64,
}

impl<T: Tail> Lines<T> {
    /// Continues after `length` bytes and cuts what follows them: a line that a dying process left in half.
    pub(crate) fn after(mut tail: T, length: u64, found: u64) -> io::Result<Self> {
        if found > length {
            tail.cut(length)?;
        }
        Ok(Self { tail, length })
    }

    /// Appends `line`, which holds no line feed, and one. Where that fails, nothing of it stays.
    pub(crate) fn append(&mut self, line: &str) -> io::Result<()> {
        // In one write, so that a process that is killed leaves all or nothing but on a full disk.
        let bytes = format!("{line}\n");
        let written = self.tail.write_all(bytes.as_bytes()).and_then(|()| self.tail.flush());
        match &written {
            Ok(()) => self.length += bytes.len() as u64,
            // Cutting needs no space. Where even that fails, the next reader finds the half line and leaves it out.
            Err(_) => drop(self.tail.cut(self.length)),
        }
        written
    }

    pub(crate) fn tail(&self) -> &T {
        &self.tail
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A disk with room for so many bytes.
    struct Disk {
        bytes: Vec<u8>,
        room: usize,
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let fits = bytes.len().min(self.room - self.bytes.len());
            self.bytes.extend_from_slice(&bytes[..fits]);
            if fits == 0 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(fits) }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Tail for Disk {
        fn cut(&mut self, length: u64) -> io::Result<()> {
            self.bytes.truncate(length as usize);
            Ok(())
        }
    }

    #[test]
    fn a_full_disk_keeps_whole_lines_and_goes_on_when_there_is_room() {
        let mut lines = Lines::after(Disk { bytes: vec![], room: 10 }, 0, 0).unwrap();
        lines.append("one").unwrap();
        lines.append("two").unwrap();
        let error = lines.append("three").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert_eq!(lines.tail.bytes, b"one\ntwo\n");
        lines.tail.room = 20;
        lines.append("three").unwrap();
        assert_eq!(lines.tail.bytes, b"one\ntwo\nthree\n");
    }

    #[test]
    fn a_half_line_is_cut_before_the_next() {
        let disk = Disk { bytes: b"one\ntw".to_vec(), room: 20 };
        let mut lines = Lines::after(disk, 4, 6).unwrap();
        lines.append("two").unwrap();
        assert_eq!(lines.tail.bytes, b"one\ntwo\n");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_the_kernel_says_of_a_full_device_is_passed_on() {
        let full = File::options().append(true).open("/dev/full").unwrap();
        let error = Lines::after(full, 0, 0).unwrap().append("one").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    }
}
