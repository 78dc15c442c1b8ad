use std::fs;

use super::*;
use crate::geometry::FrameSize;

fn data(path: &str) -> String {
    format!("{}/tests/data/{path}", env!("CARGO_MANIFEST_DIR"))
}

fn read(dataset: &Dataset) -> (Vec<Picture>, Vec<Problem>) {
    let (mut pictures, mut problems) = (vec![], vec![]);
    for item in &dataset.items {
        let each = |picture| {
            pictures.push(picture);
            Ok::<(), ()>(())
        };
        item.read(&mut problems, each).unwrap();
    }
    (pictures, problems)
}

fn area_of(structure: &Structure) -> u64 {
    structure.mask.area_px()
}

/// The areas of the two discs in `tests/data/eval`.
fn discs() -> [u64; 2] {
    let area = |centre: (i32, i32), radius: i32| {
        let at = |y: i32, x: i32| (y - centre.0).pow(2) + (x - centre.1).pow(2) <= radius * radius;
        (0..36).flat_map(|y| (0..48).map(move |x| (y, x))).filter(|(y, x)| at(*y, *x)).count()
            as u64
    };
    [area((15, 15), 8), area((20, 36), 6)]
}

#[test]
fn masks_of_every_kind_are_read() {
    let dataset = Dataset::open(&data("eval/kinds")).unwrap();
    assert_eq!((dataset.layout, dataset.problems.len()), (Layout::Pairs, 0));
    let (pictures, problems) = read(&dataset);
    assert_eq!(problems, []);
    let [one, two] = discs();
    let areas: Vec<(&str, Vec<u64>)> =
        pictures.iter().map(|p| (&*p.name, p.structures.iter().map(area_of).collect())).collect();
    let expected = [
        ("bits.png", vec![one]),
        ("deep.png", vec![one]),
        ("labels.png", vec![one, two]),
        // In the order of the colours: the green one comes first.
        ("palette.png", vec![two, one]),
    ];
    assert_eq!(areas, expected);
    // A palette's picture shows its colours.
    assert!(
        pictures[3].frame.rgb().chunks_exact(3).all(|p| p[1] == 255 - p[0] && p[2] == p[0] / 2)
    );
}

#[test]
fn archives_are_read() {
    let dataset = Dataset::open(&data("eval/npz")).unwrap();
    assert_eq!((dataset.layout, dataset.items.len()), (Layout::Npz, 2));
    let (pictures, problems) = read(&dataset);
    assert_eq!(problems, []);
    let [one, two] = discs();
    let told: Vec<(&str, Vec<u64>)> =
        pictures.iter().map(|p| (&*p.name, p.structures.iter().map(area_of).collect())).collect();
    let expected = [
        ("flat.npz", vec![one, two]),
        ("volume.npz#1", vec![one]),
        ("volume.npz#2", vec![one, two]),
    ];
    assert_eq!(told, expected);
    let given = FrameBox { x0: 29.0, y0: 13.0, x1: 43.0, y1: 27.0 };
    assert_eq!(pictures[0].structures[1].given_box, Some(given));
    assert_eq!(pictures[2].structures[1].given_box, Some(given));
    let spacing = pictures[1].frame.pixel_spacing.unwrap();
    assert_eq!((spacing.column_mm, spacing.row_mm), (0.5, 0.7));
    assert_eq!(pictures[0].frame.pixel_spacing, None);
}

/// Writes pictures of 4 × 3; masks have the top left pixel inside, and empty ones none.
fn write(folder: &Path, files: &[&str]) {
    for file in files {
        let path = folder.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut picture = image::GrayImage::new(4, 3);
        if !file.contains("empty") {
            picture.put_pixel(0, 0, image::Luma([255]));
        }
        picture.save(path).unwrap();
    }
}

fn kinds(problems: &[Problem]) -> Vec<(ProblemKind, usize)> {
    count_problems(problems).into_iter().collect()
}

#[test]
fn busi_is_recognised() {
    let folder = tempfile::tempdir().unwrap();
    let files = [
        "benign/benign (1).png",
        "benign/benign (1)_mask.png",
        "benign/benign (1)_mask_1.png",
        "malignant/malignant (1).png",
        "malignant/malignant (1)_mask.png",
        "normal/normal (1).png",
    ];
    write(folder.path(), &files);
    write(folder.path(), &["normal/empty.png", "normal/empty_mask.png"]);
    let dataset = Dataset::open(folder.path().to_str().unwrap()).unwrap();
    let (pictures, problems) = read(&dataset);
    let told: Vec<_> =
        pictures.iter().map(|p| (p.class.as_deref().unwrap(), p.structures.len())).collect();
    assert_eq!((dataset.layout, told), (Layout::Busi, vec![("benign", 2), ("malignant", 1)]));
    assert_eq!(kinds(&dataset.problems), [(ProblemKind::MissingMask, 1)]);
    assert_eq!(kinds(&problems), [(ProblemKind::EmptyMask, 1)]);
}

