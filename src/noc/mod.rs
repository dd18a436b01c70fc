//! noc
