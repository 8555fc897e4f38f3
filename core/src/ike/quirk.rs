//! Deviations from the RFCs that a client needs, by name.

/// A named deviation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quirk {
    /// Its name in documents and tests.
    pub name: &'static str,
    /// Who needs it.
    pub client: &'static str,
    /// Whether it is on.
    pub enabled: bool,
}

/// A Microsoft client gets its own hash of our address back as ours.
///
/// Windows refuses a server behind NAT unless a registry value allows it; this way it cannot see
/// that NAT. Unproven: no capture of Windows accepting it has been taken for this project yet.
pub const MICROSOFT_NAT_D: Quirk = Quirk {
    name: "microsoft-nat-d",
    client: "Windows without AssumeUDPEncapsulationContextOnSendRule",
    enabled: true,
};
