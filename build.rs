//! Compiles the thin C layers over our libx264 and the system's libx265, and makes sure the folder of the built pages exists to be embedded.

use std::path::{Path, PathBuf};

/// Only our libx264 has it (`x264/tiles.patch`).
const SYMBOL: &[u8] = b"quadrille_x264_tiles";

fn main() {
    println!("cargo:rerun-if-changed=src/encode/x264_shim.c");
    println!("cargo:rerun-if-changed=src/encode/x265_shim.c");
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=QUADRILLE_X264");
    let x264 = std::env::var_os("QUADRILLE_X264").map_or_else(|| PathBuf::from("target/x264"), PathBuf::from);
    println!("cargo:rerun-if-changed={}", x264.join("libx264.a").display());
    if let Err(why) = check(&x264) {
        eprintln!("{}: {why}", x264.display());
        eprintln!("Quadrille needs its own libx264, with x264/tiles.patch: `make x264` builds it in a minute.");
        eprintln!("To have it elsewhere: `x264/build FOLDER`, and QUADRILLE_X264=FOLDER for cargo.");
        std::process::exit(1);
    }
    cc::Build::new()
        .file("src/encode/x264_shim.c")
        .include(&x264)
        .warnings(true)
        .warnings_into_errors(true)
        .compile("quadrille_x264_shim");
    // After the shim: symbols that it wants are looked for in what comes later.
    let folder = std::fs::canonicalize(&x264).unwrap_or(x264);
    println!("cargo:rustc-link-search=native={}", folder.display());
    println!("cargo:rustc-link-lib=static=x264");
    cc::Build::new()
        .file("src/encode/x265_shim.c")
        .warnings(true)
        .warnings_into_errors(true)
        .compile("quadrille_x265_shim");
    println!("cargo:rustc-link-lib=x265");

    // The pages are built by npm (`make web`); without them the program still builds and says so when asked for a page.
    if let Err(e) = std::fs::create_dir_all("web/dist") {
        eprintln!("cannot make web/dist: {e}");
        std::process::exit(1);
    }
    println!("cargo:rerun-if-changed=web/dist");
}

/// Whether the folder has our libx264 and its headers.
fn check(x264: &Path) -> Result<(), String> {
    for name in ["x264.h", "x264_config.h"] {
        if !x264.join(name).is_file() {
            return Err(format!("there is no {name}"));
        }
    }
    let library = std::fs::read(x264.join("libx264.a")).map_err(|e| format!("libx264.a: {e}"))?;
    if library.windows(SYMBOL.len()).any(|window| window == SYMBOL) {
        Ok(())
    } else {
        Err("libx264.a is another libx264: it cannot keep a tile's vectors inside".to_owned())
    }
}
