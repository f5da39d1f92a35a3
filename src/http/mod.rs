//! Faces over HTTP.
