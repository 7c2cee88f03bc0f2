//! What each finding of authentication weighs. `docs/findings.md` says the same to admins; a test holds the two
//! together.

use crate::model::Scanner;
use crate::scan::weight::{Weight, fixed};

fixed! {
    FROM_MISSING Medium Suspicious 2.0
    FROM_SEVERAL_FIELDS High Suspicious 4.0
    FROM_SEVERAL_DOMAINS Medium Suspicious 2.0
    FROM_UNREADABLE Medium Suspicious 3.0
    FROM_ODD Info Suspicious 0.5
    FROM_NAME_OF_OTHER Low Suspicious 0.5
    SPF_FAIL Low Suspicious 1.0
    SPF_SOFTFAIL Low Suspicious 0.5
    SPF_PERMERROR Info Clean 0.0
    DKIM_FAIL Info Suspicious 0.2
    DKIM_NOT_ACCEPTED Info Suspicious 0.2
    DKIM_PERMERROR Info Clean 0.0
    DKIM_TOO_MANY Low Suspicious 0.5
    DMARC_FAIL_NONE Low Suspicious 0.5
    DMARC_FAIL_QUARANTINE Low Suspicious 0.75
    DMARC_FAIL_REJECT Low Suspicious 1.0
    IPREV_FAIL Info Suspicious 0.5
}

/// All of them, for admins. What a domain asks for has its worth beside the score.
#[must_use]
pub fn weights() -> Vec<Weight> {
    ALL.iter().map(|row| Weight::fixed(Scanner::Auth, row)).collect()
}
