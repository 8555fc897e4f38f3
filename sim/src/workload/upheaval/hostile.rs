//! Those who mean harm: people who have the key and no user, and users who have both.

use std::net::Ipv4Addr;

use kumihimo_core::time::Duration;

use super::Stage;
use crate::node::client::ClientNode;
use crate::node::frame::Ip;
use crate::node::holder::{Appetite, KeyHolder, Then};
use crate::observe::Failure;
use crate::peer::{Again, Cipher, Group, Hash, Reach};
use crate::profile::{CP_APL_MM, EspHabits, IkeHabits, Probe, Profile, cbc, ike};
use crate::story::plot::Resident;
use crate::world::{NodeCx, World};

impl Stage {
    /// Key holders open all they can.
    pub(super) fn besiege(&mut self, world: &mut World) -> Result<(), Failure> {
        let reach = REACHES[world.below(REACHES.len() as u64) as usize];
        let then = [Then::Leave, Then::Stay, Then::Multiply][world.below(3) as usize];
        // Whoever stays goes on to the end.
        let then = if reach <= Reach::Keys { Then::Leave } else { then };
        let every = Duration::from_millis([100, 20, 20, 1_000][world.below(4) as usize]);
        let dials = [2, 10, 40, 40][world.below(4) as usize];
        let appetite = Appetite { reach, then, every, dials };
        world.scene(&format!("key holders: {appetite:?}"));
        self.is_besieged = true;
        let holder = self.holder;
        // It wakes at once: its deadline is now.
        world.with(holder, |holder: &mut KeyHolder, cx| holder.begin(cx.now(), appetite));
        self.try_at_once(world)
    }

    /// Users who mean harm dial, and do their worst for a while.
    pub(super) fn riot(&mut self, world: &mut World) -> Result<(), Failure> {
        let kind = world.below(RIOTS);
        let secs = 1 + world.below(12);
        world.scene(&format!("a user means harm, in way {kind}"));
        self.riot_until = world.now() + Duration::from_secs(secs);
        for &eve in &self.hostile {
            world.with(eve.id, |node: &mut ClientNode, cx| {
                if !node.is_wanted() {
                    node.dial(cx);
                }
            });
            go_on(world, eve, kind, secs * 1_000 / EVERY_MS);
        }
        self.try_at_once(world)
    }

    /// Perhaps the honest client dials while it is at its worst.
    fn try_at_once(&mut self, world: &mut World) -> Result<(), Failure> {
        if world.below(2) == 0 {
            return Ok(());
        }
        world.run_for(Duration::from_secs(3))?;
        self.trial(world)
    }
}

/// Does harm now, and so many times more.
fn go_on(world: &mut World, eve: Resident, kind: u64, left: u64) {
    world.with(eve.id, |node: &mut ClientNode, cx| do_harm(node, cx, kind, left));
    if let Some(left) = left.checked_sub(1) {
        world.after(Duration::from_millis(EVERY_MS), move |world| go_on(world, eve, kind, left));
    }
}

fn do_harm(node: &mut ClientNode, cx: &mut NodeCx<'_>, kind: u64, round: u64) {
    let Some(own) = node.address() else { return };
    let [a, b, c, d] = own.octets();
    let near = |last| Ipv4Addr::new(a, b, c, last);
    match kind {
        0 => (0..BURST).for_each(|_| node.shout(cx, near(255))),
        1 => (0..BURST).for_each(|number| {
            let last = (round * BURST + number) % 253;
            node.ping(cx, near(1 + last as u8));
        }),
        2 => {
            let discover = discover(round);
            let packet = Ip::udp((Ipv4Addr::UNSPECIFIED, 68), (Ipv4Addr::BROADCAST, 67), &discover);
            node.put(cx, packet.emit());
        }
        3 => {
            let stolen = near(d.wrapping_add(1 + (round % 8) as u8));
            let packet = Ip::udp((stolen, 9), (near(1), 9), &[0; 16]);
            node.put(cx, packet.emit());
        }
        4 => node.again(cx, [Again::Link, Again::Network, Again::Proof][(round % 3) as usize]),
        5 if round.is_multiple_of(4) => node.again(cx, Again::QuickMode),
        6 if round.is_multiple_of(10) => {
            node.vanish(cx);
            node.dial(cx);
        }
        _ => {}
    }
}

/// A DISCOVER (RFC 2131) of a machine that is not there.
fn discover(number: u64) -> Vec<u8> {
    let mut message = vec![1, 1, 6, 0];
    message.extend((number as u32).to_be_bytes());
    message.extend([0, 0, 0x80, 0]);
    message.extend([0; 16]);
    message.extend([2, 0xee]);
    message.extend((number as u32).to_be_bytes());
    message.resize(236, 0);
    message.extend([99, 130, 83, 99, 53, 1, 1, 255]);
    message
}

/// A client whose key exchanges cost little.
pub(super) static CP_CHEAP: Profile = Profile {
    name: "CP-CHEAP",
    about: "a key holder's own, which costs little",
    ike: IkeHabits {
        offers: &[ike(Cipher::Aes128, Hash::Sha1, Group::Modp1024)],
        initial_contact: false,
        dpd: Some(Probe { after: Duration::from_secs(20), misses: 5 }),
        ..CP_APL_MM.ike
    },
    esp: EspHabits { offers: &[cbc(Cipher::Aes128, Hash::Sha1)], ..CP_APL_MM.esp },
    ..CP_APL_MM
};

const REACHES: [Reach; 6] =
    [Reach::Offer, Reach::Keys, Reach::IkeSa, Reach::IpsecSa, Reach::Tunnel, Reach::Call];
/// Ways of doing harm.
const RIOTS: u64 = 7;
/// Between two bursts.
const EVERY_MS: u64 = 100;
/// Packets of a burst.
const BURST: u64 = 5;
