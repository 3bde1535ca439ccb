//! Constant data: merged where equal, laid out behind the flatbuffer, and streamed there.
//!
//! FlatBuffers offsets point forward, so data vectors may lie behind everything else. The flatbuffer proper is built small and
//! in memory; data goes from where it is (a memory map, most often) straight to the file, and is never held twice.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};

use planish_core::attr::Rounding;
use planish_core::quantize::{self, quantize_part};
use planish_core::{Bytes, Quant, Tensor};
use rayon::prelude::*;

/// Alignment of every payload, from the start of the file.
pub(crate) const ALIGN: u64 = 16;
/// Zeros behind the last payload where it lies outside the flatbuffer: kernels may read a little too far.
const TAIL: u64 = 16;
/// Bytes gathered or copied at a time.
const CHUNK: usize = 1 << 20;
/// The most where somewhat more is gathered faster.
const LARGE_CHUNK: usize = 4 * CHUNK;
/// Bytes that wait to be written where the output takes them only in order.
const BATCH: usize = 16 << 20;

/// Runs of up to this many bytes are told apart by all of them.
const FEW: usize = 256;
/// Bytes looked at in one place of a longer run.
const SAMPLE: usize = 16;
/// In so many places are longer runs looked at.
const MOST_SAMPLES: usize = 16;

/// What is claimed of reals to be rounded.
const FIT: &str = "parameters that fit an f32 tensor";

/// The FNV-1a hash of no bytes.
const FNV_START: u64 = 0xcbf2_9ce4_8422_2325;

/// One distinct run of bytes.
struct Blob {
    len: usize,
    source: Source,
}

enum Source {
    /// Bytes as they are to be written.
    Packed(Bytes),
    /// Elements to be gathered.
    Strided(Tensor),
    /// Reals to be rounded to 8-bit integers.
    Quantized(Tensor, Quant, Rounding),
}

impl Blob {
    fn of(tensor: &Tensor) -> Blob {
        match tensor.packed_bytes() {
            Some(bytes) => Blob {
                len: bytes.len(),
                source: Source::Packed(bytes),
            },
            None => {
                let size = tensor.dtype().size().expect("elements without whole bytes are always packed");
                Blob {
                    len: tensor.elements() * size,
                    source: Source::Strided(tensor.clone()),
                }
            }
        }
    }

    /// In pieces of how many bytes this is read fastest; what is rounded in balance, by whole channels.
    fn piece(&self) -> usize {
        let grain = match &self.source {
            Source::Packed(_) => 1,
            Source::Strided(tensor) => tensor.grain() * tensor.dtype().size().unwrap_or(1),
            Source::Quantized(tensor, quant, rounding) => quantize::grain(tensor, quant, *rounding),
        };
        let piece = match grain < CHUNK {
            true => CHUNK / grain * grain,
            false => grain,
        };
        let whole = matches!(self.source, Source::Quantized(_, _, Rounding::Balanced));
        if piece > LARGE_CHUNK && !whole { CHUNK } else { piece }
    }

    /// The bytes from `start` on, `len` long; `room` holds them where they have to be gathered.
    fn read<'a>(&'a self, start: usize, len: usize, room: &'a mut Vec<u8>) -> &'a [u8] {
        match &self.source {
            Source::Packed(bytes) => &bytes.as_slice()[start..start + len],
            Source::Strided(tensor) => {
                let size = tensor.dtype().size().expect("strided elements have whole bytes");
                room.resize(len, 0);
                tensor.gather_into(start / size, room);
                room
            }
            Source::Quantized(tensor, quant, rounding) => {
                room.resize(len, 0);
                quantize_part(tensor, quant, *rounding, start, bytemuck::cast_slice_mut(room)).expect(FIT);
                room
            }
        }
    }

    /// A few bytes from `start` on as nearest rounding gives them: to balance a few, a whole channel would be read.
    fn sampled<'a>(&'a self, start: usize, room: &'a mut Vec<u8>) -> &'a [u8] {
        match &self.source {
            Source::Quantized(tensor, quant, Rounding::Balanced) => {
                room.resize(SAMPLE, 0);
                quantize_part(tensor, quant, Rounding::Nearest, start, bytemuck::cast_slice_mut(room)).expect(FIT);
                room
            }
            _ => self.read(start, SAMPLE, room),
        }
    }

