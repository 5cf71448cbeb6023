//! Messages of gRPC and the export requests in them: no bytes panic or take more than the limit.
#![no_main]

use kmagent::net::compression::Codec;
use kmagent::net::grpc::message;
use kmagent::pipeline::{Data, Signal};
use libfuzzer_sys::fuzz_target;

const LIMIT: usize = 1 << 20;

fuzz_target!(|bytes: &[u8]| {
    for codec in [None, Some(Codec::Gzip), Some(Codec::SnappyFramed), Some(Codec::Zstd)] {
        let Ok(opened) = message::opened(bytes.to_vec(), codec, LIMIT) else { continue };
        assert!(opened.body().len() <= LIMIT);
        for signal in Signal::ALL {
            if let Ok(data) = Data::decode(signal, opened.body()) {
                let mut again = Vec::new();
                data.encode(&mut again);
                assert_eq!(again.len(), data.encoded_len());
            }
        }
    }
});
