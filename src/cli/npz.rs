//! NumPy's archives: a ZIP of `.npy` files, each a header in Python's syntax and an array's bytes.
//!
//! See NumPy Enhancement Proposal 1, "A simple file format for NumPy arrays".

use std::fmt;
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Cursor, Read, Seek, Write};
use std::path::{Path, PathBuf};

use planish::core::{DType, Tensor};
use planish::tflite::NewFile;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

mod header;

use header::{Element, Header};

const MAGIC: &[u8] = b"\x93NUMPY";
/// The longest header that is read; NumPy's own are some hundred bytes.
const MAX_HEADER: usize = 1 << 16;
/// An array may take this many bytes although its archive is much smaller, and that many times as many as the archive.
const MAX_SMALL: u64 = 256 << 20;
const MAX_GROWTH: u64 = 64;

/// What is wrong with an archive, and where.
#[derive(Debug)]
pub(super) struct NpzError {
    path: PathBuf,
    array: Option<String>,
    problem: String,
}

impl fmt::Display for NpzError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.path.display())?;
        if let Some(array) = &self.array {
            write!(f, ", array `{array}`")?;
        }
        write!(f, ": {}", self.problem)
    }
}

impl std::error::Error for NpzError {}

/// An archive to read arrays from, one by one.
pub(super) struct Npz {
    path: PathBuf,
    archive: ZipArchive<BufReader<File>>,
    /// The most bytes of an array.
    most: u64,
}

impl Npz {
    /// Opens an archive and lists its arrays.
    pub(super) fn open(path: &Path) -> Result<Npz, NpzError> {
        let error = |problem: String| NpzError {
            path: path.to_owned(),
            array: None,
            problem,
        };
        let unreadable = |e: io::Error| error(format!("cannot be read: {e}"));
        let metadata = fs::metadata(path).map_err(unreadable)?;
        if !metadata.is_file() {
            return Err(error("is no regular file".into()));
        }
        let file = File::open(path).map_err(unreadable)?;
        let archive = ZipArchive::new(BufReader::new(file)).map_err(|e| error(format!("is no .npz archive: {e}")))?;
        Ok(Npz {
            path: path.to_owned(),
            archive,
            most: metadata.len().saturating_mul(MAX_GROWTH).max(MAX_SMALL),
        })
    }

    /// The names of the arrays.
    pub(super) fn names(&self) -> Vec<String> {
        self.archive
            .file_names()
            .filter_map(|name| name.strip_suffix(".npy"))
            .map(str::to_owned)
            .collect()
    }

    /// The array of this name.
    pub(super) fn array(&mut self, name: &str) -> Result<Tensor, NpzError> {
        let error = |path: &Path, problem: String| NpzError {
            path: path.to_owned(),
            array: Some(name.to_owned()),
            problem,
        };
        let names = self.names();
        match self.archive.by_name(&format!("{name}.npy")) {
            Ok(mut file) => read_npy(&mut file, self.most).map_err(|problem| error(&self.path, problem)),
            Err(zip::result::ZipError::FileNotFound) => {
                let there = match names[..] {
                    [] => "the archive has no arrays".to_owned(),
                    _ => format!("the arrays are {}", names.join(", ")),
                };
                Err(error(&self.path, format!("is not there; {there}")))
            }
            Err(e) => Err(error(&self.path, e.to_string())),
        }
    }
}

fn read_npy(file: &mut dyn Read, most: u64) -> Result<Tensor, String> {
    let truncated = |e: io::Error| format!("is damaged: {e}");
    let mut start = [0; 10];
    file.read_exact(&mut start).map_err(truncated)?;
    if !start.starts_with(MAGIC) {
        return Err("is no .npy file".into());
    }
    let mut len = u16::from_le_bytes([start[8], start[9]]) as usize;
    if start[6] >= 2 {
        let mut high = [0; 2];
        file.read_exact(&mut high).map_err(truncated)?;
        len |= (u16::from_le_bytes(high) as usize) << 16;
    }
    if len > MAX_HEADER {
        return Err(format!("is damaged: its header is {len} bytes long"));
    }
    let mut text = vec![0; len];
    file.read_exact(&mut text).map_err(truncated)?;
    let header = Header::parse(&String::from_utf8_lossy(&text))?;
    let needed = header.bytes()?;
    if needed as u64 > most {
        return Err(format!(
            "takes {needed} bytes, far more than its archive; save it with numpy.savez, which does not compress"
        ));
    }
    let mut data = Vec::new();
    file.take(needed as u64).read_to_end(&mut data).map_err(truncated)?;
    if data.len() != needed {
        return Err(format!("is damaged: it has {} bytes of {needed}", data.len()));
    }
    header.tensor(data)
}

