//! The Debian package: its content, and a real installation, update, removal and purge in a copy of this machine's root.

use std::{fs, path::Path, process::Command};

use crate::{
    UNITS,
    packages::{directory, run},
    require,
};

/// Makes the package of the built program, without its symbols, in `directory`.
fn built(directory_of_package: &Path) -> String {
    require("dpkg-deb", "dpkg");
    let program = directory_of_package.join("daymark");
    fs::copy(env!("CARGO_BIN_EXE_daymark"), &program).unwrap();
    run(Command::new("strip").arg(&program));
    let mut build = Command::new(directory("packaging/debian/build"));
    run(build.arg(&program).arg(directory_of_package)).trim().to_owned()
}

fn assert_has_the_program_the_units_and_a_user(package: &str) {
    let home = tempfile::tempdir().unwrap();
    assert!(package.contains(concat!("daymark_", env!("CARGO_PKG_VERSION"), "_")), "{package}");
    let contents = run(Command::new("dpkg-deb").args(["--contents", package]));
    let mode_of = |path: &str| {
        let line = contents.lines().find(|line| line.ends_with(path));
        line.unwrap_or_else(|| panic!("{path} is missing: {contents}")).split(' ').next().unwrap().to_owned()
    };
    assert_eq!(mode_of("./usr/bin/daymark"), "-rwxr-xr-x");
    assert_eq!(mode_of("./etc/daymark/environment"), "-rw-------");
    for unit in UNITS {
        assert_eq!(mode_of(&format!("./lib/systemd/system/{unit}")), "-rw-r--r--");
    }
    let control = home.path().join("control");
    run(Command::new("dpkg-deb").args(["--control", package]).arg(&control));
    for script in ["postinst", "prerm", "postrm"] {
        run(Command::new("sh").arg("-n").arg(control.join(script)));
    }
    assert!(fs::read_to_string(control.join("postinst")).unwrap().contains("adduser"));
    assert_eq!(fs::read_to_string(control.join("conffiles")).unwrap(), "/etc/daymark/environment\n");
}

/// Runs in a root directory of its own, in which changes to the machine's files are seen by nothing else and are lost at the end.
const IN_A_COPY: &str = r#"
mount -t tmpfs tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
cp "$2" "$1/upper/daymark.deb"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
mount --rbind /dev "$1/root/dev"
exec chroot "$1/root" sh -euc "$3"
"#;

/// What an administrator does, and what is there afterwards.
const LIFE_OF_THE_PACKAGE: &str = r#"
as_user() { setpriv --reuid daymark --regid daymark --clear-groups env --chdir /var/lib/daymark "$@"; }
exec 2>&1
dpkg --install /daymark.deb >/dev/null
[ "$(stat --format '%U:%G %a' /var/lib/daymark)" = 'daymark:daymark 750' ]
[ "$(stat --format '%U:%G %a' /etc/daymark/environment)" = 'root:root 600' ]
as_user daymark migrate
[ "$(stat --format '%U %a' /var/lib/daymark/daymark.db)" = 'daymark 600' ]
echo 'DAYMARK_STORE_URL=sqlite:/var/lib/daymark/daymark.db' >>/etc/daymark/environment
echo 'the same version again, as an update'
dpkg --install /daymark.deb >/dev/null
grep -q '^DAYMARK_STORE_URL=' /etc/daymark/environment
as_user daymark migrate
echo 'removed'
dpkg --remove daymark >/dev/null
[ ! -e /usr/bin/daymark ] && [ ! -e /lib/systemd/system/daymark.service ]
grep -q '^DAYMARK_STORE_URL=' /etc/daymark/environment
[ -s /var/lib/daymark/daymark.db ]
dpkg --purge daymark | tail -n 1
[ ! -e /etc/daymark ] && [ -s /var/lib/daymark/daymark.db ]
"#;

/// Where a process may not make a root of its own, `DAYMARK_TEST_WITHOUT_OVERLAY=1` leaves out the installation.
#[test]
fn the_package_is_installed_updated_removed_and_purged_and_the_record_stays() {
    let home = tempfile::tempdir().unwrap();
    let package = built(home.path());
    assert_has_the_program_the_units_and_a_user(&package);
    let root = home.path().join("root");
    fs::create_dir(&root).unwrap();
    let mut installation = Command::new("unshare");
    installation.args(["--mount", "--propagation", "private", "sh", "-euc"]);
    if std::env::var("DAYMARK_TEST_WITHOUT_OVERLAY").is_ok_and(|value| value == "1") {
        return;
    }
    assert!(
        installation_is_possible(),
        "this user may not mount an overlay in a namespace of its own: run the test as root, or leave out the installation with \
         DAYMARK_TEST_WITHOUT_OVERLAY=1"
    );
    for (program, package) in [("adduser", "adduser"), ("setpriv", "util-linux")] {
        require(program, package);
    }
    installation.args([IN_A_COPY, "sh"]).arg(&root).arg(&package).arg(LIFE_OF_THE_PACKAGE);
    let said = run(&mut installation);
    assert!(said.contains("the same version again, as an update"), "{said}");
    assert!(said.contains("is kept; remove it by hand"), "{said}");
    assert!(!Path::new("/var/lib/daymark/daymark.db").exists(), "the machine itself was not touched");
}

fn installation_is_possible() -> bool {
    let mount = "mount -t tmpfs tmpfs /mnt && mkdir /mnt/u /mnt/w /mnt/r && \
        mount -t overlay overlay -o lowerdir=/,upperdir=/mnt/u,workdir=/mnt/w /mnt/r";
    let tried =
        Command::new("unshare").args(["--mount", "--propagation", "private", "sh", "-ec", mount]).output();
    tried.is_ok_and(|tried| tried.status.success())
}
