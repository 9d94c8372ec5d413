//! The text that several benches measure with, and who types into it.

#[allow(dead_code, reason = "one bench of several types")]
pub mod typist;

/// A file such as a person might grow, without blocks: 2,000 lines with what lines have. Its asserted shapes are wrong
/// once its constant is another.
pub fn long_file() -> String {
    let mut text =
        "let width = 8\nmodel Long {\n    input 3x64x64\n    conv2d width 3x3 padding=same\n".to_owned();
    for part in 1..=332 {
        text.push_str(&format!(
            "\n    # part {part}\n    conv2d (2 * width) 3x3 stride=1 padding=[1, 1, 1, 1] bias=false\n    \
             batch_norm momentum=0.1 -> leaky_relu 0.1\n    dropout 5%                  # in training only\n    \
             conv2d width 1x1 -> relu    : 8x64x64\n"
        ));
    }
    text.push_str("    global_avg_pool\n    linear 10\n}\n\n");
    text
}
