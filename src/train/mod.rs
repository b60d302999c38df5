//! Running a compiled step over a data set.

pub mod epoch;
