//! What the oracle found: each a named test.
