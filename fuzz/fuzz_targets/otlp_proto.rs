//! Messages of gRPC and the export requests in them: no bytes panic or take more than the limit,
//! and what the scan lets pass decodes to as many items.
#![no_main]

use kmagent::net::compression::Codec;
use kmagent::net::grpc::message;
use kmagent::otlp::scan;
use kmagent::pipeline::{Data, Signal};
use libfuzzer_sys::fuzz_target;

const LIMIT: usize = 1 << 20;

fuzz_target!(|bytes: &[u8]| {
    for codec in [None, Some(Codec::Gzip), Some(Codec::SnappyFramed), Some(Codec::Zstd)] {
        let Ok(opened) = message::opened(bytes.to_vec(), codec, LIMIT) else { continue };
        assert!(opened.body().len() <= LIMIT);
        for signal in Signal::ALL {
            let decoded = Data::decode(signal, opened.body());
            if let Some(items) = scan::items(signal, opened.body()) {
                assert_eq!(decoded.as_ref().expect("what was let pass decodes").items(), items);
            }
            if let Ok(data) = decoded {
                let mut again = Vec::new();
                data.encode(&mut again);
                assert_eq!(again.len(), data.encoded_len());
            }
        }
    }
});
