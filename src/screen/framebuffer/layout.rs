//! Where a framebuffer's pixels lie, by what its driver tells.

use embedded_graphics::geometry::Size;

use crate::screen::{Canvas, PixelFormat};

/// `struct fb_fix_screeninfo` of `linux/fb.h`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct FixedInfo {
    id: [u8; 16],
    memory_start: usize,
    memory_length: u32,
    kind: u32,
    kind_aux: u32,
    visual: u32,
    steps: [u16; 3],
    line_length: u32,
    registers_start: usize,
    registers_length: u32,
    accelerator: u32,
    capabilities: u16,
    reserved: [u16; 2],
}

/// `struct fb_bitfield`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Bits {
    offset: u32,
    length: u32,
    msb_right: u32,
}

/// `struct fb_var_screeninfo`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct VariableInfo {
    width: u32,
    height: u32,
    virtual_width: u32,
    virtual_height: u32,
    left: u32,
    top: u32,
    bits_per_pixel: u32,
    grey: u32,
    red: Bits,
    green: Bits,
    blue: Bits,
    transparency: Bits,
    nonstandard: u32,
    activate: u32,
    height_mm: u32,
    width_mm: u32,
    acceleration: u32,
    timings: [u32; 9],
    rotate: u32,
    colour_space: u32,
    reserved: [u32; 4],
}

/// Where the pixels lie in the framebuffer's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    pub size: Size,
    pub millimetres: Size,
    pub format: PixelFormat,
    /// Bytes from one row to the next.
    pub stride: usize,
    /// Bytes before the first pixel that is shown.
    pub offset: usize,
    /// Bytes to map.
    pub mapped: usize,
}

impl Layout {
    /// The layout that the driver tells.
    ///
    /// # Errors
    /// Why it can't be true, or can't be used.
    pub fn of(fixed: &FixedInfo, told: &VariableInfo) -> Result<Self, String> {
        let VariableInfo { width, height, left, top, .. } = *told;
        let sides = 1..=Canvas::MAX_SIDE;
        if !sides.contains(&width) || !sides.contains(&height) {
            return Err(format!("its driver says that it has {width} x {height} pixels"));
        }
        let format = format(told)?;
        let bytes = format.bytes() as u64;
        let (stride, memory) = (u64::from(fixed.line_length), u64::from(fixed.memory_length));
        let row_end = (u64::from(left) + u64::from(width)) * bytes;
        let end = (u64::from(top) + u64::from(height) - 1) * stride + row_end;
        if row_end > stride || end > memory {
            return Err(format!(
                "its driver says that {width} x {height} pixels from ({left}, {top}) of {bytes} bytes lie \
                 in rows of {stride} bytes and {memory} bytes in all, which can't be"
            ));
        }
        Ok(Self {
            size: Size::new(width, height),
            millimetres: Size::new(told.width_mm, told.height_mm),
            format,
            stride: stride as usize,
            offset: (u64::from(top) * stride + u64::from(left) * bytes) as usize,
            // Whole rows, so that the last one may be written like the others.
            mapped: memory as usize,
        })
    }
}

fn format(told: &VariableInfo) -> Result<PixelFormat, String> {
    let fields = [told.red, told.green, told.blue].map(|bits| (bits.offset, bits.length));
    match (told.bits_per_pixel, fields) {
        (32, [(16, 8), (8, 8), (0, 8)]) => Ok(PixelFormat::Xrgb8888),
        (16, [(11, 5), (5, 6), (0, 5)]) => Ok(PixelFormat::Rgb565),
        (bits, _) => Err(format!(
            "it stores pixels in {bits} bits (red, green, blue at {fields:?} as offset and length); \
             XRGB8888 and RGB565 are known: choose one with `fbset -depth 32` or `-depth 16`, or use \
             --screen drm"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(bits: u32, fields: [(u32, u32); 3]) -> VariableInfo {
        let [red, green, blue] =
            fields.map(|(offset, length)| Bits { offset, length, msb_right: 0 });
        VariableInfo {
            width: 800,
            height: 480,
            bits_per_pixel: bits,
            red,
            green,
            blue,
            ..VariableInfo::default()
        }
    }

    fn xrgb() -> VariableInfo {
        told(32, [(16, 8), (8, 8), (0, 8)])
    }

    fn memory(line_length: u32, memory_length: u32) -> FixedInfo {
        FixedInfo { line_length, memory_length, ..FixedInfo::default() }
    }

    #[test]
    fn the_structures_are_as_large_as_the_kernels() {
        assert_eq!(size_of::<VariableInfo>(), 160);
        assert_eq!(size_of::<FixedInfo>(), if cfg!(target_pointer_width = "64") { 80 } else { 68 });
    }

    #[test]
    fn layouts_of_real_panels() {
        let layout = Layout::of(&memory(3200, 3200 * 480), &xrgb()).unwrap();
        assert_eq!((layout.size, layout.format), (Size::new(800, 480), PixelFormat::Xrgb8888));
        assert_eq!((layout.stride, layout.offset), (3200, 0));
        let small = told(16, [(11, 5), (5, 6), (0, 5)]);
        let layout = Layout::of(&memory(1664, 1664 * 480), &small).unwrap();
        assert_eq!((layout.format, layout.stride), (PixelFormat::Rgb565, 1664));
        let panned = VariableInfo { top: 480, left: 8, ..xrgb() };
        let layout = Layout::of(&memory(3264, 3264 * 960), &panned).unwrap();
        assert_eq!(layout.offset, 480 * 3264 + 32);
    }

    #[test]
    fn absurd_answers_are_refused() {
        let cases = [
            ("no pixels", memory(3200, 1 << 30), VariableInfo { width: 0, ..xrgb() }, "0 x 480"),
            (
                "far too many",
                memory(u32::MAX, u32::MAX),
                VariableInfo { height: u32::MAX, ..xrgb() },
                "pixels",
            ),
            ("short rows", memory(3199, 1 << 30), xrgb(), "rows of 3199 bytes"),
            ("short memory", memory(3200, 3200 * 480 - 1), xrgb(), "can't be"),
            (
                "beyond the end",
                memory(3200, 3200 * 480),
                VariableInfo { top: 1, ..xrgb() },
                "can't be",
            ),
            (
                "overflow",
                memory(3200, 3200),
                VariableInfo { top: u32::MAX, left: u32::MAX, ..xrgb() },
                "can't be",
            ),
            ("palette", memory(800, 800 * 480), told(8, [(0, 8); 3]), "8 bits"),
            ("BGR", memory(3200, 3200 * 480), told(32, [(0, 8), (8, 8), (16, 8)]), "32 bits"),
        ];
        for (name, fixed, variable, expected) in cases {
            let error = Layout::of(&fixed, &variable).unwrap_err();
            assert!(error.contains(expected), "{name}: {error}");
        }
    }
}
