//! The arguments of the statement under the cursor.

use dslc::editor::signature::signature;

use crate::editor::with_cursor;

#[test]
fn signatures_follow_the_cursor() {
    let active = |text: &str| {
        let (program, at) = with_cursor(text);
        signature(&program, at).map(|found| {
            let own =
                found.active.map(|active| found.label[found.parameters[active].range.clone()].to_owned());
            (found.label.clone(), own)
        })
    };
    let body =
        |line: &str| active(&format!("block b(one, two=2) {{ relu }}\nmodel M {{ input 3x8x8; {line} }}"));
    let argument = |line: &str| body(line).and_then(|(_, active)| active);
    let (label, first) = body("conv2d ‸").unwrap();
    assert_eq!(
        label,
        "conv2d CHANNELS KERNEL [stride=…] [padding=…] [dilation=…] [groups=…] [bias=…] [in=…] [init=…]"
    );
    assert_eq!(first.as_deref(), Some("CHANNELS"));
    assert_eq!(argument("conv2d 8‸").as_deref(), Some("CHANNELS"));
    assert_eq!(argument("conv2d 8 ‸").as_deref(), Some("KERNEL"));
    assert_eq!(argument("conv2d (2 * ‸").as_deref(), Some("CHANNELS"));
    assert_eq!(argument("conv2d 8 3x3 padding=‸").as_deref(), Some("[padding=…]"));
    assert_eq!(argument("conv2d 8 3x3 padding=[1, ‸").as_deref(), Some("[padding=…]"));
    assert_eq!(argument("conv2d 8 3x3 ‸"), None);
    assert_eq!(body("b ‸").unwrap(), ("b ONE [two=2]".to_owned(), Some("ONE".to_owned())));
    assert_eq!(argument("b 1 ‸").as_deref(), Some("[two=2]"));
    assert_eq!(body("conv‸"), None);
    assert_eq!(body("relu -> conv2d 8 3x3 : ‸"), None);
    assert_eq!(active("train { optimizer adam lr=‸ }").unwrap().1.as_deref(), Some("[lr=…]"));
    assert_eq!(active("data { validation ‸ }").unwrap().1.as_deref(), Some("AMOUNT"));
}
