//! Names, numbers and kinds of the fields that are read.

/// How a field is written.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    /// A varint: integers and truth values.
    Int,
    /// A varint with names.
    DataType,
    Float,
    Double,
    /// Strings and bytes.
    Text,
    Message(Message),
}

/// The messages that are read; map entries are messages with a key and a value.
#[derive(Clone, Copy)]
pub(super) enum Message {
    SavedModel,
    MetaGraph,
    MetaInfo,
    Graph,
    Node,
    AttrEntry,
    Attr,
    List,
    Func,
    Tensor,
    Shape,
    Dim,
    Library,
    Function,
    TextEntry,
    ArgEntry,
    ArgAttrs,
    OpDef,
    ArgDef,
    SignatureEntry,
    Signature,
    InfoEntry,
    Info,
    CollectionEntry,
    Collection,
    NodeList,
    Saver,
    Asset,
    Objects,
    Object,
    Reference,
    ConcreteEntry,
    Concrete,
    SavedAsset,
    SavedFunction,
    SavedVariable,
    BareFunction,
    SavedConstant,
    SavedResource,
    Captured,
}

use Kind::{DataType, Double, Float, Int, Message as Of, Text};

impl Message {
    /// Number and kind of the field of this name.
    pub(super) fn field(self, name: &str) -> Option<(u32, Kind)> {
        self.fields()
            .iter()
            .find(|(n, _, _)| *n == name)
            .map(|&(_, number, kind)| (number, kind))
    }

