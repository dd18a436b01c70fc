//! presto
