use std::time::Instant;
use tapseg::geometry::FrameBox;
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let frame = tapseg::feed::read_still("tests/data/frames/clarius_eye.png".as_ref()).unwrap();
    let p = tapseg::Package::open(a[1].as_ref()).unwrap();
    let t = Instant::now();
    let s = tapseg::Segmenter::load_with_threads(&p, a[2].parse().unwrap()).unwrap();
    println!("load {:?}", t.elapsed());
    let n: usize = a[3].parse().unwrap();
    let mut e = None;
    for _ in 0..n { let x = s.set_image(&frame).unwrap(); println!("encode {:?}", x.encode_time); e = Some(x); }
    let e = e.unwrap();
    for _ in 0..8 { let t = Instant::now(); s.predict(&e, &tapseg::Prompt::default().in_box(FrameBox { x0: 305.0, y0: 67.0, x1: 855.0, y1: 572.0 })).unwrap(); print!("decode {:?} ", t.elapsed()); }
    println!();
    print!("{}", std::fs::read_to_string("/proc/self/status").unwrap().lines().filter(|l| l.starts_with("VmHWM")).collect::<String>());
}
