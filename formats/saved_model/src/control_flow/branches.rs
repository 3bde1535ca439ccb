//! Branches: a `Switch` sends a value to one of two sides, and a `Merge` takes what arrives.
//!
//! Each node is known to run only on certain sides of certain conditions: those of what it reads or waits for, with one more
//! behind a `Switch`, and without the one that a `Merge` joins. What runs on one side is that branch's function. Merges of one
//! condition that do not depend on each other are results of one `If`.

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::function::{Body, Library, Source};

use super::edges::Edges;
use super::is;
use super::slice::{Arguments, Seen, Slice, caller, function_name, stand_in, text, unused};

/// Steps that may be spent on finding out which merges depend on each other; those left are not brought together.
const MAX_STEPS: usize = 20_000_000;

/// One side of a condition.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Side {
    /// What the switches read.
    condition: Source,
    /// Where that comes from.
    origin: Source,
    /// The side, which is the switches' output.
    taken: bool,
}

/// The sides that a node runs on, the outermost first.
type Sides = Rc<[Side]>;

/// A `Merge` that joins the two sides of a condition.
struct Join {
    node: usize,
    condition: Source,
    origin: Source,
    /// Its inputs where the condition is false and where it is true.
    inputs: [Source; 2],
}

struct Branches {
    /// For each node the sides that it runs on.
    sides: Vec<Sides>,
    joins: Vec<Join>,
}

/// Replaces all branches.
pub(super) fn extract(body: Body, edges: Edges, library: &Library) -> Body {
    let (mut body, mut edges) = (body, edges);
    let order = edges.order(&body);
    let mut found = Branches::of(&body, &edges, &order);
    for group in found.groups(&body, &edges, &order) {
        found.rewrite(&mut body, &mut edges, &group, library);
    }
    body
}

impl Branches {
    fn of(body: &Body, edges: &Edges, order: &[usize]) -> Self {
        let mut found = Self {
            sides: vec![Rc::from([]); body.nodes.len()],
            joins: Vec::new(),
        };
        for &node in order {
            if is(&body.nodes[node].op, "Merge")
                && let [Some(first), Some(second)] = edges.data[node][..]
                && found.join(body, edges, node, [first, second])
            {
                continue;
            }
            let data = edges.data[node].iter().flatten().map(|&source| found.behind(body, edges, source));
            let waits = edges.control[node].iter().map(|&before| found.sides[before].clone());
            found.sides[node] = data.chain(waits).fold(Rc::from([]), both);
        }
        found
    }

    /// On which sides a value is there.
    fn behind(&self, body: &Body, edges: &Edges, source: Source) -> Sides {
        let Source::Node { node, port } = source else { return Rc::from([]) };
        let sides = self.sides[node].clone();
        match switched(body, edges, node) {
            Some((_, condition)) => {
                let side = Side {
                    condition,
                    origin: edges.origin(body, condition),
                    taken: port == 1,
                };
                both(sides, Rc::from([side]))
            }
            None => sides,
        }
    }

    /// Notes what a merge joins: the innermost condition whose sides its inputs are on.
    fn join(&mut self, body: &Body, edges: &Edges, node: usize, inputs: [Source; 2]) -> bool {
        let [first, second] = inputs.map(|input| self.behind(body, edges, input));
        let opposite = |exactly: bool| {
            first.iter().rev().copied().find(|a| {
                let same = |b: &Side| {
                    if exactly {
                        a.condition == b.condition
                    } else {
                        a.origin == b.origin
                    }
                };
                second.iter().any(|b| same(b) && a.taken != b.taken)
            })
        };
        let Some(side) = opposite(true).or_else(|| opposite(false)) else {
            return false;
        };
        let all = both(first, second);
        self.sides[node] = all.iter().filter(|s| s.origin != side.origin).copied().collect();
        self.joins.push(Join {
            node,
            condition: side.condition,
            origin: side.origin,
            inputs: if side.taken { [inputs[1], inputs[0]] } else { inputs },
        });
        true
    }

