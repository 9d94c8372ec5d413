//! What every file in `models/` becomes at each stage, kept under `snapshots/` for review.

use dslc::experiment::stages;
use dslc::source::Sources;

fn settings(stage: &str) -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(format!("../snapshots/{stage}"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.remove_snapshot_suffix();
    settings
}

#[test]
fn every_model_at_every_stage() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/models");
    insta::glob!(folder, "*.{net,model}", |path| {
        let mut sources = Sources::default();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
        let file = sources.add(name, std::fs::read_to_string(path).unwrap());
        let (ast, found) = dslc::syntax::parse(&sources, file);
        assert_eq!(found, []);
        settings("ast").bind(|| insta::assert_snapshot!(stem.as_str(), ast.to_string()));
        let (experiment, found) = dslc::experiment::resolve(&sources, &ast);
        assert_eq!(found, [], "the files in models/ have no findings");
        let model = experiment.model.as_ref().unwrap();
        settings("model").bind(|| insta::assert_snapshot!(stem.as_str(), model.to_string()));
        let lowered = stages::lowered(model, 1).unwrap();
        settings("lowered")
            .bind(|| insta::assert_snapshot!(stem.as_str(), stages::text(&lowered, model, &sources)));
        let finished = stages::fused(&experiment, model, 2).unwrap();
        settings("final")
            .bind(|| insta::assert_snapshot!(stem.as_str(), stages::text(&finished, model, &sources)));
    });
}

/// The resolved file of a run says the same as the file it came from.
#[test]
fn the_resolved_file_checks_to_the_same_experiment() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/models");
    insta::glob!(folder, "*.net", |path| {
        let resolve = |text: String| {
            let mut sources = Sources::default();
            let file = sources.add("resolved", text);
            let (ast, mut found) = dslc::syntax::parse(&sources, file);
            let (experiment, more) = dslc::experiment::resolve(&sources, &ast);
            found.extend(more);
            assert_eq!(found, []);
            let model = experiment.model.as_ref().unwrap().to_string();
            (model, dslc::experiment::resolved::text(&experiment))
        };
        let (model, first) = resolve(std::fs::read_to_string(path).unwrap());
        let (again, second) = resolve(first.clone());
        assert_eq!((model, first), (again, second));
    });
}
