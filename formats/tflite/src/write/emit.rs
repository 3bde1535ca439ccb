//! Builds the flatbuffer of a plan: everything but the constant data, which lies behind it.

use std::collections::BTreeMap;

use flatbuffers::{FlatBufferBuilder, ForwardsUOffset, Push, UnionWIPOffset, Vector, WIPOffset};
use planish_core::{Dim, ValueInfo};

use super::plan::{Code, Operator, Options, Plan, Subgraph, TensorPlan};
use crate::buffers::Layout;
use crate::codes::tensor_type;
use crate::error::Error;
use crate::quantization;
use crate::schema::{self, BuiltinOperator as B, BuiltinOptions2T, BuiltinOptionsT};

/// A flatbuffer builder that stores equal vectors once.
#[derive(Default)]
pub(crate) struct Builder<'b> {
    pub inner: FlatBufferBuilder<'b>,
    vectors: BTreeMap<(usize, Vec<u8>), u32>,
    /// Where the options lie that operators have, by their text.
    options: BTreeMap<String, u32>,
}

impl<'b> Builder<'b> {
    fn shared<T>(&mut self, items: &[T]) -> WIPOffset<Vector<'b, T>>
    where
        T: bytemuck::Pod + Push<Output = T>,
    {
        let key = (size_of::<T>(), bytemuck::cast_slice(items).to_vec());
        if let Some(&offset) = self.vectors.get(&key) {
            return WIPOffset::new(offset);
        }
        let vector = self.inner.create_vector(items);
        self.vectors.insert(key, vector.value());
        vector
    }

    pub(crate) fn ints(&mut self, items: &[i32]) -> WIPOffset<Vector<'b, i32>> {
        self.shared(items)
    }

    pub(crate) fn floats(&mut self, items: &[f32]) -> WIPOffset<Vector<'b, f32>> {
        self.shared(items)
    }

    pub(crate) fn longs(&mut self, items: &[i64]) -> WIPOffset<Vector<'b, i64>> {
        self.shared(items)
    }

    /// The table of an operator's options, shared by the operators that have equal ones.
    fn options(&mut self, options: &BuiltinOptionsT) -> Option<WIPOffset<UnionWIPOffset>> {
        if matches!(options, BuiltinOptionsT::NONE) {
            return None;
        }
        // Floats print so that they can be told apart, and so do the names of unions.
        let key = format!("{options:?}");
        if let Some(&offset) = self.options.get(&key) {
            return Some(WIPOffset::new(offset));
        }
        let table = options.pack(&mut self.inner)?;
        self.options.insert(key, table.value());
        Some(table)
    }

    pub(crate) fn text(&mut self, text: &str) -> WIPOffset<&'b str> {
        self.inner.create_shared_string(text)
    }
}

/// A flatbuffer whose buffers do not yet know where their data lies.
pub(crate) struct Skeleton {
    pub bytes: Vec<u8>,
    /// Where each buffer's table lies in `bytes`.
    buffers: Vec<usize>,
}