#[test]
fn busi_is_recognised_one_folder_too_high() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("Dataset_BUSI_with_GT");
    write(
        &inner,
        &["benign/a.png", "benign/a_mask.png", "malignant/b.png", "malignant/b_mask.png"],
    );
    write(&inner, &["normal/c.png", "normal/c_mask.png", "d.png", "d_mask.png"]);
    let dataset = Dataset::open(folder.path().to_str().unwrap()).unwrap();
    let told: Vec<_> = read(&dataset).0.into_iter().map(|p| p.class).collect();
    let expected = [Some("benign"), None, Some("malignant"), Some("normal")];
    assert_eq!(
        (dataset.layout, told),
        (Layout::Busi, expected.map(|c| c.map(str::to_owned)).into())
    );
    assert_eq!(kinds(&dataset.problems), [(ProblemKind::NoClass, 1)]);
}

#[test]
fn ham10000_is_recognised_by_its_table_of_ones() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &["images/ISIC_1.png", "images/ISIC_2.png", "images/ISIC_3.png"]);
    write(folder.path(), &["masks/ISIC_1_segmentation.png", "masks/ISIC_2_segmentation.png"]);
    write(folder.path(), &["masks/ISIC_3.png"]);
    let table = "image,MEL,NV,BCC,AKIEC,BKL,DF,VASC\r\nISIC_1,0.0,1.0,0.0,0.0,0.0,0.0,0.0\r\n\
                 ISIC_2,0,0,0,0,0,0,1\r\nISIC_3,1,1,0,0,0,0,0\r\n";
    fs::write(folder.path().join("GroundTruth.csv"), table).unwrap();
    let dataset = Dataset::open(folder.path().to_str().unwrap()).unwrap();
    let (pictures, problems) = read(&dataset);
    let told: Vec<_> = pictures.iter().map(|p| p.class.as_deref()).collect();
    assert_eq!((dataset.layout, told), (Layout::Ham10000, vec![Some("nv"), Some("vasc"), None]));
    assert_eq!((kinds(&dataset.problems), problems), (vec![(ProblemKind::NoClass, 1)], vec![]));
}

#[test]
fn archives_beside_pictures_are_read_with_them() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &["a.png", "a_mask.png", "without.png"]);
    fs::copy(data("eval/npz/flat.npz"), folder.path().join("b.npz")).unwrap();
    let open = || Dataset::open(folder.path().to_str().unwrap()).unwrap();
    let dataset = open();
    let names: Vec<_> = read(&dataset).0.into_iter().map(|p| p.name).collect();
    assert_eq!((dataset.layout, names), (Layout::Pairs, vec!["a.png".into(), "b.npz".into()]));
    assert_eq!(kinds(&dataset.problems), [(ProblemKind::MissingMask, 1)]);
    fs::remove_file(folder.path().join("a_mask.png")).unwrap();
    let dataset = open();
    assert_eq!((dataset.layout, dataset.items.len()), (Layout::Npz, 1));
    assert_eq!(kinds(&dataset.problems), [(ProblemKind::MissingMask, 2)]);
}

#[test]
fn ham10000_is_recognised() {
    let folder = tempfile::tempdir().unwrap();
    let files = [
        "part_1/ISIC_1.png",
        "part_2/ISIC_2.png",
        "part_2/ISIC_3.png",
        "masks/ISIC_1_segmentation.png",
        "masks/ISIC_3_segmentation.png",
        "masks/ISIC_2_segmentation.png",
        "masks/ISIC_4_segmentation.png",
    ];
    write(folder.path(), &files);
    let table = "lesion_id,image_id,dx,age\nH1,ISIC_1,mel,30\nH2,\"ISIC_2\",nv,\n";
    fs::write(folder.path().join("HAM10000_metadata.csv"), table).unwrap();
    let dataset = Dataset::open(folder.path().to_str().unwrap()).unwrap();
    let (pictures, problems) = read(&dataset);
    let told: Vec<_> = pictures.iter().map(|p| p.class.as_deref()).collect();
    assert_eq!((dataset.layout, told), (Layout::Ham10000, vec![Some("mel"), Some("nv"), None]));
    let expected = [(ProblemKind::MissingPicture, 1), (ProblemKind::NoClass, 1)];
    assert_eq!((kinds(&dataset.problems), problems), (expected.to_vec(), vec![]));
}

