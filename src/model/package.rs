//! A model package on disk or inside the program: `model.toml`, encoder and decoder.

use std::borrow::Cow;
use std::fs;
use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::identity::ModelId;
use super::manifest::{MANIFEST_FILE, Manifest, PackageFile};

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
    /// That of `model.toml`.
    sha256: String,
    location: PathBuf,
    encoder: Cow<'static, [u8]>,
    decoder: Cow<'static, [u8]>,
    extras: Extras,
}

/// The networks that not every package has, as ONNX files.
#[derive(Clone, Debug, Default)]
pub struct Extras {
    /// See [`Manifest::tap_head`].
    pub tap_head: Option<Cow<'static, [u8]>>,
    /// See [`Manifest::text_encoder`].
    pub text_encoder: Option<Cow<'static, [u8]>>,
}

impl Extras {
    /// Each with its place in `manifest`, where that has one.
    fn files<'a>(
        &'a self,
        manifest: &'a mut Manifest,
    ) -> impl Iterator<Item = (&'a mut PackageFile, &'a [u8])> {
        let tap_head = manifest.tap_head.as_mut().zip(self.tap_head.as_deref());
        tap_head.into_iter().chain(manifest.text_encoder.as_mut().zip(self.text_encoder.as_deref()))
    }
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
                "tap_head.onnx" => include_bytes!("../../models/litemedsam/tap_head.onnx"),
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
        Manifest::parse(&path, read_limited(&path, MAX_MANIFEST)?)
    }

    /// Writes a package to the folder `location`, which is made where it does not exist, and reads
    /// it back; other files there are left alone. Of `extras` goes with it what the manifest names. All files are written beside what may be there
    /// already before any takes its place, the manifest last: an interrupted write leaves the
    /// package that was there or none, and one cut off between the files can't pass for a package.
    ///
    /// # Errors
    /// [`PackageError::Io`] where a file can't be written, [`PackageError::Manifest`] where the
    /// manifest says what is not possible; then nothing of it is left.
    pub fn write(
        location: &Path,
        mut manifest: Manifest,
        encoder: impl Content,
        decoder: impl Content,
        extras: &Extras,
    ) -> Result<Self, PackageError> {
        let io = |path: &Path| {
            let path = path.to_path_buf();
            move |source| PackageError::Io { path, source }
        };
        manifest.check(&location.join(MANIFEST_FILE))?;
        let new = !location.exists();
        fs::create_dir_all(location).map_err(io(location))?;
        let written = (|| {
            let files = [&manifest.encoder.name, &manifest.decoder.name].map(|n| location.join(n));
            let mut partial = Partial::default();
            manifest.encoder.sha256 = partial.write(&files[0], encoder).map_err(io(&files[0]))?;
            manifest.decoder.sha256 = partial.write(&files[1], decoder).map_err(io(&files[1]))?;
            for (file, bytes) in extras.files(&mut manifest) {
                let path = location.join(&file.name);
                file.sha256 = partial.write(&path, bytes).map_err(io(&path))?;
            }
            let path = location.join(MANIFEST_FILE);
            let text = manifest.to_text(&path)?;
            partial.write(&path, text.into_bytes()).map_err(io(&path))?;
            partial.finish().map_err(|(path, source)| PackageError::Io { path, source })
        })();
        if let Err(error) = written {
            if new {
                // The write has failed already; an empty folder that can't be removed is harmless.
                let _ = fs::remove_dir(location);
            }
            return Err(error);
        }
        Self::open(location)
    }

    /// A package that is held in memory alone, called `location` in errors.
    ///
    /// # Errors
    /// [`PackageError::Io`] where a network can't be encoded, [`PackageError::Manifest`] where the
    /// manifest says what is not possible.
    pub fn in_memory(
        location: &Path,
        mut manifest: Manifest,
        encoder: impl Content,
        decoder: impl Content,
        extras: Extras,
    ) -> Result<Self, PackageError> {
        manifest.check(&location.join(MANIFEST_FILE))?;
        let io = |source| PackageError::Io { path: location.to_path_buf(), source };
        let encoder = encoder.into_bytes().map_err(io)?;
        let decoder = decoder.into_bytes().map_err(io)?;
        manifest.encoder.sha256 = hex_sha256(&encoder);
        manifest.decoder.sha256 = hex_sha256(&decoder);
        for (file, bytes) in extras.files(&mut manifest) {
            file.sha256 = hex_sha256(bytes);
        }
        let sha256 = hex_sha256(manifest.to_text(&location.join(MANIFEST_FILE))?.as_bytes());
        let (encoder, decoder) = (Cow::Owned(encoder), Cow::Owned(decoder));
        Ok(Self { manifest, sha256, location: location.to_path_buf(), encoder, decoder, extras })
    }

    /// What the package says about itself.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// What tells its model from all others.
    pub fn id(&self) -> ModelId {
        ModelId { name: self.manifest.name.clone(), sha256: Some(self.sha256.clone()) }
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

    /// The ONNX file of what finds the boxes for a tap, where the package has one.
    pub fn tap_head(&self) -> Option<&[u8]> {
        self.extras.tap_head.as_deref()
    }

    /// The ONNX file of what makes prompt tokens of a text's embedding, where the package has one.
    pub fn text_encoder(&self) -> Option<&[u8]> {
        self.extras.text_encoder.as_deref()
    }

    /// The networks that not every package has.
    pub fn extras(&self) -> &Extras {
        &self.extras
    }

    /// The decoder's bytes, to be kept without the rest of the package.
    pub(super) fn owned_decoder(&self) -> Cow<'static, [u8]> {
        self.decoder.clone()
    }

    /// Bytes of its networks.
    pub fn size_bytes(&self) -> u64 {
        let extras = [self.tap_head(), self.text_encoder()].into_iter().flatten();
        let extras: usize = extras.map(<[u8]>::len).sum();
        (self.encoder.len() + self.decoder.len() + extras) as u64
    }

    fn verified(
        location: &Path,
        read: impl Fn(&str) -> Result<Cow<'static, [u8]>, PackageError>,
    ) -> Result<Self, PackageError> {
        let text = read(MANIFEST_FILE)?.into_owned();
        let sha256 = hex_sha256(&text);
        let manifest = Manifest::parse(&location.join(MANIFEST_FILE), text)?;
        let checked = |file: &PackageFile| {
            let bytes = read(&file.name)?;
            let found = hex_sha256(&bytes);
            let (path, expected) = (location.join(&file.name), file.sha256.clone());
            let same = found == expected;
            same.then_some(bytes).ok_or(PackageError::Checksum { path, found, expected })
        };
        let (encoder, decoder) = (checked(&manifest.encoder)?, checked(&manifest.decoder)?);
        let extras = Extras {
            tap_head: manifest.tap_head.as_ref().map(checked).transpose()?,
            text_encoder: manifest.text_encoder.as_ref().map(checked).transpose()?,
        };
        Ok(Self { location: location.to_path_buf(), encoder, decoder, extras, manifest, sha256 })
    }
}

