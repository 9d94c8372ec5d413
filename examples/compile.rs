//! Builds a network's text, checks it, and shows what the compiler makes of it.
//!
//! ```sh
//! cargo run --example compile
//! ```
#![allow(clippy::print_stdout)]

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // A network that a program has put together.
    let layers: Vec<String> = [8, 16]
        .iter()
        .map(|channels| format!("    conv2d {channels} 3x3 padding=1 -> batch_norm -> relu"))
        .collect();
    let text = format!(
        "model Small {{\n    input 3x32x32\n{}\n    global_avg_pool -> linear 10\n}}\n",
        layers.join("\n")
    );
    let file = dslc::check_text("small.model", text.as_str(), &[]);
    if !file.is_right() {
        return Err(file.report().into());
    }
    let figures = file.figures()?;
    println!("{text}\n{} parameters, {} FLOPs per image\n", figures.parameters, figures.flops);
    for layer in &figures.layers {
        println!("{:<16} {:?}", layer.name, layer.output);
    }
    let compiled = dslc::compile(&file, 1)?;
    println!("\nits graph for one image, {} bytes:\n{}", compiled.bytes(), compiled.text());

    // A mistake is told with how it came about and what would mend it.
    let wrong = dslc::check_text("wrong.model", text.replace("linear 10", "linear 10 in=8"), &[]);
    println!("{}", wrong.report());
    Ok(())
}
