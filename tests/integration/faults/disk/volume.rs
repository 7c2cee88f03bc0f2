//! Small file systems that can be filled and spoilt, in a mount namespace that goes with its test.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::super::super::netns;

/// Whether this process is the one that may mount. Where it is not, `test`, by its path in this program, is run in one
/// that may, or it is told why it cannot be; the caller returns either way.
pub fn entered(test: &str) -> bool {
    let unshare = || {
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "--"]);
        command
    };
    let mut probe = unshare();
    probe.args(["mount", "-t", "tmpfs", "none", "/mnt"]).stdout(Stdio::null()).stderr(Stdio::null());
    let within = probe.status().is_ok_and(|status| status.success()).then(unshare);
    let missing = "nothing can be mounted (unshare -m, mount)";
    netns::within(test, within, (missing, "install util-linux and mount, and run the tests as root"), &[])
}

fn run(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}: {output:?}");
}

/// A file system.
#[derive(Debug)]
pub struct Volume {
    at: PathBuf,
    /// Where it is on a disk: its image.
    image: Option<PathBuf>,
}

impl Volume {
    /// In memory, mounted at `at`.
    pub fn memory(at: &Path, size: &str) -> Self {
        fs::create_dir_all(at).unwrap();
        let options = format!("size={size},mode=0700,nr_inodes=4k");
        run("mount", &["-t", "tmpfs", "-o", &options, "none", at.to_str().unwrap()]);
        Self { at: at.to_owned(), image: None }
    }

    /// ext4 in a new file, `image`.
    pub fn ext4(at: &Path, image: PathBuf, megabytes: u64) -> Self {
        fs::create_dir_all(at).unwrap();
        File::create(&image).unwrap().set_len(megabytes << 20).unwrap();
        run("mkfs.ext4", &["-q", "-m", "0", image.to_str().unwrap()]);
        let volume = Self { at: at.to_owned(), image: Some(image) };
        volume.mount();
        fs::remove_dir(at.join("lost+found")).unwrap();
        run("chmod", &["0700", at.to_str().unwrap()]);
        volume
    }

    /// Mounts the image.
    pub fn mount(&self) {
        let (image, at) = (self.image.as_ref().unwrap(), &self.at);
        run("mount", &["-o", "loop,errors=remount-ro", image.to_str().unwrap(), at.to_str().unwrap()]);
    }

    pub fn unmount(&self) {
        run("umount", &[self.at.to_str().unwrap()]);
    }

    /// What the kernel does to ext4 after an error of the disk: from now on nothing is written.
    pub fn abort(&self) {
        run("mount", &["-o", "remount,abort", self.at.to_str().unwrap()]);
    }

    fn filler(&self) -> PathBuf {
        self.at.join("filler")
    }

    /// Takes every byte that is left.
    pub fn fill(&self) {
        let mut file = OpenOptions::new().create(true).append(true).open(self.filler()).unwrap();
        for size in [1 << 20, 4096, 1] {
            let bytes = vec![b'x'; size];
            while file.write_all(&bytes).is_ok() {}
        }
    }

    /// Takes every inode that is left.
    pub fn use_up_inodes(&self) {
        let folder = self.at.join("inodes");
        drop(fs::create_dir(&folder));
        let free = |n: u32| File::create(folder.join(n.to_string())).is_ok();
        (0..).take_while(|n| free(*n)).for_each(drop);
    }

    /// There is room again.
    pub fn make_room(&self) {
        drop(fs::remove_file(self.filler()));
        drop(fs::remove_dir_all(self.at.join("inodes")));
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        // Whoever still has files in it keeps it until he ends.
        drop(Command::new("umount").arg("-l").arg(&self.at).output());
    }
}

/// A folder that nothing can be written into, whoever tries, until this is dropped.
#[derive(Debug)]
pub struct ReadOnly(PathBuf);

impl ReadOnly {
    pub fn new(folder: &Path) -> Self {
        let path = folder.to_str().unwrap();
        run("mount", &["--bind", path, path]);
        run("mount", &["-o", "remount,bind,ro", path]);
        Self(folder.to_owned())
    }
}

impl Drop for ReadOnly {
    fn drop(&mut self) {
        drop(Command::new("umount").arg(&self.0).output());
    }
}
