//! What is parsed, and what is refused with which words.
