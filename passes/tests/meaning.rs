//! Every registered pass keeps what models compute, within what it states.

use planish_passes::testing;

#[test]
fn registered_passes_keep_meaning() {
    testing::check_registered_passes();
}