/// Writes arrays into an archive; the file appears complete or not at all.
pub(super) fn write(path: &Path, arrays: &[(String, Tensor)]) -> Result<(), NpzError> {
    let error = |problem: String| NpzError {
        path: path.to_owned(),
        array: None,
        problem,
    };
    write_archive(path, arrays).map_err(|e| error(format!("cannot be written: {e}")))
}

fn write_archive(path: &Path, arrays: &[(String, Tensor)]) -> Result<(), Box<dyn std::error::Error>> {
    let new = NewFile::create(path)?;
    if new.is_stream() {
        // An archive is not written in the order of its bytes.
        let whole = add_arrays(Cursor::new(Vec::new()), arrays)?;
        new.file().write_all(whole.get_ref())?;
    } else {
        add_arrays(BufWriter::new(new.file()), arrays)?.flush()?;
    }
    Ok(new.place()?)
}

fn add_arrays<W: Write + Seek>(out: W, arrays: &[(String, Tensor)]) -> Result<W, Box<dyn std::error::Error>> {
    let mut archive = ZipWriter::new(out);
    for (name, tensor) in arrays {
        let large = tensor.elements() > 1 << 28;
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .large_file(large);
        archive.start_file(format!("{name}.npy"), options)?;
        write_npy(tensor, &mut archive)?;
    }
    Ok(archive.finish()?)
}

fn write_npy(tensor: &Tensor, out: &mut dyn Write) -> io::Result<()> {
    let strings = (tensor.dtype() == DType::String).then(|| tensor.to_strings().unwrap_or_default());
    let width = strings.iter().flatten().map(|s| s.len()).max().unwrap_or(0).max(1);
    let unsupported = || io::Error::new(io::ErrorKind::Unsupported, format!("NumPy has no element type {}", tensor.dtype()));
    let element = Element::of(tensor.dtype(), width).ok_or_else(unsupported)?;
    let header = Header::new(element, tensor.dims());
    out.write_all(MAGIC)?;
    let text = header.text();
    out.write_all(&[1, 0])?;
    out.write_all(&(text.len() as u16).to_le_bytes())?;
    out.write_all(text.as_bytes())?;
    match strings {
        Some(strings) => {
            for s in strings {
                out.write_all(s)?;
                out.write_all(&vec![0; width - s.len()])?;
            }
            Ok(())
        }
        None if tensor.dtype() == DType::BF16 => {
            let halves = tensor.to_packed();
            let bytes = halves.bytes();
            bytes.chunks_exact(2).try_for_each(|h| out.write_all(&[0, 0, h[0], h[1]]))
        }
        None => out.write_all(&tensor.bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn there_and_back(tensor: &Tensor) -> Tensor {
        let mut bytes = Vec::new();
        write_npy(tensor, &mut bytes).expect("writing to memory");
        let header = bytes.iter().position(|&b| b == b'\n').expect("the header ends");
        assert_eq!((header + 1) % 64, 0);
        read_npy(&mut &*bytes, MAX_SMALL).expect("what was written is read")
    }

    #[test]
    fn arrays_come_back() {
        let floats = Tensor::from_vec(&[2, 3], vec![1.0f32, -2.5, 3.0, f32::MAX, 0.0, 6.0]);
        assert_eq!(there_and_back(&floats), floats);
        let scalar = Tensor::scalar(7i64);
        assert_eq!(there_and_back(&scalar), scalar);
        let bools = Tensor::from_bools(&[3], &[true, false, true]);
        assert_eq!(there_and_back(&bools), bools);
        let strings = Tensor::from_strings(&[2], &["a", "bcd"]).expect("small strings");
        assert_eq!(there_and_back(&strings).to_strings(), strings.to_strings());
    }

    #[test]
    fn columns_first_is_understood() {
        let text = "{'descr': '<i2', 'fortran_order': True, 'shape': (2, 3), }";
        let header = Header::parse(text).expect("a header");
        let data = [0i16, 3, 1, 4, 2, 5].iter().flat_map(|n| n.to_le_bytes()).collect();
        assert_eq!(header.tensor(data).expect("six elements").to_ints(), Some(vec![0, 1, 2, 3, 4, 5]));
    }

    #[test]
    fn damage_is_an_error() {
        for text in [
            "",
            "{}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}",
            "{'descr': '|O', 'fortran_order': False, 'shape': ()}",
            "{'descr': '|S0', 'fortran_order': False, 'shape': (999999999999,)}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (0, 99999999999, 99999999999)}",
        ] {
            assert!(Header::parse(text).and_then(|h| h.bytes()).is_err(), "{text}");
        }
        assert!(read_npy(&mut &b"\x93NUMPY\x01\x00\xff\xff{"[..], MAX_SMALL).is_err());
        let mut zeros = Vec::new();
        write_npy(&Tensor::splat(&Tensor::scalar(0u8), &[100]), &mut zeros).expect("writing to memory");
        assert!(read_npy(&mut &*zeros, 100).is_ok());
        assert!(read_npy(&mut &*zeros, 99).is_err());
    }
}
