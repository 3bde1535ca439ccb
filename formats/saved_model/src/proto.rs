//! The protobuf messages of a SavedModel: only those, and only the fields, that the reader reads.
//!
//! Whatever is big and seldom needed whole (MetaGraphs, library functions, the object graph) is kept as
//! undecoded bytes, which on the wire look the same as the message, and is decoded when it is asked for.
//! Enumerations are plain `i32`, so that values of newer versions survive. Nesting is bounded by prost.

use std::collections::BTreeMap;

use prost::bytes::Bytes;

/// The file `saved_model.pb`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct SavedModel {
    #[prost(int64, tag = "1")]
    pub(crate) schema_version: i64,
    /// Each a [`MetaGraph`].
    #[prost(bytes = "bytes", repeated, tag = "2")]
    pub(crate) meta_graphs: Vec<Bytes>,
}

/// What choosing a MetaGraph takes, without its graph.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct MetaGraphHead {
    #[prost(message, optional, tag = "1")]
    pub(crate) meta_info: Option<MetaInfo>,
    #[prost(btree_map = "string, message", tag = "5")]
    pub(crate) signatures: BTreeMap<String, SignatureDef>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct MetaGraph {
    #[prost(message, optional, tag = "1")]
    pub(crate) meta_info: Option<MetaInfo>,
    #[prost(message, optional, tag = "2")]
    pub(crate) graph: Option<GraphDef>,
    #[prost(message, optional, tag = "3")]
    pub(crate) saver: Option<SaverDef>,
    #[prost(btree_map = "string, message", tag = "4")]
    pub(crate) collections: BTreeMap<String, CollectionDef>,
    #[prost(btree_map = "string, message", tag = "5")]
    pub(crate) signatures: BTreeMap<String, SignatureDef>,
    #[prost(message, repeated, tag = "6")]
    pub(crate) asset_files: Vec<AssetFileDef>,
    /// A [`SavedObjectGraph`].
    #[prost(bytes = "bytes", tag = "7")]
    pub(crate) object_graph: Bytes,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct MetaInfo {
    #[prost(string, repeated, tag = "4")]
    pub(crate) tags: Vec<String>,
    #[prost(string, tag = "5")]
    pub(crate) tensorflow_version: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct SaverDef {
    #[prost(string, tag = "1")]
    pub(crate) filename_tensor_name: String,
    #[prost(string, tag = "3")]
    pub(crate) restore_op_name: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct CollectionDef {
    #[prost(oneof = "Collection", tags = "1, 2")]
    pub(crate) kind: Option<Collection>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub(crate) enum Collection {
    #[prost(message, tag = "1")]
    Nodes(NodeList),
    #[prost(message, tag = "2")]
    Bytes(BytesList),
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct NodeList {
    #[prost(string, repeated, tag = "1")]
    pub(crate) value: Vec<String>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct BytesList {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    pub(crate) value: Vec<Bytes>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct AssetFileDef {
    #[prost(message, optional, tag = "1")]
    pub(crate) tensor_info: Option<TensorInfo>,
    #[prost(string, tag = "2")]
    pub(crate) filename: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct SignatureDef {
    #[prost(btree_map = "string, message", tag = "1")]
    pub(crate) inputs: BTreeMap<String, TensorInfo>,
    #[prost(btree_map = "string, message", tag = "2")]
    pub(crate) outputs: BTreeMap<String, TensorInfo>,
    #[prost(string, tag = "3")]
    pub(crate) method_name: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct TensorInfo {
    /// `node:port`; empty for composite encodings.
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(int32, tag = "2")]
    pub(crate) dtype: i32,
    #[prost(message, optional, tag = "3")]
    pub(crate) shape: Option<TensorShape>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct GraphDef {
    #[prost(message, repeated, tag = "1")]
    pub(crate) nodes: Vec<NodeDef>,
    #[prost(message, optional, tag = "2")]
    pub(crate) library: Option<FunctionLibrary>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct FunctionLibrary {
    /// Each a [`FunctionDef`].
    #[prost(bytes = "bytes", repeated, tag = "1")]
    pub(crate) functions: Vec<Bytes>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct NodeDef {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(string, tag = "2")]
    pub(crate) op: String,
    #[prost(string, repeated, tag = "3")]
    pub(crate) inputs: Vec<String>,
    #[prost(btree_map = "string, message", tag = "5")]
    pub(crate) attrs: BTreeMap<String, AttrValue>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct AttrValue {
    #[prost(oneof = "Attr", tags = "1, 2, 3, 4, 5, 6, 7, 8, 9, 10")]
    pub(crate) value: Option<Attr>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub(crate) enum Attr {
    #[prost(message, tag = "1")]
    List(AttrList),
    #[prost(bytes = "bytes", tag = "2")]
    Bytes(Bytes),
    #[prost(int64, tag = "3")]
    Int(i64),
    #[prost(float, tag = "4")]
    Float(f32),
    #[prost(bool, tag = "5")]
    Bool(bool),
    #[prost(int32, tag = "6")]
    Type(i32),
    #[prost(message, tag = "7")]
    Shape(TensorShape),
    #[prost(message, tag = "8")]
    Tensor(TensorProto),
    #[prost(string, tag = "9")]
    Placeholder(String),
    #[prost(message, tag = "10")]
    Function(NamedAttrs),
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct AttrList {
    #[prost(bytes = "bytes", repeated, tag = "2")]
    pub(crate) bytes: Vec<Bytes>,
    #[prost(int64, repeated, tag = "3")]
    pub(crate) ints: Vec<i64>,
    #[prost(float, repeated, tag = "4")]
    pub(crate) floats: Vec<f32>,
    #[prost(bool, repeated, tag = "5")]
    pub(crate) bools: Vec<bool>,
    #[prost(int32, repeated, tag = "6")]
    pub(crate) types: Vec<i32>,
    #[prost(message, repeated, tag = "7")]
    pub(crate) shapes: Vec<TensorShape>,
    #[prost(message, repeated, tag = "9")]
    pub(crate) functions: Vec<NamedAttrs>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct NamedAttrs {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct TensorShape {
    #[prost(message, repeated, tag = "2")]
    pub(crate) dims: Vec<TensorDim>,
    #[prost(bool, tag = "3")]
    pub(crate) unknown_rank: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct TensorDim {
    /// -1 when unknown.
    #[prost(int64, tag = "1")]
    pub(crate) size: i64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct TensorProto {
    #[prost(int32, tag = "1")]
    pub(crate) dtype: i32,
    #[prost(message, optional, tag = "2")]
    pub(crate) shape: Option<TensorShape>,
    #[prost(bytes = "bytes", tag = "4")]
    pub(crate) content: Bytes,
    #[prost(float, repeated, tag = "5")]
    pub(crate) floats: Vec<f32>,
    #[prost(double, repeated, tag = "6")]
    pub(crate) doubles: Vec<f64>,
    #[prost(int32, repeated, tag = "7")]
    pub(crate) ints: Vec<i32>,
    #[prost(bytes = "bytes", repeated, tag = "8")]
    pub(crate) strings: Vec<Bytes>,
    #[prost(float, repeated, tag = "9")]
    pub(crate) complex_floats: Vec<f32>,
    #[prost(int64, repeated, tag = "10")]
    pub(crate) longs: Vec<i64>,
    #[prost(bool, repeated, tag = "11")]
    pub(crate) bools: Vec<bool>,
    #[prost(double, repeated, tag = "12")]
    pub(crate) complex_doubles: Vec<f64>,
    /// Half and bfloat16, sixteen bits each.
    #[prost(int32, repeated, tag = "13")]
    pub(crate) halves: Vec<i32>,
    #[prost(uint32, repeated, tag = "16")]
    pub(crate) unsigneds: Vec<u32>,
    #[prost(uint64, repeated, tag = "17")]
    pub(crate) unsigned_longs: Vec<u64>,
}

/// The name of a library function, without its body.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct FunctionHead {
    #[prost(message, optional, tag = "1")]
    pub(crate) signature: Option<OpName>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct OpName {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct FunctionDef {
    #[prost(message, optional, tag = "1")]
    pub(crate) signature: Option<OpDef>,
    #[prost(message, repeated, tag = "3")]
    pub(crate) nodes: Vec<NodeDef>,
    #[prost(btree_map = "string, string", tag = "4")]
    pub(crate) results: BTreeMap<String, String>,
    #[prost(btree_map = "string, message", tag = "5")]
    pub(crate) attrs: BTreeMap<String, AttrValue>,
    #[prost(btree_map = "string, string", tag = "6")]
    pub(crate) control_results: BTreeMap<String, String>,
    #[prost(btree_map = "uint32, message", tag = "7")]
    pub(crate) arg_attrs: BTreeMap<u32, ArgAttrs>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ArgAttrs {
    #[prost(btree_map = "string, message", tag = "1")]
    pub(crate) attrs: BTreeMap<String, AttrValue>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct OpDef {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(message, repeated, tag = "2")]
    pub(crate) inputs: Vec<ArgDef>,
    #[prost(message, repeated, tag = "3")]
    pub(crate) outputs: Vec<ArgDef>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ArgDef {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(int32, tag = "3")]
    pub(crate) dtype: i32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct SavedObjectGraph {
    #[prost(message, repeated, tag = "1")]
    pub(crate) nodes: Vec<SavedObject>,
    #[prost(btree_map = "string, message", tag = "2")]
    pub(crate) concrete_functions: BTreeMap<String, SavedConcreteFunction>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct SavedObject {
    #[prost(message, repeated, tag = "1")]
    pub(crate) children: Vec<ObjectReference>,
    #[prost(oneof = "SavedKind", tags = "5, 6, 7, 8, 9, 10, 12")]
    pub(crate) kind: Option<SavedKind>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub(crate) enum SavedKind {
    #[prost(message, tag = "5")]
    Asset(SavedAsset),
    #[prost(message, tag = "6")]
    Function(SavedFunction),
    #[prost(message, tag = "7")]
    Variable(SavedVariable),
    #[prost(message, tag = "8")]
    BareFunction(SavedBareFunction),
    #[prost(message, tag = "9")]
    Constant(SavedConstant),
    #[prost(message, tag = "10")]
    Resource(SavedResource),
    #[prost(message, tag = "12")]
    Captured(CapturedTensor),
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ObjectReference {
    #[prost(int32, tag = "1")]
    pub(crate) node: i32,
    #[prost(string, tag = "2")]
    pub(crate) name: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct SavedAsset {
    #[prost(int32, tag = "1")]
    pub(crate) file: i32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct SavedFunction {
    #[prost(string, repeated, tag = "1")]
    pub(crate) concrete_functions: Vec<String>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct SavedVariable {
    #[prost(int32, tag = "1")]
    pub(crate) dtype: i32,
    #[prost(message, optional, tag = "2")]
    pub(crate) shape: Option<TensorShape>,
    #[prost(string, tag = "6")]
    pub(crate) name: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct SavedBareFunction {
    #[prost(string, tag = "1")]
    pub(crate) concrete_function: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct SavedConstant {
    #[prost(string, tag = "1")]
    pub(crate) operation: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct SavedResource {
    #[prost(string, tag = "1")]
    pub(crate) device: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct CapturedTensor {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(string, tag = "2")]
    pub(crate) concrete_function: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct SavedConcreteFunction {
    #[prost(int32, repeated, tag = "2")]
    pub(crate) bound_inputs: Vec<i32>,
    #[prost(message, optional, tag = "4")]
    pub(crate) output_signature: Option<StructuredValue>,
}

/// A structure of specifications of tensors, such as what a function returns.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct StructuredValue {
    #[prost(oneof = "Structure", tags = "33, 51, 52, 53, 54")]
    pub(crate) kind: Option<Structure>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub(crate) enum Structure {
    #[prost(message, tag = "33")]
    Tensor(TensorSpec),
    #[prost(message, tag = "51")]
    List(StructuredValues),
    #[prost(message, tag = "52")]
    Tuple(StructuredValues),
    #[prost(message, tag = "53")]
    Dict(StructuredDict),
    #[prost(message, tag = "54")]
    NamedTuple(StructuredPairs),
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct TensorSpec {
    #[prost(message, optional, tag = "2")]
    pub(crate) shape: Option<TensorShape>,
    #[prost(int32, tag = "3")]
    pub(crate) dtype: i32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct StructuredValues {
    #[prost(message, repeated, tag = "1")]
    pub(crate) values: Vec<StructuredValue>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct StructuredDict {
    #[prost(btree_map = "string, message", tag = "1")]
    pub(crate) fields: BTreeMap<String, StructuredValue>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct StructuredPairs {
    #[prost(message, repeated, tag = "2")]
    pub(crate) values: Vec<StructuredPair>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct StructuredPair {
    #[prost(message, optional, tag = "2")]
    pub(crate) value: Option<StructuredValue>,
}

/// The checkpoint's own object graph, a string tensor in the bundle.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct TrackableObjectGraph {
    #[prost(message, repeated, tag = "1")]
    pub(crate) nodes: Vec<TrackableObject>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct TrackableObject {
    #[prost(message, repeated, tag = "1")]
    pub(crate) children: Vec<ObjectReference>,
    #[prost(message, repeated, tag = "2")]
    pub(crate) attributes: Vec<SerializedTensor>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct SerializedTensor {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(string, tag = "2")]
    pub(crate) full_name: String,
    #[prost(string, tag = "3")]
    pub(crate) checkpoint_key: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct BundleHeader {
    #[prost(int32, tag = "1")]
    pub(crate) num_shards: i32,
    /// 0 is little, 1 is big.
    #[prost(int32, tag = "2")]
    pub(crate) endianness: i32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct BundleEntry {
    #[prost(int32, tag = "1")]
    pub(crate) dtype: i32,
    #[prost(message, optional, tag = "2")]
    pub(crate) shape: Option<TensorShape>,
    #[prost(int32, tag = "3")]
    pub(crate) shard: i32,
    #[prost(int64, tag = "4")]
    pub(crate) offset: i64,
    #[prost(int64, tag = "5")]
    pub(crate) size: i64,
    /// Masked CRC-32C of the bytes.
    #[prost(fixed32, tag = "6")]
    pub(crate) crc32c: u32,
    #[prost(message, repeated, tag = "7")]
    pub(crate) slices: Vec<TensorSlice>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct TensorSlice {
    #[prost(message, repeated, tag = "1")]
    pub(crate) extents: Vec<Extent>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Extent {
    #[prost(int64, tag = "1")]
    pub(crate) start: i64,
    /// The whole dimension when absent.
    #[prost(int64, optional, tag = "2")]
    pub(crate) length: Option<i64>,
}
