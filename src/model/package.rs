//! A model package on disk or inside the program: `model.toml`, encoder and decoder.

use std::borrow::Cow;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::manifest::{FORMAT, MANIFEST_FILE, Manifest, PackageFile};

/// Why a package can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PackageError {
    /// A file can't be read or written.
    #[error("{path}: {source}", path = .path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// `model.toml` does not say what it must.
    #[error("{path}: {reason}", path = .path.display())]
    Manifest {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A file is not the one the manifest was written for.
    #[error(
        "{path}: SHA-256 is {found}, but {MANIFEST_FILE} says {expected}; the file is damaged or \
         was changed: install or convert the package again",
        path = .path.display()
    )]
    Checksum {
        /// Which.
        path: PathBuf,
        /// The checksum of what is there.
        found: String,
        /// The checksum the manifest asks for.
        expected: String,
    },
    /// A file larger than any package has.
    #[error("{path}: more than the limit of {limit} bytes", path = .path.display())]
    TooLarge {
        /// Which.
        path: PathBuf,
        /// The largest size accepted.
        limit: u64,
    },
}

/// The largest ONNX file accepted: protobuf's own limit of 2 GiB.
pub(crate) const MAX_FILE: u64 = i32::MAX as u64;
const MAX_MANIFEST: u64 = 64 * 1024;

/// A verified model package.
#[derive(Clone)]
pub struct Package {
    manifest: Manifest,
    location: PathBuf,
    encoder: Cow<'static, [u8]>,
    decoder: Cow<'static, [u8]>,
}

impl Package {
    /// Name of the package inside the program.
    pub const EMBEDDED: &'static str = "litemedsam";

    /// LiteMedSAM, which ships inside the program.
    ///
    /// # Errors
    /// [`PackageError`] only if the program file itself is damaged.
    pub fn embedded() -> Result<Self, PackageError> {
        let read = |file: &str| {
            let bytes: &'static [u8] = match file {
                MANIFEST_FILE => include_bytes!("../../models/litemedsam/model.toml"),
                "encoder.onnx" => include_bytes!("../../models/litemedsam/encoder.onnx"),
                _ => include_bytes!("../../models/litemedsam/decoder.onnx"),
            };
            Ok(Cow::Borrowed(bytes))
        };
        Self::verified(Path::new("embedded:litemedsam"), read)
    }

    /// Reads the package in the folder `location` and verifies its checksums.
    ///
    /// # Errors
    /// [`PackageError`] naming the file that is missing, malformed or changed.
    pub fn open(location: &Path) -> Result<Self, PackageError> {
        Self::verified(location, |file| {
            let limit = if file == MANIFEST_FILE { MAX_MANIFEST } else { MAX_FILE };
            read_limited(&location.join(file), limit).map(Cow::Owned)
        })
    }

    /// Reads `model.toml` of the package in the folder `location`, and not its networks.
    ///
    /// # Errors
    /// [`PackageError`] where it can't be read or does not say what it must.
    pub fn manifest_in(location: &Path) -> Result<Manifest, PackageError> {
        let path = location.join(MANIFEST_FILE);
        parse_manifest(&path, read_limited(&path, MAX_MANIFEST)?)
    }

    /// Writes a package to the folder `location`, which is made where it does not exist; other
    /// files there are left alone. Each file appears whole or not at all, the manifest last, so
    /// that an interrupted write can't pass for a package.
    ///
    /// # Errors
    /// [`PackageError::Io`] where a file can't be written.
    pub fn write(
        location: &Path,
        manifest: Manifest,
        encoder: Vec<u8>,
        decoder: Vec<u8>,
    ) -> Result<Self, PackageError> {
        let package = Self::assembled(location, manifest, encoder, decoder);
        package.store(location)?;
        Ok(package)
    }

    /// A package that is not on disk yet; `location` is where it is going to be.
    pub(crate) fn assembled(
        location: &Path,
        mut manifest: Manifest,
        encoder: Vec<u8>,
        decoder: Vec<u8>,
    ) -> Self {
        manifest.encoder.sha256 = hex_sha256(&encoder);
        manifest.decoder.sha256 = hex_sha256(&decoder);
        Self {
            manifest,
            location: location.to_path_buf(),
            encoder: Cow::Owned(encoder),
            decoder: Cow::Owned(decoder),
        }
    }

    /// Writes the package to `folder`, as [`write`](Self::write) says.
    pub(crate) fn store(&self, folder: &Path) -> Result<(), PackageError> {
        let text = toml::to_string(&self.manifest).map_err(|e| PackageError::Manifest {
            path: folder.join(MANIFEST_FILE),
            reason: e.to_string(),
        })?;
        fs::create_dir_all(folder)
            .map_err(|source| PackageError::Io { path: folder.to_path_buf(), source })?;
        let files: [(&str, &[u8]); 3] = [
            (&self.manifest.encoder.name, &self.encoder),
            (&self.manifest.decoder.name, &self.decoder),
            (MANIFEST_FILE, text.as_bytes()),
        ];
        for (name, bytes) in files {
            let path = folder.join(name);
            let partial = folder.join(format!(".{name}.partial"));
            let written = fs::File::create(&partial)
                .and_then(|mut file| {
                    std::io::Write::write_all(&mut file, bytes)?;
                    file.sync_all()
                })
                .and_then(|()| fs::rename(&partial, &path));
            if let Err(source) = written {
                // The write has failed already; a partial file that can't be removed is harmless.
                let _ = fs::remove_file(&partial);
                return Err(PackageError::Io { path, source });
            }
        }
        Ok(())
    }

    /// What the package says about itself.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The folder it was read from, or `embedded:NAME`.
    pub fn location(&self) -> &Path {
        &self.location
    }

    /// The image encoder's ONNX file.
    pub fn encoder(&self) -> &[u8] {
        &self.encoder
    }

    /// The prompt encoder and mask decoder's ONNX file.
    pub fn decoder(&self) -> &[u8] {
        &self.decoder
    }

    fn verified(
        location: &Path,
        read: impl Fn(&str) -> Result<Cow<'static, [u8]>, PackageError>,
    ) -> Result<Self, PackageError> {
        let manifest_path = location.join(MANIFEST_FILE);
        let manifest = parse_manifest(&manifest_path, read(MANIFEST_FILE)?.into_owned())?;
        let checked = |file: &PackageFile| {
            let bytes = read(&file.name)?;
            let found = hex_sha256(&bytes);
            let (path, expected) = (location.join(&file.name), file.sha256.clone());
            let same = found == expected;
            same.then_some(bytes).ok_or(PackageError::Checksum { path, found, expected })
        };
        let (encoder, decoder) = (checked(&manifest.encoder)?, checked(&manifest.decoder)?);
        Ok(Self { location: location.to_path_buf(), encoder, decoder, manifest })
    }
}

