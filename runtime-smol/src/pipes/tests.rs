use std::io::Read;

use hither_protocol::transfer::hash::{CHUNK, chunk_value};

use super::{Input, WHOLE};

/// Gives its bytes a few at a time, as pipes do.
struct Dripping(std::io::Cursor<Vec<u8>>, usize);

impl Read for Dripping {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.1 = self.1 % 7919 + 1;
        let most = buffer.len().min(self.1 * 13);
        self.0.read(&mut buffer[..most])
    }
}

#[test]
fn a_stream_is_cut_as_a_file_of_its_size_would_be() {
    for size in [0, 1, WHOLE - 1, WHOLE, WHOLE + 1, 2 * WHOLE, 3 * WHOLE + 5] {
        let content: Vec<u8> = (0..size).map(|at| (at ^ (at >> 9)) as u8).collect();
        let mut input = Input::new(Box::new(Dripping(std::io::Cursor::new(content.clone()), 0)));
        let (mut back, mut last) = (Vec::new(), false);
        while !last {
            let offset = back.len() as u64;
            let chunk = input.chunk(offset).unwrap();
            assert_eq!(chunk.value, chunk_value(size as u64, offset, &chunk.data), "{size}");
            assert!(chunk.last || chunk.data.len() as u64 == CHUNK);
            back.extend_from_slice(&chunk.data);
            last = chunk.last;
        }
        assert!(back == content, "{size}");
        assert!(input.chunk(size as u64).is_err(), "there is no more");
    }
}
