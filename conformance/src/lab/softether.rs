//! The control: `SoftEther` VPN of Debian's `softether-vpnserver`, configured like our server.
//!
//! It shows that the lab itself works. What it cannot be told is skipped, not passed.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use crate::lab::{
    Failure, Lab, Namespace, Outcome, PASSWORD, PSK, Process, Settings, Site, USER, run,
};
use crate::{expect, fail};

/// Name of the hub's TAP device.
pub(crate) const TAP: &str = "tap_soft";

const PROGRAMS: &str = "/usr/libexec/softether";
const MESSAGES: &str = "/usr/share/softether-common/hamcore.se2";

/// Starts and configures the server in the site's namespace.
pub(crate) fn start(lab: &Lab<'_>, site: &Site, settings: &Settings) -> Outcome<Process> {
    if !settings.ipsec.is_empty() {
        return Err(Failure::Skipped("the control has no such setting".to_owned()));
    }
    start_in(&site.server, lab.folder(), "")
}

/// Starts and configures the server in `namespace`; `commands` are further ones of `vpncmd`.
pub(crate) fn start_in(namespace: &Namespace, logs: &Path, commands: &str) -> Outcome<Process> {
    expect!(Path::new(MESSAGES).exists(), "apt-get install softether-vpnserver softether-vpncmd");
    let folder = logs.join("softether");
    fs::create_dir_all(&folder)?;
    for program in ["vpnserver", "vpncmd"] {
        fs::copy(format!("{PROGRAMS}/{program}/{program}"), folder.join(program))?;
    }
    fs::copy(MESSAGES, folder.join("hamcore.se2"))?;
    let shell = format!(
        "mkdir -p /run/softether && mount -t tmpfs tmpfs /run/softether && \
         cd {} && exec ./vpnserver execsvc",
        folder.display()
    );
    let mut command = namespace.command("sh");
    let process = Process::start(command.args(["-c", &shell]), &logs.join("server.log"))?;
    configure(namespace, &folder, commands)?;
    Ok(process)
}

fn configure(namespace: &Namespace, folder: &Path, commands: &str) -> Outcome<()> {
    let script = folder.join("commands");
    fs::write(
        &script,
        format!(
            "Hub DEFAULT\nUserCreate {USER} /GROUP:none /REALNAME:none /NOTE:none\n\
             UserPasswordSet {USER} /PASSWORD:{PASSWORD}\nSecureNatEnable\nNatDisable\n\
             {commands}\
             IPsecEnable /L2TP:yes /L2TPRAW:no /ETHERIP:no /PSK:{PSK} /DEFAULTHUB:DEFAULT\n\
             BridgeCreate DEFAULT /DEVICE:soft /TAP:yes\n"
        ),
    )?;
    let mut last = String::new();
    for _ in 0..20 {
        let mut command = namespace.command(&folder.join("vpncmd").display().to_string());
        command.args(["localhost:5555", "/SERVER"]).arg(format!("/IN:{}", script.display()));
        let (status, output) = run(command.current_dir(folder), "", Duration::from_secs(30))?;
        fs::write(folder.join("vpncmd.log"), &output)?;
        if status.success() {
            return Ok(());
        }
        last = output;
        thread::sleep(Duration::from_millis(500));
    }
    fail!("vpncmd: {last}")
}
