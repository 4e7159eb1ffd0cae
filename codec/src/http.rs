//! HTTP/1.1: request heads, body framing and response heads.
