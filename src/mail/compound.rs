//! Compound files: the form of Office documents of before 2007, of encrypted ones since, and of Outlook's messages
//! ([MS-CFB]).
//!
//! **Contract.** Such a file is a small disk: sectors, a table that says which sector follows which, a directory of
//! storages (folders) and streams (files). [`read`] finds these; [`Compound::entry`] gives what stands in the
//! directory, [`Compound::parents`] which storage each entry lies in, [`Compound::stream`] the bytes of a stream.
//!
//! Nothing is copied but what is asked for. A chain of sectors has no more of them than the file, so that one in a
//! circle ends; a directory has [`MOST_ENTRIES`] at most. Each call is linear in the file at worst, [`Compound::entry`]
//! constant. Whoever reads many streams bounds their bytes: a file may say that all of them are the same sectors.
//!
//! **Failures.** None to the caller. What is no such file is `None`; a chain that breaks is told where it matters.

/// What such a file begins with (§2.2).
const SIGNATURE: &[u8] = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1";
/// Numbers of sectors above this one are none (§2.1).
const LAST_SECTOR: u32 = 0xffff_fffa;
const END_OF_CHAIN: u32 = 0xffff_fffe;
/// Places in the head that name sectors of the table; more stand in sectors of their own (§2.2).
const IN_HEAD: usize = 109;
const ENTRY: usize = 128;
/// Entries of a directory that are read.
pub const MOST_ENTRIES: usize = 1 << 17;
/// Streams under a size stand together in one stream, in sectors of this size (§2.4).
const SMALL_SECTOR: usize = 64;

/// Whether `content` begins as such a file.
#[must_use]
pub fn is_compound(content: &[u8]) -> bool {
    content.starts_with(SIGNATURE)
}

/// A file whose head could be read.
#[derive(Debug)]
pub struct Compound<'a> {
    content: &'a [u8],
    /// Bytes of a sector.
    size: usize,
    /// Streams that are smaller are among the small ones.
    cutoff: u64,
    /// Sectors of the table, of the directory, of the table of small sectors, of the stream that holds these.
    table: Vec<u32>,
    directory: Vec<u32>,
    small_table: Vec<u32>,
    small: Vec<u32>,
    /// The directory breaks off, or has more entries than are read.
    pub is_cut: bool,
}

/// What an entry of the directory is (§2.6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A folder.
    Storage,
    /// A file.
    Stream,
    /// The folder that all else lies in.
    Root,
}

/// What stands in the directory (§2.6.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Foreign text, 31 characters at most.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    start: u32,
    /// Bytes of a stream, as it says.
    pub size: u64,
    left: u32,
    right: u32,
    child: u32,
}

/// The beginning of a stream.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Stream {
    /// As many as were asked for and are there.
    pub bytes: Vec<u8>,
    /// These are all.
    pub is_whole: bool,
}

/// Reads the head and finds the directory. `None` if it is no such file.
#[must_use]
pub fn read(content: &[u8]) -> Option<Compound<'_>> {
    if !is_compound(content) {
        return None;
    }
    let size = match short(content, 30)? {
        9 => 512,
        12 => 4096,
        _ => return None,
    };
    let mut file = Compound {
        content,
        size,
        cutoff: u64::from(number(content, 56)?),
        table: Vec::new(),
        directory: Vec::new(),
        small_table: Vec::new(),
        small: Vec::new(),
        is_cut: false,
    };
    file.table = file.table()?;
    let (directory, is_whole) = file.chain(number(content, 48)?, MOST_ENTRIES * ENTRY / size);
    file.is_cut = !is_whole;
    file.directory = directory;
    (file.small_table, _) = file.chain(number(content, 60)?, usize::MAX);
    let root = file.entry(0)?;
    (file.small, _) = file.chain(root.start, usize::MAX);
    Some(file)
}

