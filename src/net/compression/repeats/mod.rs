//! gzip and zlib for what repeats itself a lot, as telemetry does: each record has most of the bytes
//! of the one before it. Long repetitions are stepped over instead of being looked at byte by byte,
//! and what was the distance of the last repetition is tried first.
//!
//! Measured against level 1 of libdeflate: on requests with container logs, on metrics and Kubernetes
//! objects 1.2 to 2.5 times as fast, and between 30 % smaller and 14 % larger, mostly within 3 %; a fifth
//! slower on bodies of random words. RFC 1951 (deflate), RFC 1952 (gzip) and RFC 1950 (zlib) say what is
//! written.

mod bits;
mod block;
mod huffman;
mod matches;

use super::libdeflate::{Checksum, Wrapping};
use block::Blocks;
use matches::{Matcher, WINDOW};

/// Pieces are joined up to this size before repetitions are looked for; larger ones stay alone.
const STRETCH: usize = 128 << 10;

/// Packs one body after another. Its state has 0.2 MiB, and as much again for bodies in pieces.
pub(super) struct Squeezer {
    wrapping: Wrapping,
    matcher: Matcher,
    blocks: Blocks,
    /// What is being joined of a body in pieces, behind the last [`WINDOW`] of what was.
    joined: Vec<u8>,
}

impl Squeezer {
    pub(super) fn new(wrapping: Wrapping) -> Self {
        Self { wrapping, matcher: Matcher::default(), blocks: Blocks::default(), joined: Vec::new() }
    }

