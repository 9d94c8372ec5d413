//! Weights that PyTorch and others wrote: read without running anything, put in their places, and refused where they are damaged,
//! hostile or of another network. The files are made by `tests/fixtures/weights.py`.

use std::io::Read;
use std::path::{Path, PathBuf};

use dslc::diag::{Fault, Remedy};
use dslc::experiment::imports::Project;
use dslc::model::Model;
use dslc::predict::Predictor;
use dslc::source::Sources;
use dslc::tensor::Device;
use dslc::train::checkpoint::{Card, Weights, to_bytes};
use dslc::weights::carry::{Carried, Outcome, Whole, carry};
use dslc::weights::elements::Element;
use dslc::weights::map::{Map, Pattern};
use dslc::weights::matching::{Fate, Need, Wishes, plan, targets};
use dslc::weights::open::open;
use dslc::weights::tensors::{Branches, File, Numbers, Sequence, Tensor};

/// The network of `weights.py`, called as PyTorch calls it.
const NAMED: &str = "model Tiny(classes=3) {
    input 1x8x8
    conv2d 4 3x3 stride=2 padding=1 as stem
    repeat 2 { basic_block 4 } as layer1
    flatten
    linear classes as fc
}
";

/// The same without names.
fn unnamed() -> String {
    NAMED.replace(" as stem", "").replace(" as layer1", "").replace(" as fc", "")
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/weights").join(name)
}

fn model(text: &str) -> Model {
    let mut sources = Sources::default();
    let alone = |_: &Path| Err("alone".to_owned());
    let project = Project { root: Path::new(""), read: &alone };
    let checked = dslc::experiment::check(&mut sources, Path::new("a.model"), text.to_owned(), &[], &project);
    checked.experiment.model.unwrap()
}

fn carried(text: &str, path: &Path, key: Option<&str>, wishes: &Wishes) -> Result<Carried, Fault> {
    carry(&model(text), &mut open(path, key)?, wishes)
}

/// What the model of a text makes of the picture in `tiny.json` with the weights of a file.
fn outputs(text: &str, name: &str) -> Vec<f32> {
    let carried = carried(text, &fixture(name), None, &Wishes::new(Need::All)).unwrap();
    let card = Card { source: text.to_owned(), model: "Tiny".to_owned(), ..Card::default() };
    let bytes = to_bytes(&Whole::new(&model(text), carried, 0), &card).unwrap();
    let mut predictor = Predictor::of_weights(&Weights::from_bytes(bytes).unwrap(), &Device::Cpu).unwrap();
    let pixels: Vec<u8> =
        known()["pixels"].as_array().unwrap().iter().map(|pixel| pixel.as_u64().unwrap() as u8).collect();
    let shape = predictor.input().clone();
    predictor.pixels(&pixels, &shape).unwrap().numbers
}

fn known() -> serde_json::Value {
    serde_json::from_str(&std::fs::read_to_string(fixture("tiny.json")).unwrap()).unwrap()
}

fn expected(which: &str) -> Vec<f32> {
    let numbers = known()["outputs"][which].clone();
    numbers.as_array().unwrap().iter().map(|number| number.as_f64().unwrap() as f32).collect()
}

fn advice(fault: &Fault) -> String {
    let remedies = fault.remedies.iter().map(|remedy| match remedy {
        Remedy::Advice(text) => text.clone(),
        other => format!("{other:?}"),
    });
    let all: Vec<String> = remedies.chain(fault.notes.iter().cloned()).collect();
    format!("{}\n{}", fault.message, all.join("\n"))
}

