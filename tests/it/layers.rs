//! The layers of the crate: a module may use only its own layer and those before it in `src/lib.rs`, where an empty line
//! ends a layer.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

fn rust_files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// The layer of each module, by its name.
fn layers(lib: &str) -> HashMap<String, usize> {
    let (mut layer, mut found) = (0, HashMap::new());
    for line in lib.lines() {
        if line.trim().is_empty() {
            layer += 1;
        } else if let Some(name) = line.strip_prefix("pub mod ") {
            found.insert(name.trim_end_matches(';').to_string(), layer);
        }
    }
    found
}

/// The names after `crate::` in a line of code.
fn used(line: &str) -> impl Iterator<Item = String> {
    let code = line.split("//").next().unwrap_or("");
    // What a macro names by `$crate` is used where it expands, not here.
    let code = code.replace("$crate::", "");
    let parts: Vec<String> = code
        .split("crate::")
        .skip(1)
        .flat_map(|rest| {
            let list = match rest.strip_prefix('{') {
                Some(inner) => inner
                    .split('}')
                    .next()
                    .unwrap_or("")
                    .split(',')
                    .map(str::trim)
                    .collect(),
                None => vec![rest],
            };
            list.into_iter()
                .map(|p| {
                    p.chars()
                        .take_while(|c| c.is_alphanumeric() || *c == '_')
                        .collect::<String>()
                })
                .collect::<Vec<_>>()
        })
        .collect();
    parts.into_iter()
}

#[test]
fn modules_use_only_what_stands_above_them() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let layers = layers(&std::fs::read_to_string(src.join("lib.rs")).expect("src/lib.rs"));
    assert!(
        layers.len() > 10,
        "the module list of src/lib.rs was not understood"
    );
    let mut files = Vec::new();
    rust_files(&src, &mut files);
    let mut wrong = Vec::new();
    for file in files {
        let inside = file.strip_prefix(&src).expect("inside src");
        let module = inside
            .iter()
            .next()
            .and_then(|m| m.to_str())
            .unwrap_or("")
            .trim_end_matches(".rs")
            .to_string();
        let Some(&own) = layers.get(&module) else {
            continue;
        };
        let text = std::fs::read_to_string(&file).expect("a source file");
        // Tests may use anything.
        let code = text.split("#[cfg(test)]").next().unwrap_or("");
        if inside.to_string_lossy().contains("test") {
            continue;
        }
        for (n, line) in code.lines().enumerate() {
            // What a macro expands to belongs to the file that calls it.
            if line.contains("$crate::") {
                continue;
            }
            for name in used(line) {
                if layers.get(&name).is_some_and(|&l| l > own) {
                    wrong.push(format!(
                        "src/{}:{}: {module} uses {name}",
                        inside.display(),
                        n + 1
                    ));
                }
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "modules that use a later layer:\n{}",
        wrong.join("\n")
    );
}
