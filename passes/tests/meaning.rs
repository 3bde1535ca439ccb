//! Every registered pass keeps what models compute, within what it states.

use planish_core::registry;
use planish_passes::testing;

#[test]
fn registered_passes_keep_meaning() {
    testing::check_registered_passes();
}

#[test]
fn random_models_give_passes_something_to_do() {
    let names = [
        "fuse_activation",
        "fuse_bias",
        "fold_batch_norm",
        "canonicalize_matmul",
        "post_training_quantize",
        "select_hybrid_kernels",
    ];
    let changed = names.map(|name| {
        let entry = registry::find(name).expect("a pass of this crate");
        (name, testing::check(entry, 256).expect("it keeps meaning"))
    });
    assert!(
        changed.iter().all(|&(_, n)| n >= 8),
        "some passes change too few of 256 random models: {changed:?}"
    );
}