    /// Merges that are results of one branch, each group after those inside it.
    fn groups(&self, body: &Body, edges: &Edges, order: &[usize]) -> Vec<Vec<usize>> {
        let mut position = vec![0; body.nodes.len()];
        for (at, &node) in order.iter().enumerate() {
            position[node] = at;
        }
        let scope = |join: &Join| body.nodes[join.node].name.rsplit_once('/').map_or("", |(scope, _)| scope);
        let mut alike: BTreeMap<(Source, Sides, &str), Vec<usize>> = BTreeMap::new();
        for (i, join) in self.joins.iter().enumerate() {
            let sides = self.sides[join.node].clone();
            alike.entry((join.condition, sides, scope(join))).or_default().push(i);
        }
        let mut groups: Vec<Vec<usize>> = Vec::new();
        let mut steps = 0usize;
        for members in alike.into_values() {
            let places: Vec<usize> = members.iter().map(|&i| position[self.joins[i].node]).collect();
            let (first, last) = (places[0], places[places.len() - 1]);
            steps = steps.saturating_add(last - first);
            if steps > MAX_STEPS {
                groups.extend(members.into_iter().map(|i| vec![i]));
                continue;
            }
            // How many of these merges, one behind the other, lie before each node.
            let mut levels: BTreeMap<usize, usize> = BTreeMap::new();
            let mut by_level: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
            let mut next = members.iter().zip(&places).peekable();
            for &node in &order[first..=last] {
                let mut level = edges.before(node).filter_map(|b| levels.get(&b).copied()).max().unwrap_or(0);
                if let Some((&member, _)) = next.next_if(|(_, place)| order[**place] == node) {
                    level += 1;
                    by_level.entry(level).or_default().push(member);
                }
                if level > 0 {
                    levels.insert(node, level);
                }
            }
            groups.extend(by_level.into_values());
        }
        let last = |group: &Vec<usize>| group.iter().map(|&i| position[self.joins[i].node]).max();
        groups.sort_by_key(|group| last(group));
        groups
    }

    /// Puts an `If` in the place of these merges.
    fn rewrite(&mut self, body: &mut Body, edges: &mut Edges, group: &[usize], library: &Library) {
        let joins: Vec<&Join> = group.iter().map(|&i| &self.joins[i]).collect();
        let (condition, origin) = (joins[0].condition, joins[0].origin);
        let mut arguments = Arguments::default();
        let sides = [false, true].map(|taken| {
            let results: Vec<Option<Source>> = joins.iter().map(|join| Some(join.inputs[usize::from(taken)])).collect();
            Slice::cut(edges, &results, &mut arguments, |source| {
                if let Source::Node { node, .. } = source
                    && let Some((data, decided)) = switched(body, edges, node)
                    && (decided == condition || edges.origin(body, decided) == origin)
                {
                    return Seen::Outside(data);
                }
                let here = |side: &Side| side.origin == origin && side.taken == taken;
                if self.behind(body, edges, source).iter().any(here) {
                    Seen::Inside
                } else {
                    Seen::Outside(source)
                }
            })
        });
        let first = &body.nodes[joins[0].node].name;
        let wanted = match first.rsplit_once('/') {
            Some((scope, _)) => scope.to_owned(),
            None => format!("{first}/branch"),
        };
        let name = unused(&wanted, |name| body.node(name).is_some());
        let functions = sides.each_ref().map(|side| {
            let function = function_name(&name, "branch", library);
            library.add(side.function(function.clone(), body, &arguments));
            function
        });
        let sources: Vec<Source> = std::iter::once(condition).chain(arguments.sources).collect();
        let inputs = sources.iter().map(|&source| text(body, source)).collect();
        let named = [("then_branch", functions[1].as_str()), ("else_branch", functions[0].as_str())];
        let branch = body.push(caller(name.clone(), "If", inputs, &named));
        let around = self.sides[joins[0].node].clone();
        edges.push(sources);
        for (result, join) in joins.iter().enumerate() {
            let node = stand_in(&body.nodes[join.node], format!("{name}:{result}"));
            body.nodes[join.node] = node;
            edges.data[join.node] = vec![Some(Source::Node {
                node: branch,
                port: result,
            })];
        }
        self.sides.push(around);
    }
}

/// What a switch lets pass, and what decides where to.
fn switched(body: &Body, edges: &Edges, node: usize) -> Option<(Source, Source)> {
    match edges.data[node][..] {
        [Some(data), Some(condition)] if is(&body.nodes[node].op, "Switch") => Some((data, condition)),
        _ => None,
    }
}

/// All sides of either.
fn both(first: Sides, second: Sides) -> Sides {
    if second.is_empty() || Rc::ptr_eq(&first, &second) {
        return first;
    }
    if first.is_empty() {
        return second;
    }
    let more: Vec<Side> = second.iter().filter(|s| !first.contains(s)).copied().collect();
    if more.is_empty() {
        return first;
    }
    first.iter().copied().chain(more).collect()
}
