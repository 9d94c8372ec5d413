//! Mixed batches: the loss held against two targets, and runs with a mix.

use dslc::run::{Backend, Cpu};

use crate::cli::machine::digest;
use crate::cli::{Desk, NET, done};
use crate::support::{check, distance, training};

/// Logits of half the image. The loss is the cross-entropy of the mixed target, its gradient that of the softmax without it, times
/// the pixels.
#[test]
fn the_loss_is_that_of_the_mixed_target() {
    let (experiment, found) = check(
        "model M { input 1x1x3; scale 0.5 learned=true -> flatten }\n\
         train { loss cross_entropy; mix mixup; optimizer sgd lr=1 }\n",
    );
    assert_eq!(found, []);
    let mut session = Cpu.compile(vec![training(&experiment, 2)]).unwrap().start(0).unwrap();
    let images = [0.2f32, 0.8, -0.4, 1.0, 0.0, 0.5];
    let given: [(&str, &[f32]); 7] = [
        ("images", &images),
        ("labels", &[0.0, 2.0]),
        ("mixed.target", &[1.0, 0.0]),
        ("mixed.share", &[0.75, 0.75]),
        ("mixed.rest", &[0.25, 0.25]),
        ("lr", &[1.0]),
        ("step", &[0.0]),
    ];
    for (name, numbers) in given {
        session.write(0, name, |out| out.copy_from_slice(numbers)).unwrap();
    }
    session.step(0).unwrap();
    let (mut loss, mut gradient) = (0.0, 0.0);
    for (image, target) in images.chunks(3).zip([[0.75, 0.25, 0.0], [0.25, 0.0, 0.75]]) {
        let powers: Vec<f64> = image.iter().map(|x| (0.5 * f64::from(*x)).exp()).collect();
        let sum: f64 = powers.iter().sum();
        for ((power, x), target) in powers.iter().zip(image).zip(target) {
            loss -= target * (power / sum).ln() / 2.0;
            gradient += (power / sum - target) * f64::from(*x) / 2.0;
        }
    }
    assert!(distance(&[loss as f32], &session.read(0, "loss").unwrap()) < 1e-6);
    let name = session.states()[0].name.clone();
    assert!(distance(&[0.5 - gradient as f32], &session.read_state(&name).unwrap()) < 1e-6, "{name}");
}

#[test]
fn a_run_with_a_mix_has_the_same_bits_on_any_number_of_threads() {
    let desk = Desk::new();
    let weights = |name: &str, mix: &str, threads: &str| {
        let text = NET.replace("optimizer", &format!("{mix} optimizer"));
        desk.write(&format!("{name}.net"), text);
        let mut command = desk.command(&format!("run {name}.net --out {name} --set train.epochs=1"));
        let done = done(command.env("RAYON_NUM_THREADS", threads).output().unwrap());
        assert_eq!(done.code, Some(0), "{name}: {}", done.err);
        digest(&std::fs::read(desk.path(&format!("{name}/last.safetensors"))).unwrap())
    };
    let [none, mixup, cutmix] = [("none", ""), ("mixup", "mix mixup alpha=0.4;"), ("cutmix", "mix cutmix;")]
        .map(|(name, mix)| weights(name, mix, "2"));
    assert!(none != mixup && mixup != cutmix && none != cutmix);
    assert_eq!(weights("alone", "mix cutmix;", "1"), cutmix);
}
