//! Networks that take numbers or a second picture besides the image, or that learn several things of it: from a table to a
//! trained, measured, resumed, predicting and exported run.

use dslc::exchange::onnx::file;

use crate::cli::Desk;
use crate::cli::machine::digest;

const TABLE: &str = "data {
    source table \"cases.csv\" image=scan label=kind size=8x8 channels=1
    split test=25% validation=25%
    FIELD
}
train {
    loss cross_entropy
    optimizer adam lr=0.03
    epochs 12
    batch 8
    seed 3
}
";

/// Pictures with a square in one of four corners, and a table: the kind is told by `age` alone, and whether the second
/// picture has its square where the first has it by `alike`.
pub fn desk() -> Desk {
    let desk = Desk::new();
    let mut rows = String::from("scan,other,age,bmi,kind,alike,corner\n");
    for i in 0..48u32 {
        let (corner, second, old) = (i % 4, (i / 4) % 2 * 2 + i % 4, i % 3 == 0);
        for (name, corner) in [("a", corner), ("b", second % 4)] {
            let (left, top) = (corner % 2 * 4, corner / 2 * 4);
            let inside = |x: u32, y: u32| (left..left + 4).contains(&x) && (top..top + 4).contains(&y);
            let pixel = |x, y| image::Luma([if inside(x, y) { 220 } else { (x * 7 + y * 3 + i) as u8 }]);
            image::GrayImage::from_fn(8, 8, pixel).save(desk.path(&format!("{name}{i}.png"))).unwrap();
        }
        let (age, kind) = if old { (1.0, "old") } else { (-1.0, "young") };
        let alike = if second % 4 == corner { "same" } else { "different" };
        rows.push_str(&format!("a{i}.png,b{i}.png,{age},0.{i},{kind},{alike},{corner}\n"));
    }
    desk.write("cases.csv", rows);
    desk
}

#[test]
fn numbers_of_a_table_are_learnt_from_besides_the_image() {
    let desk = desk();
    let model = "model Fusion {
    input 1x8x8
    input clinical 2
    conv2d 4 3x3 -> relu -> global_avg_pool
    concat { branch { identity } branch { from clinical -> linear 8 -> relu } }
    linear 2
}
";
    desk.write("fusion.net", format!("{model}{}", TABLE.replace("FIELD", "field clinical [age, bmi]")));
    let run = desk.run("run fusion.net --out r");
    assert_eq!(run.code, Some(0), "{}{}", run.out, run.err);
    let eval = desk.json("eval r --json");
    assert!(eval["test.accuracy"].as_f64().unwrap() > 0.9, "{eval}");
    resumes(&desk, "fusion.net", 12);
    let said =
        ["the network takes `clinical` with each picture", "a table of pictures with the columns age, bmi"];
    desk.refused("predict r a0.png", 2, &said);
    // The kind is told by the age alone, whatever the picture shows.
    desk.write("new.csv", "bmi,scan,age\n0.5,a0.png,1\n0.5,a0.png,-1\n");
    let done = desk.run("predict r new.csv --csv");
    let told: Vec<&str> = done.out.lines().map(|line| line.split(',').nth(1).unwrap()).collect();
    assert_eq!(told, ["class", "old", "young"], "{}{}", done.out, done.err);
    desk.write("new.csv", "bmi,scan\n0.5,a0.png\n");
    desk.refused(
        "predict r new.csv",
        2,
        &["has no column `age`", "the columns that the model was trained with: scan, age, bmi"],
    );
    desk.write("new.csv", "bmi,scan,age\n0.5,a0.png,old\n");
    desk.refused("predict r new.csv", 2, &["new.csv has `old` in `age`, which is not a number"]);
    desk.write("empty.csv", "scan,age,bmi\n");
    desk.refused("predict r empty.csv", 2, &["empty.csv has no rows"]);
    desk.refused("predict r gone.csv", 2, &["gone.csv does not exist", "a table of pictures"]);
    exports(&desk, &["clinical"], &[]);
    let said = "the network takes `clinical` besides the image, which `--to c` does not support";
    let line = "line 3: input clinical 2";
    desk.refused("export r --to c -o r-c", 2, &[said, line, "`--to onnx`", "`--to pytorch`"]);
    let said = "the network takes `clinical` besides the image, which `--fold` does not support";
    desk.refused("export r --fold -o x.onnx", 2, &[said]);
    desk.write(
        "cases.csv",
        std::fs::read_to_string(desk.path("cases.csv")).unwrap().replace("-1,0.1,", "x,0.1,"),
    );
    desk.refused(
        "run fusion.net",
        2,
        &["the column `age` of the field `clinical` has `x`, which is not a number"],
    );
}

