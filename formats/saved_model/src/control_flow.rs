//! TensorFlow 1's control flow in functional form.
//!
//! There a loop is a ring of `Enter`, `Merge`, `Switch` and `NextIteration` that values leave by `Exit`, and a branch is
//! what lies between a `Switch` and the `Merge` that takes what arrives. Here they become `While` and `If`, whose bodies
//! are functions: the form that everything behind this knows.
//!
//! The functions go to the library as they are cut out, and get their own loops and branches rewritten when they are asked
//! for. What is irregular stays, and is refused with its operations' names.

mod branches;
mod edges;
mod loops;
mod slice;

use crate::Error;
use crate::function::{Body, Library};

use edges::Edges;

/// Loops and branches may stand in each other this deeply.
const MAX_NESTING: usize = 24;

/// Whether an operation is one of these, for plain values or for references to variables.
pub(crate) fn is(op: &str, name: &str) -> bool {
    op.strip_prefix("Ref").unwrap_or(op) == name
}

fn has(body: &Body, op: &str) -> bool {
    body.nodes.iter().any(|n| is(&n.op, op))
}

/// Whether a body has any of this.
pub(crate) fn is_in(body: &Body) -> bool {
    has(body, "Merge") || has(body, "Enter")
}

/// The body with its outermost loops, and all branches beside them, in functional form.
pub(crate) fn functional(body: Body, library: &Library) -> Result<Body, Error> {
    if body.nesting > MAX_NESTING {
        return Err(Error::unsupported(
            body.shown(),
            format!("loops and branches nested more than {MAX_NESTING} deep"),
        ));
    }
    let mut body = body;
    if has(&body, "Enter") {
        let edges = Edges::of(&body, library);
        body = loops::extract(body, &edges, library)?;
    }
    if has(&body, "Merge") {
        let edges = Edges::of(&body, library);
        body = branches::extract(body, edges, library);
    }
    Ok(body)
}
