//! Changes for elements that are away.
