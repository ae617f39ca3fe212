//! storkit as a service: what it tells its manager, and the unit that makes it one.

use std::os::unix::net::UnixDatagram;

use storkit_core::stage::Stage;
use storkit_testkit::{CEILING, Daemon, TestProject, wait_for};

fn project() -> TestProject {
    TestProject::builder().story(Stage::Backlog, "1_story_a", "a\n").build()
}

#[test]
fn the_manager_is_told_of_readiness_life_and_end() {
    let project = project();
    let path = project.top().join("manager");
    let socket = UnixDatagram::bind(&path).expect("a socket");
    socket.set_read_timeout(Some(CEILING)).expect("a limit");
    let receive = || {
        let mut bytes = [0; 4096];
        let len = socket.recv(&mut bytes).expect("a message");
        String::from_utf8_lossy(&bytes[..len]).into_owned()
    };
    let path = path.to_str().expect("UTF-8").to_owned();
    let variables = [("NOTIFY_SOCKET", path.as_str()), ("WATCHDOG_USEC", "400000")];
    let daemon = Daemon::spawn_with(&project, &[], &variables);
    let ready = receive();
    assert!(ready.starts_with("READY=1\nSTATUS="), "{ready:?}");
    wait_for(CEILING, "the daemon to answer", || daemon.answers().then_some(()));
    // The first ones may come before the board was looked at.
    let mut beats = 0;
    while beats < 2 {
        let alive = receive();
        assert!(alive.starts_with("WATCHDOG=1\nSTATUS="), "{alive:?}");
        beats += u32::from(alive.contains("1 story, 0 at work"));
    }
    let stopper = std::thread::scope(|scope| {
        scope.spawn(|| daemon.stop());
        loop {
            let text = receive();
            if !text.starts_with("WATCHDOG=1") {
                return text;
            }
        }
    });
    assert!(stopper.starts_with("STOPPING=1"), "{stopper:?}");
}

#[test]
fn a_unit_is_written_known_and_never_taken_from_a_person() {
    let project = project();
    let refused = project.storkit(&["service", "install"]).expect_code(1);
    assert!(refused.stderr.contains("not trusted yet"), "{refused:?}");
    project.up().stop();
    let said = project.storkit(&["service", "install"]);
    assert!(said.code() == 0 && said.stderr.contains("systemctl --user enable --now storkit-"), "{said:?}");
    let folder = project.surroundings().home.join(".config/systemd/user");
    let unit =
        std::fs::read_dir(&folder).expect("a folder").next().expect("a unit").expect("an entry").path();
    let text = std::fs::read_to_string(&unit).expect("the unit");
    for line in ["Type=notify", "WatchdogSec=60", "KillMode=mixed", "Delegate=yes", "WantedBy=default.target"]
    {
        assert!(text.lines().any(|each| each == line), "{line}:\n{text}");
    }
    assert!(project.storkit(&["service", "status"]).ok().contains("installed"));
    let mut verify = project.surroundings().command("systemd-analyze");
    verify.args(["--user", "verify"]).arg(&unit).env("XDG_RUNTIME_DIR", project.top());
    match verify.output() {
        Ok(output) => assert!(output.status.success(), "{output:?}"),
        Err(_) => eprintln!("skipped: `systemd-analyze` is not here"),
    }
    project.storkit(&["service", "install"]).ok();
    std::fs::write(&unit, text.replace("WatchdogSec=60", "WatchdogSec=90")).expect("changed");
    for args in [&["service", "install"][..], &["service", "uninstall"]] {
        let refused = project.storkit(args).expect_code(1);
        assert!(refused.stderr.contains("changed by hand"), "{refused:?}");
    }
    project.storkit(&["service", "install", "--force"]).ok();
    assert_eq!(std::fs::read_to_string(&unit).expect("the unit"), text);
    project.storkit(&["service", "uninstall"]).ok();
    assert!(!unit.exists());
    assert!(project.storkit(&["service", "status"]).ok().contains("absent"));
}
