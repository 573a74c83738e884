//! Compiles the BPF programs, or says in one line what is missing for that.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=src/bpf");
    #[cfg(all(feature = "bpf", target_os = "linux"))]
    bpf::compile();
}

#[cfg(all(feature = "bpf", target_os = "linux"))]
mod bpf {
    use std::path::PathBuf;
    use std::process::Command;

    /// Fails the build with a line that says what to do.
    fn give_up(why: &str) -> ! {
        println!("cargo::error=sampler: {why}");
        std::process::exit(1)
    }

    pub(super) fn compile() {
        if std::env::var("CARGO_CFG_TARGET_OS").as_deref() != Ok("linux") {
            return;
        }
        println!("cargo::rerun-if-env-changed=CLANG");
        let clang = std::env::var("CLANG").unwrap_or_else(|_unset| "clang".to_owned());
        let Ok(version) = Command::new(&clang).arg("--version").output() else {
            give_up(&format!(
                "{clang} is needed to compile the BPF programs and was not found: install clang \
                 (Debian: apt install clang libelf-dev zlib1g-dev pkg-config), set CLANG, or build with \
                 --no-default-features to do without the BPF source"
            ))
        };
        if !version.status.success() {
            give_up(&format!("{clang} --version failed: {}", String::from_utf8_lossy(&version.stderr)));
        }
        let Some(out) = std::env::var_os("OUT_DIR").map(PathBuf::from) else {
            give_up("OUT_DIR is not set: this is a build script, cargo runs it")
        };
        // mcpu=v3: 32-bit arithmetic and compare-and-swap, since Linux 5.12.
        let built = libbpf_cargo::SkeletonBuilder::new()
            .source("src/bpf/sampler.bpf.c")
            .obj(out.join("sampler.bpf.o"))
            .clang(&clang)
            .clang_args(["-mcpu=v3", "-Wall", "-Werror", "-Isrc/bpf"])
            .build();
        if let Err(error) = built {
            give_up(&format!("cannot compile src/bpf/sampler.bpf.c: {error:#}").replace('\n', " | "));
        }
    }
}
