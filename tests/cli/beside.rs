//! Networks that take numbers or a second picture beside the image: from a table to a trained and measured run.

use crate::cli::Desk;

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
fn desk() -> Desk {
    let desk = Desk::new();
    let mut rows = String::from("scan,other,age,bmi,kind,alike\n");
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
        rows.push_str(&format!("a{i}.png,b{i}.png,{age},0.{i},{kind},{alike}\n"));
    }
    desk.write("cases.csv", rows);
    desk
}

#[test]
fn numbers_of_a_table_are_learnt_from_beside_the_image() {
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
    // Stopped and gone on with, it comes to the same weights.
    let half = desk.run("run fusion.net --out h --set train.epochs=5");
    assert_eq!(half.code, Some(0), "{}", half.err);
    let said = "the network takes `clinical` besides the picture, but predictions take pictures only";
    desk.refused("predict r a0.png", 2, &[said]);
    desk.refused("export r", 2, &["takes `clinical` besides the image, which no export supports"]);
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
    flatten -> linear 8
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
    assert!(summary.contains("Siamese") && summary.contains("538"), "{summary}");
}
