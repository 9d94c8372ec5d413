//! The layers that drop at random: what becomes 0 together, that the rest keeps the mean, and that inference
//! drops nothing.

use dslc::layers::lowering::{Mode, STEP};
use dslc::model::lower::{IMAGES, lower};

use crate::support::{TARGETS, check};

/// A batch of 64 images of 8 x 4 x 4 ones behind a layer, at step 3.
fn ones(layer: &str, mode: Mode, target: usize) -> Vec<f32> {
    let (experiment, found) = check(&format!("model T {{ input 8x4x4; {layer} }}"));
    assert_eq!(found, []);
    let lowered = lower(&experiment.model.unwrap(), 64, mode).unwrap();
    let mut builder = lowered.builder;
    builder.output("result", lowered.output);
    let mut session = TARGETS[target].1().compile(vec![builder.finish()]).unwrap().start(0).unwrap();
    session.write(0, IMAGES, |out| out.fill(1.0)).unwrap();
    session.write(0, STEP, |out| out.fill(3.0)).unwrap();
    session.step(0).unwrap();
    session.read(0, "result").unwrap()
}

#[test]
fn what_belongs_together_is_dropped_together() {
    for (layer, together, n) in
        [("dropout 0.25", 1, 8192), ("dropout2d 0.25", 16, 512), ("drop_path 0.25", 128, 64)]
    {
        let numbers = ones(layer, Mode::Train { seed: 9 }, 0);
        let parts: Vec<&[f32]> = numbers.chunks(together).collect();
        assert!(parts.iter().all(|part| part.iter().all(|x| x == &part[0])), "{layer}");
        assert!(numbers.iter().all(|&x| x == 0.0 || (x - 4.0 / 3.0).abs() < 1e-6), "{layer}");
        let dropped = parts.iter().filter(|part| part[0] == 0.0).count() as f64 / f64::from(n);
        // Four standard deviations.
        assert!((dropped - 0.25).abs() < 4.0 * (0.25f64 * 0.75 / f64::from(n)).sqrt(), "{layer}: {dropped}");
        assert_eq!(numbers, ones(layer, Mode::Train { seed: 9 }, 1), "{layer}");
        assert_ne!(numbers, ones(layer, Mode::Train { seed: 10 }, 0), "{layer}");
        assert_eq!(ones(layer, Mode::Infer, 0), [1.0; 8192], "{layer}");
    }
}
