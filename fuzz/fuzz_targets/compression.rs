//! Compressed bodies: no bytes panic or make more than the limit, and what is compressed here, whole or
//! in pieces, comes out again.
#![no_main]

use kmagent::net::compression::{Codec, Compressor, decompress};
use libfuzzer_sys::fuzz_target;

const LIMIT: usize = 1 << 20;

fuzz_target!(|bytes: &[u8]| {
    for codec in Codec::ALL {
        let Ok(content) = decompress(codec, bytes, LIMIT) else { continue };
        assert!(content.len() <= LIMIT);
        comes_out_again(codec, &content);
    }
    // Contents that repeat themselves are built from the input: a distance and a length at a time.
    let mut content = Vec::new();
    for piece in bytes.chunks(4) {
        content.extend_from_slice(piece);
        let (back, length) = (1 + usize::from(piece[0]) * 3, 2 * usize::from(piece[piece.len() - 1]));
        if let Some(from) = content.len().checked_sub(back) {
            (from..from + length).for_each(|at| content.push(content[at]));
        }
        if content.len() > LIMIT {
            break;
        }
    }
    comes_out_again(Codec::Gzip, &content);
});

fn comes_out_again(codec: Codec, content: &[u8]) {
    let mut compressor = Compressor::new(codec, 0).expect("the default is a level");
    let mut packed = Vec::new();
    compressor.compress(content, &mut packed).expect("memory is enough");
    assert!(decompress(codec, &packed, content.len()).expect("it is sound") == content);
    compressor.compress_pieces(content.chunks(1000), &mut packed).expect("memory is enough");
    assert!(decompress(codec, &packed, content.len()).expect("it is sound") == content);
}
