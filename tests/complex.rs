//! Complex numbers that are computed, of which the reader makes their parts: the values, beside complex arithmetic that is
//! worked out here.

use std::collections::BTreeMap;
use std::f64::consts::TAU;

use planish::core::Tensor;
use planish::kernels::interpret::Interpreter;
use planish::saved_model::Reader;

mod graph_text;

use graph_text::{endpoint, extents, node, save};

type Complex = (f64, f64);

fn times(x: Complex, y: Complex) -> Complex {
    (x.0 * y.0 - x.1 * y.1, x.0 * y.1 + x.1 * y.0)
}

fn over(x: Complex, y: Complex) -> Complex {
    let (re, im) = times(x, (y.0, -y.1));
    let square = y.0 * y.0 + y.1 * y.1;
    (re / square, im / square)
}

/// A SavedModel's graph in the text form of protobuf, and the outputs of its signature with the values that they should have.
#[derive(Default)]
struct Saved {
    nodes: String,
    inputs: Vec<String>,
    outputs: Vec<String>,
    expected: BTreeMap<String, Vec<f64>>,
}

impl Saved {
    fn node(&mut self, name: &str, op: &str, inputs: &[&str], attrs: &[(&str, &str)]) {
        self.nodes += &node(name, op, inputs, attrs);
    }

    fn parameter(&mut self, name: &str, dims: &[usize]) {
        let shape = format!("shape {{ {} }}", extents(dims));
        self.node(name, "Placeholder", &[], &[("dtype", "type: DT_FLOAT"), ("shape", &shape)]);
        self.inputs.push(endpoint(name, "DT_FLOAT", Some(dims)));
    }

    fn ints(&mut self, name: &str, values: &[i64]) {
        let stored: String = values.iter().map(|v| format!(" int_val: {v}")).collect();
        let shape = format!("tensor_shape {{ dim {{ size: {} }} }}", values.len());
        let tensor = format!("tensor {{ dtype: DT_INT32 {shape}{stored} }}");
        self.node(name, "Const", &[], &[("dtype", "type: DT_INT32"), ("value", &tensor)]);
    }

    fn complex(&mut self, name: &str, (re, im): Complex) {
        let tensor = format!("tensor {{ dtype: DT_COMPLEX64 tensor_shape {{ }} scomplex_val: {re} scomplex_val: {im} }}");
        self.node(name, "Const", &[], &[("dtype", "type: DT_COMPLEX64"), ("value", &tensor)]);
    }

    /// An operation on complex numbers.
    fn on_complex(&mut self, name: &str, op: &str, inputs: &[&str]) {
        self.node(name, op, inputs, &[("T", "type: DT_COMPLEX64")]);
    }

    fn expect(&mut self, name: &str, values: Vec<f64>) {
        self.outputs.push(endpoint(name, "DT_FLOAT", None));
        self.expected.insert(name.to_owned(), values);
    }

    /// Makes outputs of the parts of a complex value.
    fn expect_parts(&mut self, name: &str, values: &[Complex]) {
        let (re, im) = (format!("{name}/re"), format!("{name}/im"));
        self.on_complex(&re, "Real", &[name]);
        self.on_complex(&im, "Imag", &[name]);
        self.expect(&re, values.iter().map(|v| v.0).collect());
        self.expect(&im, values.iter().map(|v| v.1).collect());
    }

    /// Runs the model as it is read and as it is cleaned up, and compares all outputs.
    fn check(&self, parameters: &[(&str, &[usize], &[f64])]) {
        let dir = tempfile::tempdir().expect("there is a folder for temporary files");
        save(dir.path(), &self.nodes, &self.inputs, &self.outputs);
        let reader = Reader::new(dir.path());
        for (how, reader) in [("as read", reader.clone().raw()), ("cleaned up", reader)] {
            let model = reader.read().expect("it is read");
            let signature = &model.signatures[0];
            let input = |name: &String| {
                let (_, dims, values) = parameters.iter().find(|(of, ..)| of == name).expect("an input of this name");
                Tensor::from_vec(dims, values.iter().map(|&v| v as f32).collect())
            };
            let inputs: Vec<Tensor> = signature.inputs.iter().map(input).collect();
            let results = Interpreter::new(&model).run(signature.graph, &inputs).expect("it runs");
            assert_eq!(signature.outputs.len(), self.expected.len());
            for (name, result) in signature.outputs.iter().zip(results) {
                let (found, expected) = (result.to_vec::<f32>(), &self.expected[name]);
                assert_eq!(found.len(), expected.len(), "{how}: {name}");
                for (&found, &expected) in found.iter().zip(expected) {
                    let near = (f64::from(found) - expected).abs() <= 1e-5 * (1.0 + expected.abs());
                    assert!(near, "{how}: {name}: {found}, not {expected}");
                }
            }
        }
    }
}

