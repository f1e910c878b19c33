//! Pictures of the real program in a real window, on a virtual display: `target/screenshots/{before,choices,during,after}.png`.
#![cfg(target_os = "linux")]

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const WIDTH: u32 = 1280;
const HEIGHT: u32 = 720;

/// A virtual display that ends with the test.
struct Display {
    server: Child,
    name: String,
}

impl Display {
    fn start() -> Self {
        let mut server = Command::new("Xvfb")
            .args(["-displayfd", "1", "-nolisten", "tcp", "-screen", "0", "1280x720x24"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("Xvfb is missing; install it: sudo apt-get install xvfb");
        // It writes its number when it is ready.
        let mut number = String::new();
        let mut output = BufReader::new(server.stdout.take().unwrap());
        std::io::BufRead::read_line(&mut output, &mut number).expect("Xvfb says its number");
        Self { server, name: format!(":{}", number.trim()) }
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

fn pixels(path: &Path) -> Vec<[u8; 3]> {
    let file = File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut reader = png::Decoder::new(BufReader::new(file)).read_info().unwrap();
    let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut bytes).unwrap();
    assert_eq!((info.width, info.height), (WIDTH, HEIGHT), "{}", path.display());
    bytes[..info.buffer_size()].as_chunks::<3>().0.to_vec()
}

#[test]
fn the_program_shows_itself_before_during_and_after_a_pack() {
    let display = Display::start();
    let home = tempfile::tempdir().unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/screenshots");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    let mut program = Command::new(env!("CARGO_BIN_EXE_tuck"))
        .arg("--screenshots")
        .arg(&folder)
        .env("DISPLAY", &display.name)
        // Its settings are those of a first start.
        .env("HOME", home.path())
        .env_remove("XDG_DATA_HOME")
        .env_remove("WAYLAND_DISPLAY")
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(120);
    let status = loop {
        match program.try_wait().unwrap() {
            Some(status) => break status,
            None if Instant::now() < deadline => thread::sleep(Duration::from_millis(50)),
            None => {
                program.kill().unwrap();
                break program.wait().unwrap();
            }
        }
    };
    let mut errors = String::new();
    program.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
    assert!(status.success(), "{status}: {errors}");

    let pictures = ["before", "choices", "during", "after"].map(|name| pixels(&folder.join(format!("{name}.png"))));
    for picture in &pictures {
        let colours: HashSet<_> = picture.iter().collect();
        assert!(colours.len() > 100, "a picture with only {} colours is blank", colours.len());
    }
    for (a, b) in [(0, 1), (1, 2), (2, 3), (0, 3)] {
        let different = pictures[a].iter().zip(&pictures[b]).filter(|(x, y)| x != y).count();
        assert!(different > 500, "pictures {a} and {b} differ in only {different} pixels");
    }
}
