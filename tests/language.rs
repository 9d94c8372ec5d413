//! What the language means: parameters, loops, conditions, branches, names and imports, by the layers they
//! come to.

use std::collections::BTreeMap;
use std::path::Path;

use dslc::diag::Severity;
use dslc::experiment::Checked;
use dslc::experiment::imports::Project;
use dslc::model::receptive::{Field, fields};
use dslc::source::Sources;

/// Checks a text with other files beside it.
fn checked(text: &str, files: &[(&str, &str)]) -> Checked {
    let mut sources = Sources::default();
    let files: BTreeMap<&Path, &str> = files.iter().map(|(path, text)| (Path::new(*path), *text)).collect();
    let read =
        |path: &Path| files.get(path).map(|text| (*text).to_owned()).ok_or("it does not exist".to_owned());
    let project = Project { root: Path::new(""), read: &read };
    dslc::experiment::check(&mut sources, Path::new("a.net"), text.to_owned(), &[], &project)
}

/// Each layer of a text as `name : output`, or the errors.
fn layers_with(text: &str, files: &[(&str, &str)]) -> Result<Vec<String>, Vec<String>> {
    let checked = checked(text, files);
    let errors = checked.diagnostics.iter().filter(|d| d.severity == Severity::Error);
    let errors: Vec<String> = errors.map(|d| format!("{} {}", d.code, d.message)).collect();
    if !errors.is_empty() {
        return Err(errors);
    }
    let Some(model) = checked.experiment.model else { return Ok(Vec::new()) };
    let line = |layer: &dslc::model::Instance| format!("{} : {}", layer.name, layer.output.as_ref().unwrap());
    Ok(model.layers.iter().map(line).collect())
}

fn layers(text: &str) -> Vec<String> {
    layers_with(text, &[]).unwrap()
}

#[test]
fn a_block_takes_arguments_by_place_by_name_and_by_default() {
    let block = "let base = 4\nblock unit(channels, kernel=3, act=relu, twice=(2 * channels)) {\n\
                 conv2d channels kernel -> act -> conv2d twice 1x1\n}\n";
    let model = format!("{block}model M {{ input 1x9x9; unit base; unit 5 act=tanh kernel=1x3 }}");
    assert_eq!(
        layers(&model),
        [
            "unit1.conv1 : 4x7x7",
            "unit1.relu1 : 4x7x7",
            "unit1.conv2 : 8x7x7",
            "unit2.conv1 : 5x7x5",
            "unit2.tanh1 : 5x7x5",
            "unit2.conv2 : 10x7x5",
        ]
    );
}

#[test]
fn loops_and_conditions_are_unrolled() {
    let model = "model M(width=4) {\n input 3x8x8\n repeat 2 { conv2d width 3x3 padding=1 }\n\
                 for c in [8, (2 * width + 1)] {\n\
                 if in.channels == c { identity } else if c > 8 and in.height == 8 { conv2d c 1x1 } else { tanh -> conv2d c 1x1 }\n}\n}";
    assert_eq!(
        layers(model),
        [
            "conv1.0 : 4x8x8",
            "conv1.1 : 4x8x8",
            "for1.0.tanh1 : 4x8x8",
            "for1.0.conv1 : 8x8x8",
            "for1.1.conv1 : 9x8x8"
        ]
    );
}

#[test]
fn branches_begin_where_their_join_stands() {
    let model = "model M {\n input 3x8x8\n conv2d 4 1x1 as skip\n\
                 residual { conv2d 4 3x3 padding=1 } shortcut { conv2d 4 1x1 }\n\
                 concat { branch { conv2d 1 1x1 } branch { identity } }\n concat skip\n\
                 global_avg_pool as gate -> linear 9 -> sigmoid\n multiply gate\n}";
    assert_eq!(
        layers(model),
        [
            "skip : 4x8x8",
            "conv2 : 4x8x8",
            "shortcut.conv1 : 4x8x8",
            "add1 : 4x8x8",
            "branch1.conv1 : 1x8x8",
            "branch2.identity1 : 4x8x8",
            "concat1 : 5x8x8",
            "concat2 : 9x8x8",
            "gate : 9",
            "linear1 : 9",
            "sigmoid1 : 9",
            "multiply1 : 9",
        ]
    );
}

