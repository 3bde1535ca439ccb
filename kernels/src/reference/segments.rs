//! Rows combined by ids.

use planish_core::Tensor;
use planish_core::op::Op;

use super::args::{Args, elements};
use super::number::{Number, numbers};
use crate::error::Error;

/// Sums, products and extremes of rows with equal ids; rows of a negative id count nowhere.
pub(crate) fn segments(op: &Op, args: &Args<'_>) -> Result<Tensor, Error> {
    let (data, ids) = (args.get(0)?, args.ints(1)?);
    let id_dims = args.get(1)?.dims();
    if !data.dims().starts_with(id_dims) || matches!(op, Op::SegmentSum(_)) && id_dims.len() != 1 {
        return Err(args.bad(1, format!("is {}, which does not fit {}", args.get(1)?.ty(), data.ty())));
    }
    let num = match op {
        Op::SegmentSum(_) => {
            if ids.windows(2).any(|w| w[0] > w[1]) || ids.first().is_some_and(|&id| id < 0) {
                return Err(args.bad(1, "does not ascend from 0"));
            }
            ids.last().map_or(0, |&last| last.saturating_add(1))
        }
        _ => args.int(2)?,
    };
    let num = usize::try_from(num).map_err(|_| args.bad(2, "is negative"))?;
    let rest = &data.dims()[id_dims.len()..];
    let width: usize = rest.iter().product();
    let mut dims = vec![num];
    dims.extend(rest);
    numbers!(
        data.dtype(),
        T => {
            let (start, combine): (T, fn(T, T) -> T) = match op {
                Op::UnsortedSegmentProd(_) => (T::ONE, T::times),
                Op::UnsortedSegmentMax(_) => (T::LOWEST, |x, y| if y > x { y } else { x }),
                Op::UnsortedSegmentMin(_) => (T::HIGHEST, |x, y| if y < x { y } else { x }),
                _ => (T::ZERO, T::plus),
            };
            let x = elements::<T>(data);
            let mut out = args.alloc::<T>(&dims, start)?;
            for (i, &id) in ids.iter().enumerate() {
                let Ok(id) = usize::try_from(id) else { continue };
                if id >= num {
                    return Err(args.bad(1, format!("holds {id}, there are {num} segments")));
                }
                let row = &mut out[id * width..][..width];
                row.iter_mut().zip(&x[i * width..][..width]).for_each(|(out, &x)| *out = combine(*out, x));
            }
            Ok(Tensor::from_vec(&dims, out))
        },
        Err(args.element_type(data.dtype()))
    )
}
