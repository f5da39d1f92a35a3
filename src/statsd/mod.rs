//! The statsd wire format and the sink that sends our own metrics.
