//! The Linux server: sockets, TAP devices, clock and configuration around `kumihimo-core`.