#[test]
fn every_kind_of_file_gives_pytorchs_outputs() {
    let near =
        |own: &[f32], theirs: &[f32], by: f32| own.iter().zip(theirs).all(|(a, b)| (a - b).abs() <= by);
    let plain = expected("plain");
    let files = ["zip.pth", "legacy.pth", "checkpoint.pth", "double.pth"];
    let sorted = ["strangers.safetensors", "arrays.npz", "compressed.npz"];
    for (text, names) in
        [(NAMED.to_owned(), [&files[..], &sorted].concat()), (unnamed(), [&files[..], &sorted].concat())]
    {
        for name in names {
            let own = outputs(&text, name);
            assert!(near(&own, &plain, 1e-6), "{name}: {own:?}, PyTorch {plain:?}");
        }
    }
    for name in ["strided.pth", "strided_legacy.pth"] {
        let own = outputs(NAMED, name);
        assert!(near(&own, &expected("strided"), 1e-6), "{name}: {own:?}");
    }
    for (name, by) in [("half.pth", 5e-3), ("bfloat16.pth", 5e-2)] {
        let own = outputs(NAMED, name);
        assert!(near(&own, &plain, by) && !near(&own, &plain, 1e-7), "{name}: {own:?}");
    }
}

#[test]
fn safetensors_are_known_whatever_their_length_begins_with() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.safetensors");
    let read = |shape: usize, size: usize| {
        let mut header =
            format!(r#"{{"a.weight":{{"dtype":"F32","shape":[{shape}],"data_offsets":[0,4]}}}}"#);
        header.push_str(&" ".repeat(size - header.len()));
        let bytes = [&(size as u64).to_le_bytes()[..], header.as_bytes(), &[0; 4]].concat();
        std::fs::write(&path, bytes).unwrap();
        open(&path, None).map(|file| file.kind)
    };
    // 80 02 as a pickle, and PK as an archive.
    for size in [128, 640, 19280] {
        assert_eq!(read(1, size).unwrap(), "safetensors", "{size}");
    }
    assert!(read(2, 128).is_err());
}

#[test]
fn what_is_no_state_dict_is_refused_with_the_way_to_one() {
    let refused = |name: &str, key: Option<&str>| {
        advice(&carried(NAMED, &fixture(name), key, &Wishes::new(Need::All)).unwrap_err())
    };
    let whole = refused("whole.pth", None);
    assert!(
        whole.contains("`__main__.Tiny`, which dslc does not run") && whole.contains("state_dict()"),
        "{whole}"
    );
    let two = refused("two.pth", None);
    assert!(two.contains("more than once: `model`, `ema`") && two.contains("`--key ema`"), "{two}");
    assert!(carried(NAMED, &fixture("two.pth"), Some("ema"), &Wishes::new(Need::All)).is_ok());
    assert!(refused("two.pth", Some("emu")).contains("has nothing called `emu`"));
    assert!(refused("nowhere.pth", None).contains("does not exist"));
    assert!(refused("tiny.json", None).contains("no file of weights that dslc knows"));
}

/// Tensors of these names and shapes, all 0.
fn declared(tensors: &[(String, Vec<usize>)], sequence: Sequence) -> File {
    struct Zeros(Vec<usize>);
    impl Numbers for Zeros {
        fn read(&mut self, at: usize) -> Result<Vec<f32>, Fault> {
            Ok(vec![0.0; self.0[at]])
        }
    }
    let counts = tensors.iter().map(|(_, shape)| shape.iter().product()).collect();
    let tensors = tensors.iter().map(|(name, shape)| Tensor {
        name: name.clone(),
        shape: shape.clone(),
        element: Element::F32,
        trouble: None,
    });
    File::new(Path::new("theirs.pth"), "PyTorch", tensors.collect(), sequence, Box::new(Zeros(counts)))
}

/// Names and shapes.
type Declared = Vec<(String, Vec<usize>)>;

/// torchvision's networks: what they are called, and their tensors in their order.
fn torchvision() -> Vec<(String, Declared)> {
    let mut text = String::new();
    let packed = std::fs::File::open(fixture("torchvision.txt.gz")).unwrap();
    flate2::read::GzDecoder::new(packed).read_to_string(&mut text).unwrap();
    let network = |part: &str| {
        let (name, lines) = part.split_once('\n').unwrap();
        let tensor = |line: &str| {
            let (name, shape) = line.split_once(' ').unwrap_or((line, ""));
            (name.to_owned(), shape.split('x').filter_map(|extent| extent.parse().ok()).collect())
        };
        (name.to_owned(), lines.lines().map(tensor).collect())
    };
    text.split("= ").filter(|part| !part.is_empty()).map(network).collect()
}