const A: [f64; 6] = [1.5, -0.25, 2.0, -1.0, 0.75, -2.5];
const B: [f64; 6] = [0.5, 1.25, -0.75, -2.0, 1.0, 0.125];
const NUMBER: Complex = (0.5, -1.5);

/// Complex numbers of every make: of two parts, of one that is not zero, and constant. Each with its elements.
fn operands(saved: &mut Saved) -> [(&'static str, Vec<Complex>); 6] {
    saved.parameter("a", &[2, 3]);
    saved.parameter("b", &[2, 3]);
    let parts = [("T", "type: DT_FLOAT"), ("Tout", "type: DT_COMPLEX64")];
    saved.node("z", "Complex", &["a", "b"], &parts);
    saved.node("w", "Complex", &["b", "a"], &parts);
    let widening = [("SrcT", "type: DT_FLOAT"), ("DstT", "type: DT_COMPLEX64")];
    saved.node("real", "Cast", &["a"], &widening);
    saved.complex("i", (0.0, 1.0));
    saved.on_complex("imaginary", "Mul", &["real", "i"]);
    saved.complex("number", NUMBER);
    let (a, b) = (A.iter().copied(), B.iter().copied());
    [
        ("z", a.clone().zip(b.clone()).collect()),
        ("w", b.zip(a.clone()).collect()),
        ("real", a.clone().map(|re| (re, 0.0)).collect()),
        ("imaginary", a.map(|im| (0.0, im)).collect()),
        ("i", vec![(0.0, 1.0)]),
        ("number", vec![NUMBER]),
    ]
}

const INPUTS: &[(&str, &[usize], &[f64])] = &[("a", &[2, 3], &A), ("b", &[2, 3], &B)];

#[test]
fn two_complex_numbers_make_one() {
    type Meaning = fn(Complex, Complex) -> Complex;
    let operations: [(&str, Meaning); 4] = [
        ("AddV2", |x, y| (x.0 + y.0, x.1 + y.1)),
        ("Sub", |x, y| (x.0 - y.0, x.1 - y.1)),
        ("Mul", times),
        ("RealDiv", over),
    ];
    let mut saved = Saved::default();
    let operands = operands(&mut saved);
    for (op, meaning) in operations {
        for (x, left) in &operands {
            for (y, right) in &operands {
                let name = format!("{op}_{x}_{y}");
                saved.on_complex(&name, op, &[x, y]);
                let count = left.len().max(right.len());
                let element = |at: usize| meaning(left[at % left.len()], right[at % right.len()]);
                saved.expect_parts(&name, &(0..count).map(element).collect::<Vec<_>>());
            }
        }
    }
    saved.check(INPUTS);
}

#[test]
fn one_complex_number_makes_another_or_a_real_one() {
    let mut saved = Saved::default();
    for (x, values) in operands(&mut saved) {
        let mut complex = |op: &str, meaning: fn(Complex) -> Complex| {
            let name = format!("{op}_{x}");
            saved.on_complex(&name, op, &[x]);
            saved.expect_parts(&name, &values.iter().map(|&v| meaning(v)).collect::<Vec<_>>());
        };
        complex("Neg", |(re, im)| (-re, -im));
        complex("Conj", |(re, im)| (re, -im));
        complex("Exp", |(re, im)| (re.exp() * im.cos(), re.exp() * im.sin()));
        let mut real = |op: &str, attrs: [(&str, &str); 2], meaning: fn(Complex) -> f64| {
            let name = format!("{op}_{x}");
            saved.node(&name, op, &[x], &attrs);
            saved.expect(&name, values.iter().map(|&v| meaning(v)).collect());
        };
        let to_float = [("T", "type: DT_COMPLEX64"), ("Tout", "type: DT_FLOAT")];
        real("ComplexAbs", to_float, |(re, im)| re.hypot(im));
        real("Angle", to_float, |(re, im)| im.atan2(re));
        real("Cast", [("SrcT", "type: DT_COMPLEX64"), ("DstT", "type: DT_FLOAT")], |(re, _)| re);
    }
    saved.check(INPUTS);
}

#[test]
fn elements_are_moved_and_added_up_in_both_parts() {
    let mut saved = Saved::default();
    let operands = operands(&mut saved);
    saved.ints("swap", &[1, 0]);
    saved.ints("flat", &[6]);
    saved.ints("last", &[1]);
    saved.ints("begin", &[1, 0]);
    saved.ints("size", &[1, 2]);
    for (x, values) in operands.iter().filter(|(_, values)| values.len() > 1) {
        let mut moved = |op: &str, others: &[&str], order: &[usize]| {
            let name = format!("{op}_{x}");
            saved.on_complex(&name, op, &[&[*x], others].concat());
            saved.expect_parts(&name, &order.iter().map(|&at| values[at]).collect::<Vec<_>>());
        };
        moved("Transpose", &["swap"], &[0, 3, 1, 4, 2, 5]);
        moved("Reshape", &["flat"], &[0, 1, 2, 3, 4, 5]);
        moved("ReverseV2", &["last"], &[2, 1, 0, 5, 4, 3]);
        moved("Slice", &["begin", "size"], &[3, 4]);
        let name = format!("Sum_{x}");
        saved.on_complex(&name, "Sum", &[x, "last"]);
        let sum = |row: &[Complex]| row.iter().fold((0.0, 0.0), |sum, v| (sum.0 + v.0, sum.1 + v.1));
        saved.expect_parts(&name, &values.chunks(3).map(sum).collect::<Vec<_>>());
    }
    saved.check(INPUTS);
}

/// The inverse transform by its definition, of as many terms of a spectrum as there are for this length.
fn inverse(spectrum: &[Complex], length: usize) -> Vec<f64> {
    let half = length / 2;
    let term = |k: usize| match k {
        0 => (spectrum[0].0, 0.0),
        k if k == half => (spectrum[half].0, 0.0),
        k if k < half => spectrum[k],
        k => (spectrum[length - k].0, -spectrum[length - k].1),
    };
    let turn = |k: usize, n: usize| {
        let angle = TAU * (k * n) as f64 / length as f64;
        (angle.cos(), angle.sin())
    };
    let sample = |n: usize| (0..length).map(|k| times(term(k), turn(k, n)).0).sum::<f64>() / length as f64;
    (0..length).map(sample).collect()
}

#[test]
fn spectra_are_turned_back() {
    for (length, bins) in [(4, 3), (8, 5), (8, 7), (32, 17)] {
        let scattered = |at: usize, by: usize| ((at * by + 3) % 23) as f64 / 8.0 - 1.25;
        let re: Vec<f64> = (0..2 * bins).map(|at| scattered(at, 7)).collect();
        let im: Vec<f64> = (0..2 * bins).map(|at| scattered(at, 13)).collect();
        let mut saved = Saved::default();
        saved.parameter("re", &[2, bins]);
        saved.parameter("im", &[2, bins]);
        let parts = [("T", "type: DT_FLOAT"), ("Tout", "type: DT_COMPLEX64")];
        saved.node("spectrum", "Complex", &["re", "im"], &parts);
        saved.ints("length", &[length as i64]);
        saved.node("y", "IRFFT", &["spectrum", "length"], &[]);
        let spectrum: Vec<Complex> = re.iter().copied().zip(im.iter().copied()).collect();
        saved.expect("y", spectrum.chunks(bins).flat_map(|row| inverse(row, length)).collect());
        saved.check(&[("re", &[2, bins], &re), ("im", &[2, bins], &im)]);
    }
}

/// The transform of a plane by its definition; `sign` is -1 there and 1 back, where it is divided by the number of elements.
fn plane_transform(plane: &[Complex], [rows, columns]: [usize; 2], sign: f64) -> Vec<Complex> {
    let term = |k: usize, at: usize| {
        let [row, column] = [(k / columns * (at / columns), rows), (k % columns * (at % columns), columns)];
        let angle = sign * TAU * (row.0 as f64 / row.1 as f64 + column.0 as f64 / column.1 as f64);
        times(plane[at], (angle.cos(), angle.sin()))
    };
    let whole = if sign > 0.0 { plane.len() as f64 } else { 1.0 };
    let element = |k: usize| {
        let sum = (0..plane.len()).fold((0.0, 0.0), |sum, at| {
            let (re, im) = term(k, at);
            (sum.0 + re, sum.1 + im)
        });
        (sum.0 / whole, sum.1 / whole)
    };
    (0..plane.len()).map(element).collect()
}

#[test]
fn planes_are_transformed_along_both_axes() {
    let mut saved = Saved::default();
    let operands = operands(&mut saved);
    let (_, values) = &operands[0];
    for (op, sign) in [("FFT2D", -1.0), ("IFFT2D", 1.0)] {
        saved.node(op, op, &["z"], &[("Tcomplex", "type: DT_COMPLEX64")]);
        saved.expect_parts(op, &plane_transform(values, [2, 3], sign));
    }
    saved.ints("lengths", &[2, 3]);
    let types = [("Treal", "type: DT_FLOAT"), ("Tcomplex", "type: DT_COMPLEX64")];
    saved.node("half", "RFFT2D", &["a", "lengths"], &types);
    let real: Vec<Complex> = A.iter().map(|&re| (re, 0.0)).collect();
    let spectrum = plane_transform(&real, [2, 3], -1.0);
    saved.expect_parts("half", &[0, 1, 3, 4].map(|at| spectrum[at]));
    saved.node("back", "IRFFT2D", &["half", "lengths"], &types);
    saved.expect("back", A.to_vec());
    saved.check(INPUTS);
}
