//! The only door to the network: dialer, egress guard, TLS roots, one HTTP exchange with timings.
