//! What a client calls itself, taken apart as SoftEther does.
//!
//! `hub\user` and `user@hub` name a hub only if it exists: `alice@example.com` is a user of the
//! default hub unless a hub is called `example.com`. A name with a backslash within is not
//! searched for `@`; of several `@`, the last counts. Upper and lower case are the same.

/// The hub that `name` means, and the user in it.
///
/// `hub_of` finds a hub by its name.
pub(super) fn split<H>(
    name: &str,
    default_hub: H,
    hub_of: impl Fn(&str) -> Option<H>,
) -> (H, &str) {
    let name = name.trim();
    let parts = match name.split_once('\\').filter(both) {
        Some((hub, user)) => Some((hub, user)),
        None => name.rsplit_once('@').filter(both).map(|(user, hub)| (hub, user)),
    };
    match parts.and_then(|(hub, user)| Some((hub_of(hub)?, user))) {
        Some(found) => found,
        None => (default_hub, name),
    }
}

fn both((left, right): &(&str, &str)) -> bool {
    !left.is_empty() && !right.is_empty()
}

/// Whether two names of users are the same.
pub(super) fn same(a: &str, b: &str) -> bool {
    folded(a).eq(folded(b))
}

/// A name without its case.
pub(super) fn folded(name: &str) -> impl Iterator<Item = char> {
    name.chars().flat_map(char::to_lowercase)
}