impl Compound<'_> {
    /// How many sectors there can be.
    fn sectors(&self) -> usize {
        self.content.len() / self.size + 1
    }

    /// The sectors of the table: the first are named in the head, more in a chain of sectors (§2.5).
    fn table(&self) -> Option<Vec<u32>> {
        let most = self.sectors();
        let is_sector = |sector: &u32| *sector < LAST_SECTOR;
        let head = self.content.get(76..76 + 4 * IN_HEAD)?;
        let mut table: Vec<u32> = numbers(head).filter(is_sector).take(most).collect();
        let mut next = number(self.content, 68)?;
        for _ in 0..most {
            let Some(sector) = self.sector(next).filter(|sector| sector.len() == self.size) else { break };
            let (named, last) = sector.split_at_checked(self.size - 4)?;
            table.extend(numbers(named).filter(is_sector).take(most.saturating_sub(table.len())));
            next = number(last, 0)?;
        }
        Some(table)
    }

    /// The bytes of a sector; the last of a file may be cut.
    fn sector(&self, sector: u32) -> Option<&[u8]> {
        if sector >= LAST_SECTOR {
            return None;
        }
        let begin = usize::try_from(sector).ok()?.checked_add(1)?.checked_mul(self.size)?;
        let rest = self.content.get(begin..).filter(|rest| !rest.is_empty())?;
        Some(rest.get(..self.size).unwrap_or(rest))
    }

    fn next(&self, sector: u32) -> Option<u32> {
        self.follower(&self.table, sector)
    }

    /// What a table whose sectors these are says to come behind `sector`.
    fn follower(&self, table: &[u32], sector: u32) -> Option<u32> {
        let sector = usize::try_from(sector).ok()?;
        let in_one = self.size / 4;
        number(self.sector(*table.get(sector / in_one)?)?, sector % in_one * 4)
    }

    /// A chain of sectors, and whether it ends as it should before there are more than `most`.
    fn chain(&self, start: u32, most: usize) -> (Vec<u32>, bool) {
        let most = most.min(self.sectors());
        let mut chain = Vec::new();
        let mut sector = start;
        while chain.len() < most && self.sector(sector).is_some() {
            chain.push(sector);
            sector = self.next(sector).unwrap_or(LAST_SECTOR);
        }
        (chain, sector == END_OF_CHAIN)
    }

    /// How many entries the directory has. Some of them are empty.
    #[must_use]
    pub fn entries(&self) -> u32 {
        u32::try_from(self.directory.len() * (self.size / ENTRY)).unwrap_or(u32::MAX)
    }

    /// One entry, counted from 0; that one is the root. `None` for an empty one.
    #[must_use]
    pub fn entry(&self, index: u32) -> Option<Entry> {
        let index = usize::try_from(index).ok()?;
        let in_one = self.size / ENTRY;
        let sector = self.sector(*self.directory.get(index / in_one)?)?;
        let begin = index % in_one * ENTRY;
        let entry = sector.get(begin..begin + ENTRY)?;
        let kind = match entry.get(66)? {
            1 => Kind::Storage,
            2 => Kind::Stream,
            5 => Kind::Root,
            _ => return None,
        };
        // A NUL ends it, and counts.
        let length = usize::from(short(entry, 64)?).clamp(2, 64) - 2;
        let units = entry.get(..length)?.as_chunks::<2>().0.iter().map(|unit| u16::from_le_bytes(*unit));
        let name = char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
        // In small sectors a size has 32 bits; what stands above may be anything (§2.6.1).
        let high = if self.size == 512 { 0 } else { number(entry, 124)? };
        let size = u64::from(high) << 32 | u64::from(number(entry, 120)?);
        let [left, right, child, start] = [68, 72, 76, 116].map(|at| number(entry, at).unwrap_or(u32::MAX));
        Some(Entry { name, kind, start, size, left, right, child })
    }

    /// The storage that each entry lies in, by position. `None` for the root, and for what no storage names.
    #[must_use]
    pub fn parents(&self) -> Vec<Option<u32>> {
        let count = usize::try_from(self.entries()).unwrap_or_default();
        let mut parents = vec![None; count];
        let mut todo: Vec<(u32, u32)> = self.entry(0).map(|root| (root.child, 0)).into_iter().collect();
        // Each entry is gone into once, so this ends.
        while let Some((index, parent)) = todo.pop() {
            let place = usize::try_from(index).ok().and_then(|at| parents.get_mut(at));
            let Some(place) = place.filter(|place| place.is_none() && index != 0) else { continue };
            let Some(entry) = self.entry(index) else { continue };
            *place = Some(parent);
            todo.extend([(entry.left, parent), (entry.right, parent)]);
            if entry.kind == Kind::Storage {
                todo.push((entry.child, index));
            }
        }
        parents
    }

    /// The bytes of a stream, `most` at most.
    #[must_use]
    pub fn stream(&self, entry: &Entry, most: usize) -> Stream {
        let size = usize::try_from(entry.size).unwrap_or(usize::MAX);
        // None is larger than the file, whatever it says.
        let wanted = size.min(most).min(self.content.len());
        let mut bytes = Vec::with_capacity(wanted);
        let is_small = entry.size < self.cutoff;
        let mut sector = entry.start;
        while bytes.len() < wanted {
            let Some(data) = (if is_small { self.small_sector(sector) } else { self.sector(sector) }) else {
                break;
            };
            bytes.extend_from_slice(data.get(..wanted - bytes.len()).unwrap_or(data));
            let next = if is_small { self.follower(&self.small_table, sector) } else { self.next(sector) };
            sector = next.unwrap_or(LAST_SECTOR);
        }
        Stream { is_whole: bytes.len() == size, bytes }
    }

    /// A sector of a small stream: a piece of a sector of the stream that holds them all.
    fn small_sector(&self, sector: u32) -> Option<&[u8]> {
        let sector = usize::try_from(sector).ok()?;
        let in_one = self.size / SMALL_SECTOR;
        let whole = self.sector(*self.small.get(sector / in_one)?)?;
        let rest = whole.get(sector % in_one * SMALL_SECTOR..).filter(|rest| !rest.is_empty())?;
        Some(rest.get(..SMALL_SECTOR).unwrap_or(rest))
    }
}

