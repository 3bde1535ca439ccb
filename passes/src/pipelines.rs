//! The ready-made pipelines: where order lives.

use planish_core::PassManager;

use crate::*;

/// Lowers what only exists in sources and cleans up: what every reader of a foreign graph runs.
pub fn clean_up() -> PassManager {
    PassManager::new()
        .add(RemoveIdentities)
        // Shapes first: what they say decides what the other passes find.
        .add(FoldConstants)
        .add(LowerFakeQuant)
        .add(LowerEinsum)
        .add(LowerTensorLists)
        .add(SimplifyLoops)
        .add(FoldConstants)
        .add(ShareOperations)
        .add(SimplifyLoops)
        .add(FoldConstants)
        .add(FuseDilation)
        .add(SimplifyShapes)
        .add(CanonicalizeReshapes)
        .add(MergeReshapes)
        .add(MergeTransposes)
        .add(SinkTransposes)
        .add(RemoveIdentities)
        .add(CanonicalizeMatmul)
        .add(HoistProjections)
        // Hoisting leaves the unprojected sequence behind.
        .add(SimplifyLoops)
        .add(LowerFill)
        .add(RemoveNeutralOperands)
        // Formulas, while nothing has fused into their sums and products yet.
        .add(FuseGelu)
        .add(LowerErf)
        .add(SimplifyPowers)
        .add(FuseL2Normalization)
        .add(FusePrelu)
        .add(FuseReluClamp)
        // Its gate is a relu6, which may have been written as a clamp.
        .add(FuseHardSwish)
        .add(FuseSoftmax)
        .add(FusePad)
        // What can be fused has to stand right behind its convolution.
        .add(MoveReshapes)
        // A bias stands before the normalization, other constants behind it.
        .add(FuseBias)
        .add(FoldBatchNorm)
        .add(LowerBatchNorm)
        .add(FoldConstants)
        .add(FuseBias)
        // What no operation before it could take, the one behind it may.
        .add(FuseInputScale)
        // What is left of divisions has not become part of weights or formulas.
        .add(DivideByReciprocal)
        .add(AddZeroBias)
        // Last of the fusions: nothing fuses into an operation that has its activation already.
        .add(FuseActivation)
        // Fusions have brought reshapes together.
        .add(MergeReshapes)
        .add(CanonicalizeMatmul)
        .add(FoldConstants)
        .add(RemoveIdentities)
        .add(ShareConstants)
        .add(ShareOperations)
        // Last, since a copy is an identity.
        .add(CopyMovedState)
}

/// Gives operations the form that a target is best with; behind [`clean_up`], and before [`quantize`] with the same options
/// where the model is going to be quantized.
pub fn for_target(target: Target, quantized: Option<&QuantizeOptions>) -> PassManager {
    PassManager::new().add_with(FuseLstm, target.fused_layers(quantized))
}

/// Int8 weights, hybrid where the target is fast with that, float where it is not worth it.
pub fn quantize(options: QuantizeOptions, target: Target) -> PassManager {
    let short_rows = EqualizeOptions {
        max_fan_in: u32::try_from(options.per_tensor_fan_in.saturating_sub(1)).unwrap_or(u32::MAX),
        min_gate_elements: u32::try_from(options.min_elements).unwrap_or(u32::MAX),
    };
    PassManager::new()
        .add_with(EqualizeGates, short_rows)
        .add_with(PostTrainingQuantize, QuantizeOptions { target, ..options })
        .add_with(SelectHybridKernels, HybridOptions { target })
        .add_with(FallBackToFloat, FallBackOptions { target })
}
