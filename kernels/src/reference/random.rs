//! Random numbers: Philox 4x32-10, counted up from the seeds, so that equal seeds give equal numbers.
//!
//! Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3" (SC 2011); normal ones by Box and Muller (1958).

use planish_core::op::{Multinomial, Op};
use planish_core::{DType, Tensor};

use super::args::Args;
use super::reduction::index_tensor;
use crate::error::Error;

/// A stream of 32 random bits at a time.
struct Philox {
    key: [u32; 2],
    counter: [u32; 4],
    block: [u32; 4],
    used: usize,
}

impl Philox {
    fn new(seed: i64, seed2: i64) -> Philox {
        let (seed, seed2) = (seed as u64, seed2 as u64);
        Philox {
            key: [seed as u32, (seed >> 32) as u32],
            counter: [0, 0, seed2 as u32, (seed2 >> 32) as u32],
            block: [0; 4],
            used: 4,
        }
    }

    fn next(&mut self) -> u32 {
        if self.used == 4 {
            self.block = self.rounds();
            self.used = 0;
            for word in &mut self.counter {
                *word = word.wrapping_add(1);
                if *word != 0 {
                    break;
                }
            }
        }
        self.used += 1;
        self.block[self.used - 1]
    }

    fn rounds(&self) -> [u32; 4] {
        let mut c = self.counter;
        let mut key = self.key;
        for _ in 0..10 {
            let (a, b) = (u64::from(c[0]) * 0xD251_1F53, u64::from(c[2]) * 0xCD9E_8D57);
            c = [
                (b >> 32) as u32 ^ c[1] ^ key[0],
                b as u32,
                (a >> 32) as u32 ^ c[3] ^ key[1],
                a as u32,
            ];
            key = [key[0].wrapping_add(0x9E37_79B9), key[1].wrapping_add(0xBB67_AE85)];
        }
        c
    }

    /// A number in [0, 1) with 23 random bits.
    fn uniform(&mut self) -> f32 {
        f32::from_bits(0x3F80_0000 | self.next() & 0x007F_FFFF) - 1.0
    }
}

/// `random_uniform` and `random_standard_normal`.
pub(crate) fn random(op: &Op, args: &Args<'_>) -> Result<Tensor, Error> {
    let (seed, seed2, dtype) = match op {
        Op::RandomUniform(op) => (op.seed, op.seed2, op.dtype),
        Op::RandomStandardNormal(op) => (op.seed, op.seed2, op.dtype),
        _ => unreachable!("only random numbers are sent here"),
    };
    if dtype != DType::F32 {
        return Err(args.element_type(dtype));
    }
    let dims = args.extents(0)?;
    let mut out = args.alloc::<f32>(&dims, 0.0)?;
    let mut stream = Philox::new(seed, seed2);
    if let Op::RandomUniform(_) = op {
        out.iter_mut().for_each(|out| *out = stream.uniform());
    } else {
        for pair in out.chunks_mut(2) {
            let (radius, angle) = (stream.uniform().max(1e-7), std::f32::consts::TAU * stream.uniform());
            let radius = (-2.0 * radius.ln()).sqrt();
            let values = [angle.sin() * radius, angle.cos() * radius];
            pair.copy_from_slice(&values[..pair.len()]);
        }
    }
    Ok(Tensor::from_vec(&dims, out))
}

/// `multinomial`.
pub(crate) fn multinomial(op: &Multinomial, args: &Args<'_>) -> Result<Tensor, Error> {
    let [batch, classes] = args.dims::<2>(0)?;
    let logits = args.elements::<f32>(0)?;
    let samples = usize::try_from(args.int(1)?).map_err(|_| args.bad(1, "is negative"))?;
    if classes == 0 && batch * samples > 0 {
        return Err(args.bad(0, "has no classes to draw from"));
    }
    let dims = [batch, samples];
    let mut out = args.alloc::<i64>(&dims, 0)?;
    let mut stream = Philox::new(op.seed, op.seed2);
    for (row, out) in out.chunks_mut(samples.max(1)).enumerate() {
        let logits = &logits[row * classes..][..classes];
        let max = logits.iter().copied().filter(|l| l.is_finite()).fold(f32::NEG_INFINITY, f32::max);
        let mut total = 0.0;
        let sums: Vec<f64> = logits
            .iter()
            .map(|&l| {
                total += if l.is_finite() { f64::from(l - max).exp() } else { 0.0 };
                total
            })
            .collect();
        for out in out {
            let at = f64::from(stream.uniform()) * total;
            *out = sums.partition_point(|&sum| sum <= at).min(classes - 1) as i64;
        }
    }
    index_tensor(args, op.dtype, &dims, &out)
}
