//! What is written and read prints the same.

use planish_core::text::{parse, print};

fn check(text: &str) {
    let model = parse(text).unwrap_or_else(|e| panic!("{e}\n{text}"));
    planish_core::verify::verify(&model).unwrap_or_else(|e| panic!("{e}\n{text}"));
    let file = planish_tflite::write(&model).unwrap_or_else(|e| panic!("{e}\n{text}"));
    let back = planish_tflite::read(file).unwrap_or_else(|e| panic!("{e}\n{text}"));
    assert_eq!(print(&back), print(&model));
}

#[test]
fn a_layer() {
    check(
        r#"model {
          signature "serving_default" = @main (image) -> (logits)
          graph @main (%image: f32[?, 4] range [0.0, 1.0]) {
            %w = const f32[2, 4] [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]
            %logits = fully_connected %image, %w, _ {activation = relu} : f32[?, 2]
            return %logits
          }
        }"#,
    );
}

#[test]
fn quantized_integers() {
    check(
        r#"model {
          graph @main (%x: i8[1, 6, 6, 2] quant(scale 0.5, zero 3)) {
            %w = const i8[4, 1, 1, 2] quant(axis 0, scales [0.5, 0.25, 0.125, 1.0]) [1, 2, 3, 4, 5, 6, 7, 8]
            %b = const i32[4] quant(axis 0, scales [0.25, 0.125, 0.0625, 0.5]) [1, 2, 3, 4]
            %y = conv_2d %x, %w, %b {padding = same, stride = [2, 3]} : i8[1, 3, 2, 4] quant(scale 0.1, zero -128)
            %z = dequantize %y : f32[1, 3, 2, 4]
            return %z
          }
        }"#,
    );
}

#[test]
fn control_flow_and_signatures() {
    check(
        r#"model {
          signature "count" = @main (start) -> (end)
          signature "test" = @below (n) -> (go)
          graph @main (%n: i32[]) {
            %end = while %n {cond = @below, body = @next} : i32[]
            return %end
          }
          graph @below (%n: i32[]) {
            %limit = const i32[] 10
            %go = less %n, %limit : bool[]
            return %go
          }
          graph @next (%n: i32[]) {
            %one = const i32[] 1
            %m = add %n, %one : i32[]
            return %m
          }
        }"#,
    );
}

#[test]
fn moving_elements() {
    check(
        r#"model {
          graph @main (%x: f32[?, 3, 4]) {
            %perm = const i32[3] [0, 2, 1]
            %t = transpose %x, %perm : f32[?, 4, 3]
            %begin = const i32[3] [0, 1, 0]
            %end = const i32[3] [0, 3, 3]
            %strides = const i32[3] [1, 1, 2]
            %s = strided_slice %t, %begin, %end, %strides {begin_mask = 1, end_mask = 1} : f32[?, 2, 2]
            %a, %b = unpack %s {num = 2, axis = 1} : f32[?, 2], f32[?, 2]
            %c = concatenation %b, %a {axis = -1} : f32[?, 4]
            %i = cast %c {dtype = i32} : i32[?, 4]
            return %i, %c, %x
          }
        }"#,
    );
}