/// The manifest with this text, from the file `path`.
fn parse_manifest(path: &Path, text: Vec<u8>) -> Result<Manifest, PackageError> {
    let bad = |reason: String| PackageError::Manifest { path: path.to_path_buf(), reason };
    let text = String::from_utf8(text).map_err(|_| bad("is not text".into()))?;
    let manifest: Manifest = toml::from_str(&text).map_err(|e| bad(e.to_string()))?;
    if manifest.format != FORMAT {
        let found = manifest.format;
        return Err(bad(format!("layout version {found}; this program reads {FORMAT}")));
    }
    let preprocessing = &manifest.preprocessing;
    if !(16..=4096).contains(&preprocessing.input_size) {
        let found = preprocessing.input_size;
        return Err(bad(format!("input_size is {found}; from 16 to 4096 is possible")));
    }
    for file in [&manifest.encoder, &manifest.decoder] {
        if file.name.contains(['/', '\\']) || file.name.starts_with('.') {
            return Err(bad(format!("{:?} is not a plain file name", file.name)));
        }
    }
    Ok(manifest)
}

/// Name and place only.
impl std::fmt::Debug for Package {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Package({} at {})", self.manifest.name, self.location.display())
    }
}

/// The content of a regular file of at most `limit` bytes.
pub(crate) fn read_limited(path: &Path, limit: u64) -> Result<Vec<u8>, PackageError> {
    let io = |source| PackageError::Io { path: path.to_path_buf(), source };
    let metadata = fs::metadata(path).map_err(io)?;
    if !metadata.is_file() {
        return Err(io(std::io::Error::other("not a regular file")));
    }
    let mut bytes = Vec::new();
    fs::File::open(path).and_then(|f| f.take(limit + 1).read_to_end(&mut bytes)).map_err(io)?;
    if bytes.len() as u64 > limit {
        return Err(PackageError::TooLarge { path: path.to_path_buf(), limit });
    }
    Ok(bytes)
}

/// SHA-256 in lower-case hexadecimal.
pub(crate) fn hex_sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Bytes in lower-case hexadecimal, as checksums are written.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
