//! Reading models: signatures, graphs and operations.

use std::collections::BTreeMap;

use super::ParseError;
use super::lex::{Token, ValueName};
use super::parse::Parser;
use crate::attr::Attrs;
use crate::graph::{Graph, OpId, Operands, Value, ValueInfo};
use crate::model::{Model, Signature};
use crate::op::{Const, Op, OpKind};

pub(super) fn model(text: &str) -> Result<Model, ParseError> {
    let mut p = Parser::new(text)?;
    let mut model = Model::new();
    let wrapped = p.take_word("model");
    if wrapped {
        p.sign("{")?;
    }
    announce_graphs(&mut p, &mut model)?;
    loop {
        match *p.peek() {
            Token::End if !wrapped => return Ok(model),
            Token::Sign("}") if wrapped => {
                p.next += 1;
                return match p.peek() {
                    Token::End => Ok(model),
                    _ => p.expected("the end of the text"),
                };
            }
            Token::Word("description") => {
                p.next += 1;
                model.description = p.text("text in quotes")?;
            }
            Token::Word("metadata") => {
                p.next += 1;
                let name = p.text("a name in quotes")?;
                p.keyword("hex")?;
                let bytes = p.hex()?;
                model.metadata.insert(name, bytes);
            }
            Token::Word("signature") => {
                p.next += 1;
                let signature = signature(&mut p)?;
                model.signatures.push(signature);
            }
            Token::Word("graph") => {
                p.next += 1;
                let id = p.graph_ref()?;
                let graph = Body::read(&mut p, model.graph(id).name().to_owned())?;
                *model.graph_mut(id) = graph;
            }
            _ => return p.expected("`signature`, `graph`, `metadata` or `description`"),
        }
    }
}

/// Adds an empty graph for each one in the text, so that operations may call graphs that come later.
fn announce_graphs(p: &mut Parser<'_>, model: &mut Model) -> Result<(), ParseError> {
    let mut depth = 0usize;
    for index in p.next..p.tokens.len() {
        match &p.tokens[index].token {
            Token::Sign("{") => depth += 1,
            Token::Sign("}") => depth = depth.saturating_sub(1),
            Token::Word("graph") if depth == 0 => {
                let Some(Token::Graph(name)) = p.tokens.get(index + 1).map(|t| &t.token) else {
                    continue;
                };
                let name = name.to_string();
                if p.graphs.contains_key(&name) {
                    return p.error_at(index + 1, format!("there are two graphs `@{name}`"));
                }
                let id = model.add_graph(Graph::new(name.clone()));
                p.graphs.insert(name, id);
            }
            _ => {}
        }
    }
    Ok(())
}

fn signature(p: &mut Parser<'_>) -> Result<Signature, ParseError> {
    let name = p.text("a name in quotes")?;
    p.sign("=")?;
    let graph = p.graph_ref()?;
    p.sign("(")?;
    let inputs = p.list(")", |p| p.word_or_text("a name of an input"))?;
    p.sign("->")?;
    p.sign("(")?;
    let outputs = p.list(")", |p| p.word_or_text("a name of an output"))?;
    Ok(Signature {
        name,
        graph,
        inputs,
        outputs,
    })
}

/// A graph in the making.
struct Body<'t> {
    graph: Graph,
    values: BTreeMap<ValueName<'t>, Value>,
    labels: BTreeMap<u64, OpId>,
}

/// What stands on the line of an operation beside its kind.
struct Line {
    operands: Operands,
    attrs: Attrs,
    after: Vec<OpId>,
    annotated: Option<Vec<ValueInfo>>,
}

impl<'t> Body<'t> {
    fn read(p: &mut Parser<'t>, name: String) -> Result<Graph, ParseError> {
        let mut body = Body {
            graph: Graph::new(name),
            values: BTreeMap::new(),
            labels: BTreeMap::new(),
        };
        p.sign("(")?;
        p.list(")", |p| {
            let token = p.next;
            let Token::Value(name) = p.take() else {
                return p.error_at(token, "expected a parameter such as `%x: f32[2]`");
            };
            p.sign(":")?;
            let info = annotation(p)?;
            let value = body.graph.add_parameter(info);
            body.define(p, token, name, value)
        })?;
        p.sign("{")?;
        while !p.take_word("return") {
            body.statement(p)?;
        }
        let line = body.line(p, false)?;
        if line.annotated.is_some() || !line.attrs.is_empty() {
            return p.error("`return` has neither attributes nor results");
        }
        let ret = body.graph.return_op();
        body.graph.set_operands(ret, &line.operands);
        line.after.into_iter().for_each(|earlier| body.graph.add_after(earlier, ret));
        match p.take_sign("}") {
            true => Ok(body.graph),
            false => p.expected("`}`: `return` ends a graph"),
        }
    }

    fn define(&mut self, p: &Parser<'t>, token: usize, name: ValueName<'t>, value: Value) -> Result<(), ParseError> {
        if let ValueName::Named(text, _) = &name {
            self.graph.info_mut(value).name = Some(text.as_ref().into());
        }
        match self.values.insert(name, value) {
            None => Ok(()),
            Some(_) => p.error_at(token, format!("{} is defined twice", p.tokens[token].token)),
        }
    }