/// What a statement is called, and so its weights, does not depend on what stands in other bodies.
#[test]
fn a_layer_put_in_elsewhere_renames_nothing() {
    let model = |stem: &str, stage: &str, turn: &str| {
        format!(
            "block stage(c) {{ conv2d c 3x3 padding=1 bias=false -> batch_norm\n{stage}\n}}\n\
             model M {{ input 3x8x8\n{stem}\n stage 4 -> stage 8\n\
             residual {{ conv2d 8 1x1 as inner }} shortcut {{ conv2d 8 1x1 }}\n\
             repeat 2 {{ conv2d 8 1x1 -> relu {turn} }}\n\
             concat {{ branch {{ conv2d 1 1x1 }} branch {{ conv2d 2 1x1 }} }}\n flatten -> linear 4 as head\n }}"
        )
    };
    let names = |text: &str| -> Vec<String> {
        layers(text).iter().map(|line| line.split(' ').next().unwrap().to_owned()).collect()
    };
    let before = names(&model("conv2d 4 1x1 as stem", "", ""));
    let expected = [
        "stem",
        "stage1.conv1",
        "stage1.bn1",
        "stage2.conv1",
        "stage2.bn1",
        "inner",
        "shortcut.conv1",
        "add1",
        "repeat1.0.conv1",
        "repeat1.0.relu1",
        "repeat1.1.conv1",
        "repeat1.1.relu1",
        "branch1.conv1",
        "branch2.conv1",
        "concat1",
        "flatten1",
        "head",
    ];
    assert_eq!(before, expected);
    let others = [
        model("conv2d 4 1x1 as stem -> conv2d 4 1x1 -> batch_norm", "", ""),
        model("conv2d 4 1x1 as stem", "conv2d c 1x1", ""),
        model("conv2d 4 1x1 as stem", "", "-> conv2d 8 1x1"),
    ];
    for text in others {
        let after = names(&text);
        assert!(after.len() > before.len() && before.iter().all(|name| after.contains(name)), "{after:?}");
    }
}

#[test]
fn a_block_sees_its_own_names_and_the_files_constants_only() {
    let inner = "block inner { conv2d outer_only 1x1 }\n\
                 model M { input 1x4x4; let outer_only = 3; inner }";
    let errors = layers_with(inner, &[]).unwrap_err();
    assert!(errors[0].starts_with("E0205"), "{errors:?}");
    let alias = "block inner { add skip }\nmodel M { input 1x4x4; relu as skip; inner; add skip }";
    let errors = layers_with(alias, &[]).unwrap_err();
    assert!(errors[0].starts_with("E0212 no value above is called `skip`"), "{errors:?}");
    let left = "model M { input 1x4x4; repeat 1 { relu as skip }; add skip }";
    assert!(layers_with(left, &[]).unwrap_err()[0].starts_with("E0212"));
}