/// For each of our weights the name of the tensor that it takes.
fn taken(model: &Model, file: &File, need: Need) -> Vec<Option<String>> {
    let plan =
        plan(&targets(model), file, &Wishes::new(need)).unwrap_or_else(|fault| panic!("{}", advice(&fault)));
    let name = |fate: &Fate| match fate {
        Fate::Taken { from, .. } => Some(file.tensors[*from].name.clone()),
        Fate::Fresh(_) => None,
    };
    plan.fates.iter().map(name).collect()
}

#[test]
fn torchvisions_networks_find_their_places_with_and_without_their_order() {
    let networks = torchvision();
    assert_eq!(networks.len(), 8);
    for (name, tensors) in networks {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("models/{name}.model"));
        let model = model(&std::fs::read_to_string(path).unwrap());
        // torchvision lists a network's layers in the order of its forward pass, and so do we.
        let weights =
            tensors.iter().filter(|(name, _)| !name.contains("aux") && !name.contains("num_batches"));
        let expected: Vec<Option<String>> = weights.map(|(name, _)| Some(name.clone())).collect();
        assert_eq!(taken(&model, &declared(&tensors, Sequence::Kept), Need::All), expected, "{name}");
        let mut sorted = tensors.clone();
        sorted.sort();
        assert_eq!(taken(&model, &declared(&sorted, Sequence::Lost), Need::All), expected, "{name}, sorted");
        // Another number of classes changes the head alone.
        let fewer: Vec<_> = tensors
            .iter()
            .map(|(name, shape)| {
                (name.clone(), shape.iter().map(|&n| if n == 1000 { 7 } else { n }).collect())
            })
            .collect();
        let own = taken(&model, &declared(&fewer, Sequence::Kept), Need::Trunk);
        let anew: Vec<usize> = (0..own.len()).filter(|&at| own[at].is_none()).collect();
        assert_eq!(anew, [own.len() - 2, own.len() - 1], "{name}");
        assert!(plan(&targets(&model), &declared(&fewer, Sequence::Kept), &Wishes::new(Need::All)).is_err());
    }
}

#[test]
fn two_ways_are_an_error_that_shows_both() {
    let text = "model M { input 4x8x8; conv2d 4 3x3; conv2d 4 3x3; flatten -> linear 2 }";
    let conv = |name: &str| [(format!("{name}.weight"), vec![4, 4, 3, 3]), (format!("{name}.bias"), vec![4])];
    let mut tensors: Vec<(String, Vec<usize>)> = ["a", "b", "c"].iter().flat_map(|name| conv(name)).collect();
    tensors.extend([("fc.weight".to_owned(), vec![2, 64]), ("fc.bias".to_owned(), vec![2])]);
    let model = model(text);
    let file = declared(&tensors, Sequence::Kept);
    let fault = plan(&targets(&model), &file, &Wishes::new(Need::Trunk)).unwrap_err();
    let said = advice(&fault);
    assert!(said.contains("fits in more than one way: `conv1`"), "{said}");
    assert!(said.contains("`a`, `b`, `c`") && said.contains("--map FILE"), "{said}");

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("map.txt");
    std::fs::write(&path, "conv1.* a.*\nconv2.* c.*\n").unwrap();
    let wishes = Wishes { map: Map::open(&path).unwrap(), ..Wishes::new(Need::All) };
    let plan = plan(&targets(&model), &file, &wishes).unwrap();
    assert_eq!(plan.left.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [2, 3]);
}

