//! Every registered pass keeps what models compute, within what it states, and finds enough to do in random models.

use planish_passes::testing;

/// A pass that changes fewer models than one of so many is not tested by them: its construct belongs among the motifs.
const ONE_OF: usize = 50;

#[test]
fn registered_passes_keep_meaning() {
    let changed = testing::check_registered_passes();
    let idle: Vec<_> = changed
        .into_iter()
        .filter(|&(_, models)| models * ONE_OF < testing::CASES as usize)
        .collect();
    assert!(
        idle.is_empty(),
        "of {} random models too few have something for {idle:?}",
        testing::CASES
    );
}
