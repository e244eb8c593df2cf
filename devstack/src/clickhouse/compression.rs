//! ClickHouse's own compressed blocks: what `decompress=1` bodies and `compress=1` responses are made of.
//!
//! A block is a checksum (CityHash128 v1.0.2 of the rest, 16 bytes), a method (0x82 is LZ4, 0x02 none), the length of the
//! block without its checksum, the length of its content (both little-endian, 4 bytes) and the content. Nothing is
//! allocated on the word of a header alone.

use std::io::{self, Read};

use super::exception::{Exception, code};

const CHECKSUM_LENGTH: usize = 16;
const HEADER_LENGTH: usize = 9;
const METHOD_NONE: u8 = 0x02;
const METHOD_LZ4: u8 = 0x82;
/// The most that ClickHouse takes in one block, compressed or not.
const BLOCK_LIMIT: usize = 0x4000_0000;
/// How much content goes into one block that we write, as in a server.
const BLOCK_LENGTH: usize = 1 << 20;

fn checksum(block: &[u8]) -> [u8; CHECKSUM_LENGTH] {
    cityhash_rs::cityhash_102_128(block).rotate_right(64).to_le_bytes()
}

/// Appends `content` to `output` as LZ4 blocks.
pub(super) fn write_blocks(content: &[u8], output: &mut Vec<u8>) {
    for piece in content.chunks(BLOCK_LENGTH) {
        let start = output.len();
        output.resize(start + CHECKSUM_LENGTH + HEADER_LENGTH, 0);
        let compressed = lz4_flex::block::compress(piece);
        output.extend_from_slice(&compressed);
        let block = &mut output[start + CHECKSUM_LENGTH..];
        let length = block.len() as u32;
        block[0] = METHOD_LZ4;
        block[1..5].copy_from_slice(&length.to_le_bytes());
        block[5..9].copy_from_slice(&(piece.len() as u32).to_le_bytes());
        let checksum = checksum(block);
        output[start..start + CHECKSUM_LENGTH].copy_from_slice(&checksum);
    }
}

/// Reads the content of a series of blocks.
pub(super) struct BlockReader<R> {
    inner: R,
    block: Vec<u8>,
    content: Vec<u8>,
    position: usize,
}

impl<R: Read> BlockReader<R> {
    pub(super) fn new(inner: R) -> BlockReader<R> {
        BlockReader { inner, block: Vec::new(), content: Vec::new(), position: 0 }
    }

    /// Reads the next block; false at the end of the series.
    fn read_block(&mut self) -> io::Result<bool> {
        self.position = 0;
        self.content.clear();
        self.block.clear();
        const HEAD_LENGTH: usize = CHECKSUM_LENGTH + HEADER_LENGTH;
        self.read_up_to(HEAD_LENGTH)?;
        match self.block.len() {
            0 => return Ok(false),
            HEAD_LENGTH => {}
            _ => return Err(cut_off()),
        }
        let word =
            |at: usize| u32::from_le_bytes([0, 1, 2, 3].map(|offset| self.block[at + offset])) as usize;
        let method = self.block[CHECKSUM_LENGTH];
        let (length, content_length) = (word(CHECKSUM_LENGTH + 1), word(CHECKSUM_LENGTH + 5));
        let Some(compressed_length) = length.checked_sub(HEADER_LENGTH).filter(|_| length <= BLOCK_LIMIT)
        else {
            return Err(damaged(format!("Block length {length} is out of range")));
        };
        if content_length > BLOCK_LIMIT || content_length > compressed_length.saturating_mul(256) {
            return Err(damaged(format!("Content length {content_length} is out of range")));
        }
        self.read_up_to(compressed_length)?;
        if self.block.len() != HEAD_LENGTH + compressed_length {
            return Err(cut_off());
        }
        if checksum(&self.block[CHECKSUM_LENGTH..]) != self.block[..CHECKSUM_LENGTH] {
            let message = "Checksum doesn't match: corrupted data";
            return Err(Exception::new(code::CHECKSUM_DOESNT_MATCH, "CHECKSUM_DOESNT_MATCH", message).into());
        }
        let compressed = &self.block[HEAD_LENGTH..];
        self.content.resize(content_length, 0);
        match method {
            METHOD_NONE if content_length == compressed_length => self.content.copy_from_slice(compressed),
            METHOD_LZ4 => match lz4_flex::block::decompress_into(compressed, &mut self.content) {
                Ok(written) if written == content_length => {}
                Ok(written) => {
                    return Err(damaged(format!("Block holds {written} bytes, not {content_length}")));
                }
                Err(error) => return Err(damaged(format!("Cannot decompress: {error}"))),
            },
            _ => {
                let message =
                    format!("Compression method {method:#04x} is not supported, only LZ4 (0x82) is");
                let exception =
                    Exception::new(code::UNKNOWN_COMPRESSION_METHOD, "UNKNOWN_COMPRESSION_METHOD", message);
                return Err(exception.into());
            }
        }
        Ok(true)
    }