#[test]
fn imports_bring_blocks_constants_and_models() {
    let blocks = ("parts/blocks.model", "use \"more.model\"\nblock pair(c) { conv2d c 1x1 -> single }");
    let more = ("parts/more.model", "let slope = 0.2\nblock single { leaky_relu slope }");
    let files = [blocks, more];
    let model = "use \"parts/blocks.model\"\nmodel M { input 1x4x4; pair 2 }";
    assert_eq!(
        layers_with(model, &files).unwrap(),
        ["pair1.conv1 : 2x4x4", "pair1.single1.leaky_relu1 : 2x4x4"]
    );

    let net = ("net.model", "model N(classes=3) { input 1x4x4; flatten -> linear classes }");
    assert_eq!(layers_with("use \"net.model\"", &[net]).unwrap(), ["flatten1 : 16", "linear1 : 3"]);

    let circle = [("b.model", "use \"c.model\""), ("c.model", "use \"b.model\"")];
    let errors = layers_with("use \"b.model\"\nmodel M { input 1x4x4; relu }", &circle).unwrap_err();
    assert_eq!(errors, ["E0214 \"b.model\" uses itself, directly or through others"]);
    let clash = [("b.model", "block a { relu }"), ("c.model", "block a { tanh }")];
    let errors =
        layers_with("use \"b.model\"\nuse \"c.model\"\nmodel M { input 1x4x4; a }", &clash).unwrap_err();
    assert_eq!(errors, ["E0211 `a` is defined twice"]);
    let nowhere = layers_with("use \"d.model\"\nmodel M { input 1x4x4; relu }", &[]).unwrap_err();
    assert_eq!(nowhere, ["E0214 `use \"d.model\"`: it does not exist"]);
    // The model that it was to bring is not missing its layers.
    let nowhere = layers_with("use \"d.model\"\nmodel M(classes=10)", &[]).unwrap_err();
    assert_eq!(nowhere, ["E0214 `use \"d.model\"`: it does not exist"]);
}

