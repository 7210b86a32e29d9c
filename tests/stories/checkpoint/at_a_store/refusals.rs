//! Refusals of a store, its settings and the user: each has its own sentence, and none ends with a panic.

use std::ffi::OsString;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use fm_tests::{Run, Store, fixture};
use rustix::process::{Pid, Signal, kill_process};
use s3s::S3ErrorCode;

fn peer() -> PathBuf {
    fixture("session-v0.5.0/peer-0")
}

fn export(url: &str) -> Vec<OsString> {
    vec!["export".into(), peer().into(), "--to".into(), url.into()]
}

/// Exports with some variables changed.
fn with(store: &Store, variables: &[(&str, &str)]) -> Run {
    let mut command = store.command(store.address(), &export("s3://archives/a.fmar"));
    let output = command.envs(variables.iter().copied()).output().expect("the program can be started");
    Run::from_output(format!("{variables:?}"), output)
}

/// Refusals that used to end the process with a panic, or that a library would have misnamed.
#[test]
fn everything_from_the_environment_is_checked_first() {
    let store = Store::new();
    let address = store.address().to_string();
    for (name, value, said) in [
        ("AWS_ENDPOINT_URL", address.as_str(), "AWS_ENDPOINT_URL is not an address"),
        ("AWS_ENDPOINT_URL", "localhost:9000", "AWS_ENDPOINT_URL is not an address"),
        ("AWS_ENDPOINT_URL", "http://[::1", "AWS_ENDPOINT_URL is not an address"),
        ("AWS_ENDPOINT_URL", "http://user:w0rd@localhost", "credentials have variables of their own"),
        ("AWS_ENDPOINT_URL_S3", " ", "AWS_ENDPOINT_URL_S3 begins or ends with a blank"),
        ("AWS_ACCESS_KEY_ID", "night-job\n", "AWS_ACCESS_KEY_ID holds a line feed"),
        ("AWS_SECRET_ACCESS_KEY", "not-the\nsecret", "AWS_SECRET_ACCESS_KEY holds a line feed"),
        ("AWS_SESSION_TOKEN", "a\r\nb", "AWS_SESSION_TOKEN holds a line feed"),
        ("AWS_SESSION_TOKEN", "tökën", "AWS_SESSION_TOKEN holds a character that is not ASCII"),
        ("AWS_REGION", "eu-central-1\n", "AWS_REGION holds a line feed"),
        ("AWS_REGION", "Frankfurt am Main", "AWS_REGION is not a region"),
        ("AWS_ALLOW_HTTP", "false", "AWS_ALLOW_HTTP=true allows it"),
        ("FM_S3_RETRY_SECONDS", "3m", "FM_S3_RETRY_SECONDS is not a number of seconds"),
    ] {
        let run = with(&store, &[(name, value)]).exits(2);
        assert!(run.stderr.contains(said), "{name}={value:?}: {}", run.stderr);
        assert!(!run.stderr.contains("invalid value"), "the address is right: {}", run.stderr);
        assert!(!run.stderr.contains("not-the") && !run.stderr.contains("w0rd"), "{}", run.stderr);
    }
    // An empty variable has no effect, so the address is that of the region, which this machine may not
    // reach.
    let empty = with(&store, &[("AWS_ENDPOINT_URL", ""), ("FM_S3_RETRY_SECONDS", "1")]);
    assert!(empty.exit == 3 && !empty.stderr.contains("panicked"), "{}: {}", empty.exit, empty.stderr);
    assert_eq!(store.files(), Vec::<String>::new());
}

#[test]
fn profiles_that_others_fetch_credentials_for_are_told() {
    let store = Store::new();
    let config = store.path("config");
    for (line, by) in [
        ("role_arn = arn:aws:iam::1:role/a\nsource_profile = b", "a role (role_arn)"),
        ("sso_session = mine", "a single sign-on (sso_session)"),
    ] {
        fs::write(&config, format!("[profile night]\n{line}\n")).unwrap();
        let mut command = store.command(store.address(), &export("s3://archives/a.fmar"));
        command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
        command.env("AWS_PROFILE", "night").env("AWS_CONFIG_FILE", &config);
        let run = Run::from_output(by.to_owned(), command.output().expect("it starts")).exits(2);
        assert!(run.stderr.contains(by) && run.stderr.contains("export-credentials"), "{}", run.stderr);
    }
}

#[test]
fn every_refusal_of_a_store_has_its_own_sentence() {
    let store = Store::new();
    for (code, said, hint) in [
        (S3ErrorCode::RequestTimeTooSkewed, "set the clock (RequestTimeTooSkewed)", "hint: `timedatectl`"),
        (
            S3ErrorCode::AuthorizationHeaderMalformed,
            "in another region than AWS_REGION says",
            "hint: set AWS_REGION",
        ),
        (S3ErrorCode::AccessDenied, "the right s3:GetObject (AccessDenied)", "lists the rights"),
        (S3ErrorCode::ExpiredToken, "their token has expired", "hint: get new credentials"),
        (S3ErrorCode::InvalidAccessKeyId, "it does not know the key", "hint: check AWS_ACCESS_KEY_ID"),
        (S3ErrorCode::SignatureDoesNotMatch, "the secret is not that", "hint: check AWS_ACCESS_KEY_ID"),
    ] {
        *store.manners().answers.lock().unwrap() = Some(code);
        for words in [export("s3://archives/a.fmar"), vec!["verify".into(), "s3://archives/a.fmar".into()]] {
            let run = store.run(&words).exits(3);
            assert!(run.sentence().contains(said), "{said}: {}", run.stderr);
            assert!(run.stderr.contains(hint), "{hint}: {}", run.stderr);
            assert!(!run.stderr.contains("as root"), "{}", run.stderr);
        }
    }
    *store.manners().answers.lock().unwrap() = None;
    store.manners().refuses_writing.store(true, Ordering::Relaxed);
    let run = store.run(&export("s3://archives/a.fmar")).exits(3);
    assert!(run.sentence().contains("the right s3:PutObject (AccessDenied)"), "{}", run.stderr);
    assert_eq!(store.files(), Vec::<String>::new());
}