/// Of the orders in which a file's layers may stand, the one that fits is taken; where two do, both are shown.
#[test]
fn branches_that_stand_in_several_orders_find_one_or_are_told() {
    let text = |kernel: &str| {
        let branches = format!("residual {{ conv2d 4 3x3 padding=1 }} shortcut {{ conv2d 4 {kernel} }}");
        model(&format!("model M {{ input 4x8x8; {branches}; flatten -> linear 2 }}"))
    };
    let file = |kernel: usize| {
        let conv = |name: &str, k: usize| {
            [(format!("{name}/kernel"), vec![k, k, 4, 4]), (format!("{name}/bias"), vec![4])]
        };
        let mut tensors: Vec<(String, Vec<usize>)> =
            [conv("a", kernel), conv("b", 3)].into_iter().flatten().collect();
        tensors.extend([("fc/kernel".to_owned(), vec![256, 2]), ("fc/bias".to_owned(), vec![2])]);
        let mut file = declared(&tensors, Sequence::Kept);
        file.branches = Branches::Orders(vec![vec![0, 1, 2, 3, 4, 5], vec![2, 3, 0, 1, 4, 5]]);
        file
    };
    let found = taken(&text("1x1"), &file(1), Need::All);
    let names: Vec<&str> = found.iter().flatten().map(String::as_str).collect();
    assert_eq!(names, ["b/kernel", "b/bias", "a/kernel", "a/bias", "fc/kernel", "fc/bias"]);

    let (twins, three) = (text("3x3 padding=1"), file(3));
    let said = advice(&plan(&targets(&twins), &three, &Wishes::new(Need::All)).unwrap_err());
    for part in ["fits in more than one way: `conv1`", "could be `a`, `b`", "--map FILE", "`conv1.* a/*`"] {
        assert!(said.contains(part), "{part}\n{said}");
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("map.txt");
    std::fs::write(&path, "conv1.* b/*\n").unwrap();
    let wishes = Wishes { map: Map::open(&path).unwrap(), ..Wishes::new(Need::All) };
    let mapped = plan(&targets(&twins), &three, &wishes).unwrap();
    let from = |fate: &Fate| match fate {
        Fate::Taken { from, .. } => *from,
        Fate::Fresh(why) => panic!("{why}"),
    };
    assert_eq!(mapped.fates.iter().map(from).collect::<Vec<_>>(), [2, 3, 0, 1, 4, 5]);

    // Without orders nobody knows which layer is in which branch, whether the file has an order or numbers alone.
    for sequence in [Sequence::Kept, Sequence::Lost] {
        let mut mixed = file(3);
        (mixed.branches, mixed.sequence) = (Branches::Mixed, sequence);
        for (at, name) in ["conv2d", "conv2d_1", "dense"].into_iter().enumerate() {
            mixed.tensors[2 * at].name = format!("{name}/kernel");
            mixed.tensors[2 * at + 1].name = format!("{name}/bias");
        }
        let said = advice(&plan(&targets(&twins), &mixed, &Wishes::new(Need::All)).unwrap_err());
        for part in [
            "could be `conv2d`, `conv2d_1`",
            "which layer is in which branch",
            "`conv1.* conv2d/*`",
            ".keras",
        ] {
            assert!(said.contains(part), "{part}\n{said}");
        }
        // One after another, they are where they are.
        let row = model(
            "model M { input 4x8x8; conv2d 4 3x3 padding=1; conv2d 4 3x3 padding=1; flatten -> linear 2 }",
        );
        assert_eq!(taken(&row, &mixed, Need::All)[0].as_deref(), Some("conv2d/kernel"));
    }
}

#[test]
fn what_is_missing_is_told_with_its_place() {
    let (_, tensors) = torchvision().into_iter().find(|(name, _)| name == "resnet18").unwrap();
    let text = std::fs::read_to_string("models/resnet18.model").unwrap();
    let wider = model(&text.replace("128, 256", "160, 256"));
    let fault =
        plan(&targets(&wider), &declared(&tensors, Sequence::Kept), &Wishes::new(Need::Trunk)).unwrap_err();
    let said = advice(&fault);
    for part in [
        "has no place for `for1.0.basic_block1.conv1` (weight 160x64x3x3)",
        "after `layer1.1.bn2`, which is `basic_block1.1.bn2`",
        "the file has `layer2.0.conv1` (weight 128x64x3x3)",
        "--fresh for1.0.basic_block1.conv1",
    ] {
        assert!(said.contains(part), "{part}\n{said}");
    }
}

/// A network and what it was before, with what becomes of the weights.
#[test]
fn a_changed_network_keeps_what_it_can() {
    let folder = tempfile::tempdir().unwrap();
    let before = "block part(c) { conv2d c 3x3 padding=1 -> batch_norm }
model M(classes=3) { input 1x8x8; part 4 -> part 6; flatten -> linear classes }
";
    let path = folder.path().join("before.safetensors");
    let start = model(before);
    let none = Carried { numbers: Vec::new(), rows: Vec::new() };
    let card = Card { source: before.to_owned(), ..Card::default() };
    std::fs::write(&path, to_bytes(&Whole::new(&start, none, 5), &card).unwrap()).unwrap();

    let outcome = |text: &str, wishes: &Wishes| {
        carried(text, &path, None, wishes).map(|carried| {
            let rows = carried.rows.iter().map(|row| {
                let name = |name: &Option<String>| name.clone().unwrap_or("-".to_owned());
                (name(&row.ours), name(&row.theirs), row.outcome)
            });
            rows.filter(|row| row.2 != Outcome::Taken).collect::<Vec<_>>()
        })
    };
    let row = |ours: &str, theirs: &str, outcome| (ours.to_owned(), theirs.to_owned(), outcome);
    let trunk = Wishes::new(Need::Trunk);
    assert_eq!(outcome(before, &trunk).unwrap(), []);
    // Another number of classes, and a stage with a name.
    let renamed = before.replace("classes=3", "classes=2").replace("part 6;", "part 6 as last;");
    let found = outcome(&renamed, &trunk).unwrap();
    let expected: Vec<_> =
        ["conv1.weight", "conv1.bias", "bn1.weight", "bn1.bias", "bn1.running_mean", "bn1.running_var"]
            .iter()
            .map(|name| row(&format!("last.{name}"), &format!("part2.{name}"), Outcome::Renamed))
            .chain([
                row("linear1.weight", "-", Outcome::Fresh),
                row("linear1.bias", "-", Outcome::Fresh),
                row("-", "linear1.weight", Outcome::Left),
                row("-", "linear1.bias", Outcome::Left),
            ])
            .collect();
    assert_eq!(found, expected);
    // A layer put in begins anew only where somebody says so.
    let deeper = before.replace("part 6;", "part 6 -> conv2d 6 1x1 as more;");
    let said = advice(&outcome(&deeper, &trunk).unwrap_err());
    assert!(said.contains("no place for `more`") && said.contains("--fresh more"), "{said}");
    let asked = Wishes { fresh: vec![Pattern::of("more")], ..trunk.clone() };
    let expected = ["more.weight", "more.bias"].map(|name| row(name, "-", Outcome::Fresh));
    assert_eq!(outcome(&deeper, &asked).unwrap(), expected);
    let unknown = Wishes { fresh: vec![Pattern::of("moar")], ..trunk };
    assert!(outcome(&deeper, &unknown).unwrap_err().message.contains("no layer is called `moar`"));
}

/// Weights of before layers had names of their own still load, and take the same places.
#[test]
fn older_names_are_taken_for_the_names_of_today() {
    let text = "block part(c) { conv2d c 3x3 padding=1 -> batch_norm }
model M { input 1x8x8; part 4 -> part 6; flatten -> linear 3 }
";
    let none = Carried { numbers: Vec::new(), rows: Vec::new() };
    let card = Card { source: text.to_owned(), ..Card::default() };
    let bytes = to_bytes(&Whole::new(&model(text), none, 5), &card).unwrap();
    let mut older = bytes.clone();
    for (is, was) in
        [("part1.conv1", "part_1.conv2d_1"), ("part2.bn1", "part_2.batch_norm_1"), ("linear1", "linear_1")]
    {
        let header = String::from_utf8(
            older[8..8 + u64::from_le_bytes(older[..8].try_into().unwrap()) as usize].to_vec(),
        )
        .unwrap();
        let numbers = older[8 + header.len()..].to_vec();
        let header = header.trim_end().replace(&format!("\"{is}."), &format!("\"{was}."));
        older = [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &numbers].concat();
    }
    assert_ne!(older, bytes);
    let answer = |bytes: Vec<u8>| {
        let mut predictor =
            Predictor::of_weights(&Weights::from_bytes(bytes).unwrap(), &Device::Cpu).unwrap();
        let shape = predictor.input().clone();
        predictor.pixels(&[77; 64], &shape).unwrap().numbers
    };
    assert_eq!(answer(older.clone()), answer(bytes));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("older.safetensors");
    std::fs::write(&path, &older).unwrap();
    let carried = carried(text, &path, None, &Wishes::new(Need::All)).unwrap();
    assert_eq!(carried.count(Outcome::Taken), carried.rows.len());
}

/// Bytes changed and cut off anywhere: an answer or an error, never more memory than the file is worth.
#[test]
fn damaged_bytes_end_in_an_error_or_in_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("damaged");
    let mut state = 1u64;
    let mut random = |n: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % n
    };
    let wishes = Wishes::new(Need::All);
    let model = model(NAMED);
    for name in [
        "zip.pth",
        "legacy.pth",
        "checkpoint.pth",
        "strided_legacy.pth",
        "arrays.npz",
        "strangers.safetensors",
    ] {
        let whole = std::fs::read(fixture(name)).unwrap();
        let mut refused = 0;
        for turn in 0..150 {
            let mut bytes = whole.clone();
            match turn % 3 {
                0 => bytes.truncate(random(whole.len())),
                1 => (0..1 + random(8)).for_each(|_| bytes[random(whole.len())] = random(256) as u8),
                // Where descriptions are.
                _ => bytes[random(whole.len().min(1500))] ^= 1 << random(8),
            }
            std::fs::write(&path, &bytes).unwrap();
            let found = open(&path, None).and_then(|mut file| carry(&model, &mut file, &wishes));
            if let Err(fault) = found {
                assert!(!fault.message.contains("internal error"), "{name}: {}", advice(&fault));
                refused += 1;
            }
        }
        assert!(refused >= 50, "{name}: {refused}");
    }
}

#[test]
fn an_auxiliary_head_takes_its_weights_where_the_model_has_one() {
    let conv = |name: &str| [(format!("{name}.weight"), vec![4, 4, 3, 3]), (format!("{name}.bias"), vec![4])];
    let linear = |name: &str| [(format!("{name}.weight"), vec![2, 4]), (format!("{name}.bias"), vec![2])];
    let mut tensors: Vec<(String, Vec<usize>)> = conv("conv").into();
    tensors.extend(linear("AuxLogits.fc"));
    tensors.extend(linear("fc"));
    let file = declared(&tensors, Sequence::Kept);
    let head = "auxiliary { global_avg_pool -> linear 2 }";
    let text =
        |head: &str| format!("model M {{ input 4x8x8; conv2d 4 3x3; {head}; global_avg_pool -> linear 2 }}");
    let names =
        |own: &[(String, Vec<usize>)]| own.iter().map(|(name, _)| Some(name.clone())).collect::<Vec<_>>();
    assert_eq!(taken(&model(&text(head)), &file, Need::All), names(&tensors));
    let without = [&tensors[..2], &tensors[4..]].concat();
    assert_eq!(taken(&model(&text("identity")), &file, Need::All), names(&without));
}