#[test]
fn a_siamese_network_learns_whether_two_pictures_are_alike() {
    let desk = desk();
    let model = "block tower {
    flatten -> linear 8 -> tanh -> linear 8
}
model Siamese {
    input 1x8x8
    input other 1x8x8
    tower as own
    add {
        branch { identity }
        branch { from other -> share own -> scale -1 }
    } as apart
    multiply apart
    linear 2
}
";
    let data = TABLE.replace("label=kind", "label=alike").replace("FIELD", "field other image=other");
    desk.write("siamese.net", format!("{model}{data}"));
    let run = desk.run("run siamese.net --out r --set train.epochs=25");
    assert_eq!(run.code, Some(0), "{}{}", run.out, run.err);
    let eval = desk.json("eval r --json");
    assert!(eval["test.accuracy"].as_f64().unwrap() > 0.9, "{eval}");
    let summary = desk.run("summary siamese.net").out;
    assert!(summary.contains("Siamese") && summary.contains("610"), "{summary}");
    resumes(&desk, "siamese.net", 4);
    desk.write("pairs.csv", "other,scan\nb0.png,a0.png\nb4.png,a4.png\n");
    let done = desk.run("predict r pairs.csv --csv");
    let told: Vec<&str> = done.out.lines().map(|line| line.split(',').nth(1).unwrap()).collect();
    assert_eq!(told, ["class", "same", "different"], "{}{}", done.out, done.err);
    desk.write("pairs.csv", "other,scan\nnone.png,a0.png\n");
    desk.refused("predict r pairs.csv", 2, &["none.png"]);
    exports(&desk, &["other"], &[]);
    let text = std::fs::read_to_string(desk.path("r-torch/model.py")).unwrap();
    assert_eq!(text.matches("nn.Linear(64, 8)").count(), 1, "{text}");
    assert!(text.contains("def forward(self, x, other):"), "{text}");
    assert_eq!(text.matches("self.own.linear1(").count(), 2, "{text}");
}

#[test]
fn weights_that_are_used_twice_are_exported_once_and_read_back() {
    let desk = Desk::new();
    let model = "model Twice {
    input 1x6x6
    conv2d 1 3x3 padding=1 as first
    relu -> share first
    flatten -> linear 3
}
";
    desk.write("twice.model", model);
    let done = desk.run("export twice.model --untrained -o twice.onnx");
    assert!(
        done.code == Some(0) && done.out.contains("read back and run on 2 random images"),
        "{}",
        done.err
    );
    let said = ["`first` is used twice with the same weights, which `--fold` does not support", "line 3:"];
    desk.refused("export twice.model --untrained --fold -o x.onnx", 2, &said);
    let said = ["`first` is used twice with the same weights, which `--to c` does not support"];
    desk.refused("export twice.model --untrained --to c -o x", 2, &said);
}

