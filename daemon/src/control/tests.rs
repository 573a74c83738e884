//! The socket with real peers: this process, and a child that is somebody else.

use super::*;
use crate::config::Mode;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Default)]
struct Recording {
    asked: Mutex<Vec<(Request, u32)>>,
}

impl Service for Recording {
    fn handle(&self, request: Request, peer: Peer) -> Response {
        self.asked.lock().unwrap().push((request.clone(), peer.uid));
        match request {
            Request::Status {} => Response::Status(Box::new(report())),
            Request::Pause { device } | Request::Resume { device } => {
                Response::Done { devices: device.into_iter().collect() }
            }
        }
    }
}

fn report() -> StatusReport {
    StatusReport {
        version: "0.1.0".to_owned(),
        pid: 7,
        uptime_ns: 5,
        seed: u64::MAX,
        cost: OwnCost { cpu_share: Some(0.01), ..OwnCost::default() },
        store: None,
        devices: vec![DeviceStatus {
            name: "loop7".to_owned(),
            mode: Mode::Tune,
            objective: crate::config::Objective::Throughput,
            paused: false,
            ended: None,
            source: SourceStatus { kind: "bpf".to_owned(), reason: "it works".to_owned() },
            fingerprint: Some(fingerprint::Class::ALL[3]),
            last_window: None,
            generation: Some(4),
            child: Some(2),
            in_force: block_types::Settings::new(),
            defaults: block_types::Settings::new(),
            notes: Vec::new(),
            yielded: vec![block_types::Knob::ReadAheadKb],
            voids: [(crate::engine::VoidReason::NoArrivals, 3)].into(),
            scored: 30,
            top: Vec::new(),
            confirmed: None,
            settled: false,
            last_error: None,
        }],
    }
}

fn start() -> (TempDir, Arc<Recording>, Server) {
    let directory = tempfile::tempdir().unwrap();
    let service = Arc::new(Recording::default());
    let server = Server::start(&directory.path().join("run/tunerd.sock"), None, service.clone()).unwrap();
    (directory, service, server)
}

/// Sends bytes and reads one answer.
fn exchange(server: &Server, bytes: &[u8]) -> Response {
    let mut stream = UnixStream::connect(server.path()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(bytes).unwrap();
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line:?}: {error}"))
}

