//! What must hold at every step, whatever is played. One file for each check.
//!
//! A check watches from outside: what went over the wires, what nodes say they saw, and what a
//! server tells about itself between two turns. [`watch`] puts all of them into a world.
//!
//! Two more are elsewhere: the world ends a run in which a node wants its timer without end
//! (`zero-delay-loop`), and the command compares the hashes of two runs of one tape.

pub mod amplification;
pub mod answered;
pub mod authentication;
pub mod buffers;
pub mod contract;
pub mod counted;
pub mod endpoint;
pub mod esp;
pub mod in_force;
pub mod isolation;
pub mod lease;
pub mod once;
pub mod sequence;
pub mod switched;
pub mod tables;

use std::collections::BTreeMap;

use crate::world::World;

/// Puts all checks into a world whose server has hubs with these names and networks.
pub fn watch(world: &mut World, hubs: &[(&str, u8)]) {
    let numbered = (0_u8..).zip(hubs);
    let nets: BTreeMap<String, (u8, u8)> =
        numbered.map(|(number, &(name, net))| (name.to_owned(), (number, net))).collect();
    world.observe(contract::Contract::default());
    world.observe(buffers::Buffers::default());
    world.observe(tables::Tables::default());
    world.observe(counted::Counted::default());
    world.observe(sequence::Sequence::default());
    world.observe(once::Once::default());
    world.observe(amplification::Amplification::default());
    world.observe(answered::Answered::default());
    world.observe(endpoint::Endpoint::default());
    world.observe(authentication::Authentication::default());
    world.observe(isolation::Isolation::new(nets));
    world.observe(lease::Leases::default());
}

/// The state of a server that has just begun to run.
pub const STARTED: &str = "started";

/// Whether a node is a server.
fn is_server(node: &dyn crate::world::Node) -> bool {
    (node as &dyn std::any::Any).is::<crate::node::server::ServerNode>()
}

/// A new turn of a server, told apart from calls in which it only took something.
#[derive(Debug, Default)]
struct Turns(BTreeMap<crate::world::NodeId, u64>);

impl Turns {
    /// The server behind `node`, if it has had a turn since this was asked last.
    fn fresh<'n>(
        &mut self,
        id: crate::world::NodeId,
        node: &'n dyn crate::world::Node,
    ) -> Option<&'n crate::node::server::ServerNode> {
        let server = (node as &dyn std::any::Any).downcast_ref()?;
        let number = crate::node::server::ServerNode::turn(server).number;
        let last = self.0.entry(id).or_default();
        (std::mem::replace(last, number) != number).then_some(server)
    }
}
