//! One declaration for the memory of a component: its type, its lengths, and its two makes.

/// What fills the places of a table before it is used.
///
/// Of zeros wherever the entry allows it, so that a board's tables take no place in its flash.
pub trait Empty {
    /// A place without anything.
    const EMPTY: Self;
}

impl<const N: usize> Empty for heapless::String<N> {
    const EMPTY: Self = Self::new();
}

/// Places without anything, in a constant.
pub const fn empty<T: Empty, const N: usize>() -> [T; N] {
    [T::EMPTY; N]
}

/// What a table costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Table {
    /// Which.
    pub name: &'static str,
    /// Octets of an entry.
    pub entry: usize,
    /// Number of entries.
    pub count: usize,
}

impl Table {
    /// Octets of several tables.
    pub const fn octets_of(tables: &[Self]) -> usize {
        match tables {
            [first, rest @ ..] => first.entry * first.count + Self::octets_of(rest),
            [] => 0,
        }
    }
}

/// Declares a component's memory, with the length of each table for given limits.
///
/// Makes of `Storage`, `Lengths` and `Arrays`: the slices that a component is made of, how long
/// they are, and arrays to lend them from, whose lengths are parameters in the order of the
/// fields.
macro_rules! tables {
    (
        $(#[$meta:meta])*
        pub struct $storage:ident, $arrays:ident$(<$entry:ident>)? for $limits:ident {
            $($(#[$doc:meta])* $field:ident: [$type:ty; $len:expr],)+
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug)]
        pub struct $storage<'a $(, $entry)?> {
            $($(#[$doc])* pub $field: $crate::store::Backing<'a, $type>,)+
        }

        /// How long each table is.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct Lengths {
            $($(#[$doc])* pub $field: usize,)+
        }

        impl Lengths {
            /// What the limits ask for.
            pub const fn of($limits: &$crate::limits::Limits) -> Self {
                Self { $($field: $len,)+ }
            }

            /// Each table: its name, octets of an entry, number of entries.
            pub const fn tables$(<$entry>)?(
                &self,
            ) -> [$crate::store::Table; [$(stringify!($field)),+].len()] {
                [$($crate::store::Table {
                    name: stringify!($field),
                    entry: size_of::<$type>(),
                    count: self.$field,
                }),+]
            }
        }

        /// Arrays to lend the slices from: memory of a fixed place, such as a `static`.
        #[derive(Debug)]
        #[allow(non_upper_case_globals, reason = "a length is called like its table")]
        pub struct $arrays<$($entry,)? $(const $field: usize,)+> {
            $($field: [$type; $field],)+
        }

        #[allow(non_upper_case_globals, reason = "a length is called like its table")]
        impl<$($entry,)? $(const $field: usize,)+> $arrays<$($entry,)? $($field,)+> {
            /// Tables with nothing in them.
            #[allow(clippy::new_without_default, reason = "they are for constants only")]
            pub const fn new() -> Self {
                Self { $($field: $crate::store::empty(),)+ }
            }

            /// Lends the tables.
            pub fn lend(&mut self) -> $storage<'_ $(, $entry)?> {
                $storage { $($field: $crate::store::Backing::Borrowed(&mut self.$field),)+ }
            }
        }

        impl$(<$entry>)? $storage<'_ $(, $entry)?> {
            /// Allocates what `limits` asks for.
            #[cfg(feature = "alloc")]
            pub fn allocate(limits: &$crate::limits::Limits) -> Self {
                let lengths = Lengths::of(limits);
                Self { $($field: $crate::store::Backing::allocate(lengths.$field),)+ }
            }

            /// How long each table is.
            pub fn lengths(&self) -> Lengths {
                Lengths { $($field: self.$field.len(),)+ }
            }
        }
    };
}

pub(crate) use tables;