fn short(data: &[u8], at: usize) -> Option<u16> {
    data.get(at..)?.first_chunk().map(|bytes| u16::from_le_bytes(*bytes))
}

fn number(data: &[u8], at: usize) -> Option<u32> {
    data.get(at..)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))
}

fn numbers(data: &[u8]) -> impl Iterator<Item = u32> + '_ {
    data.as_chunks::<4>().0.iter().map(|bytes| u32::from_le_bytes(*bytes))
}

/// Files for tests, built as [MS-CFB] says.
#[cfg(test)]
pub(crate) mod building {
    /// What a storage holds: streams with bytes, storages with more.
    pub(crate) enum Node {
        Stream(&'static str, Vec<u8>),
        Storage(&'static str, Vec<Self>),
    }

    pub(crate) fn stream(name: &'static str, bytes: &[u8]) -> Node {
        Node::Stream(name, bytes.to_vec())
    }

    pub(crate) fn storage(name: &'static str, nodes: Vec<Node>) -> Node {
        Node::Storage(name, nodes)
    }

    /// Sectors one behind the other; entries that follow one another to the right.
    #[derive(Default)]
    struct Disk {
        data: Vec<u8>,
        table: Vec<u32>,
        small: Vec<u8>,
        small_table: Vec<u32>,
        entries: Vec<[u8; 128]>,
    }

    const NONE: u32 = 0xffff_ffff;
    const END: u32 = 0xffff_fffe;

    /// Appends to sectors of `size`; gives the first.
    fn put(data: &mut Vec<u8>, table: &mut Vec<u32>, size: usize, bytes: &[u8]) -> u32 {
        let first = u32::try_from(table.len()).unwrap();
        let count = bytes.len().div_ceil(size);
        data.extend_from_slice(bytes);
        data.resize(data.len().next_multiple_of(size), 0);
        for i in 1..=count {
            table.push(if i == count { END } else { first + u32::try_from(i).unwrap() });
        }
        if count == 0 { END } else { first }
    }

    fn entry(name: &str, kind: u8, start: u32, size: usize) -> [u8; 128] {
        let mut out = [0; 128];
        let units: Vec<u8> = name.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect();
        out[..units.len()].copy_from_slice(&units);
        out[64] = u8::try_from(units.len()).unwrap();
        (out[66], out[67]) = (kind, 1);
        out[68..80].fill(0xff);
        out[116..120].copy_from_slice(&start.to_le_bytes());
        out[120..124].copy_from_slice(&u32::try_from(size).unwrap().to_le_bytes());
        out
    }

    impl Disk {
        fn add(&mut self, nodes: &[Node], size: usize) -> u32 {
            let mut before: Option<usize> = None;
            let mut first = NONE;
            for node in nodes {
                let index = self.entries.len();
                let number = u32::try_from(index).unwrap();
                match before {
                    None => first = number,
                    Some(before) => self.entries[before][72..76].copy_from_slice(&number.to_le_bytes()),
                }
                before = Some(index);
                match node {
                    Node::Stream(name, bytes) => {
                        let start = if bytes.len() < 4096 {
                            put(&mut self.small, &mut self.small_table, 64, bytes)
                        } else {
                            put(&mut self.data, &mut self.table, size, bytes)
                        };
                        self.entries.push(entry(name, 2, start, bytes.len()));
                    }
                    Node::Storage(name, nodes) => {
                        self.entries.push(entry(name, 1, 0, 0));
                        let child = self.add(nodes, size);
                        self.entries[index][76..80].copy_from_slice(&child.to_le_bytes());
                    }
                }
            }
            first
        }
    }

    pub(crate) fn file(nodes: &[Node]) -> Vec<u8> {
        sized(nodes, 512)
    }

    /// With sectors of `size` bytes, 512 or 4096. Room for as many sectors of the table as the head names.
    pub(crate) fn sized(nodes: &[Node], size: usize) -> Vec<u8> {
        let mut disk = Disk { entries: vec![entry("Root Entry", 5, 0, 0)], ..Disk::default() };
        let child = disk.add(nodes, size);
        disk.entries[0][76..80].copy_from_slice(&child.to_le_bytes());
        let Disk { mut data, mut table, small, small_table, mut entries } = disk;
        let start = put(&mut data, &mut table, size, &small);
        entries[0][116..120].copy_from_slice(&start.to_le_bytes());
        let directory = put(&mut data, &mut table, size, &entries.concat());
        let small_table: Vec<u8> = small_table.iter().flat_map(|next| next.to_le_bytes()).collect();
        let small_table = put(&mut data, &mut table, size, &small_table);
        let (in_one, first) = (size / 4, table.len());
        let count = (first + first.div_ceil(in_one) + 1).div_ceil(in_one);
        assert!(count <= super::IN_HEAD);
        table.extend(vec![0xffff_fffd; count]);
        table.resize(count * in_one, NONE);
        data.extend(table.iter().flat_map(|next| next.to_le_bytes()));

        let mut head = vec![0_u8; size];
        head[..8].copy_from_slice(super::SIGNATURE);
        head[24..32].copy_from_slice(&[0x3e, 0, 3, 0, 0xfe, 0xff, if size == 512 { 9 } else { 12 }, 0]);
        head[32] = 6;
        let mut say = |at: usize, n: u32| head[at..at + 4].copy_from_slice(&n.to_le_bytes());
        say(44, u32::try_from(count).unwrap());
        say(48, directory);
        say(56, 4096);
        say(60, small_table);
        say(68, END);
        for i in 0..super::IN_HEAD {
            say(76 + 4 * i, if i < count { u32::try_from(first + i).unwrap() } else { NONE });
        }
        [head, data].concat()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::building::{sized, storage, stream};
    use super::*;

    fn sample(size: usize) -> Vec<u8> {
        let nodes = [
            stream("small", b"a few bytes"),
            storage("folder", vec![stream("large", &b"0123456789".repeat(1000)), stream("empty", b"")]),
            stream("last", &[7; 65]),
        ];
        sized(&nodes, size)
    }

    fn told(file: &Compound<'_>) -> Vec<(String, Option<u32>, usize, bool)> {
        let parents = file.parents();
        (0..file.entries())
            .filter_map(|index| {
                let entry = file.entry(index).filter(|entry| entry.kind != Kind::Root)?;
                let stream = file.stream(&entry, usize::MAX);
                Some((entry.name, parents[index as usize], stream.bytes.len(), stream.is_whole))
            })
            .collect()
    }

    #[test]
    fn streams_large_and_small_are_read_and_their_storages_known() {
        for size in [512, 4096] {
            let content = sample(size);
            let file = read(&content).unwrap();
            let row = |name: &str, parent, length| (name.to_owned(), Some(parent), length, true);
            let expected = [
                row("small", 0, 11),
                row("folder", 0, 0),
                row("large", 2, 10_000),
                row("empty", 2, 0),
                row("last", 0, 65),
            ];
            assert_eq!((told(&file), file.is_cut), (expected.to_vec(), false), "{size}");
            let large = file.stream(&file.entry(3).unwrap(), usize::MAX);
            assert_eq!(large.bytes, b"0123456789".repeat(1000));
            let begin = file.stream(&file.entry(3).unwrap(), 7);
            assert_eq!(begin, Stream { bytes: b"0123456".to_vec(), is_whole: false });
            assert_eq!(file.stream(&file.entry(5).unwrap(), usize::MAX).bytes, [7; 65]);
        }
    }

    #[test]
    fn what_is_no_such_file_is_none() {
        for content in [&b""[..], b"PK\x03\x04", SIGNATURE, &[SIGNATURE, &[0; 600]].concat()] {
            assert!(read(content).is_none());
        }
    }

    #[test]
    fn chains_in_a_circle_end() {
        let mut content = sample(512);
        let first = usize::try_from(number(&content, 76).unwrap()).unwrap();
        let table = (first + 1) * 512;
        // Each sector follows itself.
        for i in 0..100_u32 {
            let at = table + 4 * usize::try_from(i).unwrap();
            content[at..at + 4].copy_from_slice(&i.to_le_bytes());
        }
        let file = read(&content).unwrap();
        assert!(file.is_cut && file.directory.len() <= file.sectors());
        let endless = Entry { size: u64::MAX, ..file.entry(3).unwrap() };
        assert_eq!(file.stream(&endless, 5_000).bytes.len(), 5_000);
        assert_eq!(file.parents().len(), usize::try_from(file.entries()).unwrap());
    }

    #[test]
    fn a_table_that_goes_on_in_itself_ends() {
        let mut content = sample(512);
        content[68..72].copy_from_slice(&0_u32.to_le_bytes());
        content[512..1024].fill(0);
        let file = read(&content).unwrap();
        assert!(file.table.len() <= file.sectors());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_within_bounds(
            flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12),
            head in prop::collection::vec((24_usize..120, any::<u8>()), 0..3),
            cut in any::<prop::sample::Index>(),
            most in 0_usize..20_000,
        ) {
            let mut bytes = sample(512);
            for (at, byte) in flips {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            for (at, byte) in head {
                bytes[at] = byte;
            }
            bytes.truncate(cut.index(bytes.len()) + 1);
            if let Some(file) = read(&bytes) {
                prop_assert!(file.entries() as usize * ENTRY <= bytes.len() + 2 * file.size);
                for row in (0..file.entries()).filter_map(|index| file.entry(index)) {
                    prop_assert!(file.stream(&row, most).bytes.len() <= most);
                }
                prop_assert_eq!(file.parents().len(), file.entries() as usize);
            }
        }
    }
}
