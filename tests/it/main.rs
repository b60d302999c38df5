//! The integration tests of the crate, in one binary: tests made from the registry of ops, and promises of the design.

mod compare;
mod layers;
mod promises;
mod registry;
mod transform;
