//! Names as clients type them.
//!
//! `user@hub` and `hub\user` name a hub, if there is one of that name; else the whole text is
//! the name of a user of the default hub, such as `alice@example.com`. The last `@` counts, so
//! that users may have one in their names. Case does not matter.

use core::hash::{Hash, Hasher};

/// Splits `text` into the place of a hub and a user's name, where `find` knows the hubs.
pub(super) fn split<'t>(
    text: &'t str,
    find: impl Fn(&str) -> Option<u16>,
    default: u16,
) -> (u16, &'t str) {
    let text = text.trim();
    let named = match text.split_once('\\') {
        Some((hub, user)) => Some((hub, user)),
        None => text.rsplit_once('@').map(|(user, hub)| (hub, user)),
    };
    named
        .filter(|(_, user)| !user.is_empty())
        .and_then(|(hub, user)| find(hub).map(|place| (place, user)))
        .unwrap_or((default, text))
}

/// A name that is compared and hashed without case.
#[derive(Clone, Copy, Debug)]
pub(super) struct Caseless<'t>(pub(super) &'t str);

impl Caseless<'_> {
    fn chars(&self) -> impl Iterator<Item = char> {
        self.0.chars().flat_map(char::to_lowercase)
    }
}

impl PartialEq for Caseless<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.chars().eq(other.chars())
    }
}

impl Hash for Caseless<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.chars().for_each(|character| character.hash(state));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split_with_hubs(text: &str) -> (u16, &str) {
        let hubs = ["DEFAULT", "Office"];
        let find = |name: &str| {
            hubs.iter().position(|hub| Caseless(hub) == Caseless(name)).map(|at| at as u16)
        };
        split(text, find, 0)
    }

    #[test]
    fn a_name_may_carry_its_hub_on_either_side() {
        assert_eq!(split_with_hubs("jiro"), (0, "jiro"));
        assert_eq!(split_with_hubs("jiro@office"), (1, "jiro"));
        assert_eq!(split_with_hubs("OFFICE\\jiro"), (1, "jiro"));
        assert_eq!(split_with_hubs(" jiro@DEFAULT "), (0, "jiro"));
        assert_eq!(split_with_hubs("jiro@example.com@office"), (1, "jiro@example.com"));
    }

    #[test]
    fn what_names_no_hub_belongs_to_the_user() {
        assert_eq!(split_with_hubs("alice@example.com"), (0, "alice@example.com"));
        assert_eq!(split_with_hubs("DOMAIN\\alice"), (0, "DOMAIN\\alice"));
        assert_eq!(split_with_hubs("@office"), (0, "@office"));
        assert_eq!(split_with_hubs("office\\"), (0, "office\\"));
        assert_eq!(split_with_hubs(""), (0, ""));
    }
}
