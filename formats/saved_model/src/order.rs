//! Whether the nodes of a body can run at all: one after the other, each known by its name.

use crate::Error;
use crate::control_flow::is;
use crate::function::Body;

/// Refuses two nodes of one name, and nodes that wait for each other, by data or by control edges.
pub(crate) fn check(body: &Body) -> Result<(), Error> {
    let twice = (0..body.nodes.len()).find(|&node| body.node(&body.nodes[node].name) != Some(node));
    if let Some(node) = twice {
        return Err(Error::graph(&body.nodes[node].name, "several nodes have this name"));
    }
    match waiting_forever(body) {
        Some(node) => Err(Error::graph(&body.nodes[node].name, "it depends on itself")),
        None => Ok(()),
    }
}

/// A node that never gets its turn, if there is one. A loop begins its next turn with what `NextIteration` has, and does not wait for it.
fn waiting_forever(body: &Body) -> Option<usize> {
    let mut readers = vec![Vec::new(); body.nodes.len()];
    let mut awaited = vec![0_usize; body.nodes.len()];
    for (node, def) in body.nodes.iter().enumerate() {
        let before = def.inputs.iter().filter_map(|input| body.node_before(input));
        for source in before.filter(|&source| !is(&body.nodes[source].op, "NextIteration")) {
            readers[source].push(node);
            awaited[node] += 1;
        }
    }
    let mut ready: Vec<usize> = (0..body.nodes.len()).filter(|&node| awaited[node] == 0).collect();
    while let Some(node) = ready.pop() {
        for &reader in &readers[node] {
            awaited[reader] -= 1;
            if awaited[reader] == 0 {
                ready.push(reader);
            }
        }
    }
    on_a_ring(body, &awaited)
}

/// Of the nodes that still wait one that waits for itself: going back from any ends there.
fn on_a_ring(body: &Body, awaited: &[usize]) -> Option<usize> {
    let mut node = awaited.iter().position(|&count| count > 0)?;
    let mut seen = vec![false; awaited.len()];
    while !std::mem::replace(&mut seen[node], true) {
        let before = body.nodes[node].inputs.iter().filter_map(|input| body.node_before(input));
        let waiting = |&source: &usize| awaited[source] > 0 && !is(&body.nodes[source].op, "NextIteration");
        node = before.into_iter().find(waiting)?;
    }
    Some(node)
}