    fn statement(&mut self, p: &mut Parser<'t>) -> Result<(), ParseError> {
        let mut names = Vec::new();
        let label = match *p.peek() {
            Token::Label(label) => {
                p.next += 1;
                p.sign("=")?;
                Some(label)
            }
            Token::Value(_) => {
                loop {
                    let token = p.next;
                    match p.take() {
                        Token::Value(name) => names.push((token, name)),
                        _ => return p.error_at(token, "expected a result such as `%x`"),
                    }
                    if !p.take_sign(",") {
                        break;
                    }
                }
                p.sign("=")?;
                None
            }
            _ => None,
        };
        let token = p.next;
        let name = p.word("an operation, or `return`")?;
        let kind = match OpKind::from_name(name) {
            Some(OpKind::Parameters | OpKind::Return) | None => {
                return p.error_at(token, format!("there is no operation `{name}`"));
            }
            Some(kind) => kind,
        };
        let constant = if kind == OpKind::Const { Some(p.tensor()?) } else { None };
        let line = self.line(p, constant.is_none())?;
        let id = match constant {
            Some(value) => {
                let results = line.annotated.unwrap_or_else(|| vec![ValueInfo::new(value.ty())]);
                self.graph.add_declared(Const { value }, &[], results)
            }
            None => {
                let op = Op::from_attrs(kind, line.attrs).or_else(|e| p.error_at(token, format!("`{name}`: {e}")))?;
                match line.annotated {
                    Some(results) => self.graph.add_declared(op, &line.operands, results),
                    None if names.is_empty() => self.graph.add_declared(op, &line.operands, Vec::new()),
                    None => self
                        .graph
                        .try_add(op, &line.operands)
                        .or_else(|e| p.error_at(token, format!("`{name}`: {e}")))?,
                }
            }
        };
        line.after.into_iter().for_each(|earlier| self.graph.add_after(earlier, id));
        let results = self.graph.results_of(id);
        if results.len() != names.len() {
            return p.error_at(token, format!("`{name}` has {} results, {} are named", results.len(), names.len()));
        }
        if let Some(label) = label
            && self.labels.insert(label, id).is_some()
        {
            return p.error_at(token, format!("`^{label}` is defined twice"));
        }
        for ((token, name), value) in names.into_iter().zip(results) {
            self.define(p, token, name, value)?;
        }
        Ok(())
    }

    fn line(&mut self, p: &mut Parser<'t>, takes_operands: bool) -> Result<Line, ParseError> {
        let mut operands = Operands::new();
        let is_operand = |p: &Parser<'t>| matches!(p.peek(), Token::Value(_) | Token::Word("_")) && !p.tokens[p.next].first_on_line;
        let is_return = matches!(p.tokens[p.next.saturating_sub(1)].token, Token::Word("return"));
        if (takes_operands || is_return) && is_operand(p) {
            loop {
                operands.push(if p.take_word("_") { None } else { Some(self.value(p)?) });
                if !p.take_sign(",") {
                    break;
                }
            }
        }
        let attrs = if takes_operands && p.is_sign("{") {
            p.attrs(0)?
        } else {
            Attrs::new()
        };
        let mut after = Vec::new();
        if p.take_word("after") {
            loop {
                after.push(self.earlier(p)?);
                if !p.take_sign(",") {
                    break;
                }
            }
        }
        let annotated = if p.take_sign(":") {
            let mut results = vec![annotation(p)?];
            while p.take_sign(",") {
                results.push(annotation(p)?);
            }
            Some(results)
        } else {
            None
        };
        Ok(Line {
            operands,
            attrs,
            after,
            annotated,
        })
    }

    fn value(&self, p: &mut Parser<'t>) -> Result<Value, ParseError> {
        let token = p.next;
        match p.take() {
            Token::Value(name) => match self.values.get(&name) {
                Some(&value) => Ok(value),
                None => p.error_at(token, format!("{} is not defined above", p.tokens[token].token)),
            },
            _ => p.error_at(token, "expected a value such as `%x`"),
        }
    }

    fn earlier(&self, p: &mut Parser<'t>) -> Result<OpId, ParseError> {
        let token = p.next;
        match *p.peek() {
            Token::Word("parameters") => {
                p.next += 1;
                Ok(self.graph.parameters_op())
            }
            Token::Label(label) => match self.labels.get(&label) {
                Some(&id) => {
                    p.next += 1;
                    Ok(id)
                }
                None => p.error_at(token, format!("`^{label}` is not defined above")),
            },
            _ => Ok(self.value(p)?.op),
        }
    }
}

/// A type, and the calibrated range where there is one.
fn annotation(p: &mut Parser<'_>) -> Result<ValueInfo, ParseError> {
    let mut info = ValueInfo::new(p.ty()?);
    let ranged = p.is_word("range") && matches!(p.peek_second(), Token::Sign("["));
    if ranged {
        p.next += 2;
        let least = f32::from_le_bytes(p.float(crate::types::DType::F32)?);
        p.sign(",")?;
        let greatest = f32::from_le_bytes(p.float(crate::types::DType::F32)?);
        p.sign("]")?;
        info.range = Some((least, greatest));
    }
    Ok(info)
}
