//! Sequences: recurrent cells, labels and transforms.

use planish::core::tensor::Tensor;

use super::graph_text::node;
use super::{assert_floats, assert_ints, computed, constant, floats, ints};

#[test]
fn transforms_of_any_length() {
    let graph = constant("length", &ints(&[1], &[3]))
        + &node("spectrum", "RFFT", &["x", "length"], &[])
        + &node("re", "Real", &["spectrum"], &[])
        + &node("im", "Imag", &["spectrum"], &[]);
    let found = computed(&graph, &[("x", floats(&[1, 4], &[1.0, 2.0, 3.0, 9.0]))], &["re", "im"]);
    assert_floats(&found[0], &[1, 2], &[6.0, -1.5]);
    assert_floats(&found[1], &[1, 2], &[0.0, 0.75f64.sqrt()]);
}

#[test]
fn inverse_transforms_give_back_what_was_transformed() {
    let complex = [("T", "type: DT_FLOAT"), ("Tout", "type: DT_COMPLEX64")];
    for length in [3, 4, 5, 8] {
        let graph = constant("length", &ints(&[1], &[length]))
            + &node("whole", "Complex", &["a", "b"], &complex)
            + &node("spectrum", "FFT", &["whole"], &[])
            + &node("back", "IFFT", &["spectrum"], &[])
            + &node("re", "Real", &["back"], &[])
            + &node("im", "Imag", &["back"], &[])
            + &node("half", "RFFT", &["a", "length"], &[])
            + &node("real", "IRFFT", &["half", "length"], &[]);
        let dims = [2, length as usize];
        let series = |step: f32| floats(&dims, &(0..2 * length).map(|i| (i as f32 * step).sin()).collect::<Vec<_>>());
        let (a, b) = (series(1.0), series(0.7));
        let found = computed(&graph, &[("a", a.clone()), ("b", b.clone())], &["re", "im", "real"]);
        for (found, wanted) in found.iter().zip([&a, &b, &a]) {
            assert_floats(found, &dims, &wanted.to_floats().expect("floats"));
        }
    }
}

#[test]
fn best_paths_are_read_off_without_blanks_and_repetitions() {
    let attrs = [("merge_repeated", "b: true"), ("T", "type: DT_FLOAT")];
    let graph = node("y", "CTCGreedyDecoder", &["scores", "lengths"], &attrs);
    // The best labels are 0 0 2 0 of one sequence and 1 0 of the other, which ends there; 2 is the blank.
    let step = |a: usize, b: usize| [a, b].map(|best| (0..3).map(move |label| if label == best { 2.0 } else { 1.0 }));
    let scores: Vec<f32> = [step(0, 1), step(0, 0), step(2, 1), step(0, 1)]
        .into_iter()
        .flatten()
        .flatten()
        .collect();
    let inputs = [("scores", floats(&[4, 2, 3], &scores)), ("lengths", ints(&[2], &[4, 2]))];
    let found = computed(&graph, &inputs, &["y", "y:1", "y:2", "y:3"]);
    assert_ints(&found[0], &[4, 2], &[0, 0, 0, 1, 1, 0, 1, 1]);
    assert_ints(&found[1], &[4], &[0, 0, 1, 0]);
    assert_ints(&found[2], &[2], &[2, 2]);
    assert_floats(&found[3], &[2, 1], &[-8.0, -4.0]);
}

