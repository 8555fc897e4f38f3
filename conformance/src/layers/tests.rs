use super::*;

fn findings(path: &str, text: &str) -> Vec<String> {
    let file = File { path: path.to_owned(), text: text.to_owned() };
    check_file(&file).iter().map(ToString::to_string).collect()
}

#[test]
fn a_component_may_use_the_toolbox() {
    let text = "use crate::{buf::Frame, store::{Key, Slab}};\nfn a(t: crate::time::Instant) {}\n";
    assert_eq!(findings("core/src/ike/sa.rs", text), Vec::<String>::new());
}

#[test]
fn a_component_may_not_use_its_sibling_in_any_spelling() {
    let spellings = [
        "use crate::esp::Sadb;\n",
        "use crate::{buf::{Frame, Pool}, esp::Sadb};\n",
        "fn a(x: crate::esp::Sadb) {}\n",
        "use super::super::esp::Sadb;\n",
        "mod inner {\n    use super::super::super::esp::Sadb;\n}\n",
    ];
    for text in spellings {
        let found = findings("core/src/ike/sa.rs", text);
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        assert!(found[0].ends_with("ike may not use esp"), "{found:?}");
    }
    assert_eq!(findings("core/src/ike/mod.rs", "use super::esp;\n").len(), 1);
}

#[test]
fn a_module_may_use_its_own_parts() {
    let text = "use super::esp::Sadb;\nmod a {\n    use super::super::esp;\n}\n";
    assert_eq!(findings("core/src/ike/sa.rs", text), Vec::<String>::new());
}

#[test]
fn the_toolbox_may_not_use_a_component_even_in_tests() {
    let text = "#[cfg(test)]\nmod tests {\n    use crate::hub::Hub;\n}\n";
    assert_eq!(findings("core/src/store/slab.rs", text).len(), 1);
}

#[test]
fn wire_sees_only_addresses_and_buffers() {
    assert_eq!(findings("core/src/wire/udp.rs", "use crate::buf::Reader;\n").len(), 0);
    let found = findings("core/src/wire/udp.rs", "use crate::store::Slab;\n");
    assert_eq!(found, ["core/src/wire/udp.rs:1: wire may not use store"]);
}

#[test]
fn comments_and_texts_are_no_edges() {
    let text = "// crate::esp\nconst A: &str = \"crate::esp\";\n";
    assert_eq!(findings("core/src/ike/sa.rs", text), Vec::<String>::new());
}

#[test]
fn a_module_without_a_place_in_the_tables_is_found() {
    assert_eq!(findings("core/src/ike/sa.rs", "use crate::misc::A;\n").len(), 1);
    let file = File { path: "core/src/misc.rs".to_owned(), text: String::new() };
    let found = missing_modules(&[file]);
    assert!(found.iter().any(|f| f.path == "core/src/misc" && f.what == "is in no table"));
}

#[test]
fn a_picture_that_differs_from_the_tables_is_found() {
    let frame = |inside: &str| File {
        path: DOCUMENT.to_owned(),
        text: format!("# A\n\n{BEGIN}\n{inside}\n{END}\n\nmore\n"),
    };
    assert_eq!(check_picture(&frame(&picture())), None);
    assert_eq!(check_picture(&frame("old")).map(|f| f.line), Some(3));
    let without = File { path: DOCUMENT.to_owned(), text: "# A\n".to_owned() };
    assert!(check_picture(&without).is_some());
}

#[test]
fn the_toolbox_has_no_circle() {
    fn reaches(from: &str, to: &str, steps: usize) -> bool {
        let uses = TOOLBOX.iter().find(|(name, _)| *name == from).map_or(&[][..], |row| row.1);
        steps > 0 && uses.iter().any(|next| *next == to || reaches(next, to, steps - 1))
    }
    for (name, _) in TOOLBOX {
        assert!(!reaches(name, name, TOOLBOX.len()), "{name} uses itself in the end");
    }
}