/// What becomes a file of a package.
pub trait Content {
    /// Writes the content.
    ///
    /// # Errors
    /// What `to` says.
    fn write_to(self, to: &mut dyn Write) -> std::io::Result<()>;

    /// The content in memory.
    ///
    /// # Errors
    /// Where it can't be encoded.
    fn into_bytes(self) -> std::io::Result<Vec<u8>>
    where
        Self: Sized,
    {
        let mut bytes = Vec::new();
        self.write_to(&mut bytes)?;
        Ok(bytes)
    }
}

impl Content for Vec<u8> {
    fn write_to(self, to: &mut dyn Write) -> std::io::Result<()> {
        to.write_all(&self)
    }

    fn into_bytes(self) -> std::io::Result<Vec<u8>> {
        Ok(self)
    }
}

impl Content for &[u8] {
    fn write_to(self, to: &mut dyn Write) -> std::io::Result<()> {
        to.write_all(self)
    }
}

/// Files that were written beside their places and have not taken them yet; those left when this
/// is dropped are removed.
#[derive(Default)]
struct Partial {
    /// Where each file is, and where it belongs.
    files: Vec<(PathBuf, PathBuf)>,
}

impl Partial {
    /// Writes the file that belongs at `path`, and gives its checksum.
    fn write(&mut self, path: &Path, content: impl Content) -> std::io::Result<String> {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let partial = path.with_file_name(format!(".{name}.partial"));
        let file = fs::File::create(&partial)?;
        self.files.push((partial, path.to_path_buf()));
        let mut writer = HashingWriter { file: BufWriter::new(file), hash: Sha256::new() };
        content.write_to(&mut writer)?;
        writer.flush()?;
        writer.file.get_ref().sync_all()?;
        Ok(hex(&writer.hash.finalize()))
    }

    /// Brings the files to their places, in the order in which they were written.
    fn finish(mut self) -> Result<(), (PathBuf, std::io::Error)> {
        // What is no file can't be replaced: looked for before the first of them is.
        if let Some((_, path)) = self.files.iter().find(|(_, path)| path.is_dir()) {
            return Err((path.clone(), std::io::Error::other("a folder of this name is there")));
        }
        while let Some((partial, path)) = self.files.first() {
            fs::rename(partial, path).map_err(|source| (path.clone(), source))?;
            self.files.remove(0);
        }
        Ok(())
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        for (partial, _) in &self.files {
            // The write has failed already; a partial file that can't be removed is harmless.
            let _ = fs::remove_file(partial);
        }
    }
}

struct HashingWriter {
    file: BufWriter<fs::File>,
    hash: Sha256,
}

impl Write for HashingWriter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hash.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
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
