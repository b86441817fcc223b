//! The daemon and its doctor, on a network and a clock that each test writes itself.

#![cfg(unix)]

mod build;
mod doctor;
mod load;
mod run;
mod world;
