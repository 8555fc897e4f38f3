//! The IKEv1 component.
