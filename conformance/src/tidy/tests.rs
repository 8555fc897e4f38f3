use super::*;

fn findings(path: &str, text: &str) -> Vec<String> {
    let file = File { path: path.to_owned(), text: text.to_owned() };
    check_file(&file).iter().map(ToString::to_string).collect()
}

#[test]
fn an_orderly_file_has_no_findings() {
    let text = "//! A file.\n\nfn double(x: u8) -> [u8; 2] {\n    [x, x]\n}\n";
    assert_eq!(findings("core/src/a.rs", text), Vec::<String>::new());
}

#[test]
fn a_file_of_801_lines_is_too_long() {
    let lines = |count: usize| "// x\n".repeat(count);
    assert_eq!(findings("core/src/a.rs", &lines(800)), Vec::<String>::new());
    assert_eq!(findings("core/src/a.rs", &lines(801)), ["core/src/a.rs:801: 801 lines, limit 800"]);
    assert_eq!(findings("docs/a.md", &lines(801)), Vec::<String>::new());
}

#[test]
fn a_line_of_101_characters_is_too_long() {
    let line = |count: usize| format!("// {}\n", "é".repeat(count - 3));
    assert_eq!(findings("sim/src/a.rs", &line(100)), Vec::<String>::new());
    assert_eq!(findings("sim/src/a.rs", &line(101)).len(), 1);
    assert_eq!(findings("conformance/run", &format!("#!/bin/sh\n{}", line(101))).len(), 1);
}

#[test]
fn a_function_of_71_lines_is_too_long_whatever_it_holds() {
    let function = |lines: usize| {
        let body = "    let _ = \"}\"; // }\n".repeat(lines - 2);
        format!("impl A {{\n    fn long(f: fn(u8) -> u8) {{\n{body}    }}\n}}\n")
    };
    assert_eq!(findings("core/src/a.rs", &function(70)), Vec::<String>::new());
    assert_eq!(
        findings("core/src/a.rs", &function(71)),
        ["core/src/a.rs:2: fn long has 71 lines, limit 70"]
    );
}

#[test]
fn unsafe_code_is_found_in_code_and_only_outside_sys() {
    let text = "// unsafe\nfn a() {\n    unsafe { b() }\n}\n";
    assert_eq!(
        findings("runtime-std/src/engine.rs", text),
        ["runtime-std/src/engine.rs:3: unsafe code outside the folders for it"]
    );
    assert_eq!(findings("runtime-std/src/sys/udp.rs", text), Vec::<String>::new());
    assert_eq!(findings("core/src/a.rs", "#![forbid(unsafe_code)]\n"), Vec::<String>::new());
}

#[test]
fn a_second_random_generator_in_the_core_is_found() {
    let text = "use chacha20::ChaCha20Rng;\n";
    assert_eq!(findings("core/src/ike/sa.rs", text).len(), 1);
    assert_eq!(findings("core/src/crypto/rng.rs", text), Vec::<String>::new());
    assert_eq!(findings("sim/src/choice.rs", text), Vec::<String>::new());
}

#[test]
fn a_place_of_one_machine_is_found_anywhere() {
    for place in LOCAL_PLACES {
        assert_eq!(findings("docs/a.md", &format!("see {place}x\n")).len(), 1, "{place}");
    }
    assert_eq!(findings("docs/a.md", "net/work/a and ./work/b\n"), Vec::<String>::new());
}

#[test]
fn a_secret_that_could_be_printed_is_found() {
    let plain = "#[derive(Clone, Debug)]\nstruct A<'a> {\n    psk: &'a [u8],\n}\n";
    assert_eq!(
        findings("core/src/a.rs", plain),
        ["core/src/a.rs:3: derives Debug over the secret field psk: use Secret"]
    );
    assert_eq!(findings("conformance/src/a.rs", plain), Vec::<String>::new());
    let wrapped = "#[derive(Clone, Debug)]\nstruct A {\n    psk: Secret<256>,\n}\n";
    assert_eq!(findings("core/src/a.rs", wrapped), Vec::<String>::new());
    let silent = "#[derive(Clone)]\nstruct A {\n    nt_hash: [u8; 16],\n}\n";
    assert_eq!(findings("core/src/a.rs", silent), Vec::<String>::new());
}