#[test]
fn several_things_are_learnt_of_an_image() {
    let desk = desk();
    let model = "model Tasks {
    input 1x8x8
    conv2d 4 3x3 padding=1 -> relu -> max_pool2d 2 -> flatten
    output corner weight=0.5 { linear 4 }
    output numbers weight=0.1 loss=huber { linear 2 }
    linear 2
}
";
    let fields = "field numbers [age, bmi]\n    field corner label=corner classes=4";
    let train =
        "    keep best by=corner.accuracy\n}\nexpect { test.corner.accuracy > 90%; test.numbers.mae < 1 }\n";
    let text = format!("{model}{}", TABLE.replace("FIELD", fields).replace("label=kind", "label=alike"));
    let text = text.trim_end().trim_end_matches('}').to_owned() + train;
    desk.write("tasks.net", &text);
    let run = desk.run("run tasks.net --out r");
    assert_eq!(run.code, Some(0), "{}{}", run.out, run.err);
    let words = ["output corner", "output numbers", "test accuracy", "mae", "corner accuracy"];
    words
        .iter()
        .for_each(|word| assert!(format!("{}{}", run.out, run.err).contains(word), "{word}: {}", run.out));
    let eval = desk.json("eval r --json");
    let number = |key: &str| eval[key].as_f64().unwrap_or_else(|| panic!("{key}: {eval}"));
    assert!(number("test.corner.accuracy") > 0.9 && number("test.numbers.rmse") > 0.0);
    assert_eq!(eval["test.corner.classes"][3]["class"], "3");
    assert_eq!(eval["test.numbers.numbers"][0]["number"], "age");
    // The sum of the losses by their weights.
    assert!(number("test.loss") > 0.5 * number("test.corner.loss") + 0.1 * number("test.numbers.loss"));
    let metrics = std::fs::read_to_string(desk.path("r/metrics.csv")).unwrap();
    let head = metrics.lines().next().unwrap();
    let columns = ["validation.corner.accuracy", "validation.corner.loss", "validation.numbers.mae"];
    columns.iter().for_each(|name| assert!(head.split(',').any(|own| own == *name), "{head}"));
    let page = std::fs::read_to_string(desk.path("r/report.html")).unwrap();
    assert!(page.contains("corner accuracy") && page.contains("numbers mae"));
    desk.write("short.net", text.split("expect {").next().unwrap());
    resumes(&desk, "short.net", 4);
    let said = desk.json("predict r a1.png --json");
    assert_eq!(said["outputs"]["corner"]["top"][0]["class"], "1", "{said}");
    assert!(said["outputs"]["numbers"]["numbers"]["bmi"].is_number() && said["top"].is_array());
    let said = desk.json("predict r a1.png --top 1 --json");
    assert_eq!(said["outputs"]["corner"]["top"].as_array().map(Vec::len), Some(1), "{said}");
    let done = desk.run("predict r a1.png a2.png --csv");
    let lines: Vec<Vec<&str>> = done.out.lines().map(|line| line.split(',').collect()).collect();
    let columns = lines[0].len() - 4;
    assert_eq!(lines[0][columns..], ["corner", "corner.probability", "numbers.age", "numbers.bmi"]);
    assert_eq!((lines[1][columns], lines[2][columns]), ("1", "2"), "{}", done.out);
    let done = desk.run("predict r a1.png");
    assert!(done.out.lines().next().unwrap().ends_with("numbers"), "{}", done.out);
    exports(&desk, &[], &["corner", "numbers"]);
    let said = ["the network has the output `corner` besides its end, which `--to c` does not support"];
    desk.refused("export r --to c -o r-c", 2, &said);
}

/// A run that ends early and is resumed comes to the bits of one that nobody stopped.
pub fn resumes(desk: &Desk, net: &str, epochs: usize) {
    let run = |line: &str| {
        let done = desk.run(line);
        assert_eq!(done.code, Some(0), "{line}: {}{}", done.out, done.err);
    };
    let weights = |run: &str| {
        ["best", "last"]
            .map(|kind| digest(&std::fs::read(desk.path(&format!("{run}/{kind}.safetensors"))).unwrap()))
    };
    run(&format!("run {net} --out whole --set train.epochs={epochs}"));
    run(&format!("run {net} --out half --set train.epochs={}", epochs / 2));
    run(&format!("resume half --set train.epochs={epochs}"));
    assert_eq!(weights("whole"), weights("half"));
}

/// The run is written as ONNX and PyTorch, with these inputs and outputs besides the image and the model's end.
pub fn exports(desk: &Desk, inputs: &[&str], outputs: &[&str]) {
    let done = desk.run("export r -o r.onnx");
    assert!(done.code == Some(0) && done.out.contains("not verified"), "{}{}", done.out, done.err);
    let bytes = std::fs::read(desk.path("r.onnx")).unwrap();
    let model = file::model(&bytes).unwrap();
    let names =
        |values: &[file::Value<'_>]| values.iter().map(|value| value.name.to_owned()).collect::<Vec<_>>();
    let mut made: Vec<&str> = model.graph.nodes.iter().flat_map(|node| node.outputs.clone()).collect();
    made.sort_unstable();
    assert!(made.windows(2).all(|pair| pair[0] != pair[1]), "each value is made once: {made:?}");
    assert_eq!(names(&model.graph.inputs), [&["input"], inputs].concat());
    assert_eq!(names(&model.graph.outputs), [&["output"], outputs].concat());
    let done = desk.run("export r --to pytorch -o r-torch");
    assert_eq!(done.code, Some(0), "{}", done.err);
    let example = std::fs::read(desk.path("r-torch/example.safetensors")).unwrap();
    let example = safetensors::SafeTensors::deserialize(&example).unwrap();
    let named = |first: &str, names: &[&str]| {
        names.iter().map(|name| format!("{first}.{name}")).chain([first.to_owned()]).collect::<Vec<_>>()
    };
    for key in [named("input", inputs), named("output", outputs)].concat() {
        assert!(example.tensor(&key).is_ok(), "{key}");
    }
}
