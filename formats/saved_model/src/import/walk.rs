//! The walk: brings every node that something wanted depends on into the graph, dependencies first.

use std::collections::BTreeSet;
use std::rc::Rc;

use crate::Error;

use super::frame::{Arg, Entry, Place, control_inputs, data_inputs};
use super::node::Node;
use super::{Bound, Importer, Stop, table};

enum Step {
    Visit { frame: usize, node: usize },
    Build { frame: usize, node: usize },
}

impl Importer {
    /// Imports all that these places depend on, and the places themselves.
    pub(super) fn want(&mut self, places: &[Place]) -> Result<(), Error> {
        let mut steps: Vec<Step> = Vec::new();
        push(&mut steps, places);
        while let Some(step) = steps.pop() {
            match step {
                Step::Visit { frame, node } => {
                    let state = &mut self.frames[frame].nodes[node];
                    if state.outputs.is_some() {
                        continue;
                    }
                    if std::mem::replace(&mut state.open, true) {
                        return Err(self.cycle(frame, node));
                    }
                    if self.callee(frame, node)?.is_some() {
                        // A call stands among places only for what it waits for.
                        self.frames[frame].nodes[node].outputs = Some(Rc::new([]));
                    } else {
                        let inputs = self.inputs(frame, node)?;
                        steps.push(Step::Build { frame, node });
                        push(&mut steps, &inputs);
                    }
                    if self.effects.tracked() {
                        let earlier = self.control_places(frame, node)?;
                        push(&mut steps, &earlier);
                    }
                }
                Step::Build { frame, node } => {
                    let outputs = self.build(frame, node)?;
                    let state = &mut self.frames[frame].nodes[node];
                    state.outputs = Some(outputs.into());
                    state.open = false;
                }
            }
        }
        Ok(())
    }

    /// What the data inputs of a node stand for.
    pub(super) fn inputs(&mut self, frame: usize, node: usize) -> Result<Rc<[Place]>, Error> {
        if let Some(inputs) = &self.frames[frame].nodes[node].inputs {
            return Ok(inputs.clone());
        }
        let body = self.frames[frame].body.clone();
        let inputs: Rc<[Place]> = data_inputs(&body.nodes[node])
            .map(|text| self.resolve(frame, text))
            .collect::<Result<_, _>>()?;
        self.frames[frame].nodes[node].inputs = Some(inputs.clone());
        Ok(inputs)
    }

    /// What must have run before a node, where the order of effects matters: what it waits for, and what the calls that it is part
    /// of wait for. The latter is told with the first node of a frame alone, since it then runs before all others as well.
    fn control_places(&mut self, frame: usize, node: usize) -> Result<Vec<Place>, Error> {
        let mut places = Vec::new();
        self.control_places_at(frame, node, &mut places)?;
        let mut inner = frame;
        while let Entry::Call { caller, node: call, .. } = self.frames[inner].entry
            && !std::mem::replace(&mut self.frames[inner].entered, true)
        {
            self.control_places_at(caller, call, &mut places)?;
            inner = caller;
        }
        Ok(places)
    }

    fn control_places_at(&mut self, frame: usize, node: usize, places: &mut Vec<Place>) -> Result<(), Error> {
        let body = self.frames[frame].body.clone();
        for name in control_inputs(&body.nodes[node]) {
            self.places_of_run(frame, name, places)?;
        }
        Ok(())
    }

    /// What running the node `name` of a frame runs: itself, or the effects of the function that it calls. A call without effects
    /// stands for what it waits for.
    pub(super) fn places_of_run(&mut self, frame: usize, name: &str, places: &mut Vec<Place>) -> Result<(), Error> {
        let mut todo = vec![(frame, name.to_owned())];
        let mut seen = BTreeSet::new();
        while let Some((frame, name)) = todo.pop() {
            let body = self.frames[frame].body.clone();
            let Some(node) = body.node(&name).filter(|&node| seen.insert((frame, node))) else {
                continue;
            };
            match self.callee(frame, node)? {
                None => places.push(Place::Node { frame, node, port: 0 }),
                Some(callee) => {
                    let effects = &self.frames[callee].body.control_results;
                    if effects.is_empty() {
                        places.push(Place::Node { frame, node, port: 0 });
                    }
                    todo.extend(effects.iter().map(|n| (callee, n.clone())));
                }
            }
        }
        Ok(())
    }

    /// What a place stands for, once it has been wanted.
    pub(super) fn bound(&mut self, place: Place) -> Result<Bound, Error> {
        match place {
            Place::Arg { frame, index } => self.bound_arg(frame, index),
            Place::Node { frame, node, port } => {
                let state = &self.frames[frame].nodes[node];
                let outputs = state.outputs.as_ref().ok_or_else(|| self.cycle(frame, node))?;
                outputs.get(port).cloned().ok_or_else(|| {
                    Error::graph(
                        self.public_name(frame, node),
                        format!("it has no output {port}, which a node reads"),
                    )
                })
            }
        }
    }

    fn bound_arg(&mut self, frame: usize, index: usize) -> Result<Bound, Error> {
        let Entry::Graph(args) = &self.frames[frame].entry else {
            unreachable!("arguments of called functions are looked through");
        };
        match args.get(index).cloned() {
            Some(Arg::Bound(bound)) => Ok(bound),
            Some(Arg::Constant(tensor, name)) => {
                let value = self.add_const(tensor, name);
                if let Entry::Graph(args) = &mut self.frames[frame].entry {
                    args[index] = Arg::Bound(Bound::Value(value));
                }
                Ok(Bound::Value(value))
            }
            Some(Arg::Unbound) | None => Err(Error::graph(
                self.frames[frame].body.shown(),
                format!("nothing is passed for argument {index}"),
            )),
        }
    }

    fn build(&mut self, frame: usize, index: usize) -> Result<Vec<Bound>, Error> {
        let mut node = Node::new(self, frame, index)?;
        let imported = match table::importer_of(&node.def().op) {
            Some(import) => import(&mut node),
            None => Err(Stop::Foreign),
        };
        match imported {
            Ok(outputs) => {
                node.name_results(&outputs);
                Ok(outputs)
            }
            Err(Stop::Error(error)) => Err(error),
            Err(Stop::Foreign) => node.foreign(),
        }
    }

    fn cycle(&self, frame: usize, node: usize) -> Error {
        let name = self.public_name(frame, node);
        Error::graph(name, "it depends on itself")
    }
}

fn push(steps: &mut Vec<Step>, places: &[Place]) {
    // The last one pushed is visited first.
    for place in places.iter().rev() {
        if let Place::Node { frame, node, .. } = *place {
            steps.push(Step::Visit { frame, node });
        }
    }
}
