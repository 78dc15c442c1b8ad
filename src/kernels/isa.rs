//! Which instructions of the processor the kernels use.

use std::sync::OnceLock;

/// The environment variable that asks for an instruction set by its [`Isa::name`].
const VARIABLE: &str = "TAPSEG_CPU_ISA";

/// An instruction set that this processor has: the values with SIMD instructions hold a token that
/// only the detection of the processor's features makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isa {
    /// What the compiler makes of plain Rust for any processor of the architecture.
    Portable,
    /// x86-64 with AVX2 and FMA.
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    /// x86-64 with AVX-512 and its dot products of bytes (F, BW, VL and VNNI).
    #[cfg(target_arch = "x86_64")]
    Avx512Vnni(Avx512Vnni),
    /// arm64 with NEON.
    #[cfg(target_arch = "aarch64")]
    Neon(Neon),
    /// arm64 with NEON and its dot products of bytes (FEAT_DotProd: Cortex-A76 and newer).
    #[cfg(target_arch = "aarch64")]
    NeonDot(NeonDot),
    /// arm64 with all of that and products of small matrices of bytes (FEAT_I8MM: Cortex-A510,
    /// A710, Neoverse V1 and newer).
    #[cfg(target_arch = "aarch64")]
    NeonI8mm(NeonI8mm),
}

/// A proof that the processor has AVX2 and FMA.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Avx2(());

/// A proof that the processor has AVX-512 F, BW, VL and VNNI, and all of [`Avx2`].
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Avx512Vnni(());

#[cfg(target_arch = "x86_64")]
impl From<Avx512Vnni> for Avx2 {
    fn from(_: Avx512Vnni) -> Self {
        Self(())
    }
}

/// A proof that the processor has NEON.
#[cfg(target_arch = "aarch64")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Neon(());

/// A proof that the processor has NEON with dot products.
#[cfg(target_arch = "aarch64")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NeonDot(Neon);

#[cfg(target_arch = "aarch64")]
impl From<NeonDot> for Neon {
    fn from(has: NeonDot) -> Self {
        has.0
    }
}

/// A proof that the processor has NEON with dot products and products of matrices of bytes.
#[cfg(target_arch = "aarch64")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NeonI8mm(NeonDot);

#[cfg(target_arch = "aarch64")]
impl From<NeonI8mm> for Neon {
    fn from(has: NeonI8mm) -> Self {
        has.0.into()
    }
}

/// An instruction set is asked for that can't be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{VARIABLE} is {asked:?}; this processor has {available}")]
pub struct IsaError {
    asked: String,
    available: String,
}

impl Isa {
    /// The instruction sets of this processor, the best last.
    pub fn available() -> Vec<Self> {
        // There is but one on other architectures.
        #[cfg_attr(not(any(target_arch = "x86_64", target_arch = "aarch64")), expect(unused_mut))]
        let mut found = vec![Self::Portable];
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                found.push(Self::Avx2(Avx2(())));
            }
            if is_x86_feature_detected!("avx2")
                && is_x86_feature_detected!("fma")
                && is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx512vnni")
            {
                found.push(Self::Avx512Vnni(Avx512Vnni(())));
            }
        }
        #[cfg(target_arch = "aarch64")]
        {
            use std::arch::is_aarch64_feature_detected as has;
            if has!("neon") {
                let neon = Neon(());
                found.push(Self::Neon(neon));
                if has!("dotprod") {
                    found.push(Self::NeonDot(NeonDot(neon)));
                    if has!("i8mm") {
                        found.push(Self::NeonI8mm(NeonI8mm(NeonDot(neon))));
                    }
                }
            }
        }
        found
    }

    /// The best instruction set of this processor, or the one that the environment variable
    /// `TAPSEG_CPU_ISA` names. It is looked up once; the answer stays the same from then on.
    ///
    /// # Errors
    ///
    /// If the variable names nothing known, or what this processor doesn't have.
    pub fn chosen() -> Result<Self, IsaError> {
        static CHOSEN: OnceLock<Result<Isa, IsaError>> = OnceLock::new();
        CHOSEN
            .get_or_init(|| {
                let asked = std::env::var_os(VARIABLE);
                choose(asked.map(|name| name.to_string_lossy().into_owned()), &Self::available())
            })
            .clone()
    }

    /// What it is called in `TAPSEG_CPU_ISA`: `portable`; `avx2`, `avx512vnni` on x86-64; `neon`,
    /// `neondot`, `neoni8mm` on arm64.
    pub fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(_) => "avx2",
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Vnni(_) => "avx512vnni",
            #[cfg(target_arch = "aarch64")]
            Self::Neon(_) => "neon",
            #[cfg(target_arch = "aarch64")]
            Self::NeonDot(_) => "neondot",
            #[cfg(target_arch = "aarch64")]
            Self::NeonI8mm(_) => "neoni8mm",
        }
    }
}

/// The set called `asked`, or else the last of `available`.
fn choose(asked: Option<String>, available: &[Isa]) -> Result<Isa, IsaError> {
    let Some(asked) = asked else {
        return Ok(available.last().copied().unwrap_or(Isa::Portable));
    };
    available.iter().copied().find(|isa| isa.name() == asked).ok_or_else(|| {
        let names: Vec<_> = available.iter().map(|isa| isa.name()).collect();
        IsaError { asked, available: names.join(", ") }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_is_taken_unless_another_is_asked_for() {
        let available = Isa::available();
        assert_eq!(available[0], Isa::Portable);
        assert_eq!(choose(None, &available), Ok(*available.last().unwrap()));
        for &isa in &available {
            assert_eq!(choose(Some(isa.name().into()), &available), Ok(isa));
        }
    }

    /// A level that is missing is not tested, without anybody noticing; so whoever knows the
    /// processor says what it has.
    #[test]
    fn all_are_found_that_must_be_there() {
        let found: Vec<_> = Isa::available().iter().map(|isa| isa.name()).collect();
        println!("instruction sets: {}", found.join(","));
        if let Ok(expected) = std::env::var("TAPSEG_TEST_ISAS") {
            assert_eq!(found.join(","), expected);
        }
    }

    #[test]
    fn what_is_not_there_is_an_error() {
        for asked in ["sse9", "", "Portable"] {
            let error = choose(Some(asked.into()), &[Isa::Portable]).unwrap_err();
            let expected = format!("TAPSEG_CPU_ISA is {asked:?}; this processor has portable");
            assert_eq!(error.to_string(), expected);
        }
    }
}
