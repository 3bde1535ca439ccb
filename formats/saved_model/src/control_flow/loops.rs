//! Loops: `Enter` begins one, `NextIteration` leads back, `LoopCond` decides, `Exit` leaves.
//!
//! ```text
//! outside → Enter → Merge → Switch ─(false)→ Exit → outside
//!                     ↑       └──(true)→ body → NextIteration ┐
//!                     └──────────────────────────────────────┘
//! ```
//! The `Merge`s, in their nodes' order, are what the `While` carries; an `Enter` that leads to no `Merge` hands in what stays the
//! same.

use std::collections::{BTreeMap, BTreeSet};

use crate::Error;
use crate::function::{Body, Library, Source};
use crate::proto::{Attr, NodeDef};

use super::edges::Edges;
use super::is;
use super::slice::{Arguments, Seen, Slice, caller, function_name, stand_in, text, unused};

/// The body itself.
const ROOT: usize = 0;

/// Which loop each node is in, by number.
struct Frames {
    of: Vec<usize>,
    parents: Vec<usize>,
    depths: Vec<usize>,
}

impl Frames {
    fn of(body: &Body, edges: &Edges) -> Self {
        let mut frames = Self {
            of: vec![ROOT; body.nodes.len()],
            parents: vec![ROOT],
            depths: vec![0],
        };
        let mut named: BTreeMap<(usize, &[u8]), usize> = BTreeMap::new();
        for node in edges.order(body) {
            let around = edges
                .before(node)
                .map(|before| frames.behind(body, before))
                .max_by_key(|&f| frames.depths[f])
                .unwrap_or(ROOT);
            frames.of[node] = around;
            if is(&body.nodes[node].op, "Enter") {
                let name: &[u8] = match body.nodes[node].attrs.get("frame_name").and_then(|a| a.value.as_ref()) {
                    Some(Attr::Bytes(name)) => name,
                    _ => b"",
                };
                frames.of[node] = *named.entry((around, name)).or_insert_with(|| {
                    frames.parents.push(around);
                    frames.depths.push(frames.depths[around] + 1);
                    frames.parents.len() - 1
                });
            }
        }
        frames
    }

    /// The loop that a node's outputs are in.
    fn behind(&self, body: &Body, node: usize) -> usize {
        let frame = self.of[node];
        if is(&body.nodes[node].op, "Exit") {
            self.parents[frame]
        } else {
            frame
        }
    }

    /// Whether a node's outputs are in this loop or in one inside it.
    fn within(&self, body: &Body, node: usize, frame: usize) -> bool {
        let mut at = self.behind(body, node);
        while at != frame && at != ROOT {
            at = self.parents[at];
        }
        at == frame
    }
}

/// One loop of a body.
#[derive(Default)]
struct Loop {
    /// The `Merge`s, and where each one's value comes from at first and from then on.
    carried: Vec<(usize, Source, Source)>,
    /// The `Enter`s that lead elsewhere than to a `Merge`.
    constant: Vec<usize>,
    /// The input of `LoopCond`, and that node.
    condition: Option<(Source, usize)>,
    exits: Vec<usize>,
    name: String,
}

/// Replaces the outermost loops.
pub(super) fn extract(body: Body, edges: &Edges, library: &Library) -> Result<Body, Error> {
    let frames = Frames::of(&body, edges);
    let mut loops: BTreeMap<usize, Loop> = BTreeMap::new();
    let outermost = |node: usize| frames.of[node] != ROOT && frames.parents[frames.of[node]] == ROOT;
    let mut leading_elsewhere = BTreeSet::new();
    for (node, def) in body.nodes.iter().enumerate() {
        if !is(&def.op, "Merge") {
            leading_elsewhere.extend(edges.data[node].iter().filter_map(|source| match source {
                Some(Source::Node { node, .. }) if is(&body.nodes[*node].op, "Enter") => Some(*node),
                _ => None,
            }));
        }
    }
    for (node, def) in body.nodes.iter().enumerate().filter(|(node, _)| outermost(*node)) {
        let found = loops.entry(frames.of[node]).or_default();
        let input = |i: usize| edges.data[node].get(i).copied().flatten();
        let made_by = |source: Option<Source>, op: &str| match source {
            Some(Source::Node { node, .. }) if is(&body.nodes[node].op, op) => edges.data[node].first().copied().flatten(),
            _ => None,
        };
        match def.op.strip_prefix("Ref").unwrap_or(&def.op) {
            "Merge" => {
                let (first, later) = if made_by(input(1), "NextIteration").is_some() {
                    (0, 1)
                } else {
                    (1, 0)
                };
                if let (Some(first), Some(later)) = (made_by(input(first), "Enter"), made_by(input(later), "NextIteration")) {
                    found.carried.push((node, first, later));
                }
            }
            "Enter" => {
                if found.name.is_empty() {
                    found.name = loop_name(def);
                }
                if leading_elsewhere.contains(&node) {
                    found.constant.push(node);
                }
            }
            "LoopCond" => found.condition = input(0).map(|source| (source, node)),
            "Exit" => found.exits.push(node),
            _ => {}
        }
    }
    let mut made: Vec<NodeDef> = Vec::new();
    let mut stand_ins: BTreeMap<usize, NodeDef> = BTreeMap::new();
    for (&frame, found) in &loops {
        let name = unused(&found.name, |name| body.node(name).is_some() || made.iter().any(|n| n.name == name));
        made.push(rewrite(&body, edges, &frames, frame, found, &name, library, &mut stand_ins)?);
    }
    let kept = body
        .nodes
        .iter()
        .enumerate()
        .filter(|(node, _)| frames.of[*node] == ROOT || stand_ins.contains_key(node));
    let nodes = kept
        .map(|(node, def)| stand_ins.get(&node).unwrap_or(def).clone())
        .chain(made)
        .collect();
    Ok(body.with_nodes(nodes))
}

