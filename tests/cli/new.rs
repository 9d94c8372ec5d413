//! First files, from a network's name and from a folder of images.

use crate::cli::Desk;

#[test]
fn new_writes_files_that_check_and_overwrites_none() {
    let desk = Desk::new();
    let list = desk.run("new").out;
    let models = concat!(env!("CARGO_MANIFEST_DIR"), "/models");
    for entry in std::fs::read_dir(models).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            continue;
        }
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        assert!(list.contains(&format!("\n  {name} ")), "{name} is not listed: {list}");
        let written = desk.run(&format!("new {name}"));
        assert_eq!(written.code, Some(0), "{name}: {}", written.err);
        let file = path.file_name().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(desk.path(&file)).unwrap();
        assert!(!["models/", "docs/", ".py"].iter().any(|own| text.contains(own)), "{text}");
        assert!(written.out.contains(&format!("  dslc check {file}\n")), "{}", written.out);
        let checked = desk.run(&format!("check {file}"));
        // The data that it names are not on this desk.
        let last = checked.out.lines().filter(|line| line.starts_with(&file)).collect::<String>();
        let is_absent = last.contains(": 1 warning (") && checked.out.contains("there is no data at");
        assert!(checked.code == Some(0) && (last.contains(": fine (") || is_absent), "{}", checked.out);
    }
    desk.refused("new lenet5", 2, &["lenet5.net already exists", "-o FILE"]);
    desk.refused("new lenet", 2, &["no network is called `lenet`", "dslc new lenet5"]);
    desk.refused("new resnet18 -o r.txt", 2, &["-o r.txt.model"]);
    desk.refused("new resnet18 --data data -o r.model", 2, &["without data and training", "mnist, lenet5"]);
    desk.refused("new lenet5 -o no/such/a.net", 2, &["no/such/a.net cannot be written"]);
}

#[test]
fn new_takes_no_numbers_for_classes() {
    let desk = Desk::new();
    for (name, table, learnt, loss) in [
        ("dials", "image,x,y\na.png,0.25,-0.5\n", "target=[x, y]", "loss mse"),
        ("shapes", "image,circle,square\na.png,1,0\n", "labels=[circle, square]", "loss bce"),
    ] {
        std::fs::write(desk.path(&format!("{name}.csv")), table).unwrap();
        let done = desk.run(&format!("new {name}.csv"));
        assert_eq!(done.code, Some(0), "{}", done.err);
        let text = std::fs::read_to_string(desk.path(&format!("{name}.net"))).unwrap();
        assert!(text.contains(learnt) && text.contains(loss), "{text}");
    }
}

#[test]
fn new_fits_a_network_to_idx_files_of_another_size() {
    let desk = Desk::new();
    std::fs::create_dir(desk.path("own")).unwrap();
    for (part, salt) in [("train", 0), ("test", 1)] {
        let head = |kind: u8, dims: &[u32]| {
            let dims = dims.iter().flat_map(|n| n.to_be_bytes());
            [0, 0, 8, kind].into_iter().chain(dims).collect::<Vec<u8>>()
        };
        let pixels = (0..20 * 32 * 24).map(|i: usize| ((i * 7 + i / 768) % 256) as u8 ^ salt);
        let images = head(3, &[20, 32, 24]).into_iter().chain(pixels).collect::<Vec<u8>>();
        let labels = head(1, &[20]).into_iter().chain((0..20).map(|i| i % 5 + 1)).collect::<Vec<u8>>();
        std::fs::write(desk.path(&format!("own/{part}-images-idx3-ubyte")), images).unwrap();
        std::fs::write(desk.path(&format!("own/{part}-labels-idx1-ubyte")), labels).unwrap();
    }
    let done = desk.run("new own");
    assert_eq!(done.code, Some(0), "{}", done.err);
    let text = std::fs::read_to_string(desk.path("own.net")).unwrap();
    assert!(text.contains("source mnist \"own\" classes=5 size=32x24\n"), "{text}");
    assert!(text.contains("input 1x32x24"), "{text}");
    let done = desk.run("run own.net --set train.epochs=1 --out own-run");
    assert_eq!(done.code, Some(0), "{}{}", done.out, done.err);
}

#[test]
fn new_fits_a_file_to_a_folder_of_images() {
    let desk = Desk::new();
    std::fs::create_dir_all(desk.path("nets/deep")).unwrap();
    for (line, path) in [
        ("new lenet5 --data data -o own.net", "own.net"),
        ("new data -o nets/deep/own.net", "nets/deep/own.net"),
    ] {
        let done = desk.run(line);
        assert_eq!(done.code, Some(0), "{}", done.err);
        let text = std::fs::read_to_string(desk.path(path)).unwrap();
        assert!(text.starts_with("model "), "what was said of the example's own data is left out: {text}");
        let up = if path.starts_with("nets") { "../../" } else { "" };
        assert!(text.contains(&format!("source mnist \"{up}data\"")), "{text}");
        assert!(!text.contains("mean=0.1307") && text.contains("normalize mean=0."), "{text}");
        let eval = desk
            .run(&format!("run {path} --set train.epochs=1 --set train.batch=50 --set data.validation=50"));
        assert_eq!(eval.code, Some(0), "{}", eval.err);
    }
    desk.refused(
        "new --data nets -o x.net",
        2,
        &["lacks train-images-idx3-ubyte", "what can be read", "a subfolder for each class"],
    );
    assert!(!desk.path("x.net").exists());
}
