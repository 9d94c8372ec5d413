//! The Python of a network: blocks are classes, and what differs in numbers alone is one class.

use super::export;

#[test]
fn blocks_become_classes_with_arguments() {
    let text = "model Small {
        input 3x16x16
        conv2d 8 3x3 padding=1 bias=false -> batch_norm -> relu
        basic_block 8 -> basic_block 16 stride=2 -> basic_block 16 -> basic_block 32 stride=2
        squeeze_excite 4
        global_avg_pool -> dropout 0.2 -> linear 10
    }";
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("out");
    export(text, "pytorch", &[], folder.path(), &place).unwrap();
    insta::assert_snapshot!(std::fs::read_to_string(place.join("model.py")).unwrap());
}
