//! Traffic through a tunnel: echo requests and TCP, with figures.

use std::fmt;
use std::time::Duration;

use crate::lab::{Client, Lab, Outcome, Process, Site};
use crate::{expect, fail};

/// TCP through the tunnel, in Mbit/s.
#[derive(Debug, Clone, Copy)]
pub struct Throughput {
    /// From the client.
    pub up: f64,
    /// To the client.
    pub down: f64,
}

impl fmt::Display for Throughput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TCP {:.0} up, {:.0} down Mbit/s", self.up, self.down)
    }
}

/// Sends echo requests, five a second; none may be lost. Returns the mean round trip in ms.
pub fn ping(client: &mut Client, target: &str, count: u32) -> Outcome<f64> {
    let script = format!("ping -n -i 0.2 -c {count} -W 2 {target}");
    let limit = Duration::from_secs(u64::from(count) / 4 + 10);
    let step = client.guest.step(&script, limit)?;
    let received = number_before(&step.output, " received");
    expect!(received == Some(f64::from(count)), "ping {target}: {}", summary(&step.output));
    let mean = step.output.split(" = ").nth(1).and_then(|times| times.split('/').nth(1));
    match mean.and_then(|mean| mean.parse().ok()) {
        Some(mean) => Ok(mean),
        None => fail!("ping not understood: {}", step.output),
    }
}

/// Sends TCP up, then down, for `seconds` each, to an address on the hub's TAP device.
/// `port` tells apart what runs at once.
pub fn tcp_both_ways(
    lab: &Lab<'_>,
    site: &Site,
    client: &mut Client,
    port: u16,
    seconds: u32,
) -> Outcome<Throughput> {
    let mut command = site.server.command("iperf3");
    command.args(["-s", "-p", &port.to_string(), "--forceflush"]);
    let log = lab.folder().join(format!("iperf3-{port}.log"));
    let mut listener = Process::start(&mut command, &log)?;
    listener.wait_for_output("listening", Duration::from_secs(5))?;
    let mut measure = |flag: &str| {
        let to = crate::lab::ON_TAP;
        let script = format!(
            "timeout {} iperf3 -c {to} -p {port} -t {seconds} -f m --connect-timeout 5000 {flag}",
            seconds + 15
        );
        let output = client.guest.run(&script, Duration::from_secs(u64::from(seconds) + 20))?;
        let line = output.lines().find(|line| line.contains("receiver")).unwrap_or_default();
        match number_before(line, " Mbits/sec") {
            Some(rate) if rate >= 1.0 => Ok(rate),
            Some(rate) => fail!("TCP {flag}: only {rate} Mbit/s"),
            None => fail!("iperf3 not understood: {output}"),
        }
    };
    Ok(Throughput { up: measure("")?, down: measure("-R")? })
}

fn number_before(text: &str, unit: &str) -> Option<f64> {
    text.split(unit).next().filter(|before| before.len() < text.len())?;
    text.split(unit).next()?.split([' ', ',']).next_back()?.parse().ok()
}

fn summary(output: &str) -> &str {
    output.lines().find(|line| line.contains("packets transmitted")).unwrap_or(output)
}
