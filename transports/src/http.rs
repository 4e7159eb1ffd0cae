//! HTTP/1.1: requests, responses and event streams.