#[test]
fn functions_work_out_widths_depths_and_indices() {
    let shapes = |body: &str| {
        let text = format!("let width = 1.4\nmodel M(depth=1.2) {{ input 2x6x4; {body} }}");
        layers(&text).iter().map(|line| line.split(" : ").nth(1).unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(shapes("conv2d divisible(32 * width, 8) 1x1"), ["48x6x4"]);
    assert_eq!(shapes("conv2d (max(3, in.channels) + min(2, 7, 5)) 1x1"), ["5x6x4"]);
    assert_eq!(shapes("conv2d (floor(2.9) * ceil(2.1)) 1x1; conv2d round(2.5) 1x1"), ["6x6x4", "2x6x4"]);
    assert_eq!(shapes("for i in range(1, 3) { conv2d (4 * i) 1x1 }"), ["4x6x4", "8x6x4"]);
    assert_eq!(shapes("for i in range(2) { conv2d (1 + i) 1x1 }"), ["1x6x4", "2x6x4"]);
    assert_eq!(shapes("repeat ceil(2 * depth) { relu }").len(), 3);
    assert_eq!(shapes("reshape [in.channels, (in.height * in.width)]"), ["2x24"]);
    // What a name stands for may be worked out, too.
    assert_eq!(shapes("let c = max(2, 3); conv2d c 1x1"), ["3x6x4"]);
    let reference = std::fs::read_to_string("docs/language.md").unwrap();
    for function in dslc::spec::functions::FUNCTIONS {
        let usage = function.usage.split(", range").next().unwrap();
        assert!(reference.contains(&format!("`{usage}`")), "{usage}");
    }
}

#[test]
fn a_file_takes_a_model_with_its_own_values() {
    let net = "model Net(classes=3, width=2) {
    input 1x8x8
    conv2d width 3x3 : 2x6x6
    flatten -> linear classes
}
block other { relu }";
    let taken = |line: &str| layers_with(&format!("use \"net.model\"\n{line}"), &[("net.model", net)]);
    assert_eq!(taken("").unwrap(), ["conv1 : 2x6x6", "flatten1 : 72", "linear1 : 3"]);
    assert_eq!(taken("model Net").unwrap(), taken("").unwrap());
    // The shapes that the definition asserts are those of its own values.
    assert_eq!(taken("model Net(width=4)").unwrap(), ["conv1 : 4x6x6", "flatten1 : 144", "linear1 : 3"]);
    let all = ["conv1 : 4x3x3", "flatten1 : 36", "linear1 : 5"];
    assert_eq!(taken("let n = 5\nmodel Net(n, width=4, input=3x5x5)").unwrap(), all);
    let refused = taken("model Net(depth=4)").unwrap_err();
    assert_eq!(refused, ["E0202 the model `Net` has no parameter `depth`"]);
    let refused = taken("model Net(4, classes=5)").unwrap_err();
    assert_eq!(refused, ["E0203 `classes` of `Net` is given twice"]);
    // A name means the file's constant, even where the model has a parameter of that name.
    let own = taken("let classes = 4\nmodel Net(width=classes)").unwrap();
    assert_eq!(own, ["conv1 : 4x6x6", "flatten1 : 144", "linear1 : 3"]);
    // What an imported file takes is not taken by others in silence.
    let through = [("net.model", net), ("own.net", "use \"net.model\"\nmodel Net(classes=5)")];
    assert!(layers_with("use \"own.net\"", &through).is_err());

    // From outside: of the model that a file takes, of one that it only imports, and of its own.
    let set = |text: &str, settings: &[&str]| {
        let mut sources = Sources::default();
        let project = Project { root: Path::new(""), read: &|_| Ok(net.to_owned()) };
        let settings: Vec<String> = settings.iter().map(|s| format!("model.{s}")).collect();
        let checked =
            dslc::experiment::check(&mut sources, Path::new("m.net"), text.to_owned(), &settings, &project);
        assert!(checked.diagnostics.is_empty(), "{:?}", checked.diagnostics);
        checked
            .experiment
            .model
            .unwrap()
            .layers
            .iter()
            .map(|l| l.output.clone().unwrap().to_string())
            .collect::<Vec<_>>()
    };
    let settings = ["classes=5", "width=4", "input=3x5x5"];
    let shapes = ["4x3x3", "36", "5"];
    assert_eq!(set("use \"net.model\"", &settings), shapes);
    assert_eq!(set("use \"net.model\"\nmodel Net", &settings), shapes);
    assert_eq!(set("use \"net.model\"\nmodel Net(classes=7)", &settings), shapes);
    let own = format!(
        "{}\nexpect {{ parameters == 239; parameters < 1k }}",
        net.replace("block other { relu }", "")
    );
    assert_eq!(set(&own, &[]), ["2x6x6", "72", "3"]);
    assert_eq!(set(&own, &settings), shapes);
}

#[test]
fn how_shapes_arose_is_told_of_the_first_findings_only() {
    let lines = "    relu : 9x9x9\n".repeat(30);
    let found = checked(&format!("model M {{\n    input 8x8x8\n{lines}}}\n"), &[]).diagnostics;
    let told: Vec<bool> = found.iter().map(|d| !d.notes.is_empty()).collect();
    assert_eq!(told, [vec![true; 20], vec![false; 10]].concat());
}

/// A line number alone is one of the file that the finding is in.
#[test]
fn a_trace_through_other_files_names_them() {
    let parts = ("parts.model", "\n\nblock narrow(c) { conv2d c 3x3 }");
    let text =
        "use \"parts.model\"\nmodel M {\ninput 1x8x8\nnarrow 4\nbasic_block 8\nflatten\nlinear 2 in=9\n}";
    let found = checked(text, &[parts]).diagnostics;
    let places: Vec<&str> =
        found[0].notes.iter().skip(1).filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(places[..2], ["line", "parts.model:3"]);
    assert!(places[2].starts_with("std.model:"), "{places:?}");
    assert_eq!(places[3], "line");

    let alone = "model M {\ninput 1x8x8\nconv2d 8 3x3\nflatten\nlinear 2 in=9\n}";
    let notes = &checked(alone, &[]).diagnostics[0].notes;
    assert!(notes[1].starts_with("line   2  input"), "{notes:#?}");
}

/// Files that are used in another order have the same findings.
#[test]
fn findings_do_not_depend_on_the_order_of_imports() {
    let files = [
        ("a.model", "block a(n) { conv2d n 1x1 stirde=2\nrleu }"),
        ("b.model", "block b { c }\nblock unused { tanh }\nflatten"),
        ("c.model", "use \"b.model\"\nblock c { conv2d 9 9x9 : 1x1x1\nadd nothing }"),
    ];
    let findings = |order: [&str; 3]| {
        let uses: String = order.iter().map(|name| format!("use \"{name}.model\"\n")).collect();
        let mut errors =
            layers_with(&format!("{uses}model M {{ input 1x4x4; a 3; b; a 4 }}"), &files).unwrap_err();
        errors.sort();
        errors
    };
    let first = findings(["a", "b", "c"]);
    assert!(first.len() >= 4, "{first:?}");
    for order in [["a", "c", "b"], ["b", "a", "c"], ["b", "c", "a"], ["c", "a", "b"], ["c", "b", "a"]] {
        assert_eq!(first, findings(order), "{order:?}");
    }
}

/// The README's program checks without a finding.
#[test]
fn the_program_of_the_readme_checks() {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let programs =
        readme.split("```text\n").skip(1).filter_map(|rest| rest.split_once("```").map(|(text, _)| text));
    let programs: Vec<&str> =
        programs.filter(|text| text.contains("model ") && text.contains(" {\n    input ")).collect();
    assert_eq!(programs.len(), 1);
    for program in programs {
        assert!(layers_with(program, &[("parts.model", "let nothing = 0")]).unwrap().len() > 5);
    }
}

/// Static expectations are held with the check.
#[test]
fn expectations_about_the_network_are_checked_with_it() {
    let model = |bound: &str| {
        format!(
            "model M {{ input 1x2x2; flatten -> linear 3 }}\nexpect {{ parameters {bound}; test.accuracy > 99% }}"
        )
    };
    assert!(layers_with(&model("== 15"), &[]).is_ok());
    assert!(layers_with(&model("< 1k"), &[]).is_ok());
    let errors = layers_with(&model("> 1k"), &[]).unwrap_err();
    assert_eq!(errors, ["E0407 expected `parameters > 1k`, but it is 15"]);
}

/// A file's own block takes the place of the library's.
#[test]
fn a_block_of_the_library_can_be_defined_anew() {
    let model = "block fire(n) { conv2d n 1x1 }\nmodel M { input 1x4x4; fire 2 }";
    assert_eq!(layers(model), ["fire1.conv1 : 2x4x4"]);
    assert_eq!(
        layers("model M { input 8x4x4; squeeze_excite 2 }").last().unwrap(),
        "squeeze_excite1.multiply1 : 8x4x4"
    );
}

/// The deepest text that is read fits a small stack, in every kind of bracket.
#[test]
fn the_deepest_nesting_is_read_on_a_small_stack() {
    let depth = dslc::syntax::guard::MAX_NESTING;
    let nested = |open: &str, inside: &str, close: &str, depth: usize| {
        format!("{}{inside}{}", open.repeat(depth), close.repeat(depth))
    };
    let model = |body: &str| format!("model M {{ input 1x8x8; {body} }}");
    let texts = [
        model(&format!("conv2d {} 1x1", nested("(", "3", ")", depth - 1))),
        model(&format!("relu; conv2d 3 1x1 padding={}", nested("[", "3", "]", depth - 1))),
        model(&nested("repeat 1 { ", "relu", " }", depth - 1)),
        model(&nested("residual { ", "relu", " }", depth - 1)),
    ];
    let read = move || texts.map(|text| checked(&text, &[]).diagnostics);
    let found = std::thread::Builder::new().stack_size(1 << 20).spawn(read).unwrap().join().unwrap();
    assert_eq!([found[0].len(), found[2].len(), found[3].len()], [0, 0, 0], "{found:#?}");
    assert_eq!(found[1].iter().map(|d| d.code).collect::<Vec<_>>(), ["E0103"], "{:#?}", found[1]);
}

/// Whatever is cut out of or put into a file, checking it ends and does not panic.
#[test]
fn broken_texts_never_panic() {
    let whole =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/models/densenet121.model")).unwrap();
    let whole = format!(
        "{whole}\n{}",
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/models/lenet5.net")).unwrap()
    );
    let mut random = dslc::tensor::random::Random::new(3, "broken", 0);
    let pieces = [
        "{",
        "}",
        "(",
        ")",
        "[",
        "]",
        "->",
        "\n",
        "\"",
        ":",
        "=",
        "#",
        " as ",
        "x",
        "9",
        "repeat 3 {",
        "in.",
        "é",
        "<",
        "%",
        "\r\n",
        ";",
    ];
    let starts: Vec<usize> = whole.char_indices().map(|(at, _)| at).collect();
    for _ in 0..400 {
        let mut text = whole.clone();
        for _ in 0..=random.below(3) {
            let at = starts[random.below(starts.len() as u32) as usize].min(text.len());
            let at = (0..=at).rev().find(|&at| text.is_char_boundary(at)).unwrap();
            match random.below(3) {
                0 => text.insert_str(at, pieces[random.below(pieces.len() as u32) as usize]),
                1 => text.truncate(at),
                _ => {
                    let end = (at + 1 + random.below(40) as usize).min(text.len());
                    let end = (end..=text.len()).find(|&end| text.is_char_boundary(end)).unwrap();
                    text.replace_range(at..end, "");
                }
            }
        }
        let _ = layers_with(&text, &[]);
    }
}

/// A text with the first edit that its first finding offers.
fn mended(text: &str) -> String {
    let found = checked(text, &[]).diagnostics;
    let fix = found[0].fixes.iter().find(|fix| !fix.edits.is_empty()).unwrap();
    let mut edits = fix.edits.clone();
    edits.sort_by_key(|(span, _)| std::cmp::Reverse(span.start));
    edits.iter().fold(text.to_owned(), |mut text, (span, new)| {
        text.replace_range(span.range(), new);
        text
    })
}

/// The first way out of each is the right one, and the file is right with it.
#[test]
fn the_first_way_out_mends_pools_joins_and_ends() {
    let tail = "\ndata { source mnist \"d\" }\ntrain { loss cross_entropy; optimizer adam }\n";
    let ended = |body: &str| format!("model M {{ input 1x28x28; {body} }}{tail}");
    let model = |body: &str| format!("model M {{ {body} }}");
    let skip = "input 1x35x35; conv2d 4 3x3 padding=1 as a; max_pool2d 2 : 4x17x17; upsample 2 mode=bilinear";
    let cases = [
        (model("input 1x26x26; max_pool2d 1 padding=1; flatten"), "max_pool2d 1 padding=0;"),
        (model("input 1x28x28; max_pool2d 2 padding=2; flatten"), "max_pool2d 2 padding=1;"),
        (model("input 1x28x28; max_pool2d 2 padding=[0,3,0,0]; flatten"), "padding=[0, 1, 0, 0];"),
        (model("input 1x28x28; avg_pool2d 3x5 padding=2; flatten"), "padding=1x2;"),
        (model("input 3x10; max_pool1d 2 padding=2; flatten"), "max_pool1d 2 padding=1;"),
        (model("input 3x10; avg_pool1d 2 padding=[0, 3]; flatten"), "padding=[0, 1];"),
        (model("input 3x7x7; conv_transpose2d 8 4 stride=2 padding=same"), "stride=2 padding=1 }"),
        (model("input 3x7x7; conv_transpose2d 8 4 stride=2 padding=same : 8x16x16"), "padding=0 :"),
        (
            model("input 3x7x7; conv_transpose2d 8 4 stride=2 padding=same : 8x15x13"),
            "padding=[0, 1, 1, 2] :",
        ),
        (model("input 3x7x7; conv_transpose2d 8 3 padding=same"), "padding=1 }"),
        (model(&format!("{skip}; concat a")), "; pad [0, 1, 0, 1] -> concat a"),
        (model("input 4x9x9; residual { conv2d 4 3x3 }"), "residual { conv2d 4 3x3 padding=1 }"),
        (
            model("input 4x9x9; concat { branch { tanh } branch { crop 8x8 } }"),
            "{ crop 8x8 -> pad [0, 1, 0, 1] }",
        ),
        (model("input 4x9x9; tanh as a; conv2d 8 1x1; add a"), "conv2d 4 1x1 -> add a"),
        (ended("conv2d 8 3x3; relu; max_pool2d 2; flatten"), "flatten -> linear 10 }"),
        (ended("conv2d 8 3x3; flatten : 5408"), "flatten : 5408 -> linear 10 }"),
        (ended("conv2d 8 3x3; max_pool2d 2"), "max_pool2d 2 -> global_avg_pool -> linear 10 }"),
        (ended("conv2d 8 3x3; relu"), "relu -> global_avg_pool -> linear 10 }"),
        (ended("conv2d 10 3x3"), "conv2d 10 3x3 -> global_avg_pool }"),
        (ended("conv2d 8 3x3; global_max_pool"), "global_max_pool -> linear 10 }"),
        (ended("flatten; linear 64; relu"), "relu -> linear 10 }"),
        (ended("flatten; linear 9"), "linear 10 }"),
        (ended("flatten; repeat 2 { linear 32 -> relu }"), "} -> linear 10 }"),
        (ended("flatten; linear 10 -> relu"), "linear 10 }"),
    ];
    for (text, part) in cases {
        let mended = mended(&text);
        assert!(mended.contains(part), "{mended}");
        let left = checked(&mended, &[]).diagnostics;
        assert!(
            !left.iter().any(|d| d.severity == Severity::Error || d.code == "W0403"),
            "{mended}: {left:#?}"
        );
    }
}

/// The report of a join shows both ways, and further ways out than the first.
#[test]
fn a_join_tells_how_both_shapes_arose() {
    let text = "model Up {\n input 1x35x35\n conv2d 4 3x3 padding=1 as a\n max_pool2d 2 : 4x17x17\n \
                upsample 2 mode=bilinear\n concat a\n conv2d 1 1x1\n}";
    let found = checked(text, &[]).diagnostics;
    assert_eq!(found.len(), 1, "{found:#?}");
    let notes = found[0].notes.join("\n");
    for part in
        ["how 4x34x34 arose:", "4x35x35 → 4x17x17", "4x17x17 → 4x34x34", "how 4x35x35 arose:", "line   3"]
    {
        assert!(notes.contains(part), "{notes}");
    }
    let titles: Vec<&str> = found[0].fixes.iter().map(|fix| fix.title.as_str()).collect();
    let expected = [
        "put `pad [0, 1, 0, 1]` before the join",
        "put `crop 34x34` before the `as`",
        "an input of 1x36x36",
        "an input of 1x34x34",
    ];
    assert_eq!(titles, expected);
}

/// A sequence has a length, an image a height and a width.
#[test]
fn what_arrives_has_the_extents_of_its_kind() {
    let text =
        "model M { input 3x12; conv1d in.channels 3; if in.length == 10 { max_pool1d (in.length // 2) } }";
    assert_eq!(layers(text), ["conv1 : 3x10", "max_pool1 : 3x2"]);
    let error = |body: &str| layers_with(&format!("model M {{ {body} }}"), &[]).unwrap_err();
    let sequence =
        "E0212 there is no `in.width` here: a sequence, channels x length, has `in.channels`, `in.length`";
    for body in [
        "conv1d in.width 3",
        "if in.width > 2 { relu }",
        "let n = (2 * in.width)",
        "repeat in.width { relu }",
    ] {
        assert_eq!(error(&format!("input 3x12; relu; {body}"))[0], sequence, "{body}");
    }
    let image = error("input 1x9x9; relu; conv2d in.length 3x3");
    assert_eq!(
        image,
        ["E0212 there is no `in.length` here: an image has `in.channels`, `in.height`, `in.width`"]
    );
}

/// Removing an unused parameter takes with it what every use gives for it.
#[test]
fn an_unused_parameter_goes_with_its_arguments() {
    let text = |head: &str, first: &str, second: &str| {
        format!(
            "block unit{head} {{ conv2d n 1x1 -> act }}\nmodel M {{ input 1x8x8; let n = 3\n unit {first}; repeat 2 {{ unit {second} }} }}"
        )
    };
    let wrong = text("(n, depth=2, act=relu)", "4 1", "act=tanh depth=3 n=5");
    assert_eq!(checked(&wrong, &[]).diagnostics[0].code, "W0204");
    assert_eq!(mended(&wrong), text("(n, act=relu)", "4", "act=tanh n=5"));
    let only = "block unit(n) { relu }\nmodel M { input 1x8x8; unit 3 }";
    assert_eq!(mended(only), "block unit { relu }\nmodel M { input 1x8x8; unit }");
    let last = "block unit(a, b) { conv2d a 1x1 }\nmodel M { input 1x8x8; unit 3 4 -> relu }";
    assert_eq!(mended(last), "block unit(a) { conv2d a 1x1 }\nmodel M { input 1x8x8; unit 3 -> relu }");
}

/// A value's name where a layer is expected is told from a word that nobody knows, and what fits is offered.
#[test]
fn a_value_that_stands_as_a_layer_is_told_to_be_joined() {
    let text = "model M { input 2x8x8; conv2d 4 1x1 as skip; conv2d 6 1x1; skip; relu }";
    let found = checked(text, &[]).diagnostics;
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!(found[0].message, "`skip` is a value, not a layer: only a join can take it");
    assert_eq!(found[0].fixes.len(), 1, "only `concat` takes both");
    assert!(found[0].fixes[0].title.starts_with("`concat skip`") && found[0].fixes[0].edits.is_empty());
}

#[test]
fn a_word_alone_is_the_shape_of_the_input_and_not_its_name() {
    assert_eq!(layers("model M(features=8) { input features; linear 2 }"), ["linear1 : 2"]);
    assert_eq!(layers("let size = 8\nmodel M { input size; linear 2 }"), ["linear1 : 2"]);
}

#[test]
fn a_model_with_further_inputs_is_no_layer() {
    let text = "use \"own.model\"\nmodel M { input 3x8x8; Own; flatten -> linear 2 }";
    let own = "model Own {\n input 3x8x8\n input other 3x8x8\n add other\n}";
    let errors = layers_with(text, &[("own.model", own)]).unwrap_err();
    let said = "E0207 `Own` also takes `other`, so it cannot be a layer".to_owned();
    assert!(errors.contains(&said), "{errors:?}");
}

#[test]
fn a_convolution_of_volumes_costs_what_it_gives() {
    let layers = "conv3d 8 3x3x1 padding=1x1x0 groups=2 bias=false; conv3d 2 2x3x3 stride=2 bias=false";
    let model = checked(&format!("model M {{ input 4x6x7x5; {layers} }}"), &[]).experiment.model.unwrap();
    // Channels of a group, kernel, output.
    let first = 2 * (2 * 9) * (8 * 6 * 7 * 5);
    let second = 2 * (8 * 2 * 3 * 3) * (2 * 3 * 3 * 2);
    assert_eq!(dslc::model::cost::flops(&model).unwrap(), [first, second]);
}

#[test]
fn a_voxel_is_made_of_windows_along_three_axes() {
    let layers = "conv3d 4 3x5x1 stride=2x1x1 -> max_pool3d 1x2x2 -> conv3d 4 3";
    let model = checked(&format!("model M {{ input 1x16x32x32; {layers} }}"), &[]).experiment.model.unwrap();
    let fields = fields(&model);
    assert_eq!(fields[0], Field::Window { extent: [3, 5, 1], step: [2, 1, 1] });
    assert_eq!(fields[2], Field::Window { extent: [7, 10, 6], step: [2, 2, 2] });
}
