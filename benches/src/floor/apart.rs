//! The floor of handing out the records of many people, each in a package.

use std::{fs, path::Path};

use anyhow::Result;

use super::{Floor, parquet::hit, spread::spread};
use crate::rows::Rows;

/// Decompresses what [`hit`] does, and then writes files of the same names and lengths as those below `like`, to `out`, on all cores. It
/// does not wait until they are durable.
pub(crate) fn apart(dir: &Path, column: &str, rows: &Rows, like: &Path, out: &Path) -> Result<Floor> {
    let floor = hit(dir, column, rows)?;
    let mut tenants = Vec::new();
    for tenant in fs::read_dir(like)? {
        let tenant = tenant?;
        fs::create_dir_all(out.join(tenant.file_name()))?;
        for package in fs::read_dir(tenant.path())? {
            let package = package?;
            tenants.push((package.path(), out.join(tenant.file_name()).join(package.file_name())));
        }
    }
    spread(&tenants, |bytes: &mut Vec<u8>, (like, out)| write(like, out, bytes).map(|()| Floor::default()))?;
    Ok(floor)
}

/// Writes files as those below the folder `like` into the new folder `out`.
fn write(like: &Path, out: &Path, bytes: &mut Vec<u8>) -> Result<()> {
    fs::create_dir(out)?;
    for entry in fs::read_dir(like)? {
        let entry = entry?;
        let to = out.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            write(&entry.path(), &to, bytes)?;
        } else {
            bytes.resize(usize::try_from(entry.metadata()?.len())?, b' ');
            fs::write(to, &bytes)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use lacuna_benches::corpus::Sample;

    use super::*;

    #[test]
    fn as_many_bytes_are_written_in_as_many_files() {
        let dir = tempfile::tempdir().unwrap();
        let sample = Sample { users: 500, rows: 3000, shard_rows: 1000, ..Sample::benchmark() };
        sample.write(&dir.path().join("shards"), &|_| {}).unwrap();
        let (like, out) = (dir.path().join("like"), dir.path().join("out"));
        for (path, length) in [("tenant/one/a", 9), ("tenant/one/deep/b", 0), ("tenant/two/a", 70)] {
            let path = like.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, vec![b'x'; length]).unwrap();
        }
        let floor = apart(&dir.path().join("shards"), "UserId", &Rows::new(), &like, &out).unwrap();
        assert_eq!(floor.values, 3000);
        let lengths =
            ["one/a", "one/deep/b", "two/a"].map(|path| fs::metadata(out.join("tenant").join(path)).unwrap().len());
        assert_eq!(lengths, [9, 0, 70]);
    }
}
