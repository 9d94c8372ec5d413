//! Predictors as a program has them.

use super::*;
use crate::experiment::imports::Project;
use crate::source::Sources;

fn of(text: &str) -> Predictor {
    let project = Project { root: std::path::Path::new(""), read: &|_| Err("none".to_owned()) };
    let checked = crate::experiment::check(
        &mut Sources::default(),
        std::path::Path::new("m.net"),
        text.to_owned(),
        &[],
        &project,
    );
    assert_eq!(checked.diagnostics, []);
    Predictor::of_experiment(&checked.experiment, &Device::Cpu).unwrap()
}

fn png(pixels: &[u8], shape: [usize; 3]) -> Vec<u8> {
    let numbers: Vec<f32> = pixels.iter().map(|&pixel| f32::from(pixel) / 255.0).collect();
    crate::data::png::encode(&numbers, &Shape::from(shape)).unwrap()
}

#[test]
fn a_predictor_answers_on_another_thread() {
    fn sent<T: Send>(value: T) -> T {
        value
    }
    let mut predictor = sent(of("model M { input 1x1x2; flatten }"));
    assert_eq!((predictor.input(), predictor.output()), (&Shape::from([1, 1, 2]), &Shape::from([2])));
    let answer =
        std::thread::spawn(move || predictor.picture(&png(&[0, 255], [1, 1, 2]))).join().unwrap().unwrap();
    assert_eq!((answer.numbers.as_slice(), answer.remarks.as_slice()), (&[0.0, 1.0][..], &[][..]));
    // e/(1 + e)
    let best = &answer.classes()[0];
    assert_eq!((best.index, best.name.as_str()), (1, "1"));
    assert!((best.probability - 0.731_058_578_63).abs() < 1e-9);
}

#[test]
fn pixels_numbers_and_pictures_come_in_their_shapes() {
    let mut predictor = of("model M { input 3x1x2; scale 0.5 }");
    let shape = Shape::from([3, 1, 2]);
    let pixels = [255, 51, 0, 0, 0, 102];
    let answer = predictor.pixels(&pixels, &shape).unwrap();
    assert_eq!((answer.numbers.as_slice(), &answer.shape), (&[0.5, 0.1, 0.0, 0.0, 0.0, 0.2][..], &shape));
    assert_eq!(answer, predictor.picture(&png(&pixels, [3, 1, 2])).unwrap());
    assert!(answer.classes().is_empty());
    let given = image::load_from_memory(&answer.png().unwrap()).unwrap().to_rgb8();
    assert_eq!(given.as_raw().as_slice(), [128, 0, 0, 26, 0, 51]);
    let fault = predictor.pixels(&pixels, &Shape::from([1, 3, 2])).unwrap_err();
    assert_eq!(fault.message, "6 pixels of the shape 1x3x2 are given, but the model takes 3x1x2");
    assert!(predictor.pixels(&pixels[1..], &shape).is_err());
}

#[test]
fn an_output_that_is_not_finite_is_no_answer() {
    for (layers, place) in [("flatten", "in output 1"), ("identity", "in channel 0, row 0, column 1")] {
        let mut predictor =
            of(&format!("model M {{ input 1x1x2; repeat 7 {{ scale 1e6 -> relu }}; {layers} }}"));
        let fault = predictor.picture(&png(&[0, 255], [1, 1, 2])).unwrap_err();
        let said = format!("the network gives an infinite number {place}");
        assert_eq!((fault.code, fault.message), (codes::NOT_FINITE, said));
        // It goes on with the next one.
        assert_eq!(predictor.picture(&png(&[0, 0], [1, 1, 2])).unwrap().numbers, [0.0, 0.0]);
    }
    let end =
        End { shape: Shape::from([2]), classes: Vec::new(), gives_probabilities: false, task: Task::Classes };
    let fault = Answer::new(vec![0.0, f32::NAN], &end).unwrap_err();
    assert_eq!(fault.message, "the network gives no number (NaN) in output 1");
}

#[test]
fn a_file_that_must_be_trained_is_no_predictor() {
    let project = Project { root: std::path::Path::new(""), read: &|_| Err("none".to_owned()) };
    let text = "model M { input 1x1x2; flatten -> linear 3 }".to_owned();
    let checked =
        crate::experiment::check(&mut Sources::default(), std::path::Path::new("m.net"), text, &[], &project);
    let fault = Predictor::of_experiment(&checked.experiment, &Device::Cpu).err().unwrap();
    assert_eq!(fault.message, "9 weights of the model must be trained first");
}

#[test]
fn labels_numbers_and_masks_are_told_in_their_words() {
    let names = ["a", "b"].map(str::to_owned);
    let of = |numbers: &[f32], shape: Shape, task: Task, are_probabilities: bool| {
        let end = End { shape, classes: names.to_vec(), gives_probabilities: are_probabilities, task };
        Answer::new(numbers.to_vec(), &end).unwrap()
    };
    let labels = of(&[0.0, 2.0], Shape::from([2]), Task::Labels, false);
    let told: Vec<(&str, f64)> =
        labels.classes().iter().map(|own| (own.name.as_str(), own.probability)).collect();
    assert_eq!((told[0].0, told[1]), ("b", ("a", 0.5)));
    assert!((told[0].1 - 0.880_797_077_977_882).abs() < 1e-12);
    assert_eq!(of(&[0.25, 0.5], Shape::from([2]), Task::Labels, true).classes()[0].probability, 0.5);
    let numbers = of(&[-1.5, 2.0], Shape::from([2]), Task::Numbers, false);
    assert_eq!((numbers.values(), numbers.classes().len()), (vec![("a", -1.5), ("b", 2.0)], 0));
    let mask = of(&[1.0, 0.0, 0.5, 0.0, 1.0, 0.5], Shape::from([2, 1, 3]), Task::Masks, false);
    assert_eq!(
        (mask.mask().unwrap(), mask.areas()),
        (vec![0, 1, 0], vec![("a", 2.0 / 3.0), ("b", 1.0 / 3.0)])
    );
    let again = crate::data::mask::decode(&mask.mask_png().unwrap()).unwrap();
    assert_eq!(again, Image::of_bytes([1, 1, 3], vec![0, 1, 0]));
}
