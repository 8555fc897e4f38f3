//! What each policy accepts, in the words of the contract's table.

use kumihimo_core::config::Policy;
use kumihimo_core::event::Stage;

/// The name of a policy in the configuration.
pub(super) fn policy_name(policy: Policy) -> &'static str {
    match policy {
        Policy::Modern => "modern",
        Policy::Compat => "compat",
        Policy::Legacy => "legacy",
    }
}

/// What `policy` accepts in phase 1 or 2.
pub(super) fn accepted(policy: Policy, stage: Stage) -> &'static str {
    match (stage, policy) {
        (Stage::Phase2, Policy::Modern) => {
            "AES256/128 GCM16, AES256/128 with SHA256, SHA384 or SHA512"
        }
        (Stage::Phase2, Policy::Compat | Policy::Legacy) => {
            "AES256/192/128 GCM16, AES256/192/128 or 3DES with SHA1, SHA512, SHA384 or SHA256"
        }
        (_, Policy::Modern) => {
            "AES256/128 with SHA256, SHA384 or SHA512 and ECP256/384/521 or MODP2048/3072/4096"
        }
        (_, Policy::Compat) => {
            "AES256/192/128 or 3DES with SHA256, SHA384, SHA512 or SHA1 and ECP256/384/521 or \
             MODP2048/3072/4096/1536/1024"
        }
        (_, Policy::Legacy) => {
            "AES256/192/128 or 3DES with SHA256, SHA384, SHA512, SHA1 or MD5 and ECP256/384/521 or \
             MODP2048/3072/4096/1536/1024"
        }
    }
}