    /// Replaces the content of `output` with the compressed pieces.
    pub(super) fn compress(&mut self, pieces: &[&[u8]], output: &mut Vec<u8>) {
        output.clear();
        output.extend_from_slice(match self.wrapping {
            // No name, no time, "fastest", from an unknown system.
            Wrapping::Gzip => &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 255],
            // A window of 32 KiB, "fastest".
            Wrapping::Zlib => &[0x78, 0x01],
        });
        self.blocks.begin();
        let mut checksum = Checksum::new(self.wrapping);
        for pieces in pieces.chunk_by(|one, next| one.len().max(next.len()) < STRETCH) {
            self.matcher.begin();
            match pieces {
                [piece] => self.matcher.run(piece, 0, &mut self.blocks, output),
                pieces => self.join(pieces, output),
            }
            // Now, while they are in the processor's cache.
            pieces.iter().for_each(|piece| checksum.add(piece));
        }
        self.blocks.finish(output);
        match self.wrapping {
            Wrapping::Gzip => {
                let length: usize = pieces.iter().map(|piece| piece.len()).sum();
                output.extend_from_slice(&checksum.value().to_le_bytes());
                output.extend_from_slice(&(length as u32).to_le_bytes());
            }
            Wrapping::Zlib => output.extend_from_slice(&checksum.value().to_be_bytes()),
        }
    }

    fn join(&mut self, pieces: &[&[u8]], output: &mut Vec<u8>) {
        self.joined.clear();
        let mut done = 0;
        for piece in pieces {
            let mut rest = *piece;
            while !rest.is_empty() {
                let (now, later) = rest.split_at(rest.len().min(WINDOW + STRETCH - self.joined.len()));
                self.joined.extend_from_slice(now);
                rest = later;
                if self.joined.len() == WINDOW + STRETCH {
                    self.matcher.run(&self.joined, done, &mut self.blocks, output);
                    self.joined.drain(..STRETCH);
                    self.matcher.moved(STRETCH);
                    done = WINDOW;
                }
            }
        }
        self.matcher.run(&self.joined, done, &mut self.blocks, output);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use proptest::prelude::*;

    use super::*;

    fn unpack(wrapping: Wrapping, packed: &[u8]) -> Vec<u8> {
        let mut content = Vec::new();
        match wrapping {
            Wrapping::Gzip => flate2::read::GzDecoder::new(packed).read_to_end(&mut content),
            Wrapping::Zlib => flate2::read::ZlibDecoder::new(packed).read_to_end(&mut content),
        }
        .unwrap();
        content
    }

    /// Records as telemetry has them, with parts of every length that are the same and not.
    fn records(seed: u64, bytes: usize) -> Vec<u8> {
        let mut random = seed;
        let mut content = Vec::new();
        while content.len() < bytes {
            random = random.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F);
            let same = (random >> 33) as usize % 400;
            content.extend((0..same).map(|n| (n * 7 % 251) as u8));
            content.extend_from_slice(&random.to_le_bytes()[..(random >> 61) as usize]);
        }
        content
    }

    #[test]
    fn what_was_packed_comes_out_again_whole_or_in_pieces() {
        for wrapping in [Wrapping::Gzip, Wrapping::Zlib] {
            let mut squeezer = Squeezer::new(wrapping);
            let mut packed = Vec::new();
            for content in [
                Vec::new(),
                b"a".to_vec(),
                b"telemetry".to_vec(),
                vec![0; 1_000_000],
                (0..=255).collect(),
                records(1, 100),
                records(2, 2_000_000),
                std::iter::successors(Some(1_u32), |n| Some(n.wrapping_mul(747_796_405).wrapping_add(1)))
                    .take(300_000)
                    .map(|n| (n >> 24) as u8)
                    .collect(),
            ] {
                squeezer.compress(&[&content], &mut packed);
                assert!(unpack(wrapping, &packed) == content, "{} bytes", content.len());
                assert!(packed.len() < content.len() + content.len() / 50 + 100);
                for piece in [1000, STRETCH, WINDOW + STRETCH, 777_777] {
                    let pieces: Vec<&[u8]> = content.chunks(piece).collect();
                    squeezer.compress(&pieces, &mut packed);
                    assert!(unpack(wrapping, &packed) == content, "{} bytes", content.len());
                    let mixed: Vec<&[u8]> =
                        pieces.iter().flat_map(|piece| piece.chunks(STRETCH + 9)).collect();
                    squeezer.compress(&mixed, &mut packed);
                    assert!(unpack(wrapping, &packed) == content, "{} bytes", content.len());
                }
            }
        }
    }

    #[test]
    fn repetitions_are_found_over_the_borders_of_pieces() {
        let content = records(3, 1_000_000);
        let mut squeezer = Squeezer::new(Wrapping::Gzip);
        let (mut whole, mut packed) = (Vec::new(), Vec::new());
        squeezer.compress(&[&content], &mut whole);
        assert!(whole.len() < content.len() / 10, "{}", whole.len());
        let pieces: Vec<&[u8]> = content.chunks(5000).collect();
        squeezer.compress(&pieces, &mut packed);
        assert!(packed.len() < whole.len() + whole.len() / 50, "{} and {}", packed.len(), whole.len());
    }

    #[test]
    fn nothing_is_taken_from_the_body_before() {
        let mut squeezer = Squeezer::new(Wrapping::Gzip);
        let (mut first, mut again, mut fresh) = (Vec::new(), Vec::new(), Vec::new());
        let content = records(4, 50_000);
        squeezer.compress(&[&content], &mut first);
        squeezer.compress(&[&content], &mut again);
        Squeezer::new(Wrapping::Gzip).compress(&[&content], &mut fresh);
        assert!(first == again && first == fresh);
    }

    proptest! {
        #[test]
        fn no_content_is_changed(
            parts in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..40), 1_usize..60), 0..30),
            piece in 1_usize..3000,
        ) {
            let content: Vec<u8> = parts.iter().flat_map(|(part, times)| part.repeat(*times)).collect();
            let mut squeezer = Squeezer::new(Wrapping::Zlib);
            let mut packed = Vec::new();
            squeezer.compress(&[&content], &mut packed);
            prop_assert_eq!(unpack(Wrapping::Zlib, &packed), &content[..]);
            squeezer.compress(&content.chunks(piece).collect::<Vec<_>>(), &mut packed);
            prop_assert_eq!(unpack(Wrapping::Zlib, &packed), content);
        }
    }
}