/// Builds the flatbuffer. `inline[i]` says whether data `i` will lie inside the flatbuffer's reach, as a vector.
pub(crate) fn skeleton(plan: &Plan<'_>, inline: &[bool]) -> Result<Skeleton, Error> {
    let mut b = Builder::default();
    let metadata: Vec<_> = plan
        .metadata
        .iter()
        .map(|(name, data)| {
            let name = b.text(name);
            let args = schema::MetadataArgs {
                name: Some(name),
                buffer: buffer_index(Some(*data)),
            };
            schema::Metadata::create(&mut b.inner, &args)
        })
        .collect();
    let metadata = (!metadata.is_empty()).then(|| b.inner.create_vector(&metadata));
    let signatures: Vec<_> = plan
        .signatures
        .iter()
        .map(|signature| {
            let inputs = tensor_map(&mut b, &signature.inputs);
            let outputs = tensor_map(&mut b, &signature.outputs);
            let key = b.text(signature.name);
            let args = schema::SignatureDefArgs {
                inputs: Some(inputs),
                outputs: Some(outputs),
                signature_key: Some(key),
                subgraph_index: signature.subgraph,
            };
            schema::SignatureDef::create(&mut b.inner, &args)
        })
        .collect();
    let signatures = (!signatures.is_empty()).then(|| b.inner.create_vector(&signatures));
    let codes: Vec<_> = plan.codes.keys().map(|code| operator_code(&mut b, code)).collect();
    let codes = b.inner.create_vector(&codes);
    let subgraphs = plan
        .subgraphs
        .iter()
        .map(|s| subgraph(&mut b, plan, s))
        .collect::<Result<Vec<_>, Error>>()?;
    let subgraphs = b.inner.create_vector(&subgraphs);
    let description = (!plan.description.is_empty()).then(|| b.text(plan.description));

    let mut tables = vec![schema::Buffer::create(&mut b.inner, &schema::BufferArgs::default())];
    for &inline in inline {
        let start = b.inner.start_table();
        // Placeholders, patched once it is known where the data lies. A vector's offset has the size of a u32.
        if inline {
            b.inner.push_slot_always(schema::Buffer::VT_DATA, 1u32);
        } else {
            b.inner.push_slot_always(schema::Buffer::VT_OFFSET, 1u64);
            b.inner.push_slot_always(schema::Buffer::VT_SIZE, 1u64);
        }
        let end = b.inner.end_table(start);
        tables.push(WIPOffset::new(end.value()));
    }
    let buffers = b.inner.create_vector(&tables);
    let args = schema::ModelArgs {
        version: 3,
        operator_codes: Some(codes),
        subgraphs: Some(subgraphs),
        description,
        buffers: Some(buffers),
        metadata,
        signature_defs: signatures,
        ..Default::default()
    };
    let model = schema::Model::create(&mut b.inner, &args);
    schema::finish_model_buffer(&mut b.inner, model);
    let bytes = b.inner.finished_data().to_vec();
    let buffers = tables[1..].iter().map(|t| bytes.len() - t.value() as usize).collect();
    Ok(Skeleton { bytes, buffers })
}

impl Skeleton {
    /// Tells each buffer where its data lies.
    pub(crate) fn patch(&mut self, layout: &Layout) -> Result<(), Error> {
        for (i, place) in layout.places.iter().enumerate() {
            if place.inline {
                let slot = self.slot(i, schema::Buffer::VT_DATA);
                let distance = place.position - 4 - slot as u64;
                let distance = u32::try_from(distance).map_err(|_| Error::TooLarge { place: "the model".into() })?;
                self.bytes[slot..slot + 4].copy_from_slice(&distance.to_le_bytes());
            } else {
                let offset = self.slot(i, schema::Buffer::VT_OFFSET);
                self.bytes[offset..offset + 8].copy_from_slice(&place.position.to_le_bytes());
                let size = self.slot(i, schema::Buffer::VT_SIZE);
                self.bytes[size..size + 8].copy_from_slice(&(place.len as u64).to_le_bytes());
            }
        }
        Ok(())
    }

    /// Where a field of buffer `i` lies: a table begins with the distance back to its vtable, which lists its fields.
    fn slot(&self, i: usize, field: flatbuffers::VOffsetT) -> usize {
        let table = self.buffers[i];
        let word = |at: usize| i32::from_le_bytes(self.bytes[at..at + 4].try_into().expect("four bytes"));
        let vtable = (table as i64 - i64::from(word(table))) as usize + usize::from(field);
        table + usize::from(u16::from_le_bytes(self.bytes[vtable..vtable + 2].try_into().expect("two bytes")))
    }
}

/// Buffer 0 is empty, for tensors without data; data `i` lies in buffer `i + 1`.
fn buffer_index(data: Option<usize>) -> u32 {
    data.map_or(0, |i| i as u32 + 1)
}

fn tensor_map<'b>(b: &mut Builder<'b>, entries: &[(&str, i32)]) -> WIPOffset<Vector<'b, ForwardsUOffset<schema::TensorMap<'b>>>> {
    let mut sorted = entries.to_vec();
    sorted.sort();
    let maps: Vec<_> = sorted
        .iter()
        .map(|&(name, tensor)| {
            let name = b.text(name);
            schema::TensorMap::create(
                &mut b.inner,
                &schema::TensorMapArgs {
                    name: Some(name),
                    tensor_index: tensor as u32,
                },
            )
        })
        .collect();
    b.inner.create_vector(&maps)
}

