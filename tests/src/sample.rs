//! Things to send: file trees with the corners that trees have.

use std::path::Path;

use hither_protocol::transfer::hash::CHUNK;

use crate::disk::Disk;
use crate::random::Random;

/// Puts a directory there that holds `files` files of up to `largest` bytes in nested directories, and besides them
/// an empty file, an empty directory, an executable, one file of exactly one chunk and one of a byte more. Returns
/// the bytes in all.
pub fn put_tree(disk: &mut Disk, at: &str, files: u64, largest: u64, random: &mut Random) -> u64 {
    let root = Path::new(at);
    disk.put_directory(root.join("empty directory"));
    let mut bytes = 0;
    let mut put = |name: &str, size: u64| {
        bytes += size;
        disk.put_file(root.join(name), random.bytes(usize::try_from(size).expect("fits into memory")));
        random.below(largest + 1)
    };
    put("empty file", 0);
    put("run me.sh", 100);
    put("ein Stück", CHUNK);
    let mut size = put("ein Stück und ein Byte", CHUNK + 1);
    for number in 0..files {
        size = put(&format!("folder {}/{}/file {number}.dat", number % 7, number % 3), size);
    }
    disk.set_executable(root.join("run me.sh"));
    bytes
}