    /// A number that equal contents have in common: of all bytes where they are few, else from a few places. Of many that
    /// were rounded in balance, only others that were have it.
    fn sample(&self) -> u64 {
        let mut room = Vec::new();
        if self.len <= FEW {
            return hash(FNV_START, self.read(0, self.len, &mut room));
        }
        let pieces = self.len / SAMPLE;
        let places = pieces.min(MOST_SAMPLES);
        (0..places).fold(FNV_START, |sum, place| {
            let start = (pieces - 1) * place / (places - 1) * SAMPLE;
            hash(sum, self.sampled(start, &mut room))
        })
    }

    fn same_place(&self, other: &Blob) -> bool {
        match (&self.source, &other.source) {
            (Source::Packed(a), Source::Packed(b)) => a.location() == b.location(),
            (Source::Strided(a), Source::Strided(b)) => a.view_key() == b.view_key(),
            (Source::Quantized(a, p, r), Source::Quantized(b, q, s)) => a.view_key() == b.view_key() && p == q && r == s,
            _ => false,
        }
    }

    fn equal(&self, other: &Blob) -> bool {
        self.len == other.len
            && (self.same_place(other)
                || chunks(self.len, self.piece()).all(|(start, len)| {
                    let (mut a, mut b) = (Vec::new(), Vec::new());
                    self.read(start, len, &mut a) == other.read(start, len, &mut b)
                }))
    }
}

/// The FNV-1a hash of these bytes behind others whose hash is `sum`.
fn hash(sum: u64, bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(sum, |sum, &byte| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Pieces of at most `piece` bytes: where each starts and how long it is.
fn chunks(len: usize, piece: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..len.div_ceil(piece)).map(move |i| (i * piece, piece.min(len - i * piece)))
}

/// The distinct data of a model.
#[derive(Default)]
pub(crate) struct Buffers {
    blobs: Vec<Blob>,
    alike: BTreeMap<(usize, u64), Vec<usize>>,
}

/// Where one run of bytes lies in the file.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    pub position: u64,
    pub len: usize,
    /// Whether its length stands before it, as of a vector inside the flatbuffer.
    pub inline: bool,
}

/// Where all data lies in the file.
pub(crate) struct Layout {
    /// The place of each run of bytes.
    pub places: Vec<Place>,
    /// Where the data begins.
    start: u64,
    /// Where it ends.
    pub end: u64,
    /// The runs in the order in which they lie in the file.
    order: Vec<usize>,
}

impl Buffers {
    /// The number of this tensor's data, which it shares with all data equal to it.
    pub(crate) fn add(&mut self, tensor: &Tensor) -> usize {
        self.insert(Blob::of(tensor))
    }

    /// The number of the 8-bit integers to which these reals round.
    ///
    /// # Panics
    /// Later, where the tensor is not f32 or the parameters do not fit its extents.
    pub(crate) fn add_quantized(&mut self, tensor: &Tensor, quant: Quant, rounding: Rounding) -> usize {
        self.insert(Blob {
            len: tensor.elements(),
            source: Source::Quantized(tensor.clone(), quant, rounding),
        })
    }

    /// The number of these bytes, shared likewise.
    pub(crate) fn add_bytes(&mut self, bytes: Vec<u8>) -> usize {
        let bytes = Bytes::from(bytes);
        self.insert(Blob {
            len: bytes.len(),
            source: Source::Packed(bytes),
        })
    }

    fn insert(&mut self, blob: Blob) -> usize {
        let alike = self.alike.entry((blob.len, blob.sample())).or_default();
        if let Some(&found) = alike.iter().find(|&&i| self.blobs[i].equal(&blob)) {
            return found;
        }
        alike.push(self.blobs.len());
        self.blobs.push(blob);
        self.blobs.len() - 1
    }

