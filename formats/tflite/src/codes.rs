//! The file's enumerations beside the IR's.

use planish_core::attr::{Activation, Combiner, MirrorMode, Padding, Projection, WeightsFormat, WindowFunction};
use planish_core::types::DType;

use crate::schema;

/// Declares the two directions between an enumeration of the IR and one of the file; all of the former has a code.
macro_rules! codes {
    ($ir:ident, $file:ident, $encode:ident, $decode:ident { $($variant:ident = $code:ident,)+ }) => {
        /// The file's code.
        pub(crate) fn $encode(value: $ir) -> schema::$file {
            match value { $($ir::$variant => schema::$file::$code,)+ }
        }

        /// What a code of the file means, or `None` where nothing is known of it.
        pub(crate) fn $decode(code: schema::$file) -> Option<$ir> {
            Some(match code { $(schema::$file::$code => $ir::$variant,)+ _ => return None })
        }
    };
}

codes!(DType, TensorType, tensor_type, dtype {
    F32 = FLOAT32, F16 = FLOAT16, I32 = INT32, U8 = UINT8, I64 = INT64, String = STRING, Bool = BOOL, I16 = INT16,
    Complex64 = COMPLEX64, I8 = INT8, F64 = FLOAT64, Complex128 = COMPLEX128, U64 = UINT64, Resource = RESOURCE,
    Variant = VARIANT, U32 = UINT32, U16 = UINT16, I4 = INT4, BF16 = BFLOAT16, I2 = INT2, U4 = UINT4,
    F8E4M3 = FLOAT8_E4M3FN, F8E5M2 = FLOAT8_E5M2,
});

codes!(Padding, Padding, padding_code, padding { Same = SAME, Valid = VALID, });

codes!(Activation, ActivationFunctionType, activation_code, activation {
    None = NONE, Relu = RELU, ReluN1To1 = RELU_N1_TO_1, Relu6 = RELU6, Tanh = TANH, SignBit = SIGN_BIT,
});

codes!(MirrorMode, MirrorPadMode, mirror_code, mirror { Reflect = REFLECT, Symmetric = SYMMETRIC, });

codes!(Combiner, CombinerType, combiner_code, combiner { Sum = SUM, Mean = MEAN, SqrtN = SQRTN, });

codes!(Projection, LSHProjectionType, projection_code, projection { Unknown = UNKNOWN, Sparse = SPARSE, Dense = DENSE, });

codes!(WeightsFormat, FullyConnectedOptionsWeightsFormat, weights_format_code, weights_format {
    Plain = DEFAULT, Shuffled4x16 = SHUFFLED4x16INT8,
});

codes!(WindowFunction, ReduceWindowFunction, window_function_code, window_function {
    Unsupported = UNSUPPORTED, Add = ADD, Mul = MUL, Minimum = MINIMUM, Maximum = MAXIMUM, All = ALL, Any = ANY,
});