fn failure(response: Response) -> String {
    match response {
        Response::Failed { message } => message,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_status_arrives_as_it_was_sent_and_void_counts_are_keyed_by_reason() {
    let (_directory, _service, server) = start();
    let answer = ask(server.path(), &Request::Status {}, PATIENCE).unwrap();
    assert_eq!(answer, Response::Status(Box::new(report())));
    let json = serde_json::to_value(report()).unwrap();
    assert_eq!(json["devices"][0]["voids"]["no-arrivals"], 3);
    assert_eq!(json["devices"][0]["fingerprint"], "read-random-large");
    assert_eq!(json["devices"][0]["yielded"][0], "read_ahead_kb");
}

#[test]
fn requests_reach_the_service_with_the_peer_that_the_kernel_names() {
    let (_directory, service, server) = start();
    let pause = Request::Pause { device: Some("loop7".to_owned()) };
    let answer = ask(server.path(), &pause, PATIENCE).unwrap();
    assert_eq!(answer, Response::Done { devices: vec!["loop7".to_owned()] });
    assert!(matches!(exchange(&server, b"{\"request\":\"resume\"}\n"), Response::Done { .. }));
    let own = rustix::process::geteuid().as_raw();
    let asked = service.asked.lock().unwrap();
    assert_eq!(*asked, [(pause, own), (Request::Resume { device: None }, own)]);
}

#[test]
fn the_socket_is_for_its_owner_and_group_only() {
    let (_directory, _service, server) = start();
    let mode = std::fs::metadata(server.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o660);
}

#[test]
fn root_and_the_daemons_user_may_change_and_nobody_else() {
    let peer = |uid| Peer { uid, gid: 100, pid: 1 };
    assert!(peer(0).may_change(990) && peer(990).may_change(990) && peer(0).may_change(0));
    assert!(!peer(1000).may_change(990) && !peer(1000).may_change(0));
    assert!(!Request::Status {}.changes() && Request::Resume { device: None }.changes());
}

#[test]
fn garbage_is_answered_with_what_was_expected_and_the_connection_goes_on() {
    let (_directory, service, server) = start();
    for garbage in [
        &b"hello\n"[..],
        b"\n",
        b"{}\n",
        b"{\"request\":\"reboot\"}\n",
        b"{\"request\":\"status\",\"device\":\"sda\"}\n",
        b"{\"request\":\"pause\",\"devise\":\"sda\"}\n",
        b"\xff\xfe\x00\n",
        b"\"status\"\n",
    ] {
        let message = failure(exchange(&server, garbage));
        assert!(message.contains(r#"{"request":"status"}"#), "{message}");
    }
    assert_eq!(service.asked.lock().unwrap().len(), 0);

    let mut stream = UnixStream::connect(server.path()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(b"garbage\n{\"request\":\"status\"}\n").unwrap();
    let answers: Vec<Response> = BufReader::new(stream)
        .lines()
        .take(2)
        .map(|line| serde_json::from_str(&line.unwrap()).unwrap())
        .collect();
    assert!(matches!(answers[..], [Response::Failed { .. }, Response::Status(_)]), "{answers:?}");
}

#[test]
fn a_line_without_end_is_cut_off() {
    let (_directory, service, server) = start();
    let mut stream = UnixStream::connect(server.path()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    // The server hangs up at its limit, so a part of this cannot be sent.
    let sent = (0..10_000).take_while(|_| stream.write_all(&[b'a'; 1_024]).is_ok()).count();
    assert!(sent < 10_000, "10 MiB of one line were taken");
    let mut said = String::new();
    // The reset that follows unread bytes may overtake the answer; what counts is that the connection is over.
    if stream.read_to_string(&mut said).is_ok() && !said.is_empty() {
        assert!(said.contains("longer than"), "{said}");
    }
    assert_eq!(service.asked.lock().unwrap().len(), 0);
    assert!(ask(server.path(), &Request::Status {}, PATIENCE).is_ok(), "others are still served");
}

#[test]
fn a_line_just_too_long_is_told_so() {
    let (_directory, _service, server) = start();
    let message = failure(exchange(&server, &[b' '; 4_096]));
    assert!(message.contains("longer than 4096 bytes"), "{message}");
}

#[test]
fn clients_that_say_nothing_hold_up_nobody() {
    let (_directory, _service, server) = start();
    let silent: Vec<UnixStream> = (0..20).map(|_| UnixStream::connect(server.path()).unwrap()).collect();
    let mut half = UnixStream::connect(server.path()).unwrap();
    half.write_all(b"{\"request\":").unwrap();
    let begun = Instant::now();
    assert!(ask(server.path(), &Request::Status {}, PATIENCE).is_ok());
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    drop((silent, half));
}

#[test]
fn a_second_daemon_is_refused_and_a_dead_ones_socket_is_replaced() {
    let (directory, service, server) = start();
    let path = server.path().to_owned();
    let second = Server::start(&path, None, service.clone());
    assert!(matches!(second, Err(BindError::InUse { .. })), "{second:?}");
    assert!(ask(&path, &Request::Status {}, PATIENCE).is_ok(), "the first one still listens");
    drop(server);
    assert!(!path.exists());

    // What SIGKILL leaves: a socket that nobody listens at.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(matches!(ask(&path, &Request::Status {}, PATIENCE), Err(AskError::NotRunning { .. })));
    let third = Server::start(&path, None, service.clone()).unwrap();
    assert!(ask(third.path(), &Request::Status {}, PATIENCE).is_ok());

    let file = directory.path().join("precious");
    std::fs::write(&file, "data").unwrap();
    assert!(matches!(Server::start(&file, None, service), Err(BindError::NotASocket { .. })));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "data");
}

#[test]
fn an_unknown_group_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tunerd.sock");
    let refused = Server::start(&path, Some("no-such-group"), Arc::new(Recording::default()));
    let message = refused.unwrap_err().to_string();
    assert!(message.contains("no-such-group") && message.contains("socket_group"), "{message}");
    assert!(!path.exists());
}

#[test]
fn nobody_listening_is_told_apart_from_no_answer() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tunerd.sock");
    let error = ask(&path, &Request::Status {}, PATIENCE).unwrap_err();
    assert!(matches!(error, AskError::NotRunning { .. }), "{error:?}");

    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let error = ask(&path, &Request::Status {}, Duration::from_millis(50)).unwrap_err();
    assert!(matches!(error, AskError::Timeout { .. }), "{error:?}");
    let answering = std::thread::spawn(move || {
        for _ in 0..2 {
            let (mut stream, _) = listener.accept().unwrap();
            // Only after the question: who asks of a closed socket is told so instead of answered.
            let mut question = String::new();
            BufReader::new(&stream).read_line(&mut question).ok();
            stream.write_all(b"{\"response\":\"later\"}\n").ok();
        }
    });
    let error = ask(&path, &Request::Status {}, PATIENCE).unwrap_err();
    assert!(matches!(&error, AskError::Garbled { found, .. } if found.contains("later")), "{error:?}");
    drop(UnixStream::connect(&path));
    answering.join().unwrap();
}
