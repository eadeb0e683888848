use std::{
    collections::BTreeMap,
    sync::mpsc::{self, Receiver, Sender},
};

use super::*;

/// Nothing comes so late.
const DEADLINE: Duration = Duration::from_secs(60);
/// Longer than any test.
const NEVER: Duration = Duration::from_secs(3600);

/// Tells of each write.
struct Watched(Sender<String>);

impl io::Write for Watched {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.send(String::from_utf8(bytes.to_vec()).unwrap()).unwrap();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn watched(capacity: usize, delay: Duration) -> (LogLines<Watched>, Receiver<String>) {
    let (sender, receiver) = mpsc::channel();
    (LogLines::start(Watched(sender), capacity, delay), receiver)
}

fn now(writes: &Receiver<String>) -> Vec<String> {
    writes.try_iter().collect()
}

#[test]
fn warnings_and_errors_take_along_what_waits() {
    let (lines, writes) = watched(CAPACITY, NEVER);
    let subscriber = tracing_subscriber::fmt()
        .with_writer(lines.clone())
        .with_max_level(Level::TRACE)
        .without_time()
        .with_level(false)
        .with_target(false)
        .with_ansi(false)
        .finish();
    tracing::subscriber::with_default(subscriber, || {
        tracing::info!("1");
        tracing::debug!("2");
        assert_eq!(now(&writes), [""; 0]);
        tracing::warn!("3");
        assert_eq!(now(&writes), ["1\n2\n3\n"]);
        tracing::trace!("4");
        tracing::error!("5");
        assert_eq!(now(&writes), ["4\n5\n"]);
        tracing::info!("6");
        lines.write_now(b"7\n");
        tracing::info!("8");
    });
    assert_eq!(now(&writes), ["6\n7\n"]);
    lines.end();
    assert_eq!(now(&writes), ["8\n"]);
    lines.add(b"9\n", false);
    assert_eq!(now(&writes), ["9\n"], "nobody else would write it any more");
}

#[test]
fn the_last_line_needs_no_other_to_be_written() {
    let (lines, writes) = watched(CAPACITY, DELAY);
    for line in ["first\n", "second\n", "last\n"] {
        lines.add(line.as_bytes(), false);
        assert_eq!(writes.recv_timeout(DEADLINE).unwrap(), line);
    }
}

#[test]
fn what_finds_no_room_is_written_by_who_has_it() {
    let (lines, writes) = watched(100, NEVER);
    let long = "x".repeat(1000);
    let all: Vec<_> = (0..50).map(|number| format!("{number} {}\n", &long[..number * 20])).collect();
    for line in &all {
        lines.add(line.as_bytes(), false);
        assert!(lock(&lines.0.waiting).lines.len() <= line.len().max(100));
    }
    let written = now(&writes).concat();
    assert!(written.len() + all[49].len() >= all.concat().len(), "{written}");
    lines.end();
    assert_eq!(written + &now(&writes).concat(), all.concat());
}

#[test]
fn lines_of_many_threads_are_whole_in_order_and_there_once() {
    let (lines, writes) = watched(1000, Duration::from_millis(1));
    thread::scope(|scope| {
        for name in 0..8 {
            let lines = &lines;
            scope.spawn(move || {
                for number in 0..5000 {
                    let line = format!("{name} {number} {}\n", "x".repeat(number % 50));
                    lines.add(line.as_bytes(), number % 100 == 0);
                }
            });
        }
    });
    lines.end();
    let mut next = BTreeMap::new();
    for line in now(&writes).concat().lines() {
        let [name, number, rest] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("torn: {line:?}") };
        let (number, expected) = (number.parse::<usize>().unwrap(), next.entry(name.to_owned()).or_insert(0));
        assert_eq!((number, rest.len()), (*expected, number % 50), "of {name}");
        *expected += 1;
    }
    assert_eq!(next.into_values().collect::<Vec<_>>(), [5000; 8]);
}

#[test]
fn a_pipe_takes_each_piece_whole() {
    let (lines, writes) = watched(CAPACITY, NEVER);
    let all: Vec<_> = (0..1000).map(|number| format!("line {number}\n")).collect();
    let longer = format!("{}\n", "x".repeat(2 * PIECE));
    let all = all.concat() + &longer + "after\n";
    lines.add(all.as_bytes(), true);
    let written = now(&writes);
    assert_eq!(written.concat(), all);
    assert!(written.iter().all(|piece| piece.ends_with('\n') && (piece.len() <= PIECE || *piece == longer)));
    // Of about 9,900 bytes of lines, the longer one, and what is after it.
    assert_eq!(written.len(), 3 + 2, "{written:?}");
}

/// Tells of each write and waits until it may go on.
struct Held(Sender<()>, Receiver<()>, Sender<String>);

impl io::Write for Held {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.send(()).unwrap();
        self.1.recv_timeout(DEADLINE).unwrap();
        self.2.send(String::from_utf8(bytes.to_vec()).unwrap()).unwrap();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn nobody_waits_for_a_write_while_there_is_room() {
    let ((entered, has_entered), (go_on, may_go_on)) = (mpsc::channel(), mpsc::channel());
    let (sender, writes) = mpsc::channel();
    let lines = LogLines::start(Held(entered, may_go_on, sender), CAPACITY, DELAY);
    lines.add(b"1\n", false);
    has_entered.recv_timeout(DEADLINE).unwrap();
    lines.add(b"2\n", false);
    lines.add(b"3\n", false);
    assert_eq!(now(&writes), [""; 0]);
    for expected in ["1\n", "2\n3\n"] {
        go_on.send(()).unwrap();
        assert_eq!(writes.recv_timeout(DEADLINE).unwrap(), expected);
    }
}

/// Fails with each write that holds a `!`.
struct Failing(Sender<String>);

impl io::Write for Failing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match bytes.contains(&b'!') {
            true => Err(io::ErrorKind::StorageFull.into()),
            false => Watched(self.0.clone()).write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_log_that_cannot_be_written_stops_nobody() {
    let (sender, writes) = mpsc::channel();
    let lines = LogLines::start(Failing(sender), 10, DELAY);
    for number in 0..100 {
        lines.add(format!("{number}!\n").as_bytes(), number % 10 == 0);
    }
    lines.flush();
    lines.add(b"again\n", false);
    assert_eq!(writes.recv_timeout(DEADLINE).unwrap(), "again\n");
    lines.end();
}
