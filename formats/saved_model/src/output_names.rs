//! The named outputs of operations that have several: functions refer to outputs by name, graphs by number.

use crate::Error;
use crate::function::Library;
use crate::proto::{Attr, NodeDef};

mod table;

use table::Length::{List, Number, One};
use table::TABLE;

/// The number of the first tensor of the output `name` of a node; an operation that the table does not have has one output.
pub(crate) fn first_port(node: &NodeDef, name: &str, library: &Library) -> Result<usize, Error> {
    if library.contains(&node.op) {
        let function = library.get(&node.op)?;
        return function
            .results
            .iter()
            .position(|(result, _)| result == name)
            .ok_or_else(|| Error::graph(&node.name, format!("function {} has no result {name}", node.op)));
    }
    let Ok(row) = TABLE.binary_search_by(|(op, _)| op.cmp(&node.op.as_str())) else {
        return Ok(0);
    };
    let mut first = 0usize;
    for (output, length) in TABLE[row].1 {
        if *output == name {
            return Ok(first);
        }
        let length = match length {
            One => Some(1),
            Number(attr) => match node.attrs.get(*attr).and_then(|a| a.value.as_ref()) {
                Some(Attr::Int(n)) => usize::try_from(*n).ok(),
                _ => None,
            },
            List(attr) => match node.attrs.get(*attr).and_then(|a| a.value.as_ref()) {
                Some(Attr::List(list)) => Some(list.types.len()),
                _ => None,
            },
        };
        first = length
            .and_then(|n| first.checked_add(n))
            .ok_or_else(|| Error::graph(&node.name, format!("{} does not say how many outputs it has", node.op)))?;
    }
    Err(Error::graph(&node.name, format!("{} has no output {name}", node.op)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted() {
        assert!(TABLE.is_sorted_by_key(|(op, _)| *op));
    }
}
