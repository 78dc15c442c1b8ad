//! Non-maximum suppression of boxes, as torchvision's `nms` does it.

/// Corners of a box: left, top, right, bottom.
pub type Corners = [f32; 4];

/// The boxes that stay, best score first: each that no better one overlaps with an IoU above
/// `threshold`. Equal scores keep their order; areas are plain products of the sides, so that a box
/// one pixel wide overlaps nothing.
///
/// # Panics
/// If there are not as many scores as boxes.
pub fn non_maximum_suppression(boxes: &[Corners], scores: &[f32], threshold: f64) -> Vec<usize> {
    assert_eq!(boxes.len(), scores.len(), "each box has a score");
    let mut order: Vec<usize> = (0..boxes.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    let mut kept: Vec<usize> = Vec::new();
    for candidate in order {
        let covers = |better: &usize| overlap(&boxes[*better], &boxes[candidate]) > threshold;
        if !kept.iter().any(covers) {
            kept.push(candidate);
        }
    }
    kept
}

/// Intersection over union; not a number where neither has an area, which is above no threshold.
fn overlap(a: &Corners, b: &Corners) -> f64 {
    let area = |c: &Corners| (c[2] - c[0]) * (c[3] - c[1]);
    let width = (a[2].min(b[2]) - a[0].max(b[0])).max(0.0);
    let height = (a[3].min(b[3]) - a[1].max(b[1])).max(0.0);
    let both = width * height;
    f64::from(both / (area(a) + area(b) - both))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Expected values printed by `torchvision.ops.nms`.
    #[test]
    fn the_better_of_overlapping_boxes_stay() {
        let boxes = [
            [0.0, 0.0, 10.0, 10.0],
            [0.0, 0.0, 10.0, 7.0],
            [20.0, 20.0, 20.0, 30.0],
            [20.0, 20.0, 20.0, 30.0],
            [1.0, 1.0, 10.0, 10.0],
        ];
        let scores = [0.5, 0.9, 0.9, 0.1, 0.5];
        assert_eq!(non_maximum_suppression(&boxes, &scores, 0.7), [1, 2, 0, 3]);
        assert_eq!(non_maximum_suppression(&boxes, &scores, 0.69), [1, 2, 4, 3]);
        assert_eq!(non_maximum_suppression(&[], &[], 0.7), [0usize; 0]);
    }
}