/// What a loop is called by those who wrote it.
fn loop_name(enter: &NodeDef) -> String {
    let frame = match enter.attrs.get("frame_name").and_then(|a| a.value.as_ref()) {
        Some(Attr::Bytes(name)) => String::from_utf8_lossy(name).into_owned(),
        _ => "while".to_owned(),
    };
    let end = frame.rfind("/while_context").filter(|&at| at > 0);
    frame[..end.unwrap_or(frame.len())].to_owned()
}

#[expect(clippy::too_many_arguments, reason = "the parts of one body")]
fn rewrite(
    body: &Body,
    edges: &Edges,
    frames: &Frames,
    frame: usize,
    found: &Loop,
    name: &str,
    library: &Library,
    stand_ins: &mut BTreeMap<usize, NodeDef>,
) -> Result<NodeDef, Error> {
    let irregular = |what: &str| {
        Error::unsupported(
            name,
            format!("a loop of TensorFlow 1 {what}; save the model again with control flow v2"),
        )
    };
    let (condition, decider) = found.condition.ok_or_else(|| irregular("without a LoopCond"))?;
    let decider = Source::Node { node: decider, port: 0 };
    let mut arguments = Arguments::default();
    let positions: BTreeMap<usize, usize> = found
        .carried
        .iter()
        .map(|&(merge, first, _)| (merge, arguments.add(first)))
        .collect();
    // The merge whose value a switch of this loop lets pass.
    let switched = |node: usize| match edges.data[node][..] {
        [Some(data), Some(decision)] if is(&body.nodes[node].op, "Switch") && edges.origin(body, decision) == decider => {
            match edges.origin(body, data) {
                Source::Node { node, port: 0 } => positions.get(&node).copied(),
                _ => None,
            }
        }
        _ => None,
    };
    let see = |source: Source| {
        let Source::Node { node, port } = source else {
            return Seen::Outside(source);
        };
        if let Some(position) = switched(node).or_else(|| positions.get(&node).copied().filter(|_| port == 0)) {
            return Seen::Argument(position);
        }
        if found.constant.contains(&node)
            && let Some(&Some(outside)) = edges.data[node].first()
        {
            return Seen::Outside(outside);
        }
        if frames.within(body, node, frame) {
            Seen::Inside
        } else {
            Seen::Outside(source)
        }
    };
    let condition = Slice::cut(edges, &[Some(condition)], &mut arguments, see);
    // What stays the same is handed on; to know all of it, the condition was cut first.
    let later: Vec<Option<Source>> = found.carried.iter().map(|&(_, _, later)| Some(later)).collect();
    let mut step = Slice::cut(edges, &later, &mut arguments, see);
    step.hand_on(later.len()..arguments.sources.len());
    let (condition_name, step_name) = (function_name(name, "condition", library), function_name(name, "body", library));
    library.add(condition.function(condition_name.clone(), body, &arguments));
    library.add(step.function(step_name.clone(), body, &arguments));
    for &exit in &found.exits {
        let left = edges.data[exit].first().copied().flatten().map(|source| edges.origin(body, source));
        let position = match left {
            Some(Source::Node { node, .. }) => switched(node).or_else(|| positions.get(&node).copied()),
            _ => None,
        };
        let position = position.ok_or_else(|| irregular("that is left other than from its Switch"))?;
        stand_ins.insert(exit, stand_in(&body.nodes[exit], format!("{name}:{position}")));
    }
    let inputs = arguments.sources.iter().map(|&source| text(body, source)).collect();
    Ok(caller(
        name.to_owned(),
        "While",
        inputs,
        &[("cond", &condition_name), ("body", &step_name)],
    ))
}
