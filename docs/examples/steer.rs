// SPDX-License-Identifier: MIT
//! Steers a multi-queue tap by hash, without any privilege, through librssb.
//!
//!     rustc -O steer.rs -l rssb && ./steer IFNAME QUEUES
//!
//! Opens the tap's queues, as a VMM does, asks rss-broker for a managed program,
//! whose steering `rssb update` and `rssb balance` can change, attaches it, and
//! prints for each packet the queue that it came in on.  The standard library and
//! librssb's C interface (rssb.h) are all that it needs.
use std::ffi::{c_char, c_int, c_ulong, c_void, CStr};
use std::fs::{File, OpenOptions};
use std::io::{Error, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::process::exit;
use std::ptr::{null, null_mut};

const KEY_BYTES: usize = 40;
const TABLE_ENTRIES: usize = 128;
const MANAGED: c_int = 3;

/// struct rssb_fds: -1 is an fd that is not there.
#[repr(C)]
struct Fds {
    prog: c_int,
    config: c_int,
    key: c_int,
    table: c_int,
    lease: c_int,
}

/// struct rssb_steering.
#[repr(C)]
struct Steering {
    size: usize,
    hash_types: u32,
    queues: u16,
    default_queue: u16,
    table_len: u16,
    table: *const u16,
    key: *const u8,
}

/// struct rssb_acquire_options.
#[repr(C)]
struct AcquireOptions {
    size: usize,
    kind: c_int,
    flags: u32,
    steering: *const Steering,
    object_id: *const u8,
    label: *const c_char,
}

/// struct rssb_grant.
#[repr(C)]
struct Grant {
    id: u64,
    object_id: [u8; 32],
}

extern "C" {
    fn rssb_connect(ret: *mut *mut c_void, path: *const c_char) -> c_int;
    fn rssb_close(c: *mut c_void) -> *mut c_void;
    fn rssb_reason(c: *const c_void) -> *const c_char;
    fn rssb_acquire(
        c: *mut c_void,
        options: *const AcquireOptions,
        fds: *mut Fds,
        grant: *mut Grant,
    ) -> c_int;
    fn ioctl(fd: c_int, request: c_ulong, ...) -> c_int;
    fn poll(fds: *mut PollFd, n: c_ulong, timeout_ms: c_int) -> c_int;
}

#[repr(C)]
struct PollFd {
    fd: c_int,
    events: i16,
    revents: i16,
}

// <linux/if_tun.h>, <poll.h>, <fcntl.h>
const TUNSETIFF: c_ulong = 0x400454ca;
const TUNSETSTEERINGEBPF: c_ulong = 0x800454e0;
const IFF_TAP: u16 = 0x0002;
const IFF_NO_PI: u16 = 0x1000;
const IFF_MULTI_QUEUE: u16 = 0x0100;
const POLLIN: i16 = 1;
const O_NONBLOCK: c_int = 0o4000;

fn fail(what: &str) -> ! {
    eprintln!("steer: {what}");
    exit(1)
}

fn queue_open(ifname: &str) -> File {
    let mut ifreq = [0u8; 40]; // struct ifreq: a name, then flags
    if ifname.len() > 15 {
        fail(&format!("{ifname}: an interface's name has at most 15 bytes"));
    }
    ifreq[..ifname.len()].copy_from_slice(ifname.as_bytes());
    ifreq[16..18].copy_from_slice(&(IFF_TAP | IFF_NO_PI | IFF_MULTI_QUEUE).to_ne_bytes());
    let queue = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(O_NONBLOCK)
        .open("/dev/net/tun")
        .unwrap_or_else(|e| fail(&format!("/dev/net/tun: {e}")));
    // SAFETY: ifreq is as long as the kernel reads and writes it.
    if unsafe { ioctl(queue.as_raw_fd(), TUNSETIFF, ifreq.as_mut_ptr()) } != 0 {
        fail(&format!("{ifname}: {}", Error::last_os_error()));
    }
    queue
}

/// The program, and the lease: the grant ends when it is closed.
fn program_get(queues: u16, key: &[u8; KEY_BYTES]) -> (OwnedFd, OwnedFd) {
    let table: Vec<u16> = (0..TABLE_ENTRIES as u16).map(|i| i % queues).collect();
    let steering = Steering {
        size: size_of::<Steering>(),
        hash_types: 0x3f, // IPv4, TCP and UDP over it, and the same for IPv6
        queues,
        default_queue: 0,
        table_len: TABLE_ENTRIES as u16,
        table: table.as_ptr(),
        key: key.as_ptr(),
    };
    let options = AcquireOptions {
        size: size_of::<AcquireOptions>(),
        kind: MANAGED,
        flags: 0,
        steering: &steering,
        object_id: null(),
        label: null(),
    };
    let mut fds = Fds { prog: -1, config: -1, key: -1, table: -1, lease: -1 };
    let mut grant = Grant { id: 0, object_id: [0; 32] };
    let mut broker = null_mut();
    // SAFETY: all that librssb borrows lives until it returns, and the fds are ours then.
    unsafe {
        if rssb_connect(&mut broker, null()) != 0
            || rssb_acquire(broker, &options, &mut fds, &mut grant) != 0
        {
            if broker.is_null() {
                fail("no memory");
            }
            fail(&CStr::from_ptr(rssb_reason(broker)).to_string_lossy());
        }
        rssb_close(broker);
        (OwnedFd::from_raw_fd(fds.prog), OwnedFd::from_raw_fd(fds.lease))
    }
}

fn print_packets(queues: &mut [File]) {
    let mut polls: Vec<PollFd> = queues
        .iter()
        .map(|queue| PollFd { fd: queue.as_raw_fd(), events: POLLIN, revents: 0 })
        .collect();
    let mut packet = vec![0u8; 65536];
    // SAFETY: polls has as many elements as it says.
    while unsafe { poll(polls.as_mut_ptr(), polls.len() as c_ulong, -1) } > 0 {
        for (i, queue) in queues.iter_mut().enumerate() {
            while let Ok(len) = queue.read(&mut packet) {
                println!("queue {i}: {len} bytes");
            }
        }
        std::io::stdout().flush().ok();
    }
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let n: u16 = args.get(2).and_then(|n| n.parse().ok()).unwrap_or(0);
    if args.len() != 3 || n < 1 || n > 16 {
        eprintln!("usage: steer IFNAME QUEUES");
        exit(2);
    }
    let mut queues: Vec<File> = (0..n).map(|_| queue_open(&args[1])).collect();
    let mut key = [0u8; KEY_BYTES];
    File::open("/dev/urandom")
        .and_then(|mut random| random.read_exact(&mut key))
        .unwrap_or_else(|e| fail(&format!("/dev/urandom: {e}")));

    let (program, _lease) = program_get(n, &key);
    let fd: c_int = program.as_raw_fd();
    // SAFETY: the kernel reads one int.
    if unsafe { ioctl(queues[0].as_raw_fd(), TUNSETSTEERINGEBPF, &fd) } != 0 {
        fail(&format!("TUNSETSTEERINGEBPF: {}", Error::last_os_error()));
    }
    drop(program); // the kernel has its own reference
    let hex: Vec<String> = key.iter().map(|byte| format!("{byte:02x}")).collect();
    println!("{}: \"equal {n} hkey {}\"", args[1], hex.join(":"));
    print_packets(&mut queues);
    exit(1);
}
