//! Search paths on made-up folders.

use super::*;

fn package(folder: &Path, name: &str) -> PathBuf {
    let place = folder.join(name);
    fs::create_dir_all(&place).unwrap();
    fs::write(place.join(MANIFEST_FILE), "").unwrap();
    place
}

#[test]
fn the_search_path_follows_the_environment() {
    let path = |variables: &[(&str, &str)]| {
        let get = |name: &str| {
            variables.iter().find(|(n, _)| *n == name).map(|(_, value)| OsString::from(value))
        };
        let library = Library::from_environment([PathBuf::from("given")], get);
        let folders = library.folders().iter().map(|f| f.display().to_string());
        folders.collect::<Vec<_>>().join(" ")
    };
    let system = "/usr/local/share/tapseg/models /usr/share/tapseg/models";
    assert_eq!(path(&[]), format!("given {system}"));
    assert_eq!(
        path(&[("TAPSEG_MODELS", "/a::/b"), ("HOME", "/home/me")]),
        format!("given /a /b /home/me/.local/share/tapseg/models {system}")
    );
    assert_eq!(
        path(&[("XDG_DATA_HOME", "/data"), ("HOME", "/home/me")]),
        format!("given /data/tapseg/models {system}")
    );
    assert_eq!(
        path(&[("XDG_DATA_HOME", "data"), ("HOME", "/home/me"), ("TAPSEG_MODELS", "given")]),
        format!("given /home/me/.local/share/tapseg/models {system}")
    );
}

#[test]
fn the_first_of_a_name_wins_and_the_others_are_shadowed() {
    let root = tempfile::tempdir().unwrap();
    let [a, b] = ["a", "b"].map(|name| root.path().join(name));
    let (sam, other) = (package(&a, "sam"), package(&b, "sam"));
    let vit = package(&b, "vit");
    package(&b, "litemedsam");
    package(&b, ".vit.partial");
    fs::create_dir(b.join("empty")).unwrap();
    let library = Library::new([a, root.path().join("absent"), b.clone()]);
    let listed: Vec<_> =
        library.entries().into_iter().map(|e| (e.name, e.place, e.shadowed)).collect();
    let folder = |path: &Path| Place::Folder(path.to_path_buf());
    let expected = [
        ("litemedsam", Place::Embedded, false),
        ("sam", folder(&sam), false),
        ("litemedsam", folder(&b.join("litemedsam")), true),
        ("sam", folder(&other), true),
        ("vit", folder(&vit), false),
    ];
    assert_eq!(listed, expected.map(|(name, place, shadowed)| (name.into(), place, shadowed)));

    assert_eq!(library.find("sam").unwrap(), folder(&sam));
    assert_eq!(library.find("litemedsam").unwrap(), Place::Embedded);
    assert_eq!(library.find(vit.to_str().unwrap()).unwrap(), folder(&vit));
    let error = library.find("./absent").unwrap_err().to_string();
    assert!(error.contains("./absent is no package's folder: there is no model.toml"), "{error}");
    let error = library.find("vitt").unwrap_err().to_string();
    assert!(error.contains("there are: litemedsam, sam, vit."), "{error}");
    assert!(error.contains(b.to_str().unwrap()), "{error}");
}

#[test]
fn names_are_fit_for_folders() {
    let long = "a".repeat(65);
    for bad in ["", ".", "..", ".a", "a/b", "a\\b", "a\nb", "litemedsam", long.as_str()] {
        assert!(check_name(bad).is_err(), "{bad:?}");
    }
    for good in ["sam", "sam_vit_b_01ec64", "Brust 2", "é", &long[1..]] {
        assert!(check_name(good).is_ok(), "{good:?}");
    }
}