    /// How many distinct runs of bytes there are.
    pub(crate) fn len(&self) -> usize {
        self.blobs.len()
    }

    /// The length of run `index`.
    pub(crate) fn len_of(&self, index: usize) -> usize {
        self.blobs[index].len
    }

    /// Places all data behind the first `start` bytes: that inside the flatbuffer's reach, then that outside.
    pub(crate) fn layout(&self, start: u64, inline: &[bool]) -> Layout {
        let mut order: Vec<usize> = (0..self.blobs.len()).collect();
        order.sort_by_key(|&i| !inline[i]);
        let mut places: Vec<Place> = self
            .blobs
            .iter()
            .zip(inline)
            .map(|(blob, &inline)| Place {
                position: 0,
                len: blob.len,
                inline,
            })
            .collect();
        let mut end = start;
        for &i in &order {
            let prefix = if inline[i] { 4 } else { 0 };
            places[i].position = (end + prefix).next_multiple_of(ALIGN);
            end = places[i].position + places[i].len as u64;
        }
        if inline.contains(&false) {
            end += TAIL;
        }
        Layout { places, start, end, order }
    }

    /// Writes all data to `out`, which has had what comes before.
    pub(crate) fn stream(&self, layout: &Layout, out: &mut dyn Write) -> io::Result<()> {
        let mut at = layout.start;
        for batch in layout.pieces(self).chunks(BATCH / CHUNK) {
            let gathered: Vec<Vec<u8>> = batch
                .par_iter()
                .map(|&(i, from, len)| {
                    let mut room = Vec::new();
                    if !matches!(self.blobs[i].source, Source::Packed(_)) {
                        self.blobs[i].read(from, len, &mut room);
                    }
                    room
                })
                .collect();
            for (&(i, from, len), gathered) in batch.iter().zip(&gathered) {
                if from == 0 {
                    out.write_all(&layout.gap(at, i))?;
                    at = layout.places[i].position + layout.places[i].len as u64;
                }
                match &self.blobs[i].source {
                    Source::Packed(bytes) => out.write_all(&bytes.as_slice()[from..from + len])?,
                    _ => out.write_all(gathered)?,
                }
            }
        }
        out.write_all(&vec![0; (layout.end - at) as usize])
    }

    /// Writes all data to its place in a file, in parallel.
    #[cfg(unix)]
    pub(crate) fn write_file(&self, layout: &Layout, file: &File) -> io::Result<()> {
        use std::os::unix::fs::FileExt;
        // What is not written reads as zeros.
        file.set_len(layout.end)?;
        layout.pieces(self).par_iter().try_for_each_init(Vec::new, |room, &(i, from, len)| {
            let place = layout.places[i];
            if from == 0 && place.inline {
                file.write_all_at(&(place.len as u32).to_le_bytes(), place.position - 4)?;
            }
            file.write_all_at(self.blobs[i].read(from, len, room), place.position + from as u64)
        })
    }

    /// Writes all data to a file that has had what comes before.
    #[cfg(not(unix))]
    pub(crate) fn write_file(&self, layout: &Layout, mut file: &File) -> io::Result<()> {
        self.stream(layout, &mut file)
    }
}

impl Layout {
    /// All data in the order of the file, in pieces: which run, from where, and how long.
    fn pieces(&self, buffers: &Buffers) -> Vec<(usize, usize, usize)> {
        let mut pieces = Vec::new();
        for &i in &self.order {
            let len = self.places[i].len;
            if len == 0 {
                pieces.push((i, 0, 0));
            }
            pieces.extend(chunks(len, buffers.blobs[i].piece()).map(|(from, len)| (i, from, len)));
        }
        pieces
    }

    /// What stands between `at` and run `i`: zeros, then its length where it lies inside the flatbuffer.
    fn gap(&self, at: u64, i: usize) -> Vec<u8> {
        let place = self.places[i];
        let mut gap = vec![0; (place.position - at) as usize];
        if place.inline {
            let length = gap.len() - 4;
            gap[length..].copy_from_slice(&(place.len as u32).to_le_bytes());
        }
        gap
    }
}
