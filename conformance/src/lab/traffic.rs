//! Traffic through a tunnel: echo requests and TCP, with figures.

use std::collections::BTreeSet;
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

/// Sends echo requests, five a second; none of the first `count` may be lost. Returns the mean
/// round trip in ms.
pub fn ping(client: &mut Client, target: &str, count: u32) -> Outcome<f64> {
    let script = format!("ping -n -i 0.2 -c {} -W 2 {target}", count + MORE);
    let limit = Duration::from_secs(u64::from(count) / 4 + 10);
    let step = client.guest.step(&script, limit)?;
    let lost = unanswered(&step.output, count);
    expect!(lost.is_empty(), "ping {target}: lost {lost:?}: {}", summary(&step.output));
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

/// Which of the first `count` requests have no answer in what `ping` printed.
fn unanswered(output: &str, count: u32) -> Vec<u32> {
    let answers = output.lines().filter(|line| line.contains(" bytes from "));
    let number = |line: &str| line.split_once("icmp_seq=")?.1.split(' ').next()?.parse().ok();
    let answered: BTreeSet<u32> = answers.filter_map(number).collect();
    (1..=count).filter(|number| !answered.contains(number)).collect()
}

fn number_before(text: &str, unit: &str) -> Option<f64> {
    text.split(unit).next().filter(|before| before.len() < text.len())?;
    text.split(unit).next()?.split([' ', ',']).next_back()?.parse().ok()
}

fn summary(output: &str) -> &str {
    output.lines().find(|line| line.contains("packets transmitted")).unwrap_or(output)
}

/// Requests behind those that count, a second of them: `ping` waits 0.2 s for its last answer,
/// which a starved guest may not find in time.
const MORE: u32 = 5;

#[cfg(test)]
mod tests {
    use super::unanswered;

    #[test]
    fn a_lost_answer_is_named_and_one_behind_those_that_count_is_not() {
        let output = "PING 192.168.30.1 (192.168.30.1) 56(84) bytes of data.\n\
            64 bytes from 192.168.30.1: icmp_seq=1 ttl=64 time=0.433 ms\n\
            64 bytes from 192.168.30.1: icmp_seq=3 ttl=64 time=0.468 ms\n\
            64 bytes from 192.168.30.1: icmp_seq=3 ttl=64 time=0.568 ms (DUP!)\n\
            From 192.168.30.10 icmp_seq=4 Destination Host Unreachable\n\
            6 packets transmitted, 2 received, 66% packet loss, time 826ms\n";
        assert_eq!(unanswered(output, 3), [2]);
        assert_eq!(unanswered(output, 4), [2, 4]);
        assert_eq!(unanswered(output, 1), [0; 0]);
    }
}