#[test]
fn folders_of_images_and_masks_are_recognised() {
    let folder = tempfile::tempdir().unwrap();
    let files = ["images/a.png", "images/b.png", "masks/a.png", "masks/b_mask0.png"];
    write(folder.path(), &files);
    write(folder.path(), &["masks/b_mask1.png", "images/c.png"]);
    image::GrayImage::from_pixel(5, 3, image::Luma([255]))
        .save(folder.path().join("masks/c_mask.png"))
        .unwrap();
    fs::write(folder.path().join("masks/b_mask2.png"), "no picture").unwrap();
    let dataset = Dataset::open(folder.path().to_str().unwrap()).unwrap();
    let (pictures, problems) = read(&dataset);
    let told: Vec<_> = pictures.iter().map(|p| (&*p.name, p.structures.len())).collect();
    assert_eq!(told, [("images/a.png", 1), ("images/b.png", 2)]);
    assert_eq!(kinds(&problems), [(ProblemKind::WrongSize, 1), (ProblemKind::Unreadable, 1)]);
    assert!(problems[1].what.contains("5x3, the picture 4x3"), "{problems:?}");
}

#[test]
fn a_picture_may_have_mask_in_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let files = ["a.png", "a_mask.png", "b_masked_1.png", "b_masked_1_mask_2.png", "c.png"];
    write(folder.path(), &files);
    write(folder.path(), &["c_mask7.png", "c_mask_12.png"]);
    let dataset = Dataset::open(folder.path().to_str().unwrap()).unwrap();
    let (pictures, problems) = read(&dataset);
    let told: Vec<_> = pictures.iter().map(|p| (&*p.name, p.structures.len())).collect();
    assert_eq!(told, [("a.png", 1), ("b_masked_1.png", 1), ("c.png", 2)]);
    assert_eq!((dataset.problems, problems), (vec![], vec![]));
}

#[test]
fn arrays_that_claim_too_much_are_refused_unread() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npz");
    let told = |shape: &str, kind: &str| {
        let mut archive = zip::ZipWriter::new(fs::File::create(&path).unwrap());
        for name in ["imgs", "gts"] {
            let options = zip::write::SimpleFileOptions::default();
            archive.start_file(format!("{name}.npy"), options).unwrap();
            let header =
                format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': ({shape}), }}\n");
            let length = (header.len() as u16).to_le_bytes();
            let start = [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes()].concat();
            std::io::Write::write_all(&mut archive, &start).unwrap();
            std::io::Write::write_all(&mut archive, &[1; 64]).unwrap();
        }
        archive.finish().unwrap();
        let dataset = Dataset::open(path.to_str().unwrap()).unwrap();
        let (pictures, problems) = read(&dataset);
        (pictures.len(), problems.first().map_or(String::new(), |p| p.what.clone()))
    };
    assert_eq!(told("8, 8", "|u1"), (1, String::new()));
    assert!(told("1000000, 1000000", "|u1").1.contains("says it has 1000000000000 bytes"));
    assert!(told("8, 8", "<f8").1.contains("says it has 512 bytes"));
    assert!(told("4294967296, 4294967296, 16", "|u1").1.contains("no header"));
    assert!(told("-1, 8", "|u1").1.contains("no header"));
}

#[test]
fn phantoms_are_exact_and_have_millimetres() {
    let dataset = Dataset::open("phantom:seed=5,count=2,size=96x64").unwrap();
    let (pictures, problems) = read(&dataset);
    assert_eq!((pictures.len(), problems.len()), (2, 0));
    assert_eq!(pictures[1].name, "phantom:seed=6");
    assert_eq!(pictures[1].frame.size(), FrameSize::new(96, 64));
    assert!(pictures[1].frame.pixel_spacing.is_some());
    assert_eq!(Dataset::open("phantom").unwrap().items.len(), 20);
    for bad in ["phantom:count=0", "phantom:count=x", "phantom:depth=3"] {
        assert!(Dataset::open(bad).is_err(), "{bad}");
    }
}

#[test]
fn what_is_no_dataset_is_told() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &["a.png", "b_mask.png"]);
    let told = Dataset::open(folder.path().to_str().unwrap()).unwrap_err().to_string();
    assert!(told.contains("1 pictures and 1 masks") && told.contains("NAME_mask.png"), "{told}");
    assert!(Dataset::open("/nowhere").unwrap_err().to_string().contains("/nowhere"));
}
