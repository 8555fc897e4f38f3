//! The control: `SoftEther` VPN of Debian's `softether-vpnserver`, configured like our server.
//!
//! It shows that the lab itself works. What it cannot be told is skipped, not passed.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::expect;
use crate::lab::{
    Failure, Lab, Namespace, Outcome, PASSWORD, PSK, Process, Settings, Site, USER, run,
};

/// Name of the hub's TAP device.
pub(crate) const TAP: &str = "tap_soft";

/// Starts and configures it, apart from a `SoftEther` of the machine's own.
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/lab/softether");
/// A little more than the script gives itself.
const LIMIT: Duration = Duration::from_secs(40);
const INSTALLED: &str = "/usr/libexec/softether/vpncmd/vpncmd";

/// Starts and configures the server in the site's namespace.
pub(crate) fn start(lab: &Lab<'_>, site: &Site, settings: &Settings) -> Outcome<Process> {
    if !settings.ipsec.is_empty() {
        return Err(Failure::Skipped("the control has no such setting".to_owned()));
    }
    start_in(&site.server, lab.folder(), "")
}

/// Starts and configures the server in `namespace`; `commands` are further ones of `vpncmd`.
pub(crate) fn start_in(namespace: &Namespace, logs: &Path, commands: &str) -> Outcome<Process> {
    expect!(Path::new(INSTALLED).exists(), "apt-get install softether-vpnserver softether-vpncmd");
    let file = logs.join("softether-commands");
    fs::write(
        &file,
        format!(
            "Hub DEFAULT\nUserCreate {USER} /GROUP:none /REALNAME:none /NOTE:none\n\
             UserPasswordSet {USER} /PASSWORD:{PASSWORD}\nSecureNatEnable\nNatDisable\n\
             {commands}\
             IPsecEnable /L2TP:yes /L2TPRAW:no /ETHERIP:no /PSK:{PSK} /DEFAULTHUB:DEFAULT\n\
             BridgeCreate DEFAULT /DEVICE:soft /TAP:yes\n"
        ),
    )?;
    let process = Process::start(namespace.command(SCRIPT).arg("serve"), &logs.join("server.log"))?;
    let mut configure = namespace.command(SCRIPT);
    let (status, output) = run(configure.arg("configure").arg(&file), "", LIMIT)?;
    fs::write(logs.join("vpncmd.log"), &output)?;
    expect!(status.success(), "{}", output.trim());
    Ok(process)
}