    /// Appends up to `length` bytes to the block, fewer only at the end.
    fn read_up_to(&mut self, length: usize) -> io::Result<()> {
        (&mut self.inner).take(length as u64).read_to_end(&mut self.block)?;
        Ok(())
    }
}

fn damaged(message: String) -> io::Error {
    Exception::new(code::CANNOT_DECOMPRESS, "CANNOT_DECOMPRESS", message).into()
}

fn cut_off() -> io::Error {
    Exception::new(
        code::CANNOT_READ_ALL_DATA,
        "CANNOT_READ_ALL_DATA",
        "The compressed body ends within a block",
    )
    .into()
}

impl<R: Read> Read for BlockReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.position == self.content.len() {
            if !self.read_block()? {
                return Ok(0);
            }
        }
        let length = buffer.len().min(self.content.len() - self.position);
        buffer[..length].copy_from_slice(&self.content[self.position..self.position + length]);
        self.position += length;
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(blocks: &[u8]) -> io::Result<Vec<u8>> {
        let mut content = Vec::new();
        BlockReader::new(blocks).read_to_end(&mut content).map(|_| content)
    }

    /// Made by the official Rust client.
    const BLOCK: [u8; 50] = [
        245, 5, 222, 235, 225, 158, 59, 108, 225, 31, 65, 215, 66, 66, 36, 92, 130, 34, 0, 0, 0, 23, 0, 0, 0,
        240, 8, 1, 0, 2, 255, 255, 255, 255, 0, 1, 1, 1, 115, 6, 83, 116, 114, 105, 110, 103, 3, 97, 98, 99,
    ];
    const CONTENT: [u8; 23] =
        [1, 0, 2, 255, 255, 255, 255, 0, 1, 1, 1, 115, 6, 83, 116, 114, 105, 110, 103, 3, 97, 98, 99];

    #[test]
    fn blocks_are_those_of_the_official_client() {
        assert_eq!(read(&BLOCK).unwrap(), CONTENT);
        let mut written = Vec::new();
        write_blocks(&CONTENT, &mut written);
        assert_eq!(written, BLOCK);
    }

    #[test]
    fn a_damaged_or_cut_block_is_refused() {
        for at in 0..BLOCK.len() {
            let mut damaged = BLOCK;
            damaged[at] ^= 1;
            assert!(read(&damaged).is_err(), "a flipped bit at {at} goes unseen");
            if at > 0 {
                assert!(read(&BLOCK[..at]).is_err(), "a cut at {at} goes unseen");
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn content_of_any_size_comes_back(seed in 0_u8.., length in 0_usize..3_000_000) {
            let content: Vec<u8> = (0..length).map(|at| (at / 7) as u8 ^ seed).collect();
            let mut blocks = Vec::new();
            write_blocks(&content, &mut blocks);
            proptest::prop_assert_eq!(read(&blocks).unwrap(), content);
        }

        #[test]
        fn any_bytes_end_without_a_panic(bytes in proptest::collection::vec(0_u8.., 0..200)) {
            drop(read(&bytes));
        }
    }
}