#[test]
fn a_bucket_that_is_not_there_does_not_come_by_waiting() {
    let store = Store::new();
    *store.manners().answers.lock().unwrap() = Some(S3ErrorCode::NoSuchBucket);
    let run = store.run(&export("s3://archives/a.fmar")).exits(3);
    assert!(run.sentence().contains("there is no such bucket"), "{}", run.stderr);
    assert!(run.stderr.contains("hint: check the name of the bucket"), "{}", run.stderr);
}

/// A web server at the address answers everything with the same page.
#[test]
fn what_is_no_store_is_called_so() {
    const PAGE: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 26\r\nConnection: close\r\nETag: \"1\"\r\n\
                        Last-Modified: Sun, 29 Nov 2026 06:00:00 GMT\r\n\r\n<html>It works at all</html>";
    let web = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", web.local_addr().expect("it has an address"));
    thread::spawn(move || {
        for mut client in web.incoming().map_while(Result::ok) {
            let mut request = [0; 4096];
            let got = client.read(&mut request).unwrap_or(0);
            let is_head = request[..got].starts_with(b"HEAD");
            let page = if is_head { PAGE.split("<html>").next().unwrap_or_default() } else { PAGE };
            // The client may be gone.
            let _ = client.write_all(page.as_bytes());
        }
    });
    let store = Store::new();
    let run = with(&store, &[("AWS_ENDPOINT_URL", &url), ("FM_S3_RETRY_SECONDS", "1")]).exits(3);
    assert!(run.sentence().contains("no store that speaks S3"), "{}", run.stderr);
    assert!(run.stderr.contains("hint: check AWS_ENDPOINT_URL"), "{}", run.stderr);
}

/// The archive is whole and has its name: a file that could not be removed is reported, and is not a failure.
#[test]
fn without_the_right_to_remove_archives_are_written_all_the_same() {
    let store = Store::new();
    store.manners().refuses_removal.store(true, Ordering::Relaxed);
    let mut words = export("s3://archives/a.fmar");
    words.push("--json".into());
    let first = store.run(&words).exits(0).verdict();
    let left = first["left"].as_str().expect("what is left is said").to_owned();
    assert!(left.contains("a.fmar.partial") && left.contains("s3:DeleteObject"), "{left}");
    assert_eq!(store.run(&words).exits(0).verdict()["verdict"], "exists");
    let text = store.run(&export("s3://archives/b.fmar")).exits(0);
    assert!(text.stdout.contains("left       "), "{}", text.stdout);
    store.run(&["verify".into(), "s3://archives/a.fmar".into(), "--quick".into()]).exits(0);
    // With that right, the same command clears up.
    store.manners().refuses_removal.store(false, Ordering::Relaxed);
    store.run(&words).exits(0);
    assert!(!store.files().iter().any(|name| name.starts_with("archives/a.fmar.")), "{:?}", store.files());
}

/// Requests are repeated for a time, not a number of times.
#[test]
fn a_store_that_is_away_is_asked_for_as_long_as_is_said() {
    let nobody = TcpListener::bind("127.0.0.1:0").and_then(|port| port.local_addr()).expect("a free port");
    let store = Store::new();
    let url = format!("http://{nobody}");
    let began = Instant::now();
    let run = with(&store, &[("AWS_ENDPOINT_URL", &url), ("FM_S3_RETRY_SECONDS", "12")]).exits(3);
    let took = began.elapsed().as_secs();
    assert!(run.sentence().contains("the store cannot be reached"), "{}", run.stderr);
    assert!((12..24).contains(&took), "{took} s");
}

/// A store accepts connections and says nothing: a polite interruption ends the job at once.
#[test]
fn a_stop_is_heeded_while_a_store_is_silent() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = silent.local_addr().expect("it has an address");
    let held = thread::spawn(move || silent.incoming().take(1).collect::<Vec<_>>());
    let store = Store::new();
    let child = store.command(address, &export("s3://archives/a.fmar")).spawn().expect("it starts");
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).expect("a process id");
    let connected = held.join().expect("it asks the store");
    thread::sleep(Duration::from_secs(1));
    let began = Instant::now();
    kill_process(pid, Signal::TERM).expect("it runs");
    let run = Run::from_output("silent".to_owned(), child.wait_with_output().expect("it ends")).exits(130);
    assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
    assert!(run.sentence().contains("interrupted"), "{}", run.stderr);
    drop(connected);
}
