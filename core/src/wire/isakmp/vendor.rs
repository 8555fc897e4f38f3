//! Vendor IDs that mean something to us: the MD5 of a text, cut or extended by its owner.
//!
//! Where a comment names a client, the value was seen from it; see the reference of clients.

/// RFC 3947.
pub const RFC_3947: [u8; 16] = 0x4a13_1c81_0703_5845_5c57_28f2_0e95_452f_u128.to_be_bytes();
/// draft-ietf-ipsec-nat-t-ike-03.
pub const DRAFT_03: [u8; 16] = 0x7d94_19a6_5310_ca6f_2c17_9d92_1552_9d56_u128.to_be_bytes();
/// draft-ietf-ipsec-nat-t-ike-02, hashed with a line feed, as most implementations send it.
pub const DRAFT_02_N: [u8; 16] = 0x90cb_8091_3ebb_696e_0863_81b5_ec42_7b1f_u128.to_be_bytes();
/// draft-ietf-ipsec-nat-t-ike-02.
pub const DRAFT_02: [u8; 16] = 0xcd60_4643_35df_21f8_7cfd_b2fc_68b6_a448_u128.to_be_bytes();
/// draft-ietf-ipsec-nat-t-ike-00.
pub const DRAFT_00: [u8; 16] = 0x4485_152d_18b6_bbcd_0be8_a846_9579_ddcc_u128.to_be_bytes();
/// Dead peer detection (RFC 3706 §5.1), version 1.0.
pub const DPD: [u8; 16] = 0xafca_d713_68a1_f1c9_6b86_96fc_7757_0100_u128.to_be_bytes();
/// Begin of "MS NT5 ISAKMPOAKLEY"; four octets of version follow.
pub const MICROSOFT: [u8; 16] = 0x1e2b_5169_0599_1c7d_7c96_fcbf_b587_e461_u128.to_be_bytes();
