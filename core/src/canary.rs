//! Faults that are planted on purpose, to prove that the simulator finds such things.
//!
//! Without the feature `canary` none of this is left in the code: [`is_planted`] is constant.
//! With it a process plants one fault for all servers that it runs. Never in a server that serves.

/// A fault that can be planted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Fault {
    /// A sequence number may come any number of times.
    ReplayWindowOff = 1,
    /// A peer moves to where a packet comes from before that packet is verified.
    EndpointMovedEarly,
    /// The IV of main mode moves on although a message did not verify.
    IvAdvancedEarly,
    /// A lease is never renewed, and nobody notices its end.
    LeaseNotRenewed,
    /// A Configure-Nak is said once, however often the same request comes.
    NakNotRepeated,
    /// A timer is lost if the driver comes more than a second late.
    TimerLostAfterLatePoll,
    /// Broadcasts of a hub reach the ports of its neighbour.
    HubIsolationBroken,
    /// Any password will do.
    DataBeforeAuthentication,
    /// The virtual DHCP server gives an address that it has given before.
    DuplicateLease,
    /// A frame that a hub drops never returns to its pool.
    BufferLeaked,
    /// The deadline is a tick too early, so that nothing is due at it.
    DeadlineTooEarly,
    /// Addresses that have proven nothing get as much as they ask for.
    UnprovenBudgetOff,
    /// ESP packets that are no good are dropped without being counted.
    DropNotCounted,
    /// Now and then two ESP packets leave with one sequence number.
    SequenceSentTwice,
    /// A layer of PPP Acks at once, so that the client opens before we do.
    ClientOpensFirst,
    /// An IKE SA that is over stays counted against its address.
    IkeSaStaysCounted,
    /// A dial that fails in phase 1 stays counted against its address.
    FailedDialStaysCounted,
    /// A session that is over stays counted against its user.
    SessionStaysCounted,
    /// The virtual DHCP server offers its former client an address outside a changed pool.
    FormerAddressOffered,
    /// A client's host leaves its hub without giving its address back.
    LeaseNotGivenBack,
    /// The key and the policy of a reload are not those that count from then on.
    ReloadNotInForce,
    /// A reload that writes a hub's name in another case ends its sessions.
    RenamedHubEnds,
}

impl Fault {
    /// All of them, with their names.
    pub const ALL: &[(Self, &'static str)] = &[
        (Self::ReplayWindowOff, "replay-window-off"),
        (Self::EndpointMovedEarly, "endpoint-moved-early"),
        (Self::IvAdvancedEarly, "iv-advanced-early"),
        (Self::LeaseNotRenewed, "lease-not-renewed"),
        (Self::NakNotRepeated, "nak-not-repeated"),
        (Self::TimerLostAfterLatePoll, "timer-lost-after-late-poll"),
        (Self::HubIsolationBroken, "hub-isolation-broken"),
        (Self::DataBeforeAuthentication, "data-before-authentication"),
        (Self::DuplicateLease, "duplicate-lease"),
        (Self::BufferLeaked, "buffer-leaked"),
        (Self::DeadlineTooEarly, "deadline-too-early"),
        (Self::UnprovenBudgetOff, "unproven-budget-off"),
        (Self::DropNotCounted, "drop-not-counted"),
        (Self::SequenceSentTwice, "sequence-sent-twice"),
        (Self::ClientOpensFirst, "client-opens-first"),
        (Self::IkeSaStaysCounted, "ike-sa-stays-counted"),
        (Self::FailedDialStaysCounted, "failed-dial-stays-counted"),
        (Self::SessionStaysCounted, "session-stays-counted"),
        (Self::FormerAddressOffered, "former-address-offered"),
        (Self::LeaseNotGivenBack, "lease-not-given-back"),
        (Self::ReloadNotInForce, "reload-not-in-force"),
        (Self::RenamedHubEnds, "renamed-hub-ends"),
    ];
}

/// Whether `fault` is planted: never, in this build.
#[cfg(not(feature = "canary"))]
#[inline]
pub const fn is_planted(_: Fault) -> bool {
    false
}

/// Whether `fault` is planted.
#[cfg(feature = "canary")]
pub fn is_planted(fault: Fault) -> bool {
    PLANTED.load(core::sync::atomic::Ordering::Relaxed) == fault as u8
}

/// Plants `fault` in every server of this process, in the place of the one before.
#[cfg(feature = "canary")]
pub fn plant(fault: Option<Fault>) {
    let number = fault.map_or(0, |fault| fault as u8);
    PLANTED.store(number, core::sync::atomic::Ordering::Relaxed);
}

#[cfg(feature = "canary")]
static PLANTED: core::sync::atomic::AtomicU8 = core::sync::atomic::AtomicU8::new(0);
