//! The lab: network namespaces, User-Mode Linux guests and servers, built and torn down per case.
//!
//! Every case has its own namespaces with names of its own, so cases may run side by side. Every
//! process is bounded by a time limit and dies with the harness; namespaces that a killed harness
//! left behind are removed by the next one.

pub(crate) mod account;
pub(crate) mod any_cpu;
mod case;
mod client;
mod command;
mod failure;
mod guest;
mod machine;
mod netns;
mod program;
mod runner;
mod server;
pub(crate) mod softether;
mod topology;
mod traffic;

pub use any_cpu::hide_register_sets;
pub use case::{Case, Lab, Options, Weight};
pub use client::{Client, Dialled, PASSWORD, PSK, Profile, USER};
pub use command::{Process, run};
pub use failure::{Failure, Outcome};
pub use guest::{Guest, Step};
pub use netns::{Namespace, sweep};
pub use program::Group;
pub use runner::run_cases;
pub use server::{Kind, NETWORK, ON_TAP, ROUTER, Server, Settings, write_config};
pub use topology::{Seat, Site};
pub use traffic::{Throughput, ping, tcp_both_ways};
