//! The LAN that the board is plugged into: a bridge, a router, dnsmasq as the DHCP server.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use crate::fail;
use crate::lab::{Lab, Outcome, Process, Site};

/// What the DHCP server gives the board.
pub(crate) const BOARD: &str = "10.9.0.2";
/// The office's router.
pub(crate) const ROUTER: &str = "10.9.0.1";
/// The board's MAC address, which is QEMU's first.
pub(crate) const BOARD_MAC: &str = "52:54:00:12:34:56";

/// An office with a DHCP server.
#[derive(Debug)]
pub(crate) struct Office {
    pub(crate) site: Site,
    dhcp: Option<Process>,
    folder: PathBuf,
}

impl Office {
    /// An office with so many clients elsewhere.
    pub(crate) fn open(lab: &Lab<'_>, seats: u8) -> Outcome<Self> {
        let site = Site::office(lab, BOARD, seats)?;
        let mut office = Self { site, dhcp: None, folder: lab.folder().to_owned() };
        office.start_dhcp()?;
        Ok(office)
    }

    /// Starts the DHCP server; it remembers its leases.
    pub(crate) fn start_dhcp(&mut self) -> Outcome<()> {
        let mut command = self.site.server.command("dnsmasq");
        command.args(["--keep-in-foreground", "--conf-file=/dev/null", "--pid-file=", "--port=0"]);
        command.args(["--user=root", "--interface=wire", "--bind-interfaces", "--log-dhcp"]);
        command.args(["--dhcp-authoritative", "--dhcp-range=10.9.0.100,10.9.0.199,10m"]);
        command.arg(format!("--dhcp-host={BOARD_MAC},{BOARD}"));
        command.args(["--log-facility=-"]);
        command.arg(format!("--dhcp-leasefile={}", self.folder.join("leases").display()));
        let mut process = Process::start(&mut command, &self.folder.join("dnsmasq.log"))?;
        process.wait_for_output("IP range", Duration::from_secs(10))?;
        self.dhcp = Some(process);
        Ok(())
    }

    /// The DHCP server dies.
    pub(crate) fn stop_dhcp(&mut self) {
        self.dhcp = None;
    }

    /// Fails unless the DHCP server leased this address, and from its range.
    pub(crate) fn leased(&self, address: &str) -> Outcome<()> {
        let leases = fs::read_to_string(self.folder.join("leases"))?;
        let is_there = leases.lines().any(|line| line.split(' ').nth(2) == Some(address));
        let host = address.strip_prefix("10.9.0.").and_then(|host| host.parse::<u8>().ok());
        if is_there && host.is_some_and(|host| (100..200).contains(&host)) {
            return Ok(());
        }
        fail!("{address} is none of the DHCP server's leases: {leases}")
    }
}