fn operator_code<'b>(b: &mut Builder<'b>, code: &Code) -> WIPOffset<schema::OperatorCode<'b>> {
    let custom_code = code.custom.as_ref().map(|name| b.text(name));
    let args = schema::OperatorCodeArgs {
        deprecated_builtin_code: code.builtin.clamp(0, 127) as i8,
        custom_code,
        version: code.version,
        builtin_code: B(code.builtin),
    };
    schema::OperatorCode::create(&mut b.inner, &args)
}

fn subgraph<'b>(b: &mut Builder<'b>, plan: &Plan<'_>, s: &Subgraph<'_>) -> Result<WIPOffset<schema::SubGraph<'b>>, Error> {
    let operators: Vec<_> = s.operators.iter().map(|o| operator(b, plan, o)).collect();
    let operators = b.inner.create_vector(&operators);
    let tensors = s.tensors.iter().map(|t| tensor(b, s, t)).collect::<Result<Vec<_>, Error>>()?;
    let tensors = b.inner.create_vector(&tensors);
    let args = schema::SubGraphArgs {
        tensors: Some(tensors),
        inputs: Some(b.ints(&s.inputs)),
        outputs: Some(b.ints(&s.outputs)),
        operators: Some(operators),
        name: Some(b.text(s.graph.name())),
        ..Default::default()
    };
    Ok(schema::SubGraph::create(&mut b.inner, &args))
}

fn operator<'b>(b: &mut Builder<'b>, plan: &Plan<'_>, o: &Operator<'_>) -> WIPOffset<schema::Operator<'b>> {
    let (one, two) = match &o.options {
        Options::One(options) => (options, &BuiltinOptions2T::NONE),
        Options::Two(options) => (&BuiltinOptionsT::NONE, options),
        Options::Kept(kept) => (&kept.builtin_options, &kept.builtin_options_2),
        Options::Custom(_) => (&BuiltinOptionsT::NONE, &BuiltinOptions2T::NONE),
    };
    let custom_options = match &o.options {
        Options::Custom(bytes) if !bytes.is_empty() => Some(b.inner.create_vector(bytes)),
        _ => None,
    };
    let args = schema::OperatorArgs {
        opcode_index: plan.codes[&o.code],
        inputs: Some(b.ints(&o.inputs)),
        outputs: Some(b.ints(&o.outputs)),
        builtin_options_type: one.builtin_options_type(),
        builtin_options: b.options(one),
        custom_options,
        intermediates: (!o.intermediates.is_empty()).then(|| b.ints(&o.intermediates)),
        builtin_options_2_type: two.builtin_options_2_type(),
        builtin_options_2: two.pack(&mut b.inner),
        ..Default::default()
    };
    schema::Operator::create(&mut b.inner, &args)
}

fn tensor<'b>(b: &mut Builder<'b>, s: &Subgraph<'_>, t: &TensorPlan<'_>) -> Result<WIPOffset<schema::Tensor<'b>>, Error> {
    let ValueInfo { ty, name, .. } = t.info;
    let too_large = || Error::TooLarge {
        place: format!(
            "`{}` of type {ty} in graph `{}`",
            name.as_deref().unwrap_or_default(),
            s.graph.name()
        ),
    };
    let (mut shape, mut signature) = (None, None);
    if let Some(dims) = ty.shape.dims() {
        let extent = |d: &Dim| d.known().map_or(Ok(-1), |n| i32::try_from(n).map_err(|_| too_large()));
        let extents = dims.iter().map(extent).collect::<Result<Vec<i32>, Error>>()?;
        if extents.contains(&-1) {
            signature = Some(b.ints(&extents));
        }
        shape = Some(b.ints(&extents.iter().map(|&n| if n < 0 { 1 } else { n }).collect::<Vec<_>>()));
    }
    let quantization = quantization::encode(b, t.info, &t.blocks);
    let sparsity = t.sparsity.as_ref().map(|sparsity| sparsity.pack(&mut b.inner));
    let args = schema::TensorArgs {
        shape,
        type_: tensor_type(ty.dtype),
        buffer: buffer_index(t.data),
        name: name.as_deref().map(|name| b.text(name)),
        quantization,
        is_variable: t.variable,
        sparsity,
        shape_signature: signature,
        has_rank: ty.shape.dims().is_some(),
        ..Default::default()
    };
    Ok(schema::Tensor::create(&mut b.inner, &args))
}
