//! The files that make storkit a service of this user: a systemd unit, on macOS a launchd agent. Text only.

use std::fmt::Write as _;

/// What a service is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Service {
    /// The program, absolute.
    pub(super) exe: String,
    /// The main checkout, absolute.
    pub(super) root: String,
    /// `PATH`, by which agents and gates are found.
    pub(super) path: String,
}

/// The comment line by which a file is known that nobody has changed.
const MARK: &str = "storkit-service-sum";

impl Service {
    /// The name: the folder's, and what tells two folders of one name apart.
    pub(super) fn name(&self) -> String {
        let folder = self.root.rsplit('/').next().unwrap_or_default();
        let kept = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
        let folder: String = folder.chars().map(kept).take(40).collect();
        format!("storkit-{}-{:08x}", folder.trim_matches('-'), sum(&self.root) >> 32)
    }

    /// The systemd unit.
    pub(super) fn unit(&self) -> String {
        let (exe, root, path) =
            (quoted(&self.exe, true), quoted(&self.root, true), quoted(&self.path, false));
        let plain_root = self.root.replace('%', "%%").replace('\n', " ");
        marked(
            &format!(
                "[Unit]\n\
             Description=storkit for {plain_root}\n\
             \n\
             [Service]\n\
             Type=notify\n\
             NotifyAccess=main\n\
             ExecStart={exe} -C {root} up --session\n\
             Environment=\"PATH={path_text}\"\n\
             WatchdogSec=60\n\
             Restart=on-failure\n\
             RestartSec=2\n\
             TimeoutStopSec=30\n\
             KillMode=mixed\n\
             Delegate=yes\n\
             \n\
             [Install]\n\
             WantedBy=default.target\n",
                path_text = path.trim_matches('"'),
            ),
            "#",
            "",
        )
    }

    /// The launchd agent.
    pub(super) fn agent(&self) -> String {
        let string = |text: &str| format!("<string>{}</string>", escaped(text));
        let args: String = [self.exe.as_str(), "-C", &self.root, "up", "--session"].iter().fold(
            String::new(),
            |mut all, arg| {
                let _ = write!(all, "\n    {}", string(arg));
                all
            },
        );
        let log = string(&format!("{}/.storkit/run/daemon.log", self.root));
        marked(
            &format!(
                "<plist version=\"1.0\">\n<dict>\n  <key>Label</key>{}\n  <key>ProgramArguments</key>\n  <array>{args}\n  </array>\n  \
             <key>EnvironmentVariables</key><dict><key>PATH</key>{}</dict>\n  <key>RunAtLoad</key><true/>\n  \
             <key>KeepAlive</key><dict><key>SuccessfulExit</key><false/></dict>\n  <key>StandardErrorPath</key>{log}\n</dict>\n</plist>\n",
                string(&self.name()),
                string(&self.path),
            ),
            "<!--",
            " -->",
        )
    }
}

/// Whether a file is as storkit wrote it, in this version or an earlier one.
pub(super) fn is_unchanged(text: &str) -> bool {
    let Some((first, rest)) = text.split_once('\n') else { return false };
    first.split_whitespace().any(|word| word == format!("{MARK}={:016x}", sum(rest)))
}

/// The text below a first line that holds its sum.
fn marked(text: &str, open: &str, close: &str) -> String {
    format!(
        "{open} Written by storkit service install; a changed file is left alone. {MARK}={:016x}{close}\n{text}",
        sum(text)
    )
}

/// A word of systemd's: quoted, without its specifiers, and in a command without its variables.
fn quoted(text: &str, in_command: bool) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '%' => out.push_str("%%"),
            '$' if in_command => out.push_str("$$"),
            '\n' => out.push_str("\\n"),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Text of XML.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// FNV-1a: the same in every version, and no secret.
fn sum(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(root: &str) -> Service {
        Service { exe: "/opt/storkit".to_owned(), root: root.to_owned(), path: "/usr/bin:/bin".to_owned() }
    }

    #[test]
    fn the_unit_is_as_systemd_wants_it() {
        insta::assert_snapshot!(service("/home/a/My Project").unit(), @r#"
        # Written by storkit service install; a changed file is left alone. storkit-service-sum=fee58a658aa92032
        [Unit]
        Description=storkit for /home/a/My Project

        [Service]
        Type=notify
        NotifyAccess=main
        ExecStart="/opt/storkit" -C "/home/a/My Project" up --session
        Environment="PATH=/usr/bin:/bin"
        WatchdogSec=60
        Restart=on-failure
        RestartSec=2
        TimeoutStopSec=30
        KillMode=mixed
        Delegate=yes

        [Install]
        WantedBy=default.target
        "#);
    }

    #[test]
    fn names_are_data() {
        let unit = service("/a/50% \"$HOME\"\nExecStartPre=evil").unit();
        assert!(
            unit.contains(r#"ExecStart="/opt/storkit" -C "/a/50%% \"$$HOME\"\nExecStartPre=evil" up"#),
            "{unit}"
        );
        assert!(!unit.contains("\nExecStartPre"), "{unit}");
        let agent = service("/a/<&>").agent();
        assert!(agent.contains("<string>/a/&lt;&amp;&gt;</string>"), "{agent}");
        let name = service("/a/Ünï cöde").name();
        assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'), "{name}");
        assert_ne!(service("/a/x").name(), service("/b/x").name());
    }

    #[test]
    fn a_changed_file_is_known() {
        for text in [service("/a").unit(), service("/a").agent()] {
            assert!(is_unchanged(&text));
            assert!(!is_unchanged(&text.replace("PATH", "PFAD")));
        }
        assert!(!is_unchanged("") && !is_unchanged("[Unit]\n"));
    }
}
