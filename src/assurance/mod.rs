//! assurance
