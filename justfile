# Recipes for working on planish; `just` lists them. Each is a plain command that runs without just as well.

_list:
    @just --list --unsorted

# Formatting, lints and documentation, without running anything
check:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

# Every test
test:
    cargo test --workspace

# Rewrites golden files with what the code does now; read the difference before you commit it
bless *ARGS:
    BLESS=1 cargo test --workspace {{ARGS}}

# The kernels' unsafe code under AddressSanitizer; needs nightly Rust
sanitize *ARGS:
    RUSTFLAGS=-Zsanitizer=address cargo +nightly test --target x86_64-unknown-linux-gnu --target-dir target/sanitize \
        -p planish-kernels --tests {{ARGS}}

# The kernels' unsafe code with AVX2, and reading .tflite from memory, in Miri, as far as that can run them; needs nightly Rust with Miri
miri:
    RUSTFLAGS="-Ctarget-feature=+avx2,+fma" MIRIFLAGS=-Zmiri-disable-isolation cargo +nightly miri test --target-dir target/miri \
        -p planish-kernels --test against_reference -- random_convolutions a_transposed_left_operand
    MIRIFLAGS="-Zmiri-disable-isolation -Zmiri-tree-borrows" cargo +nightly miri test --target-dir target/miri -p planish-tflite --lib -- read:: sparse::

# Licences, sources and known vulnerabilities of dependencies
deny:
    .ci/deny

# Fuzzes one target; needs nightly Rust and `cargo install cargo-fuzz`
fuzz TARGET *ARGS:
    cd fuzz && cargo run --example seed
    cargo +nightly fuzz run --features targets {{TARGET}} {{ARGS}}

# Generates the TFLite schema's code again; needs flatc
schema:
    flatc --rust -o formats/tflite/src formats/tflite/schema/tflite.fbs
    mv formats/tflite/src/tflite_generated.rs formats/tflite/src/schema.rs

# Converts this repository's models and judges the files in LiteRT, in a Python environment of its own
conformance *ARGS:
    cargo build --release
    conformance/run target/release/planish {{ARGS}}

# Measures the kernels
bench *ARGS:
    cargo bench -p planish-kernels {{ARGS}}

# Measures conversion beside TensorFlow's converter and a plain copy: seconds and peak memory; takes folders of SavedModels
bench-convert *MODELS="tests/models/digits_cnn":
    cargo build --release
    conformance/bench_convert target/release/planish {{MODELS}}

# Measures quantized models in LiteRT beside TensorFlow's: size, accuracy and speed; takes folders of SavedModels
bench-quantized *MODELS="tests/models/digits_cnn":
    cargo build --release
    conformance/bench_quantized target/release/planish {{MODELS}}

# Makes a model of 3 GB, converts it within bounds of memory and runs it in LiteRT; takes some minutes and 8 GB of disk
large-model *ARGS:
    cargo build --release
    conformance/large_model target/release/planish {{ARGS}}
