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
    for name in names {
        let entry = registry::find(name).expect("a pass of this crate");
        assert!(
            testing::check(entry, 256).expect("it keeps meaning") >= 8,
            "{name} changes too few random models"
        );
    }
}