#[test]
fn cells_of_one_operation_make_their_steps() {
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    let lstm = |gates: [f64; 4], cells: f64| {
        let [input, cell, forget, output] = gates;
        let cells = cell.tanh() * sigmoid(input) + cells * sigmoid(forget);
        (cells, cells.tanh() * sigmoid(output))
    };
    let (w, b) = ([0.5, -1.0, 0.25, 1.0, 1.5, 0.5, -0.5, 0.75], [0.1, 0.2, 0.3, 0.4]);
    let graph = constant("steps", &Tensor::scalar(2i64))
        + &constant("w", &floats(&[2, 4], &w.map(|w| w as f32)))
        + &constant("none", &floats(&[1], &[0.0]))
        + &constant("b", &floats(&[4], &b.map(|b| b as f32)))
        + &node(
            "layer",
            "BlockLSTM",
            &["steps", "x", "c", "h", "w", "none", "none", "none", "b"],
            &[("forget_bias", "f: 1"), ("cell_clip", "f: -1"), ("use_peephole", "b: false")],
        )
        + &node(
            "cell",
            "LSTMBlockCell",
            &["x0", "c", "h", "w", "none", "none", "none", "b"],
            &[("forget_bias", "f: 1"), ("cell_clip", "f: 0.1"), ("use_peephole", "b: false")],
        );
    let inputs = [
        ("x", floats(&[3, 1, 1], &[1.0, -2.0, 3.0])),
        ("x0", floats(&[1, 1], &[1.0])),
        ("c", floats(&[1, 1], &[0.5])),
        ("h", floats(&[1, 1], &[-0.25])),
    ];
    let found = computed(&graph, &inputs, &["layer:1", "layer:6", "cell:1"]);
    let gates = |x: f64, h: f64| {
        let mut gates = std::array::from_fn(|i| x * w[i] + h * w[4 + i] + b[i]);
        gates[2] += 1.0;
        gates
    };
    let first = lstm(gates(1.0, -0.25), 0.5);
    let second = lstm(gates(-2.0, first.1), first.0);
    assert_floats(&found[0], &[3, 1, 1], &[first.0, second.0, 0.0]);
    assert_floats(&found[1], &[3, 1, 1], &[first.1, second.1, 0.0]);
    assert_floats(&found[2], &[1, 1], &[first.0.clamp(-0.1, 0.1)]);
}

#[test]
fn layers_that_were_trained_on_a_gpu_run_without_one() {
    let numbers: Vec<f32> = (0..16).map(|i| (i as f32 * 0.7).sin()).collect();
    let [of_input, of_state, bias, state_bias] = [0, 4, 8, 12].map(|at| &numbers[at..at + 4]);
    let gates = |x: f64, h: f64, gate: usize| {
        let term = |weights: &[f32], value: f64| f64::from(weights[gate]) * value;
        term(of_input, x) + term(of_state, h) + term(bias, 1.0) + term(state_bias, 1.0)
    };
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    // Two sequences, of which the second ends after its first step.
    let x = [[0.5, -1.0], [2.0, 9.0]];
    let (mut h, mut c) = ([0.1, -0.2], [0.3, 0.4]);
    let mut all = Vec::new();
    for (step, inputs) in x.iter().enumerate() {
        for sequence in 0..2 {
            if step == 1 && sequence == 1 {
                all.push(0.0);
                continue;
            }
            let gate = |at: usize| gates(inputs[sequence], h[sequence], at);
            c[sequence] = sigmoid(gate(1)) * c[sequence] + sigmoid(gate(0)) * gate(2).tanh();
            h[sequence] = sigmoid(gate(3)) * f64::tanh(c[sequence]);
            all.push(h[sequence]);
        }
    }
    let attrs = [("T", "type: DT_FLOAT"), ("rnn_mode", r#"s: "lstm""#), ("time_major", "b: true")];
    let graph = constant("params", &floats(&[16], &numbers)) + &node("y", "CudnnRNNV3", &["x", "h", "c", "params", "lengths"], &attrs);
    let inputs = [
        ("x", floats(&[2, 2, 1], &[0.5, -1.0, 2.0, 9.0])),
        ("h", floats(&[1, 2, 1], &[0.1, -0.2])),
        ("c", floats(&[1, 2, 1], &[0.3, 0.4])),
        ("lengths", ints(&[2], &[2, 1])),
    ];
    let found = computed(&graph, &inputs, &["y", "y:1", "y:2"]);
    assert_floats(&found[0], &[2, 2, 1], &all);
    assert_floats(&found[1], &[1, 2, 1], &h);
    assert_floats(&found[2], &[1, 2, 1], &c);
}
