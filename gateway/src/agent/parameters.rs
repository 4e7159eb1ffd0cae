//! The parameters of a query, decoded.
//!
//! Owns the decoding and nothing else; what a parameter means is its endpoint's business. Unknown ones are ignored there.

use codec::http::{query_decode, query_pairs};
use transports::http::Request;

/// The sentence for a query that cannot be decoded.
pub const BAD_ENCODING: &str = "the query is not properly percent-encoded";

/// Names and values in order; `None` when one of them is not properly encoded.
pub fn parameters(request: &Request<'_>) -> Option<Vec<(String, String)>> {
    let decoded = |part: &str| query_decode(part, &mut String::new()).map(str::to_owned).ok();
    let pairs = query_pairs(request.query.unwrap_or_default());
    pairs.map(|(name, value)| Some((decoded(name)?, decoded(value)?))).collect()
}
