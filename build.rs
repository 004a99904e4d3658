//! Compiles the thin C layer over libx264, and makes sure the folder of the built pages exists to be embedded.

fn main() {
    println!("cargo:rerun-if-changed=src/encode/x264_shim.c");
    println!("cargo:rerun-if-changed=build.rs");
    let x264 = match pkg_config::Config::new().atleast_version("0.164").probe("x264") {
        Ok(library) => library,
        Err(e) => {
            eprintln!("libx264 with its headers is needed (Debian: apt-get install libx264-dev pkg-config): {e}");
            std::process::exit(1);
        }
    };
    cc::Build::new()
        .file("src/encode/x264_shim.c")
        .includes(&x264.include_paths)
        .warnings(true)
        .warnings_into_errors(true)
        .compile("quadrille_x264_shim");
    // The shim's symbols come first on the linker's line, so libx264 must be named again after it.
    println!("cargo:rustc-link-lib=x264");

    // The pages are built by npm (`make web`); without them the program still builds and says so when asked for a page.
    if let Err(e) = std::fs::create_dir_all("web/dist") {
        eprintln!("cannot make web/dist: {e}");
        std::process::exit(1);
    }
    println!("cargo:rerun-if-changed=web/dist");
}
