//! Writes every page with sample data to a folder, to be looked at in a browser:
//! `cargo run -p notify-web --example gallery -- FOLDER`.

#[path = "gallery/samples.rs"]
mod samples;

use std::path::PathBuf;

use notify_web::assets;

fn main() -> std::io::Result<()> {
    let folder = PathBuf::from(std::env::args().nth(1).unwrap_or_else(|| "gallery".into()));
    std::fs::create_dir_all(folder.join("assets"))?;
    for asset in assets::ALL {
        std::fs::write(folder.join("assets").join(asset.file_name()), asset.body)?;
    }
    let pages = samples::all();
    for (name, page) in &pages {
        // The folder is the root of the addresses.
        let page = page.replace("\"/assets/", "\"assets/");
        std::fs::write(folder.join(format!("{name}.html")), page)?;
    }
    println!("{} pages in {}", pages.len(), folder.display());
    Ok(())
}