    fn fields(self) -> &'static [(&'static str, u32, Kind)] {
        match self {
            Self::SavedModel => &[("saved_model_schema_version", 1, Int), ("meta_graphs", 2, Of(Self::MetaGraph))],
            Self::MetaGraph => &[
                ("meta_info_def", 1, Of(Self::MetaInfo)),
                ("graph_def", 2, Of(Self::Graph)),
                ("saver_def", 3, Of(Self::Saver)),
                ("collection_def", 4, Of(Self::CollectionEntry)),
                ("signature_def", 5, Of(Self::SignatureEntry)),
                ("asset_file_def", 6, Of(Self::Asset)),
                ("object_graph_def", 7, Of(Self::Objects)),
            ],
            Self::MetaInfo => &[("tags", 4, Text), ("tensorflow_version", 5, Text)],
            Self::Graph => &[("node", 1, Of(Self::Node)), ("library", 2, Of(Self::Library))],
            Self::Node => &[
                ("name", 1, Text),
                ("op", 2, Text),
                ("input", 3, Text),
                ("attr", 5, Of(Self::AttrEntry)),
            ],
            Self::AttrEntry => &[("key", 1, Text), ("value", 2, Of(Self::Attr))],
            Self::Attr => &[
                ("list", 1, Of(Self::List)),
                ("s", 2, Text),
                ("i", 3, Int),
                ("f", 4, Float),
                ("b", 5, Int),
                ("type", 6, DataType),
                ("shape", 7, Of(Self::Shape)),
                ("tensor", 8, Of(Self::Tensor)),
                ("placeholder", 9, Text),
                ("func", 10, Of(Self::Func)),
            ],
            Self::List => &[
                ("s", 2, Text),
                ("i", 3, Int),
                ("f", 4, Float),
                ("b", 5, Int),
                ("type", 6, DataType),
                ("shape", 7, Of(Self::Shape)),
                ("func", 9, Of(Self::Func)),
            ],
            Self::Func => &[("name", 1, Text)],
            Self::Tensor => &[
                ("dtype", 1, DataType),
                ("tensor_shape", 2, Of(Self::Shape)),
                ("tensor_content", 4, Text),
                ("float_val", 5, Float),
                ("double_val", 6, Double),
                ("int_val", 7, Int),
                ("string_val", 8, Text),
                ("scomplex_val", 9, Float),
                ("int64_val", 10, Int),
                ("bool_val", 11, Int),
                ("dcomplex_val", 12, Double),
                ("half_val", 13, Int),
                ("uint32_val", 16, Int),
                ("uint64_val", 17, Int),
            ],
            Self::Shape => &[("dim", 2, Of(Self::Dim)), ("unknown_rank", 3, Int)],
            Self::Dim => &[("size", 1, Int)],
            Self::Library => &[("function", 1, Of(Self::Function))],
            Self::Function => &[
                ("signature", 1, Of(Self::OpDef)),
                ("node_def", 3, Of(Self::Node)),
                ("ret", 4, Of(Self::TextEntry)),
                ("attr", 5, Of(Self::AttrEntry)),
                ("control_ret", 6, Of(Self::TextEntry)),
                ("arg_attr", 7, Of(Self::ArgEntry)),
            ],
            Self::TextEntry => &[("key", 1, Text), ("value", 2, Text)],
            Self::ArgEntry => &[("key", 1, Int), ("value", 2, Of(Self::ArgAttrs))],
            Self::ArgAttrs => &[("attr", 1, Of(Self::AttrEntry))],
            Self::OpDef => &[
                ("name", 1, Text),
                ("input_arg", 2, Of(Self::ArgDef)),
                ("output_arg", 3, Of(Self::ArgDef)),
            ],
            Self::ArgDef => &[("name", 1, Text), ("type", 3, DataType)],
            Self::SignatureEntry => &[("key", 1, Text), ("value", 2, Of(Self::Signature))],
            Self::Signature => &[
                ("inputs", 1, Of(Self::InfoEntry)),
                ("outputs", 2, Of(Self::InfoEntry)),
                ("method_name", 3, Text),
            ],
            Self::InfoEntry => &[("key", 1, Text), ("value", 2, Of(Self::Info))],
            Self::Info => &[("name", 1, Text), ("dtype", 2, DataType), ("tensor_shape", 3, Of(Self::Shape))],
            Self::CollectionEntry => &[("key", 1, Text), ("value", 2, Of(Self::Collection))],
            Self::Collection => &[("node_list", 1, Of(Self::NodeList)), ("bytes_list", 2, Of(Self::NodeList))],
            Self::NodeList => &[("value", 1, Text)],
            Self::Saver => &[("restore_op_name", 3, Text)],
            Self::Asset => &[("tensor_info", 1, Of(Self::Info)), ("filename", 2, Text)],
            Self::Objects => &[("nodes", 1, Of(Self::Object)), ("concrete_functions", 2, Of(Self::ConcreteEntry))],
            Self::Object => &[
                ("children", 1, Of(Self::Reference)),
                ("asset", 5, Of(Self::SavedAsset)),
                ("function", 6, Of(Self::SavedFunction)),
                ("variable", 7, Of(Self::SavedVariable)),
                ("bare_concrete_function", 8, Of(Self::BareFunction)),
                ("constant", 9, Of(Self::SavedConstant)),
                ("resource", 10, Of(Self::SavedResource)),
                ("captured_tensor", 12, Of(Self::Captured)),
            ],
            Self::Reference => &[("node_id", 1, Int), ("local_name", 2, Text)],
            Self::ConcreteEntry => &[("key", 1, Text), ("value", 2, Of(Self::Concrete))],
            Self::Concrete => &[("bound_inputs", 2, Int)],
            Self::SavedAsset => &[("asset_file_def_index", 1, Int)],
            Self::SavedFunction => &[("concrete_functions", 1, Text)],
            Self::SavedVariable => &[("dtype", 1, DataType), ("shape", 2, Of(Self::Shape)), ("name", 6, Text)],
            Self::BareFunction => &[("concrete_function_name", 1, Text)],
            Self::SavedConstant => &[("operation", 1, Text)],
            Self::SavedResource => &[("device", 1, Text)],
            Self::Captured => &[("name", 1, Text), ("concrete_function", 2, Text)],
        }
    }
}

/// The number of an element type's name; those of references are 100 more.
pub(super) fn data_type(name: &str) -> Option<u64> {
    const NAMES: [&str; 31] = [
        "INVALID",
        "FLOAT",
        "DOUBLE",
        "INT32",
        "UINT8",
        "INT16",
        "INT8",
        "STRING",
        "COMPLEX64",
        "INT64",
        "BOOL",
        "QINT8",
        "QUINT8",
        "QINT32",
        "BFLOAT16",
        "QINT16",
        "QUINT16",
        "UINT16",
        "COMPLEX128",
        "HALF",
        "RESOURCE",
        "VARIANT",
        "UINT32",
        "UINT64",
        "FLOAT8_E5M2",
        "FLOAT8_E4M3FN",
        "FLOAT8_E4M3FNUZ",
        "FLOAT8_E4M3B11FNUZ",
        "FLOAT8_E5M2FNUZ",
        "INT4",
        "UINT4",
    ];
    let name = name.strip_prefix("DT_")?;
    let (name, first) = name.strip_suffix("_REF").map_or((name, 0), |plain| (plain, 100));
    NAMES.iter().position(|n| *n == name).map(|i| i as u64 + first)
}
