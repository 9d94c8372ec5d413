//! Seed S3's worked example, with the right numbers: a 3x3 image convolved with a 3x3 kernel of the same numbers,
//! ReLU, max-pool. The article says (6 10 6, 10 18 10, 6 10 6), which is neither.

use dslc::graph::StateKind;
use dslc::layers::lowering::Mode;
use dslc::model::lower::{IMAGES, lower};
use dslc::run::{Backend, Cpu, Interpreter};
use dslc::source::Sources;
use dslc::tensor::Device;

const NUMBERS: [f32; 9] = [1.0, 2.0, 1.0, 2.0, 4.0, 2.0, 1.0, 2.0, 1.0];

fn run(layers: &str, target: &dyn Backend) -> Vec<f32> {
    let mut sources = Sources::default();
    let file = sources.add("example", format!("model Example {{ input 1x3x3; {layers} }}"));
    let (ast, found) = dslc::syntax::parse(&sources, file);
    assert_eq!(found, []);
    let (experiment, found) = dslc::experiment::resolve(&sources, &ast);
    assert_eq!(found, []);
    let lowered = lower(&experiment.model.unwrap(), 1, Mode::Infer).unwrap();
    let mut builder = lowered.builder;
    builder.output("result", lowered.output);
    let mut session = target.compile(vec![builder.finish()]).unwrap().start(0).unwrap();
    for state in session.states().to_vec() {
        assert_eq!(state.kind, StateKind::Parameter);
        session.write_state(&state.name, &NUMBERS).unwrap();
    }
    session.write(0, IMAGES, |out| out.copy_from_slice(&NUMBERS)).unwrap();
    session.step(0).unwrap();
    session.read(0, "result").unwrap()
}

#[test]
fn the_convolution_of_the_article_has_these_numbers() {
    let backends: [&dyn Backend; 2] = [&Cpu, &Interpreter(Device::Cpu)];
    for target in backends {
        assert_eq!(run("conv2d 1 3x3 bias=false -> relu", target), [36.0]);
        let same = [16.0, 24.0, 16.0, 24.0, 36.0, 24.0, 16.0, 24.0, 16.0];
        assert_eq!(run("conv2d 1 3x3 padding=same bias=false -> relu", target), same);
        let pooled = run("conv2d 1 3x3 padding=same bias=false -> relu -> max_pool2d 2 stride=1", target);
        assert_eq!(pooled, [36.0; 4]);
    }
}
