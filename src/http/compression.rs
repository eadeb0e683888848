//! Compression of answers, as `Accept-Encoding` asks for it (RFC 9110, 12.5.3).

use tower_http::compression::{CompressionLayer, DefaultPredicate, Predicate, predicate::SizeAbove};

/// Smaller answers are sent as they are: the headers of a compressed one cost more than it saves.
const MIN_COMPRESSED_BYTES: u16 = 1024;

pub fn compression() -> CompressionLayer<impl Predicate> {
    CompressionLayer::new().compress_when(DefaultPredicate::new().and(SizeAbove::new(MIN_COMPRESSED_BYTES)))
}
